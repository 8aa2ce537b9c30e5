"""`labelctl labels`, and the labels at the end of `labelctl upload --wait`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.errors import PhotosFailedError, WaitTimeoutError
from labelctl.session import Session
from labelctl.view import Cell, Column, Table
from labelctl.words import counted

if TYPE_CHECKING:
    from labelctl.results import Awaited, Photo


def labels(
    context: typer.Context,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="The photo's key, or the path that was uploaded.")
    ],
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
    from labelctl import results

    session = Session.of(context)
    stack, aws = session.stack, session.aws
    sent = results.resolve(aws.s3, stack.bucket, image)
    if wait:
        with session.view.meter(f"Waiting for {sent.key}"):
            for done in _wait(session, [sent], timeout):
                sent = done  # another version, if it was replaced meanwhile
    photo = results.read(aws.dynamodb, stack.table, sent).at_least(min_confidence)
    session.view.show(photo.as_json(), _table(photo, session, min_confidence))
    _raise_unless_labelled(session, photo)


def _wait(session: Session, sent: Sequence[Awaited], timeout: float) -> Iterator[Awaited]:
    from labelctl import results

    stack, s3 = session.stack, session.aws.s3
    return results.wait(
        session.aws.dynamodb,
        stack.table,
        sent,
        patience=timeout,
        now=lambda key: results.current(s3, stack.bucket, key),
    )


def _raise_unless_labelled(session: Session, photo: Photo) -> None:
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
            else "Wait for it with --wait, or see how things stand: labelctl status",
        )


def _dead_letters(session: Session) -> int:
    """How many there are; 0 also for a user who may not know."""
    from botocore.exceptions import ClientError

    from labelctl import status

    try:
        return status.depth(session.aws.sqs, session.stack.dead_letters).depth
    except ClientError:
        return 0


def awaited(
    session: Session, sent: Sequence[Awaited], timeout: float, extra: list[dict[str, Any]]
) -> int:
    """Wait for photos, print their labels, and return how many of them failed.

    `extra` is what JSON tells of files that were not sent.
    """
    from labelctl import results

    stack, aws, view = session.stack, session.aws, session.view
    late: WaitTimeoutError | None = None
    with view.meter("Labelling") as meter:
        meter.update(0, total=len(sent))
        done: dict[str, Awaited] = {}
        try:
            for each in _wait(session, sent, timeout):
                done[each.key] = each
                meter.update(len(done), total=len(sent), words=each.key)
        except WaitTimeoutError as error:
            late = error  # what is there is shown all the same
        except KeyboardInterrupt:
            view.note("Interrupted. The photos go on being labelled.")
            raise
    failed = 0
    photos = []
    told = [done.get(each.key, each) for each in sent if late or each.key in done]
    for each in sent:
        if not late and each.key not in done:
            view.step(Cell("removed  ", "dim"), each.key)
    for photo in results.read_many(aws.dynamodb, stack.table, told):
        if photo.status == "failed":
            failed += 1
            view.step(
                Cell("failed   ", "red"), photo.image, Cell(photo.reason or "", "red"), always=True
            )
        if view.mode == "json":
            photos.append(photo.as_json())
        elif photo.status == "labelled":
            view.show(None, _table(photo, session, with_name=True))
    if view.mode == "json":
        view.show({"photos": photos, "not_sent": extra})
    if late:
        raise late
    return failed


def _table(
    photo: Photo, session: Session, min_confidence: float = 0, *, with_name: bool = False
) -> Table:
    """The labels of one photo. In a pipe, `with_name` puts the photo's key before each."""
    plain = session.view.mode == "plain"
    columns = [
        Column("Label", style="bold"),
        Column("Confidence", right=True),
        Column("Categories"),
        Column("Parents"),
        Column("Boxes", right=True),
    ]
    rows: list[list[str | Cell]] = [
        [
            label.name,
            f"{label.confidence:.1f}"
            if plain
            else Cell(f"{label.confidence:.1f} %", _shade(label)),
            ", ".join(label.categories),
            ", ".join(label.parents),
            str(len(label.boxes)) if plain or label.boxes else "",
        ]
        for label in photo.labels
    ]
    if with_name and plain:
        rows = [[photo.image, *row] for row in rows]
    above = f" of at least {min_confidence:g} %" if min_confidence else ""
    return Table(
        columns=columns,
        rows=rows,
        title=photo.image,
        empty=f'"{photo.image}" has no labels{above}.' if photo.status == "labelled" else "",
    )


def _shade(label: Any) -> str:
    return "green" if label.confidence >= 90 else "yellow" if label.confidence >= 70 else "dim"
