"""Waiting for photos and showing their labels, which several commands end with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.errors import WaitTimeoutError
from labelctl.text import counted, span

if TYPE_CHECKING:
    from labelctl.cli.progress import Meter
    from labelctl.labels.results import Photo
    from labelctl.operations.stalls import Stall
    from labelctl.photos.versions import Awaited


def wait_for(
    session: Session, sent: Sequence[Awaited], timeout: float
) -> Iterator[list[Awaited] | Stall]:
    """Photos as they are labelled or have failed, and what holds them up (see `stalls.watch`)."""
    from labelctl.labels import results
    from labelctl.operations import stalls
    from labelctl.photos import versions

    stack, aws = session.stack, session.aws
    looks = results.wait(
        session.reader,
        sent,
        patience=timeout,
        now=lambda key: versions.current(aws.s3, stack.bucket, key),
    )
    return stalls.watch(looks, stalls.latest_troubles(aws, stack.log_group))


def show_stall(session: Session, meter: Meter, stall: Stall) -> None:
    """Say in the bar what holds the photos up; where there is no bar, in a line once a minute."""
    words = f"{counted(stall.waiting, 'photo')} waiting, nothing done for {span(stall.seconds)}."
    if stall.trouble:
        at = datetime.fromisoformat(stall.trouble.at).astimezone()
        words += f" Latest trouble ({at:%H:%M:%S}): {stall.trouble.reason}"
    meter.stall(words)
    if stall.announce and not meter.drawn:
        session.view.note(words)


def awaited(
    session: Session,
    sent: Sequence[Awaited],
    timeout: float,
    told: dict[str, Any],
    show: Callable[[Photo], None] | None = None,
) -> int:
    """Wait for photos, print their labels, and return how many of them failed.

    Each photo is printed when it is done, in the order in which they get done. JSON is one value,
    in the order of `sent`, printed at the end, also when that is an error; `told` is what it tells
    besides the photos. With `show` nothing is printed, except after an error: it takes each photo.
    """
    from labelctl.labels import results

    view = session.view
    found: dict[str, Any] = {}
    failed = 0
    try:
        with view.meter("Labelling") as meter:
            meter.update(0, total=len(sent))
            for news in wait_for(session, sent, timeout):
                if not isinstance(news, list):
                    show_stall(session, meter, news)
                    continue
                for photo in results.read_many(session.reader, news):
                    found[photo.image] = photo.as_json() if view.mode == "json" else None
                    failed += photo.status == "failed"
                    if show:
                        show(photo)
                    else:
                        _tell(session, photo)
                    meter.update(len(found), total=len(sent), words=photo.image)
    except KeyboardInterrupt:
        view.note("Interrupted. The photos go on being labelled.")
        raise
    except WaitTimeoutError:
        _show(session, sent, found, told, pending=True)
        raise
    except Exception:  # what has been read is not lost with credentials that end, or the like
        _show(session, sent, found, told)
        raise
    for each in sent:
        if each.key not in found:
            view.step(Cell("removed  ", "dim"), each.key)
    if not show:
        _show(session, sent, found, told)
    return failed


def _tell(session: Session, photo: Photo) -> None:
    view = session.view
    if photo.status == "failed":
        reason = Cell(photo.reason or "", "red")
        view.step(Cell("failed   ", "red"), photo.image, reason, always=True)
    elif photo.status == "labelled" and view.mode != "json":
        view.show(None, table(photo, session, with_name=True))


def _show(
    session: Session,
    sent: Sequence[Awaited],
    found: dict[str, Any],
    told: dict[str, Any],
    *,
    pending: bool = False,
) -> None:
    """The one value of JSON; with `pending` the photos that were not found are in it as such."""
    from labelctl.labels import results

    if session.view.mode != "json":
        return
    photos = [
        found.get(each.key) or results.Photo(each.key, results.PENDING).as_json()
        for each in sent
        if pending or each.key in found
    ]
    session.view.show({"photos": photos, **told})


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
