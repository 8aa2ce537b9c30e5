"""`labelctl upload`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._photo import STYLES, state
from labelctl.cli.commands._wait import Problem, print_end, wait_and_print
from labelctl.cli.options import Wait, WaitTimeout
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.errors import (
    Command,
    FilesSkippedError,
    NotFoundError,
    PhotosFailedError,
    UsageError,
)
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.results import Photo
    from labelctl.photos.discovery import Discovery, Reason
    from labelctl.photos.upload import Result
    from labelctl.photos.versions import ObjectVersion

COLUMNS = (Column("Outcome", width=9), Column("Photo", width=24), Column("Reason"))
_OUTCOMES = ("uploaded", "replaced", "new", "changed", "unchanged", "skipped", "failed")
_IGNORED: dict[Reason, str] = {
    "excluded": "excluded item",
    "hidden": "hidden item",
    "system": "system folder",
    "copy": "backup or unfinished file",
    "generated": "gallery or drawing",
    "other": "other file",
}


def upload(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Photos, and folders of photos.",
            readable=False,  # an unreadable file must not stop the others
        ),
    ],
    prefix: Annotated[
        str, typer.Option(help="Put TEXT before each key, e.g. holiday/.", metavar="TEXT")
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Skip files and folders with this name, e.g. '*.png', or with a slash, this path"
            " in PATH, e.g. 'raw/*'. Repeatable.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Also search folders behind links, each once.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be uploaded, without uploading it.")
    ] = False,
    wait: Wait = False,
    timeout: WaitTimeout = 600,
) -> None:
    """Upload photos for labelling. Unchanged photos are not sent again.

    A photo's key is its file name, or its path relative to the uploaded folder: a/1.jpg becomes 1.jpg
    with `upload a`, and a/1.jpg with `upload a --prefix a/`. An existing photo with the same key is
    replaced. Hidden files, backups, and thumbnails and deleted photos of a NAS are only uploaded if
    you name them.
    """
    from labelctl.photos.discovery import Discovery

    if dry_run and wait:
        raise UsageError("--dry-run and --wait cannot be combined.", "Use one of them.")
    discovery = Discovery(exclude or [], follow)
    session = Session.of(context)
    execute(session, paths, prefix, discovery, dry_run=dry_run, wait=wait, timeout=timeout)


def execute(
    session: Session,
    paths: list[Path],
    prefix: str,
    discovery: Discovery | None = None,
    *,
    wait: bool,
    dry_run: bool = False,
    timeout: float = 600,
    show: Callable[[Photo], None] | None = None,
    not_sent: list[dict[str, Any]] | None = None,
) -> None:
    """Upload photos, print each result and, with `wait`, the labels.

    With `dry_run`, nothing is uploaded. If `show` is given, it is called with each finished photo
    instead of printing it. Files that were not sent are appended to `not_sent`, as in the JSON output.
    Raises PhotosFailedError or FilesSkippedError once everything is printed.
    """
    from labelctl.photos import discovery as files
    from labelctl.photos import total_size
    from labelctl.photos import upload as core

    discovery = discovery or files.Discovery()
    view = session.view
    if prefix.startswith("/"):
        raise UsageError(f'--prefix "{prefix}" starts with a slash.', "Remove the slash.")
    if not {".", ".."}.isdisjoint(prefix.split("/")[:-1]):
        raise UsageError(
            f'--prefix "{prefix}" contains a "." or ".." between slashes.',
            "Remove it: S3 has no current or parent folder, and its console cannot open such keys.",
        )
    if not any(map(files.path_exists, paths)):
        names = ", ".join(f'"{path}"' for path in paths)
        raise NotFoundError(
            f"No such file or folder: {names}.",
            "Paths are relative to the current folder." if not paths[0].is_absolute() else "",
        )
    stack, s3 = session.stack, session.aws.s3
    sent: list[ObjectVersion] = []
    tally = dict.fromkeys(_OUTCOMES, 0)
    problems: list[Problem] = []
    done = 0
    not_sent = [] if not_sent is None else not_sent
    try:
        with view.meter("Comparing" if dry_run else "Uploading") as meter:
            whole = total_size.TotalSize(discovery.again(), paths) if meter.visible else None
            found = discovery.find(paths, prefix)
            puts = session.aws.many_puts
            for result in core.upload(s3, stack.bucket, found, dry_run=dry_run, puts=puts):
                tally[result.outcome] += 1
                _print_sent(session, result, wait)
                if result.version:
                    session.names.add(keys=[result.key])
                if wait and result.version:
                    sent.append(result.version)
                elif wait:
                    problems.append(Problem(result.outcome, str(result.path), result.reason))
                    if view.mode == "json":
                        not_sent.append(_json(result))
                if whole:
                    done += total_size.size_of(result.path) if result.size is None else result.size
                    detail = f"{counted(sum(tally.values()), 'file')}  {result.key}"
                    meter.update(done, total=whole.bytes, detail=detail, unit="bytes")
    except KeyboardInterrupt:
        view.note("Interrupted. Run the same command to resume.")
        raise
    _print_ignored(session, discovery)
    total = sum(tally.values())
    if not total:
        names = ", ".join(f'"{path}"' for path in paths)
        raise NotFoundError(
            f"There are no photos in {names}.",
            "Photos are JPEG or PNG files, whatever their names. Subfolders are searched too.",
        )
    _print_summary(session, tally)
    if tally["replaced"]:
        view.note("S3 keeps replaced photos for 7 days. To keep both photos, use another --prefix.")
    if prefix[-1:].isalnum() and tally["uploaded"] + tally["new"]:
        view.note(f'"{prefix}" and the names are joined without a slash. For a folder: {prefix}/')
    if wait:
        counts, failures = wait_and_print(session, sent, timeout, {"not_sent": not_sent}, show)
        counts["skipped"] = tally["skipped"]
        counts["failed"] += tally["failed"]
        tally["failed"] = counts["failed"]
        if not show:
            print_end(session, counts, [*problems, *failures], prefix)
    elif dry_run:
        view.note("Nothing was uploaded. To upload the photos, leave out --dry-run.")
    elif tally["uploaded"] or tally["replaced"]:
        view.note("Next: ", Command("status"), ", or repeat the upload with --wait.")
    _raise_for_problems(total, tally, dry_run=dry_run, wait=wait)


def _raise_for_problems(total: int, tally: dict[str, int], *, dry_run: bool, wait: bool) -> None:
    """Raise PhotosFailedError for failed photos, else FilesSkippedError for skipped files."""
    failed, skipped = tally["failed"], tally["skipped"]
    hint = "See the reasons above."
    if failed + skipped < total and not dry_run:
        hint += " The others are done."
    if failed:
        verb = "labelled" if wait else "uploaded"
        others = f", and {counted(skipped, 'file')} skipped" if skipped else ""
        raise PhotosFailedError(
            f"{failed:,} of {counted(total, 'photo')} could not be {verb}{others}.", hint
        )
    if skipped:
        skip = "would be" if dry_run else "was" if skipped == 1 else "were"
        raise FilesSkippedError(f"{skipped:,} of {counted(total, 'file')} {skip} skipped.", hint)


def _print_sent(session: Session, result: Result, wait: bool) -> None:
    """Print a line per file. With --wait the result is the labels, and this is only progress."""
    view = session.view
    name = str(result.path) if result.outcome in ("skipped", "failed") else result.key
    row = (state(result.outcome), name, Cell(result.reason, STYLES[result.outcome]))
    if not wait:
        view.stream(_json(result), COLUMNS, row)
    elif not result.version or result.outcome == "replaced":
        view.step(COLUMNS, *row, always=not result.version)


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


def _print_ignored(session: Session, discovery: Discovery) -> None:
    skipped = discovery.skipped
    for pattern in discovery.unmatched:
        session.view.warn(
            f'Nothing matches --exclude "{pattern}".',
            "A pattern is a name, or a path within PATH, which does not begin with PATH itself.",
        )
    if linked := skipped.get("linked"):
        one = linked.count == 1
        session.view.warn(
            f"{counted(linked.count, 'linked folder')} {'was' if one else 'were'} not searched:"
            f" {linked.first}{'' if one else ', ...'}",
            f"To include {'it' if one else 'them'}, add --follow.",
        )
    parts = [
        f"{counted(found.count, noun)} ({found.first}{'' if found.count == 1 else ', ...'})"
        for reason, noun in _IGNORED.items()
        if (found := skipped.get(reason))
    ]
    if parts:
        session.view.note(f"Ignored: {', '.join(parts)}.")
