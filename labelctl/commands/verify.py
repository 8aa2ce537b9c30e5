"""`labelctl verify`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.errors import AmissError
from labelctl.options import Prefix, check_prefix
from labelctl.session import Session
from labelctl.view import Cell
from labelctl.words import counted, printable, span

if TYPE_CHECKING:
    from labelctl.verdict import Finding
    from labelctl.verify import Progress, Summary

_STYLES = {"leftovers": "yellow", "orphaned": "yellow"}
_WORDS = {
    "missing": "missing",
    "dead_letter": "given up",
    "outdated": "outdated",
    "incomplete": "incomplete",
    "orphaned": "orphaned",
    "leftovers": "with left-overs",
}


def verify(
    context: typer.Context,
    prefix: Prefix = "",
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Queue what is amiss again, and have left-overs removed."),
    ] = False,
    overdue: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="HOURS",
            help="What has waited longer is lost; 0 waits for nothing. Default: wait while the queue"
            " has a message for each.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that every photo has its result, and nothing else has one."""
    from labelctl import verify as core

    check_prefix(prefix)
    session = Session.of(context)
    view = session.view
    stack, aws = session.stack, session.aws
    summary: Summary | None = None
    waits = False
    patience = None if overdue is None else overdue * 3600
    steps = core.verify(aws, stack, prefix=prefix, overdue=patience, repair=repair)
    try:
        with closing(steps), view.meter("Verifying") as meter:
            for step in steps:
                if isinstance(step, core.Progress):
                    if step.left and not waits:
                        waits = True
                        _tell_wait(session, step)
                    meter.update(step.done, total=step.total, words=step.words)
                elif isinstance(step, core.Summary):
                    summary = step
                else:
                    _tell(session, step)
    except KeyboardInterrupt:
        more = (
            " A few more may be queued than are told above, which does no harm." if repair else ""
        )
        view.note(f"Interrupted. Nothing is left half done.{more}")
        raise
    assert summary is not None  # it always comes last
    _sum_up(session, summary, prefix, overdue, repair)


def _tell_wait(session: Session, progress: Progress) -> None:
    one = progress.total == 1
    session.view.note(
        f"{counted(progress.total or 0, 'photo')} may be too young to be sure of: looking at"
        f" {'it' if one else 'them'} again in {span(progress.left)} (--overdue 0 does not wait)."
    )


def _tell(session: Session, finding: Finding) -> None:
    view = session.view
    cells: list[str | Cell] = [finding.kind, finding.image, finding.detail]
    if view.mode == "table":
        style = _STYLES.get(finding.kind, "red")
        cells = [
            Cell(f"{finding.kind:<11}", style),
            f"{printable(finding.image):<24}",
            Cell(finding.detail, "dim"),
        ]
    value = {
        "kind": finding.kind,
        "image": finding.image,
        "detail": finding.detail,
        "repaired": finding.repaired,
    }
    view.stream(value, cells)


def _sum_up(
    session: Session, summary: Summary, prefix: str, overdue: float | None, repair: bool
) -> None:
    """The numbers, and what to do next. Raises AmissError for what is amiss and not queued."""
    view = session.view
    amiss = sum(summary.amiss.values())
    if view.mode == "json":
        view.stream({"kind": "summary", **_json(summary)}, ())
    for sentence in _sentences(summary, prefix):
        view.note(sentence)
    if session.options.verbose and summary.units is not None:
        view.note(f"Reading the table took {summary.units:,.1f} read units.")
    again = "labelctl verify" + (f" --prefix {shlex.quote(prefix)}" if prefix else "")
    now = f"{again} --overdue 0"
    if summary.late and not summary.lost:
        _tell_late(session, summary, again)
    again += "" if overdue is None else f" --overdue {overdue:g}"
    if summary.repaired:
        queued = f"{summary.repaired:,} of {amiss:,}" if summary.repaired < amiss else f"{amiss:,}"
        view.note(f"Queued for repair: {queued}. Check again when the queue is empty.")
        view.command(session.options.complete(again))
    wrong, hint = [], ""
    if amiss > summary.repaired:
        kinds = ", ".join(f"{count:,} {_WORDS[kind]}" for kind, count in summary.amiss.items())
        wrong.append(f"Amiss: {kinds}.")
        hint = "What is left is told above." if repair else f"Mend it: {again} --repair"
    if summary.unclear:
        wrong.append(
            f"{counted(summary.unclear, 'photo')} may wait or have been given up: not all dead letters"
            " could be looked at."
        )
        hint = hint or f"Check again in some minutes: {again}"
    if summary.lost:
        wrong.append(
            f"At least {summary.lost:,} of the {summary.waiting + summary.cleanups:,} that wait"
            f" {'is' if summary.lost == 1 else 'are'} lost:"
            f" the queue holds {counted(summary.messages or 0, 'message')}."
        )
        meant = "all that wait"
        if summary.late >= summary.lost:
            meant, now = f"those that wait for over {_patience(session)}", again
        hint = f"Queue {meant} once more, for at most a call each: {now} --repair"
    if wrong:
        raise AmissError(" ".join(wrong), hint)


def _tell_late(session: Session, summary: Summary, again: str) -> None:
    """That the queue is long, or some of those that wait are lost and others have come since."""
    view, waits = session.view, summary.waiting + summary.cleanups
    have = "has" if summary.late == 1 else "have"
    view.note(
        f"{summary.late:,} of the {waits:,} {have} waited for over {_patience(session)}: the queue may"
        f" be that long, with {counted(summary.messages or 0, 'message')}. To be told which:"
    )
    view.command(session.options.complete(f"{again} --overdue {session.stack.alarm_age / 3600:g}"))


def _patience(session: Session) -> str:
    return span(session.stack.alarm_age)


def _sentences(summary: Summary, prefix: str) -> Iterator[str]:
    """How the photos stand."""
    waits = summary.waiting + summary.cleanups
    known = not (summary.amiss or summary.lost or summary.unclear)
    if prefix and known and not summary.photos and not waits:
        yield f'There is no photo whose key begins with "{prefix}".'
        return
    counts = [f"{summary.labelled:,} labelled", f"{summary.failed:,} failed"]
    if summary.waiting:
        counts.append(f"{summary.waiting:,} waiting")
    told = f"{counted(summary.photos, 'photo')}: {', '.join(counts)}."
    if known and waits:
        told += f" Nothing is known to be amiss; {waits:,} {'waits' if waits == 1 else 'wait'}."
    elif known:
        told += " Nothing is amiss."
    yield told
    if summary.cleanups:
        yield f"What is left of {counted(summary.cleanups, 'photo')} may go with the queue."
    if waits and not summary.lost:
        yield "What waits cannot be told from what is lost yet: check again in some minutes."


def _json(summary: Summary) -> dict[str, Any]:
    told = asdict(summary)
    del told["units"]
    return told
