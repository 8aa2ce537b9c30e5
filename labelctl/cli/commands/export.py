"""`labelctl export`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._prefix import note_similar_prefix, similar_prefix
from labelctl.cli.options import Prefix, check_prefix, no_keys
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Column, Table, number
from labelctl.cli.values import choice_option, percent_option
from labelctl.errors import Command, NotFoundError, UsageError
from labelctl.text import counted, volume

if TYPE_CHECKING:
    from labelctl.labels.export_formats import Writer

COLUMNS = tuple(map(Column, ("File", "Format", "Labels", "Photos", "Bytes")))
_FORMATS = ("csv", "jsonl", "parquet")


@dataclass
class _Count:
    """Labels written, photos written, and photos read (with and without labels)."""

    labels: int = 0
    photos: int = 0
    read: int = 0

    def __str__(self) -> str:
        return f"{counted(self.labels, 'label')} of {counted(self.photos, 'photo')}"


def export(
    context: typer.Context,
    form: Annotated[
        str | None,
        choice_option(
            _FORMATS,
            "--format",
            help="Output format. [default: by the extension of FILE, else csv]",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="Output file. [default: stdout (-)]",
            show_default=False,
        ),
    ] = None,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Write CSV for spreadsheet programs: marked as UTF-8, with ' before cells that they"
            " would run as formulas.",
        ),
    ] = False,
    prefix: Prefix = "",
    min_confidence: Annotated[
        float,
        percent_option("Export labels with at least this confidence."),
    ] = 0,
) -> None:
    """Export all labels as CSV, JSON Lines or Parquet.

    Each row is one label of one photo. The labels of a photo are together; photos are in no
    particular order. Photos without labels are omitted. FILE is written atomically.
    """
    from labelctl.atomic_file import atomic_write
    from labelctl.labels import export_formats

    check_prefix(prefix)
    path = None if file == Path("-") else file
    session = Session.of(context)
    view = session.view
    name = _format(form, path, "csv" if excel else view.mode)
    if excel and name != "csv":
        raise UsageError(
            f"--excel writes CSV, not {name}.", "Name a .csv file, or leave out --excel."
        )
    export_formats.check(name, path)
    count = _Count()
    try:
        if path is None:
            with export_formats.writer(name, view, excel=excel) as writer:
                _write(session, writer, count, prefix, min_confidence)
            view.note(*(_empty_reason(count, prefix, min_confidence) or [f"{count}."]))
            if not count.read:
                note_similar_prefix(session, prefix)
        else:
            with atomic_write(path) as target:
                with export_formats.writer(name, target.stream, excel=excel) as writer:
                    _write(session, writer, count, prefix, min_confidence)
                if prefix and not count.read:  # a typo must not empty a file
                    question = similar_prefix(session, prefix)
                    hint = f'Nothing was written to "{path}". {question}'.rstrip()
                    raise NotFoundError(no_keys(prefix), hint)
            _print_result(session, path, name, count)
            if reason := _empty_reason(count, prefix, min_confidence):
                view.warn(f'"{path}" contains no labels.', *reason)
    except KeyboardInterrupt:
        view.note("Interrupted." + (f' Nothing was written to "{path}".' if path else ""))
        raise
    if session.options.verbose:
        view.note(f"Read: {session.reader.spent}.")


def _format(form: str | None, path: Path | None, mode: str) -> str:
    """The format to write. Raises UsageError if it is unknown, or impossible for this output."""
    from labelctl.labels import export_formats

    if path is None and form == "parquet":
        raise UsageError("Parquet can only be written to a file.", "Add -o labels.parquet")
    if path is None:
        return form or ("jsonl" if mode == "json" else "csv")
    if found := form or export_formats.format_of(path):
        return found
    export_formats.check("", path)  # has a better message if the path is a folder
    raise UsageError(
        f'Cannot tell the format from "{path}".',
        f"Add --format {', '.join(_FORMATS[:-1])} or parquet.",
    )


def _write(
    session: Session,
    writer: Writer,
    count: _Count,
    prefix: str,
    min_confidence: float,
) -> None:
    """Write all records and update `count`."""
    parts, total = _parts(session, prefix, min_confidence)
    with session.view.meter("Exporting") as meter, closing(parts):
        for part in parts:
            writer.write(part.records)
            count.read += part.photos
            count.labels += len(part.records)
            count.photos += part.labelled
            # DynamoDB updates its count about every six hours.
            meter.update(count.read, total=max(total, count.read) if total else None)


def _parts(session: Session, prefix: str, min_confidence: float) -> tuple[Any, int | None]:
    """The records, and about how many photos will be read, if known."""
    from labelctl.labels import export as core

    aws, stack, reader = session.aws, session.stack, session.reader
    if prefix:
        return core.labels_under_prefix(reader, aws.s3, stack.bucket, prefix, min_confidence), None
    return core.all_labels(reader, min_confidence), core.photo_count_estimate(
        aws.dynamodb, stack.table
    )


def _empty_reason(count: _Count, prefix: str, min_confidence: float) -> tuple[str | Command, ...]:
    """Why no labels were found; empty if there are some."""
    if count.labels:
        return ()
    if prefix and not count.read:
        return (no_keys(prefix),)
    where = f' under "{prefix}"' if prefix else ""
    if min_confidence and count.read:
        return (f"No label{where} has at least {min_confidence:g} % confidence.",)
    if prefix:
        return (f"No photo{where} has a label.",)
    return ("No photo has a label yet. Next: ", Command("upload", "PATH"))


def _print_result(session: Session, path: Path, name: str, count: _Count) -> None:
    """Print what was written: one line in a pipe, a sentence for people."""
    view, length = session.view, path.stat().st_size
    value = {
        "file": str(path),
        "format": name,
        "labels": count.labels,
        "photos": count.photos,
        "bytes": length,
    }
    row: list[AnyCell] = [
        str(path),
        name,
        number(count.labels),
        number(count.photos),
        number(length),
    ]
    view.show(value, Table(COLUMNS, [row] if view.mode == "plain" else []))
    if view.mode == "table" and count.labels:
        view.note(f'{count} in "{path}" ({volume(length)}).')
