"""Wait for photos and print their labels, for the commands with --wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from labelctl import times
from labelctl.cli.commands._photo import STYLES, labels_table, state, summary
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.errors import Command, RefusedError, WaitTimeoutError
from labelctl.text import counted, span

if TYPE_CHECKING:
    from labelctl.cli.progress import Meter
    from labelctl.labels.results import Photo
    from labelctl.operations.stalls import Stall
    from labelctl.photos.versions import ObjectVersion

_MAX_TABLES = 3  # more photos get a line each on a terminal
_MAX_SCREEN = 20  # photos whose lines are still on the screen at the end
_MAX_NAME = 60  # columns for a key, unless the window is narrower
_PROBLEM_COLUMNS = (Column("Outcome", width=9), Column("Photo", width=24), Column("Reason"))


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


class Problem(NamedTuple):
    """A file or photo without labels: skipped, failed or removed; its path or key; the reason."""

    outcome: str
    name: str
    reason: str = ""


def wait_and_print(
    session: Session,
    sent: Sequence[ObjectVersion],
    timeout: float,
    json_extra: dict[str, Any],
    show: Callable[[Photo], None] | None = None,
) -> tuple[dict[str, int], list[Problem]]:
    """Wait for photos and print their labels. Returns counts by state, and the photos without labels.

    Each photo is printed as soon as it is done. JSON is one value in the order of `sent`, with the
    members of `json_extra` beside the photos, printed at the end, even after an error. If `show` is
    given, it is called with each photo instead, and only JSON after an error is printed.
    """
    view = session.view
    done: dict[str, Any] = {}
    problems: list[Problem] = []
    print_result = show is None
    show = show or partial(_print_photo, session, _line_columns(sent))
    try:
        with view.meter("Labelling") as meter:
            meter.update(0, total=len(sent))
            for photos in wait_for(session, meter, sent, timeout):
                for photo in photos:
                    done[photo.image] = photo.as_json() if view.mode == "json" else None
                    session.names.add(labels=(label.name for label in photo.labels))
                    if photo.status == "failed":
                        problems.append(Problem("failed", photo.image, photo.reason or ""))
                    show(photo)
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
    failed = len(problems)
    removed = [Problem("removed", photo.key) for photo in sent if photo.key not in done]
    for problem in removed:
        view.step(_PROBLEM_COLUMNS, *_problem_row(problem))
    if print_result:
        _print_json(session, sent, done, json_extra)
    counts = {"labelled": len(done) - failed, "failed": failed, "removed": len(removed)}
    return counts, [*problems, *removed]


def print_end(
    session: Session, counts: dict[str, int], problems: Sequence[Problem], prefix: str = ""
) -> None:
    """After more than a few photos, sum up.

    After many, repeat the problems on a terminal: the other lines have scrolled them away.
    """
    view, total = session.view, sum(counts.values())
    if total <= _MAX_TABLES:
        return
    if view.mode == "table" and total > _MAX_SCREEN:
        for problem in problems:
            view.step(_PROBLEM_COLUMNS, *_problem_row(problem), always=True)
    view.note(", ".join(f"{count:,} {name}" for name, count in counts.items() if count) + ".")
    if counts["failed"]:
        view.note("Next: ", Command("failures"))
    elif counts["labelled"]:
        under = ["--prefix", prefix] if prefix else []
        view.note("Next: ", Command("gallery", *under, "--open"))


def _problem_row(problem: Problem) -> tuple[Cell, str, Cell]:
    return state(problem.outcome), problem.name, Cell(problem.reason, STYLES[problem.outcome])


def _line_columns(sent: Sequence[ObjectVersion]) -> Sequence[Column] | None:
    """The columns of the lines of many photos; None for a few, which get a table each."""
    if len(sent) <= _MAX_TABLES:
        return None
    longest = min(max(len(photo.key) for photo in sent), _MAX_NAME)
    return (Column("State", width=9), Column("Photo", width=longest), Column("Top labels"))


def _print_photo(session: Session, columns: Sequence[Column] | None, photo: Photo) -> None:
    view = session.view
    if view.mode == "table" and columns:
        row = (state(photo.status), photo.image, summary(photo))
        view.stream(None, columns, row)
    elif photo.status == "failed":
        row = _problem_row(Problem("failed", photo.image, photo.reason or ""))
        view.step(_PROBLEM_COLUMNS, *row, always=True)
    elif photo.status == "labelled" and view.mode != "json":
        view.show(None, labels_table(photo, with_name=True))


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
