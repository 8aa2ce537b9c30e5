"""`labelctl export`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.output import Column, Table
from labelctl.cli.session import Session
from labelctl.errors import NotFoundError, UsageError
from labelctl.text import counted, volume

if TYPE_CHECKING:
    from labelctl.labels.export_formats import Writer

_FORMATS = ("csv", "jsonl", "parquet")


def _known(value: str | None) -> str | None:
    if value is not None and value not in _FORMATS:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(_FORMATS)}.")
    return value


@dataclass
class _Count:
    labels: int = 0
    photos: int = 0
    read: int = 0

    def __str__(self) -> str:
        return f"{counted(self.labels, 'label')} of {counted(self.photos, 'photo')}"


def export(
    context: typer.Context,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            callback=_known,
            metavar="|".join(_FORMATS),
            help="Default: as FILE's name tells; else csv.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="Where to write; else, or as -, to stdout.",
            show_default=False,
        ),
    ] = None,
    prefix: Prefix = "",
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=100, metavar="PERCENT", help="Only labels of this confidence on."),
    ] = 0,
) -> None:
    """Write all labels into a table for other programs.

    One line or row for each label of each photo, those of a photo together, photos in no order;
    photos without labels are left out. FILE is there when it is whole, and not before.
    """
    from labelctl.atomic_file import atomic_write
    from labelctl.labels import export_formats

    check_prefix(prefix)
    path = None if file == Path("-") else file
    session = Session.of(context)
    view = session.view
    name = _format(form, path, view.mode)
    export_formats.check(name, path)
    count = _Count()
    try:
        if path is None:
            with export_formats.writer(name, view) as writer:
                _write(session, writer, count, prefix, min_confidence)
            view.note(_nothing(session, count, prefix, min_confidence) or f"{count}.")
        else:
            with atomic_write(path) as target:
                with export_formats.writer(name, target.stream) as writer:
                    _write(session, writer, count, prefix, min_confidence)
                if prefix and not count.read:  # a typing error must not empty a file
                    raise NotFoundError(
                        f'There is no photo whose key begins with "{prefix}".',
                        f'Nothing was written to "{path}".',
                    )
            _tell(session, path, name, count)
            if nothing := _nothing(session, count, prefix, min_confidence):
                view.warn(f'"{path}" has no labels in it now. {nothing}')
    except KeyboardInterrupt:
        view.note("Interrupted." + (f' Nothing was written to "{path}".' if path else ""))
        raise
    if session.options.verbose:
        view.note(f"Read: {session.reader.spent}.")


def _format(form: str | None, path: Path | None, mode: str) -> str:
    """The format that is meant. Raises UsageError where it cannot be told, or not be written so."""
    from labelctl.labels import export_formats

    if path is None and form == "parquet":
        raise UsageError("Parquet goes into a file.", "Name one: -o labels.parquet")
    if path is None:
        return form or ("jsonl" if mode == "json" else "csv")
    if found := form or export_formats.format_of(path):
        return found
    export_formats.check("", path)  # a folder has no format, either
    raise UsageError(
        f'The name "{path}" tells no format.',
        f"Add --format {', '.join(_FORMATS[:-1])} or parquet.",
    )


def _write(
    session: Session,
    writer: Writer,
    count: _Count,
    prefix: str,
    min_confidence: float,
) -> None:
    """Write all records, and count."""
    parts, total = _parts(session, prefix, min_confidence)
    with session.view.meter("Exporting") as meter, closing(parts):
        for part in parts:
            writer.write(part.records)
            count.read += part.photos
            count.labels += len(part.records)
            count.photos += len({record.image for record in part.records})
            # What is counted for the total is some hours old.
            meter.update(count.read, total=max(total, count.read) if total else None)


def _parts(session: Session, prefix: str, min_confidence: float) -> tuple[Any, int | None]:
    """The records, and how many photos there are to read, if anybody knows."""
    from labelctl.labels import export as core

    aws, stack, reader = session.aws, session.stack, session.reader
    if prefix:
        return core.under(reader, aws.s3, stack.bucket, prefix, min_confidence), None
    return core.everything(reader, min_confidence), core.size(aws.dynamodb, stack.table)


def _nothing(session: Session, count: _Count, prefix: str, min_confidence: float) -> str:
    """Why there is nothing, if there is nothing."""
    if count.labels:
        return ""
    if prefix and not count.read:
        return f'There is no photo whose key begins with "{prefix}".'
    where = f' of a photo whose key begins with "{prefix}"' if prefix else ""
    if min_confidence and count.read:
        return f"No label{where} is as sure as {min_confidence:g} %."
    if prefix:
        return f'No photo whose key begins with "{prefix}" has a label.'
    return f"No photo has a label yet. Next: {session.command('upload PATH')}"


def _tell(session: Session, path: Path, name: str, count: _Count) -> None:
    """What was written: a line in a pipe, a sentence for people."""
    view, length = session.view, path.stat().st_size
    value = {
        "file": str(path),
        "format": name,
        "labels": count.labels,
        "photos": count.photos,
        "bytes": length,
    }
    row = [str(each) for each in value.values()]
    view.show(value, Table((Column(""),), [row] if view.mode == "plain" else []))
    if view.mode == "table" and count.labels:
        view.note(f'{count} in "{path}" ({volume(length)}).')
