"""`labelctl upload`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import Patience, Wait
from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.errors import NotFoundError, PhotosFailedError, UsageError
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.labels.results import Photo
    from labelctl.photos import versions
    from labelctl.photos.upload import Result

_STYLES = {
    "uploaded": "green",
    "replaced": "yellow",
    "unchanged": "dim",
    "refused": "red",
    "failed": "red",
}


def upload(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Photos, and folders of them.")
    ],
    prefix: Annotated[
        str, typer.Option(help="Put before each key, such as holiday/.", metavar="TEXT")
    ] = "",
    wait: Wait = False,
    timeout: Patience = 600,
) -> None:
    """Upload photos, to be labelled. Unchanged ones are not sent again.

    A photo's key is its name, or in a folder its way within the folder: a/1.jpg is 1.jpg after
    `upload a`, and a/1.jpg after `upload a --prefix a/`. A photo replaces another with its key.
    """
    send(Session.of(context), paths, prefix, wait=wait, timeout=timeout)


def send(
    session: Session,
    paths: list[Path],
    prefix: str,
    *,
    wait: bool,
    timeout: float = 600,
    show: Callable[[Photo], None] | None = None,
    not_sent: list[dict[str, Any]] | None = None,
) -> None:
    """The command itself. With `wait`, `show` takes each photo that is done instead of printing it.

    `not_sent` collects the files that were refused, as JSON has them.
    """
    from labelctl.photos import upload as core
    from labelctl.photos import versions

    view = session.view
    if prefix.startswith("/"):
        raise UsageError(f'--prefix "{prefix}" begins with a slash.', "Keys do not; leave it out.")
    if not any(map(core.is_there, paths)):
        names = ", ".join(f'"{path}"' for path in paths)
        raise NotFoundError(
            f"There is no file or folder {names}.",
            "Paths are taken from the folder you are in." if not paths[0].is_absolute() else "",
        )
    stack, s3 = session.stack, session.aws.s3
    sent: list[versions.Awaited] = []
    tally = dict.fromkeys(_STYLES, 0)
    not_sent = [] if not_sent is None else not_sent
    try:
        with view.meter("Uploading") as meter:
            for result in core.upload(s3, stack.bucket, core.find(paths, prefix)):
                tally[result.outcome] += 1
                _tell(session, result, wait)
                if wait and result.ok:
                    sent.append(versions.Awaited(result.key, result.version_id, result.etag))
                if view.mode == "json" and wait and not result.ok:
                    not_sent.append(_json(result))
                meter.update(sum(tally.values()), words=result.key)
    except KeyboardInterrupt:
        view.note("Interrupted. The same command goes on with the rest.")
        raise
    every = sum(tally.values())
    if not every:
        raise NotFoundError(
            f"There are no photos in {', '.join(map(str, paths))}.",
            "Photos are JPEG or PNG files, whatever their names; folders are searched to the bottom.",
        )
    _summary(session, tally)
    if wait:
        from labelctl.cli.commands._wait import awaited

        tally["failed"] += awaited(session, sent, timeout, {"not_sent": not_sent}, show)
    elif tally["uploaded"] or tally["replaced"]:
        view.note(f"Next: {session.command('status')}, or the same upload with --wait.")
    bad = tally["refused"] + tally["failed"]
    if bad:
        raise PhotosFailedError(
            f"{bad:,} of {counted(every, 'photo')} could not be {'labelled' if wait else 'uploaded'}.",
            "The reasons are above" + ("; the others are done." if bad < every else "."),
        )


def _tell(session: Session, result: Result, wait: bool) -> None:
    """A line for each file. With --wait the result is the labels, so this goes along the way."""
    view = session.view
    name = result.key if result.ok else str(result.path)
    cells: list[str | Cell] = [result.outcome, name]
    if result.reason:
        cells.append(result.reason)
    if view.mode == "table":
        style = _STYLES[result.outcome]
        cells = [Cell(f"{result.outcome:<9}", style), f"{printable(name):<24}"]
        cells.append(Cell(result.reason, "red"))
    if not wait:
        view.stream(_json(result), cells)
    elif not result.ok or result.outcome == "replaced":
        view.step(*cells, always=not result.ok)


def _json(result: Result) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "key": result.key,
        "outcome": result.outcome,
        "reason": result.reason or None,
        "bytes": result.size,
        "version_id": result.version_id,
    }


def _summary(session: Session, tally: dict[str, int]) -> None:
    parts = [f"{count:,} {outcome}" for outcome, count in tally.items() if count]
    session.view.note(", ".join(parts) + ".")
