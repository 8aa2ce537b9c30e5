"""`labelctl verify`."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.errors import AmissError
from labelctl.session import Session
from labelctl.view import Cell, printable
from labelctl.words import counted

if TYPE_CHECKING:
    from labelctl.verdict import Finding
    from labelctl.verify import Summary

_RETENTION = 14 * 24  # hours
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
    prefix: Annotated[
        str, typer.Option(help="Only photos whose keys begin so.", metavar="TEXT")
    ] = "",
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Queue what is amiss again, and have left-overs removed."),
    ] = False,
    overdue: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="HOURS",
            help="What has waited longer is lost. Default: 336, as long as the queue keeps it.",
            show_default=False,
        ),
    ] = _RETENTION,
) -> None:
    """Check that every photo has its result, and nothing else has one."""
    from labelctl import verify as core

    session = Session.of(context)
    view = session.view
    stack, aws = session.stack, session.aws
    summary: Summary | None = None
    steps = core.verify(aws, stack, prefix=prefix, overdue=overdue * 3600, repair=repair)
    try:
        with closing(steps), view.meter("Verifying") as meter:
            for step in steps:
                if isinstance(step, core.Progress):
                    meter.update(step.done, total=step.total, words=step.words)
                elif isinstance(step, core.Summary):
                    summary = step
                else:
                    _tell(session, step)
    except KeyboardInterrupt:
        view.note("Interrupted. Nothing is left half done; what was queued is told above.")
        raise
    assert summary is not None  # it always comes last
    again = "labelctl verify" + (f" --prefix {shlex.quote(prefix)}" if prefix else "")
    again += f" --overdue {overdue:g}" if overdue != _RETENTION else ""
    _sum_up(session, summary, again, repair)


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


def _sum_up(session: Session, summary: Summary, again: str, repair: bool) -> None:
    """The numbers, and what to do next: `again` is this command. Raises AmissError for what stays."""
    view = session.view
    amiss = sum(summary.amiss.values())
    if view.mode == "json":
        view.stream({"kind": "summary", **_json(summary)}, ())
    counts = [f"{summary.labelled:,} labelled", f"{summary.failed:,} failed"]
    if summary.waiting:
        counts.append(f"{summary.waiting:,} waiting")
    told = f"{counted(summary.photos, 'photo')}: {', '.join(counts)}."
    view.note(told if amiss else f"{told} Nothing is amiss.")
    if session.options.verbose:
        view.note(f"Reading the table took {summary.units:,.1f} read units.")
    if summary.cleanups:
        view.note(f"What is left of {counted(summary.cleanups, 'photo')} may go with the queue.")
    if summary.waiting or summary.cleanups:
        view.note("What waits cannot be told from what is lost yet: check again in some minutes.")
    if summary.repaired:
        queued = f"{summary.repaired:,} of {amiss:,}" if summary.repaired < amiss else f"{amiss:,}"
        view.note(f"Queued for repair: {queued}. Check again when the queue is empty.")
        view.command(session.options.complete(again))
    if amiss > summary.repaired:
        kinds = ", ".join(f"{count:,} {_WORDS[kind]}" for kind, count in summary.amiss.items())
        hint = "What is left is told above." if repair else f"Mend it: {again} --repair"
        raise AmissError(f"Amiss: {kinds}.", hint)


def _json(summary: Summary) -> dict[str, Any]:
    told = asdict(summary)
    del told["units"]
    return told
