"""`labelctl upload`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import Wait, WaitTimeout
from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.errors import Command, NotFoundError, PhotosFailedError, UsageError
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.labels.results import Photo
    from labelctl.photos.upload import Result
    from labelctl.photos.versions import ObjectVersion

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
        list[Path], typer.Argument(metavar="PATH...", help="Photos, and folders of photos.")
    ],
    prefix: Annotated[
        str, typer.Option(help="Put TEXT before each key, e.g. holiday/.", metavar="TEXT")
    ] = "",
    wait: Wait = False,
    timeout: WaitTimeout = 600,
) -> None:
    """Upload photos for labelling. Unchanged photos are not sent again.

    A photo's key is its file name, or its path relative to the uploaded folder: a/1.jpg becomes 1.jpg
    with `upload a`, and a/1.jpg with `upload a --prefix a/`. An existing photo with the same key is
    replaced.
    """
    execute(Session.of(context), paths, prefix, wait=wait, timeout=timeout)


def execute(
    session: Session,
    paths: list[Path],
    prefix: str,
    *,
    wait: bool,
    timeout: float = 600,
    show: Callable[[Photo], None] | None = None,
    not_sent: list[dict[str, Any]] | None = None,
) -> None:
    """Upload photos, print each result and, with `wait`, the labels.

    If `show` is given, it is called with each finished photo instead of printing it. Files that were
    not sent are appended to `not_sent`, as in the JSON output.
    """
    from labelctl.photos import upload as core

    view = session.view
    if prefix.startswith("/"):
        raise UsageError(f'--prefix "{prefix}" starts with a slash.', "Remove the slash.")
    if not any(map(core.path_exists, paths)):
        names = ", ".join(f'"{path}"' for path in paths)
        raise NotFoundError(
            f"No such file or folder: {names}.",
            "Paths are relative to the current folder." if not paths[0].is_absolute() else "",
        )
    stack, s3 = session.stack, session.aws.s3
    sent: list[ObjectVersion] = []
    tally = dict.fromkeys(_STYLES, 0)
    not_sent = [] if not_sent is None else not_sent
    try:
        with view.meter("Uploading") as meter:
            for result in core.upload(s3, stack.bucket, core.find(paths, prefix)):
                tally[result.outcome] += 1
                _print_sent(session, result, wait)
                if wait and result.version:
                    sent.append(result.version)
                elif wait and view.mode == "json":
                    not_sent.append(_json(result))
                meter.update(sum(tally.values()), detail=result.key)
    except KeyboardInterrupt:
        view.note("Interrupted. Run the same command to resume.")
        raise
    total = sum(tally.values())
    if not total:
        names = ", ".join(f'"{path}"' for path in paths)
        raise NotFoundError(
            f"There are no photos in {names}.",
            "Photos are JPEG or PNG files, whatever their names. Subfolders are searched too.",
        )
    _print_summary(session, tally)
    if wait:
        from labelctl.cli.commands._wait import wait_and_print

        tally["failed"] += wait_and_print(session, sent, timeout, {"not_sent": not_sent}, show)
    elif tally["uploaded"] or tally["replaced"]:
        view.note("Next: ", Command("status"), ", or repeat the upload with --wait.")
    bad = tally["refused"] + tally["failed"]
    if bad:
        raise PhotosFailedError(
            f"{bad:,} of {counted(total, 'photo')} could not be {'labelled' if wait else 'uploaded'}.",
            "See the reasons above." + (" The others are done." if bad < total else ""),
        )


def _print_sent(session: Session, result: Result, wait: bool) -> None:
    """Print a line per file. With --wait the result is the labels, and this is only progress."""
    view = session.view
    name = result.key if result.version else str(result.path)
    cells: list[str | Cell] = [result.outcome, name]
    if result.reason:
        cells.append(result.reason)
    if view.mode == "table":
        style = _STYLES[result.outcome]
        cells = [Cell(f"{result.outcome:<9}", style), f"{printable(name):<24}"]
        cells.append(Cell(result.reason, "red"))
    if not wait:
        view.stream(_json(result), cells)
    elif not result.version or result.outcome == "replaced":
        view.step(*cells, always=not result.version)


def _json(result: Result) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "key": result.key,
        "outcome": result.outcome,
        "reason": result.reason or None,
        "bytes": result.size,
        "version_id": result.version and result.version.version_id,
    }


def _print_summary(session: Session, tally: dict[str, int]) -> None:
    parts = [f"{count:,} {outcome}" for outcome, count in tally.items() if count]
    session.view.note(", ".join(parts) + ".")
