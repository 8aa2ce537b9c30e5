"""`labelctl rm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated

import typer

from labelctl.cli.commands._prefix import note_similar_prefix
from labelctl.cli.commands.failures import warn_about_unread
from labelctl.cli.options import Yes, check_prefix, no_keys
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.errors import PhotoNotFoundError, RefusedError, UsageError
from labelctl.text import counted

_LISTED = 10  # keys listed on a terminal
COLUMNS = (Column("Outcome", width=9), Column("Photo"))
_KEY = (Column("Photo"),)


def rm(
    context: typer.Context,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGE]...", help="Keys of the photos.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="All photos whose keys start with TEXT, e.g. holiday/."),
    ] = None,
    permanently: Annotated[
        bool,
        typer.Option("--for-good", help="Also delete the versions that S3 would keep for 7 days."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove photos, their labels and their failure records."""
    from labelctl.photos import remove as core

    if images and prefix:
        raise UsageError("IMAGE and --prefix cannot be combined.", "Use one of them.")
    if not images and not prefix:
        raise UsageError(
            "Nothing selected to remove.", "Name photos by their keys, or use --prefix TEXT."
        )
    check_prefix(prefix or "")
    session = Session.of(context)
    s3, bucket = session.aws.s3, session.stack.bucket
    keys, missing = _find(session, images or [], permanently)
    total: int | None = len(keys)
    count = 0
    if prefix:
        total = None if yes else _count(session, prefix, permanently)
    if total != 0:
        if not yes:
            _confirm(session, keys, total or 0, prefix, permanently)
        if prefix:
            removing = core.remove_prefix(s3, bucket, prefix, permanently=permanently)
        else:
            removing = core.remove(s3, bucket, keys, permanently=permanently)
        count = _remove(session, removing, total)
    # Includes photos that are already gone: an earlier run may have been interrupted.
    selected = set(images or [])
    cleared = _clear(session, lambda key: key.startswith(prefix) if prefix else key in selected)
    if count:
        _print_removed(session, count, permanently)
    elif prefix:
        session.view.note(no_keys(prefix))
        note_similar_prefix(session, prefix)
    if cleared and not count:
        photos = "a removed photo" if cleared == 1 else "removed photos"
        session.view.note(f"{counted(cleared, 'dead letter')} of {photos} deleted.")
    if missing:
        error = core.not_found(s3, bucket, missing[0])
        others = "The other photos were removed. " if count else ""
        raise PhotoNotFoundError(error.message, others, *error.hint_parts)


def _find(session: Session, images: list[str], permanently: bool) -> tuple[list[str], list[str]]:
    """Those of the keys that exist, and the others."""
    from labelctl.photos import remove as core

    keys: list[str] = []
    missing: list[str] = []
    s3, bucket = session.aws.s3, session.stack.bucket
    with session.view.meter("Finding photos") as meter:
        for number, image in enumerate(dict.fromkeys(images)):
            meter.update(number, total=len(images), detail=image)
            exists = core.exists(s3, bucket, image, permanently=permanently)
            (keys if exists else missing).append(image)
    return keys, missing


def _remove(session: Session, removing: Iterator[str], total: int | None) -> int:
    """Remove photos, and print a line for each; on a terminal for the first of them only."""
    view, count = session.view, 0
    with view.meter("Removing") as meter:
        for count, key in enumerate(removing, 1):
            meter.update(count, total=total, detail=key)
            session.names.remove([key])
            if view.mode != "table" or count <= _LISTED:
                value = {"image": key, "outcome": "removed"}
                view.stream(value, COLUMNS, (Cell("removed", "green"), key))
    if view.mode == "table" and count > _LISTED:
        view.note(f"and {count - _LISTED:,} more")
    return count


def _clear(session: Session, selected: Callable[[str], bool]) -> int:
    """Delete the dead letters of selected photos that no longer exist; return their number."""
    from labelctl.operations import cleanup
    from labelctl.operations.dead_letters import UnreadMessages

    cleared, unseen = 0, UnreadMessages()
    with (
        session.view.meter("Reading dead letters") as meter,
        closing(
            cleanup.remove_obsolete_dead_letters(session.aws, session.stack, selected)
        ) as progress,
    ):
        for step in progress:
            cleared, unseen = step.cleared, step.unseen
            meter.update(step.looked_at, total=max(step.total, step.looked_at))
    warn_about_unread(session, unseen)
    return cleared


def _print_removed(session: Session, count: int, permanently: bool) -> None:
    its, photos = ("its", "photo") if count == 1 else ("their", "photos")
    kept = "" if permanently else f" S3 keeps the {photos} for 7 days."
    session.view.note(f"{counted(count, 'photo')} removed with {its} labels.{kept}")


def _count(session: Session, prefix: str, permanently: bool) -> int:
    """The number of photos under a prefix."""
    from labelctl.photos import remove as core

    number = 0
    with session.view.meter("Counting") as meter:
        found = core.find(session.aws.s3, session.stack.bucket, prefix, permanently=permanently)
        for number, key in enumerate(found, 1):
            meter.update(number, detail=key)
    return number


def _confirm(
    session: Session, keys: list[str], number: int, prefix: str | None, permanently: bool
) -> None:
    """List or count the photos and ask for confirmation.

    Raises RefusedError for an answer other than yes.
    """
    view, which = session.view, ""
    for key in keys[:_LISTED]:
        view.step(_KEY, key, always=True)
    if len(keys) > _LISTED:
        view.step(_KEY, f"and {len(keys) - _LISTED:,} more", always=True)
    if prefix:
        earlier = ", including earlier versions," if permanently else ""
        which = f' whose {"key starts" if number == 1 else "keys start"} with "{prefix}"{earlier}'
    photos, their = ("photo", "its") if number == 1 else ("photos", "their")
    kept = "permanently" if permanently else f"S3 keeps the {photos} for 7 days"
    answer = view.ask(
        f"Remove {counted(number, 'photo')}{which} and {their} labels ({kept})? [y/N]",
        "Add --yes to confirm.",
    )
    if answer.lower() not in ("y", "yes"):
        raise RefusedError("Nothing was removed.", "Answer y to remove, or add --yes.")
