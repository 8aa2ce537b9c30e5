"""`labelctl rm`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from labelctl.errors import PhotoNotFoundError, RefusedError, UsageError
from labelctl.options import Yes, check_prefix
from labelctl.session import Session
from labelctl.view import Cell
from labelctl.words import counted

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
    from labelctl import queues
    from labelctl import remove as core

    if bool(images) == bool(prefix):
        raise UsageError("Which photos?", "Give their keys, or --prefix PREFIX for all under it.")
    check_prefix(prefix or "")
    session = Session.of(context)
    aws, stack = session.aws, session.stack
    dead = queues.depth(aws.sqs, stack.dead_letters).depth
    keys, missing = _sort(session, images or [], for_good)
    if not yes and not _ask(session, keys, prefix, for_good):
        return
    if prefix:
        going = core.under(aws.s3, stack.bucket, prefix, for_good=for_good)
    else:
        going = core.remove(aws.s3, stack.bucket, keys, for_good=for_good)
    count = _remove(session, going, len(keys) or None)
    if dead and count:
        chosen = set(keys).__contains__ if prefix is None else lambda key: key.startswith(prefix)
        core.drop_dead_letters(aws, stack, chosen)
    if count:
        kept = "" if for_good else " S3 keeps the removed photos for 7 days."
        told = f"{counted(count, 'photo')} removed, and with them what is stored of them.{kept}"
        session.view.note(told)
    elif prefix:
        _tell_of_none(session, prefix)
    if missing:
        raise PhotoNotFoundError(
            missing[0].message,
            f"The other photos are removed. {missing[0].hint}" if count else missing[0].hint,
        )


def _sort(
    session: Session, images: list[str], for_good: bool
) -> tuple[list[str], list[PhotoNotFoundError]]:
    """The keys that there are, and what is to be said of the others."""
    from labelctl import remove as core

    keys, missing = [], []
    for image in dict.fromkeys(images):
        try:
            core.check(session.aws.s3, session.stack.bucket, image, for_good=for_good)
            keys.append(image)
        except PhotoNotFoundError as error:
            missing.append(error)
    if missing and not keys:
        raise missing[0]
    return keys, missing


def _remove(session: Session, going: Iterator[str], total: int | None) -> int:
    count = 0
    with session.view.meter("Removing") as meter:
        for count, key in enumerate(going, 1):
            meter.update(count, total=total, words=key)
            told = {"image": key, "outcome": "removed"}
            session.view.stream(told, [Cell("removed", "green"), key])
    return count


def _tell_of_none(session: Session, prefix: str) -> None:
    session.view.note(f'There is no photo whose key begins with "{prefix}".')


def _ask(session: Session, keys: list[str], prefix: str | None, for_good: bool) -> bool:
    """Name or count what goes, and have it confirmed; False when there is nothing."""
    from labelctl import remove as core

    view, kept = session.view, "for good" if for_good else "S3 keeps them for 7 days"
    many = counted(len(keys), "photo")
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
            _tell_of_none(session, prefix)
            return False
        earlier = ", those of which earlier versions are left included," if for_good else ""
        many = f'{counted(number, "photo")} whose keys begin with "{prefix}"{earlier}'
    answer = view.ask(
        f"Remove {many} and their labels ({kept})? [y/N]", yes_means="Add --yes if you are sure."
    )
    if answer.lower() not in ("y", "yes"):
        raise RefusedError("Nothing was removed.", "Answer y to remove, or add --yes.")
    return True
