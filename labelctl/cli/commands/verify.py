"""`labelctl verify`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import Prefix, check_prefix, no_keys
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.cli.values import number
from labelctl.errors import Command, InconsistentError
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.operations.verify.findings import Finding, Summary

COLUMNS = (Column("Problem", width=11), Column("Photo", width=24), Column("Detail"))
_STYLES = {"orphaned": "yellow", "unused": "yellow"}
_KIND_NAMES = {
    "missing": "missing",
    "dead_letter": "dead-lettered",
    "stale": "stale",
    "orphaned": "orphaned",
    "unindexed": "not in the index",
    "unused": "with unused index items",
}


def verify(
    context: typer.Context,
    prefix: Prefix = "",
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Requeue missing and stale photos, remove orphaned results. With --index: also"
            " repair the index.",
        ),
    ] = False,
    index: Annotated[bool, typer.Option("--index", help="Also check the search index.")] = False,
    overdue: Annotated[
        float | None,
        typer.Option(
            parser=number(0),
            metavar="HOURS",
            help="Treat photos that have waited longer as missing, even if the queue is not empty"
            " (0: all). [default: the stack's --alarm-age]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that every photo has a result, and every result a photo."""
    from labelctl.operations.verify import findings
    from labelctl.operations.verify import verify as core

    check_prefix(prefix)
    session = Session.of(context)
    view = session.view
    stack, aws = session.stack, session.aws
    summary: Summary | None = None
    patience = None if overdue is None else overdue * 3600
    steps = core.verify(aws, stack, prefix=prefix, overdue=patience, repair=repair, index=index)
    try:
        with closing(steps), view.meter("Verifying") as meter:
            for step in steps:
                if isinstance(step, findings.Progress):
                    meter.step(step.message)
                    meter.update(step.done, total=step.total)
                elif isinstance(step, findings.Summary):
                    summary = step
                else:
                    _print_finding(session, step)
    except KeyboardInterrupt:
        more = " A few more photos than shown may be queued, which is harmless." if repair else ""
        view.note(f"Interrupted. Run the same command to start over.{more}")
        raise
    assert summary is not None  # it always comes last
    options = ["--prefix", prefix] if prefix else []
    options += ["--index"] if index else []
    options += [] if overdue is None else ["--overdue", f"{overdue:g}"]
    _print_summary(session, summary, prefix, options)


def _print_finding(session: Session, finding: Finding) -> None:
    kind = Cell(finding.kind, _STYLES.get(finding.kind, "red"))
    row = (kind, finding.image, Cell(finding.detail, "dim"))
    session.view.stream(vars(finding), COLUMNS, row)


def _print_summary(session: Session, summary: Summary, prefix: str, options: list[str]) -> None:
    """Print the counts and what to do next. Raises InconsistentError for remaining problems.

    `options` are those that repeat this check.
    """
    view = session.view
    view.stream_json({"kind": "summary", **_json(summary)})
    for sentence in _sentences(summary, prefix):
        view.note(sentence)
    for sentence in summary.unseen.sentences():
        view.warn(sentence)
    problems = sum(summary.problems.values())
    if summary.repaired:
        view.note(
            f"{counted(problems, 'problem')} repaired, or queued for repair."
            " Check again when the queue is empty:"
        )
        view.command(Command("verify", *options))
    elif problems:
        kinds = ", ".join(
            f"{count:,} {_KIND_NAMES[kind]}" for kind, count in summary.problems.items()
        )
        raise InconsistentError(
            f"Problems: {kinds}.", "Repair them: ", Command("verify", *options, "--repair")
        )
    if summary.unseen and summary.waiting:
        raise InconsistentError(
            "Waiting photos may be dead letters, not all of which could be read.",
            "Check again in a few minutes: ",
            Command("verify", *options),
        )


def _sentences(summary: Summary, prefix: str) -> Iterator[str]:
    """The counts in sentences."""
    if prefix and not (summary.photos or summary.removals or summary.problems):
        yield no_keys(prefix)
        return
    counts = [f"{summary.labelled:,} labelled", f"{summary.failed:,} failed"]
    if summary.waiting:
        counts.append(f"{summary.waiting:,} waiting")
    found = "" if summary.problems else " No problems found."
    yield f"{counted(summary.photos, 'photo')}: {', '.join(counts)}.{found}"
    if summary.removals:
        removed = counted(summary.removals, "deleted photo")
        yield f"The results of {removed} have not been removed yet."
    if (summary.waiting or summary.removals) and not summary.repaired:
        yield "Check again when the queue is empty: waiting photos may turn out to be missing."


def _json(summary: Summary) -> dict[str, Any]:
    value = {**vars(summary), "problems": dict(summary.problems)}
    del value["unseen"]
    return value
