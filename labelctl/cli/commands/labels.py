"""`labelctl labels`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.commands._photo import labels_table
from labelctl.cli.commands._wait import wait_for
from labelctl.cli.options import ImageKey
from labelctl.cli.session import Session
from labelctl.cli.values import number, percent_option
from labelctl.errors import Command, PhotosFailedError, WaitTimeoutError
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.results import Photo


def labels(
    context: typer.Context,
    image: ImageKey,
    min_confidence: Annotated[
        float,
        percent_option("Show labels with at least this confidence."),
    ] = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the photo is labelled or failed.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            parser=number(1),
            metavar="SECONDS",
            help="With --wait: give up after this many seconds.",
        ),
    ] = 600,
) -> None:
    """Show a photo's labels, most confident first."""
    from labelctl.labels import results
    from labelctl.photos import lookup

    session = Session.of(context)
    stack, aws = session.stack, session.aws
    sent = lookup.resolve(aws.s3, stack.bucket, image)
    note_resolved_key(session, image, sent.key)
    done: list[Photo] = []  # remains empty if the photo is removed meanwhile
    if wait:
        with session.view.meter(f"Waiting for {sent.key}") as meter:
            done = next(wait_for(session, meter, [sent], timeout), [])
    photo = done[0] if done else results.read(session.reader, sent)
    photo = photo.at_least(min_confidence)
    session.names.add(keys=[photo.image], labels=(label.name for label in photo.labels))
    session.view.show(photo.as_json(), labels_table(photo, min_confidence))
    warn_if_truncated(session, photo)
    raise_unless_labelled(session, photo)


def note_resolved_key(session: Session, image: str, key: str) -> None:
    """Say, even with --quiet, if the photo may not be the one that the user means."""
    from labelctl.photos import content, lookup, suggestions

    view = session.view
    if key == image and lookup.is_local_file(key):
        if content.is_other_photo(session.aws.s3, session.stack.bucket, key, Path(key)):
            view.warn(f'The photo with the key "{key}" has other content than your file "{key}".')
    elif key == image or os.path.lexists(image):
        return
    elif suggestions.looks_equal(key, image):
        view.note(f'The key "{key}" has another Unicode form than the name you gave.')
    else:
        view.warn(f'There is no photo "{image}"; showing "{key}".')


def warn_if_truncated(session: Session, photo: Photo) -> None:
    """Warn if the result was too large for a DynamoDB item (400 KB) and was cut."""
    if photo.left_out:
        missing = ", ".join(f"{count:,} {kind}" for kind, count in photo.left_out.items() if count)
        session.view.warn(f"Not stored, because the result exceeds 400 KB: {missing}.")


def raise_unless_labelled(
    session: Session, photo: Photo, wait: Sequence[str | Command] = ("--wait",)
) -> None:
    """End the command with an error if the photo failed or is waiting.

    `wait` is the option or command for the hint that waits for the photo.
    Raises PhotosFailedError or WaitTimeoutError.
    """
    if photo.status == "failed":
        raise PhotosFailedError(
            f'The photo "{photo.image}" could not be labelled: {photo.reason}',
            "Fix the file and upload it again.",
        )
    if photo.status == "waiting":
        message = f'The photo "{photo.image}" is still waiting to be labelled.'
        if dead := _dead_letters(session):
            among = f"It may be among the {counted(dead, 'dead letter')}: "
            raise WaitTimeoutError(message, among, Command("failures"))
        raise WaitTimeoutError(
            message, "Wait for it with ", *wait, ", or check the queue: ", Command("status")
        )


def _dead_letters(session: Session) -> int:
    """The number of dead letters; 0 if the user may not read it."""
    from botocore.exceptions import ClientError

    from labelctl.aws import queues

    try:
        return queues.depth(session.aws.sqs, session.stack.dead_letter_queue).depth
    except ClientError:
        return 0
