"""`labelctl labels`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.commands._wait import show_stall, table, wait_for
from labelctl.cli.options import ImageKey
from labelctl.cli.session import Session
from labelctl.errors import PhotosFailedError, WaitTimeoutError
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.results import Photo


def labels(
    context: typer.Context,
    image: ImageKey,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="PERCENT", help="Show labels of at least this confidence."
        ),
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is labelled or failed.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(min=1, metavar="SECONDS", help="With --wait: give up after so many seconds."),
    ] = 600,
) -> None:
    """Show a photo's labels, surest first."""
    from labelctl.labels import results
    from labelctl.photos import versions

    session = Session.of(context)
    stack, aws = session.stack, session.aws
    sent = versions.resolve(aws.s3, stack.bucket, image)
    tell_which(session, image, sent.key)
    if wait:
        with session.view.meter(f"Waiting for {sent.key}") as meter:
            for news in wait_for(session, [sent], timeout):
                if isinstance(news, list):
                    [sent] = news  # another version, if it was replaced meanwhile
                else:
                    show_stall(session, meter, news)
    photo = results.read(session.reader, sent).at_least(min_confidence)
    session.view.show(photo.as_json(), table(photo, session, min_confidence))
    warn_if_truncated(session, photo)
    raise_unless_labelled(session, photo)


def tell_which(session: Session, image: str, key: str) -> None:
    """Say which photo it is, where what was typed is neither its key nor a file here."""
    if key != image and not os.path.lexists(image):
        session.view.note(f'There is no "{image}"; this is "{key}".', "yellow")


def warn_if_truncated(session: Session, photo: Photo) -> None:
    """Say what of the answer was not stored, as an item of the table has no room for it."""
    if photo.left_out:
        missing = ", ".join(f"{count:,} {what}" for what, count in photo.left_out.items() if count)
        session.view.warn(f"Not stored, as the answer exceeds 400 KB: {missing}.")


def raise_unless_labelled(session: Session, photo: Photo, wait: str = "--wait") -> None:
    """End a command about a photo that has no labels: why, and what to do. Shown it is by now.

    `wait` is what to wait for it with.
    """
    if photo.status == "failed":
        raise PhotosFailedError(
            f'The photo "{photo.image}" could not be labelled: {photo.reason}',
            "Mend the picture and upload it again.",
        )
    if photo.status == "pending":
        dead = _dead_letters(session)
        raise WaitTimeoutError(
            f'The photo "{photo.image}" is still waiting to be labelled.',
            f"It may be among the {counted(dead, 'dead letter')}: labelctl failures"
            if dead
            else f"Wait for it with {wait}, or see how things stand: labelctl status",
        )


def _dead_letters(session: Session) -> int:
    """How many there are; 0 also for a user who may not know."""
    from botocore.exceptions import ClientError

    from labelctl.aws import queues

    try:
        return queues.depth(session.aws.sqs, session.stack.dead_letters).depth
    except ClientError:
        return 0
