"""`labelctl rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from labelctl.errors import RefusedError, UsageError
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Never ask.")] = False,
) -> None:
    """Remove photos, with their labels and failure records."""
    from labelctl import remove as core
    from labelctl import status

    if bool(images) == (prefix is not None):
        raise UsageError("Which photos?", "Give their keys, or --prefix PREFIX for all under it.")
    session = Session.of(context)
    view, stack, s3 = session.view, session.stack, session.aws.s3
    keys = [core.check(s3, stack.bucket, image) for image in dict.fromkeys(images or ())]
    if not yes:
        _ask(session, keys, prefix, for_good)
    if prefix is not None:
        going = core.under(s3, stack.bucket, prefix, for_good=for_good)
    else:
        going = core.remove(s3, stack.bucket, keys, for_good=for_good)
    count = 0
    with view.meter("Removing") as meter:
        for key in going:
            count += 1
            meter.update(count, total=len(keys) or None, words=key)
            view.stream({"image": key, "outcome": "removed"}, [Cell("removed", "green"), key])
    if not count:
        view.note(f'There is no photo whose key begins with "{prefix}".')
        return
    sqs, dead = session.aws.sqs, stack.dead_letters
    if status.depth(sqs, dead).depth:
        core.drop_dead_letters(sqs, dead, keys if prefix is None else prefix)
    kept = "" if for_good else " S3 keeps the removed photos for 7 days."
    view.note(f"{counted(count, 'photo')} removed, and with them what is stored of them.{kept}")


def _ask(session: Session, keys: list[str], prefix: str | None, for_good: bool) -> None:
    """Name or count what goes, and have it confirmed."""
    from labelctl import remove as core

    view, kept = session.view, "for good" if for_good else "S3 keeps them for 7 days"
    if prefix is None:
        many = counted(len(keys), "photo")
        for key in keys[:_NAMED]:
            view.step(key, always=True)
        if len(keys) > _NAMED:
            view.step(f"and {len(keys) - _NAMED:,} more", always=True)
    else:
        with view.meter("Counting") as meter:
            number = 0
            for number, key in enumerate(
                core.find(session.aws.s3, session.stack.bucket, prefix), 1
            ):
                meter.update(number, words=key)
        many = f'{counted(number, "photo")} whose keys begin with "{prefix}"'
    answer = view.ask(
        f"Remove {many} and their labels ({kept})? [y/N]", yes_means="Add --yes if you are sure."
    )
    if answer.lower() not in ("y", "yes"):
        raise RefusedError("Nothing was removed.", "Answer y to remove, or add --yes.")
