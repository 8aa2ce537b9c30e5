"""`labelctl retry`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._wait import print_end, wait_and_print
from labelctl.cli.commands.failures import short_id, warn_about_unread
from labelctl.cli.options import Wait, WaitTimeout
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.errors import Command, PhotosFailedError, UsageError
from labelctl.text import counted

if TYPE_CHECKING:
    from collections.abc import Generator

    from labelctl.operations.dead_letters import UnreadMessages
    from labelctl.operations.retry import RetryResult
    from labelctl.photos.versions import ObjectVersion

_STYLES = {"queued": "green", "labelled": "dim", "left": "yellow"}
COLUMNS = (Column("Outcome", width=9), Column("Photo", width=24), Column("Reason"))
_SUMMARY = {"labelled": "labelled already", "left": "left in the dead-letter queue"}


def retry(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGE]...", help="Keys of the photos, or the paths they were uploaded from."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Retry all failed photos and all dead letters.")
    ] = False,
    reason: Annotated[
        str, typer.Option(help="Retry failures whose reason contains TEXT.", metavar="TEXT")
    ] = "",
    prefix: Annotated[
        str,
        typer.Option(
            help="Retry failures whose key starts with TEXT, e.g. holiday/.", metavar="TEXT"
        ),
    ] = "",
    wait: Wait = False,
    timeout: WaitTimeout = 600,
) -> None:
    """Retry failed photos, including dead letters."""
    from labelctl.operations.dead_letters import UnreadMessages

    session = Session.of(context)
    _check_selection(images, every, bool(reason or prefix))
    view = session.view
    tally = dict.fromkeys(_STYLES, 0)
    awaited: dict[str, ObjectVersion] = {}
    others: list[dict[str, Any]] = []
    unseen = UnreadMessages()
    try:
        with (
            view.meter("Requeuing") as meter,
            closing(_retried(session, images or [], prefix, reason)) as results,
        ):
            for each in results:
                if isinstance(each, UnreadMessages):
                    unseen = each
                    continue
                tally[each.outcome] += 1
                _print_retried(session, each, wait)
                if wait:
                    _sort_for_wait(session, each, awaited, others)
                meter.update(sum(tally.values()), detail=each.image or "")
    except KeyboardInterrupt:
        view.note("Interrupted. Run the same command to resume.")
        raise
    _print_summary(session, tally, unseen, retry_all=every)
    if wait:
        json_extra = {"others": others, "hidden_dead_letters": unseen.hidden}
        _wait(session, list(awaited.values()), timeout, json_extra)
    elif tally["queued"]:
        view.note(
            "Next: ", Command("status"), ", and for photos that fail again: ", Command("failures")
        )


def _check_selection(images: list[str] | None, every: bool, choice: bool) -> None:
    """Raise UsageError unless exactly one way to select photos is used."""
    used = [bool(images), every, choice]
    if sum(used) > 1:
        raise UsageError(
            "IMAGE, --all, and --reason or --prefix cannot be combined.", "Use one of them."
        )
    if not any(used):
        raise UsageError(
            "Nothing selected to retry.",
            "Name photos, or use --all, --reason or --prefix. `",
            Command("failures"),
            "` lists failures.",
        )


def _retried(
    session: Session, images: list[str], prefix: str, reason: str
) -> Generator[RetryResult | UnreadMessages, None, None]:
    from labelctl.operations import retry
    from labelctl.operations.failures import FailureFilter

    stack, aws = session.stack, session.aws
    if images:
        # Resolves all names first: a typo stops the command before anything is requeued.
        yield from retry.retry_images(aws, stack, retry.resolve_images(aws, stack, images))
    else:
        yield from retry.retry_all(aws, stack, FailureFilter(prefix, reason))


def _print_retried(session: Session, retried: RetryResult, wait: bool) -> None:
    """Print a line per photo. With --wait the result is the labels, and this is only progress."""
    view = session.view
    message_id = retried.message_id or ""
    name = Cell(short_id(message_id), plain=message_id) if message_id else retried.image or ""
    outcome = Cell(retried.outcome, _STYLES[retried.outcome])
    row = (outcome, name, Cell(retried.why, "dim"))
    if not wait:
        view.stream(_json(retried), COLUMNS, row)
    elif retried.outcome == "left":
        view.step(COLUMNS, *row, always=True)


def _json(retried: RetryResult) -> dict[str, Any]:
    return {
        "image": retried.image,
        "message_id": retried.message_id,
        "outcome": retried.outcome,
        "why": retried.why,
    }


def _sort_for_wait(
    session: Session,
    retried: RetryResult,
    awaited: dict[str, ObjectVersion],
    others: list[dict[str, Any]],
) -> None:
    """Add to `awaited` if a result is expected, and to `others` if nothing was queued."""
    from labelctl.operations import retry

    photo = retried.awaited and retry.with_version(
        session.aws.s3, session.stack.bucket, retried.awaited
    )
    if photo is None or retried.outcome != "queued":
        others.append(_json(retried))
    if photo is None:
        return
    before = awaited.get(photo.key)
    if before is None or before.sequencer <= photo.sequencer:
        awaited[photo.key] = photo


def _print_summary(
    session: Session, tally: dict[str, int], unseen: UnreadMessages, *, retry_all: bool
) -> None:
    view = session.view
    warn_about_unread(session, unseen)
    parts = [f"{count:,} {_SUMMARY.get(name, name)}" for name, count in tally.items() if count]
    if parts:
        view.note(", ".join(parts) + ".")
    elif unseen:
        view.note("No matching failure was found among those that could be read.")
    elif retry_all:
        view.note("No photo has failed, and there are no dead letters.")
    else:
        view.note("No failure matches.")
    if tally["left"]:
        view.note(
            f"{counted(tally['left'], 'dead letter')} cannot be read and cannot be retried. "
            "To delete unreadable dead letters: ",
            Command("failures", "--discard"),
        )


def _wait(
    session: Session, sent: list[ObjectVersion], timeout: float, json_extra: dict[str, Any]
) -> None:
    counts, problems = wait_and_print(session, sent, timeout, json_extra)
    print_end(session, counts, problems)
    if failed := counts["failed"]:
        raise PhotosFailedError(
            f"{failed:,} of {counted(len(sent), 'photo')} could not be labelled.",
            "See the reasons above." + (" The others are done." if failed < len(sent) else ""),
        )
