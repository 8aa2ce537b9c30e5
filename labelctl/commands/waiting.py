"""Waiting for photos and showing their labels, which several commands end with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labelctl.errors import WaitTimeoutError
from labelctl.session import Session
from labelctl.view import Cell, Column, Table

if TYPE_CHECKING:
    from labelctl.results import Awaited, Photo


def wait_for(session: Session, sent: Sequence[Awaited], timeout: float) -> Iterator[Awaited]:
    """Tell of each photo as it is labelled or has failed (see `results.wait`)."""
    from labelctl import results

    stack, s3 = session.stack, session.aws.s3
    return results.wait(
        session.aws.dynamodb,
        stack.table,
        sent,
        patience=timeout,
        now=lambda key: results.current(s3, stack.bucket, key),
    )


def awaited(session: Session, sent: Sequence[Awaited], timeout: float, told: dict[str, Any]) -> int:
    """Wait for photos, print their labels, and return how many of them failed.

    `told` is what JSON tells besides the photos.
    """
    from labelctl import results

    stack, aws, view = session.stack, session.aws, session.view
    late: WaitTimeoutError | None = None
    with view.meter("Labelling") as meter:
        meter.update(0, total=len(sent))
        done: dict[str, Awaited] = {}
        try:
            for each in wait_for(session, sent, timeout):
                done[each.key] = each
                meter.update(len(done), total=len(sent), words=each.key)
        except WaitTimeoutError as error:
            late = error  # what is there is shown all the same
        except KeyboardInterrupt:
            view.note("Interrupted. The photos go on being labelled.")
            raise
    failed = 0
    photos = []
    shown = [done.get(each.key, each) for each in sent if late or each.key in done]
    for each in sent:
        if not late and each.key not in done:
            view.step(Cell("removed  ", "dim"), each.key)
    for photo in results.read_many(aws.dynamodb, stack.table, shown):
        if photo.status == "failed":
            failed += 1
            view.step(
                Cell("failed   ", "red"), photo.image, Cell(photo.reason or "", "red"), always=True
            )
        if view.mode == "json":
            photos.append(photo.as_json())
        elif photo.status == "labelled":
            view.show(None, table(photo, session, with_name=True))
    if view.mode == "json":
        view.show({"photos": photos, **told})
    if late:
        raise late
    return failed


def table(
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
