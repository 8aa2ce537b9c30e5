"""`labelctl rm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Annotated

import typer

from labelctl.cli.commands.failures import warn
from labelctl.cli.options import Yes, check_prefix
from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.errors import PhotoNotFoundError, RefusedError, UsageError
from labelctl.text import counted

_NAMED = 10  # keys that the question names


def rm(
    context: typer.Context,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="[IMAGE]...", help="The photos' keys.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="PREFIX", help="All photos whose keys begin like this."),
    ] = None,
    for_good: Annotated[
        bool,
        typer.Option("--for-good", help="Also the versions that S3 would keep for 7 days."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove photos, with their labels and failure records."""
    from labelctl.photos import remove as core

    if bool(images) == bool(prefix):
        raise UsageError("Which photos?", "Give their keys, or --prefix PREFIX for all under it.")
    check_prefix(prefix or "")
    session = Session.of(context)
    s3, bucket = session.aws.s3, session.stack.bucket
    keys, missing = _sort(session, images or [], for_good)
    count = 0
    if (prefix or keys) and (yes or _ask(session, keys, prefix, for_good)):
        if prefix:
            going = core.under(s3, bucket, prefix, for_good=for_good)
        else:
            going = core.remove(s3, bucket, keys, for_good=for_good)
        count = _remove(session, going, len(keys) or None)
    # Those of photos that are gone already, too: a run before this one may have been cut off.
    wanted = set(images or [])
    cleared = _clear(session, lambda key: key.startswith(prefix) if prefix else key in wanted)
    if count:
        _tell(session, count, for_good)
    elif prefix:
        session.view.note(f'There is no photo whose key begins with "{prefix}".')
    if cleared and not count:
        theirs = "its photo is" if cleared == 1 else "their photos are"
        session.view.note(f"{counted(cleared, 'dead letter')} cleared: {theirs} gone.")
    if missing:
        raise PhotoNotFoundError(
            missing[0].message,
            f"The other photos are removed. {missing[0].hint}" if count else missing[0].hint,
        )


def _sort(
    session: Session, images: list[str], for_good: bool
) -> tuple[list[str], list[PhotoNotFoundError]]:
    """The keys that there are, and what is to be said of the others."""
    from labelctl.photos import remove as core

    keys, missing = [], []
    for image in dict.fromkeys(images):
        try:
            core.check(session.aws.s3, session.stack.bucket, image, for_good=for_good)
            keys.append(image)
        except PhotoNotFoundError as error:
            missing.append(error)
    return keys, missing


def _remove(session: Session, going: Iterator[str], total: int | None) -> int:
    count = 0
    with session.view.meter("Removing") as meter:
        for count, key in enumerate(going, 1):
            meter.update(count, total=total, words=key)
            told = {"image": key, "outcome": "removed"}
            session.view.stream(told, [Cell("removed", "green"), key])
    return count


def _clear(session: Session, chosen: Callable[[str], bool]) -> int:
    """Clear the dead letters of chosen photos that are gone; how many they were."""
    from labelctl.operations import cleanup
    from labelctl.operations.dead_letters import Unseen

    cleared, unseen = 0, Unseen()
    with (
        session.view.meter("Clearing the dead letters") as meter,
        closing(cleanup.drop_dead_letters(session.aws, session.stack, chosen)) as progress,
    ):
        for at in progress:
            cleared, unseen = at.cleared, at.unseen
            meter.update(at.looked_at, total=max(at.total, at.looked_at))
    warn(session, unseen)
    return cleared


def _tell(session: Session, count: int, for_good: bool) -> None:
    them, those = ("it", "it") if count == 1 else ("them", "the removed photos")
    kept = "" if for_good else f" S3 keeps {those} for 7 days."
    session.view.note(
        f"{counted(count, 'photo')} removed, and with {them} what is stored of {them}.{kept}"
    )


def _ask(session: Session, keys: list[str], prefix: str | None, for_good: bool) -> bool:
    """Name or count what goes, and have it confirmed; False when there is nothing."""
    from labelctl.photos import remove as core

    view, number, which = session.view, len(keys), ""
    for key in keys[:_NAMED]:
        view.step(key, always=True)
    if len(keys) > _NAMED:
        view.step(f"and {len(keys) - _NAMED:,} more", always=True)
    if prefix:
        number = 0
        with view.meter("Counting") as meter:
            found = core.find(session.aws.s3, session.stack.bucket, prefix, for_good=for_good)
            for number, key in enumerate(found, 1):
                meter.update(number, words=key)
        if not number:
            return False
        earlier = ", those of which earlier versions are left included," if for_good else ""
        which = f' whose {"key begins" if number == 1 else "keys begin"} with "{prefix}"{earlier}'
    them, their = ("it", "its") if number == 1 else ("them", "their")
    kept = "for good" if for_good else f"S3 keeps {them} for 7 days"
    answer = view.ask(
        f"Remove {counted(number, 'photo')}{which} and {their} labels ({kept})? [y/N]",
        yes_means="Add --yes if you are sure.",
    )
    if answer.lower() not in ("y", "yes"):
        raise RefusedError("Nothing was removed.", "Answer y to remove, or add --yes.")
    return True
