"""Wait for photos and print their labels, for the commands with --wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labelctl import times
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column, Table
from labelctl.errors import RefusedError, WaitTimeoutError
from labelctl.text import counted, span

if TYPE_CHECKING:
    from labelctl.cli.progress import Meter
    from labelctl.labels.results import Photo
    from labelctl.operations.stalls import Stall
    from labelctl.photos.versions import ObjectVersion


def wait_for(
    session: Session,
    meter: Meter,
    sent: Sequence[ObjectVersion],
    timeout: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[list[Photo]]:
    """Yield photos that are labelled or failed, as soon as they are. Stalls are shown in the bar.

    In a long stall, photos are requested whose events S3 seems not to have sent.
    """
    from labelctl.labels import wait
    from labelctl.operations import missed_events, stalls
    from labelctl.photos import versions

    stack, aws = session.stack, session.aws
    watch = stalls.StallWatch(stalls.latest_errors(aws, stack.log_group), clock)
    waiting, requested = {photo.key: photo for photo in sent}, 0
    for result in wait.until_done(
        session.reader,
        sent,
        patience=timeout,
        now=lambda key: versions.current_photo(aws.s3, stack.bucket, key),
        sleep=sleep,
        clock=clock,
    ):
        if result.done:
            yield result.done
        for photo in result.done:
            waiting.pop(photo.image, None)
        if stall := watch.update(result):
            show_stall(session, meter, stall)
            if stall.announce and stall.seconds >= missed_events.SILENCE and not requested:
                requested = _request(session, [*waiting.values()])


def _request(session: Session, photos: Sequence[ObjectVersion]) -> int:
    """Request photos whose events seem to be missing, if allowed; returns their number."""
    from botocore.exceptions import BotoCoreError, ClientError

    from labelctl.operations import missed_events

    stack = session.stack
    try:
        count = missed_events.request_photos(session.aws, stack, session.reader, photos)
    except (BotoCoreError, ClientError, RefusedError):
        return 0  # the events may still arrive: keep waiting for the photos
    if count:
        session.view.note(
            f"S3 has not announced {counted(count, 'photo')} to the queue, as may happen with a new "
            "bucket. labelctl has queued them itself."
        )
    return count


def show_stall(session: Session, meter: Meter, stall: Stall) -> None:
    """Show in the bar why photos wait or, without a bar, in one line per minute."""
    message = f"{counted(stall.waiting, 'photo')} waiting, no progress for {span(stall.seconds)}."
    if stall.error:
        message += f" Latest error ({times.local_clock(stall.error.at)}): {stall.error.reason}"
    meter.stall(message)
    if stall.announce and not meter.visible:
        session.view.note(message)


def wait_and_print(
    session: Session,
    sent: Sequence[ObjectVersion],
    timeout: float,
    json_extra: dict[str, Any],
    show: Callable[[Photo], None] | None = None,
) -> int:
    """Wait for photos, print their labels, and return how many failed.

    Each photo is printed as soon as it is done. JSON is one value in the order of `sent`, with the
    members of `json_extra` beside the photos, printed at the end, even after an error. If `show` is
    given, it is called with each photo instead, and only JSON after an error is printed.
    """
    view = session.view
    done: dict[str, Any] = {}
    failed = 0
    try:
        with view.meter("Labelling") as meter:
            meter.update(0, total=len(sent))
            for photos in wait_for(session, meter, sent, timeout):
                for photo in photos:
                    done[photo.image] = photo.as_json() if view.mode == "json" else None
                    failed += photo.status == "failed"
                    session.names.add(labels=(label.name for label in photo.labels))
                    if show:
                        show(photo)
                    else:
                        _print_photo(session, photo)
                    meter.update(len(done), total=len(sent), detail=photo.image)
    except KeyboardInterrupt:
        view.note("Interrupted. Labelling continues in the background.")
        raise
    except WaitTimeoutError:
        _print_json(session, sent, done, json_extra, with_waiting=True)
        raise
    except Exception:  # such as expired credentials: print what has been read so far
        _print_json(session, sent, done, json_extra)
        raise
    for photo_sent in sent:
        if photo_sent.key not in done:
            view.step(Cell("removed  ", "dim"), photo_sent.key)
    if not show:
        _print_json(session, sent, done, json_extra)
    return failed


def _print_photo(session: Session, photo: Photo) -> None:
    view = session.view
    if photo.status == "failed":
        reason = Cell(photo.reason or "", "red")
        view.step(Cell("failed   ", "red"), photo.image, reason, always=True)
    elif photo.status == "labelled" and view.mode != "json":
        view.show(None, table(photo, session, with_name=True))


def _print_json(
    session: Session,
    sent: Sequence[ObjectVersion],
    done: dict[str, Any],
    extra: dict[str, Any],
    *,
    with_waiting: bool = False,
) -> None:
    """Print the JSON value, optionally including the photos that are not done yet."""
    from labelctl.labels import results

    if session.view.mode != "json":
        return
    photos = [
        done.get(photo.key) or results.Photo(photo.key, results.WAITING).as_json()
        for photo in sent
        if with_waiting or photo.key in done
    ]
    session.view.show({"photos": photos, **extra})


def table(
    photo: Photo, session: Session, min_confidence: float = 0, *, with_name: bool = False
) -> Table:
    """The labels of one photo. In a pipe, `with_name` puts the photo's key first in each line."""
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
    above = f" with at least {min_confidence:g} % confidence" if min_confidence else ""
    return Table(
        columns=columns,
        rows=rows,
        title=photo.image,
        empty=f'"{photo.image}" has no labels{above}.' if photo.status == "labelled" else "",
    )


def _shade(label: Any) -> str:
    return "green" if label.confidence >= 90 else "yellow" if label.confidence >= 70 else "dim"
