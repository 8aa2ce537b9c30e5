"""`labelctl stats`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import typer

from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.output import Bar, Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.stats import Stats

_MOST = 15  # rows of a section on a terminal; a pipe and JSON get all
_SHORTEST, _LONGEST = 11, 30  # columns for names, so that all bars stand below each other
_STATES = {"labelled": "green", "failed": "red", "pending": "yellow"}


def stats(
    context: typer.Context,
    prefix: Prefix = "",
) -> None:
    """Count photos, labels, categories and failures."""
    from labelctl.labels import listing
    from labelctl.labels import stats as core

    check_prefix(prefix)
    session = Session.of(context)
    stack, aws, view, reader = session.stack, session.aws, session.view, session.reader
    with view.meter("Counting") as meter:
        tally = core.Tally()
        there = listing.objects(aws.s3, stack.bucket, prefix)
        for page in listing.photos(reader, there, *core.ATTRIBUTES):
            tally.add(page)
            meter.update(tally.photos)
    told = tally.stats()
    if view.mode == "plain":
        view.show(None, Table((), list(_lines(told))))
    else:
        view.show(told.as_json(), *_tables(told))
    if not tally.photos:
        where = f' whose keys begin with "{prefix}"' if prefix else ""
        view.note(f"There are no photos{where}.")
    if session.options.verbose:
        view.note(f"Read: {reader.spent}.")


def _lines(told: Stats) -> Iterator[list[str]]:
    """Everything, a line each: what is counted, of what, how many."""
    yield from (["photos", state, str(count)] for state, count in told.photos.items())
    yield from (["label", name, str(count)] for name, count in told.labels.items())
    for number, count in enumerate(told.confidence):
        yield ["confidence", f"{number * 10}-{number * 10 + 10}", str(count)]
    yield from (["category", name, str(count)] for name, count in told.categories.items())
    yield from (["failure", each.error, str(each.photos), each.reason] for each in told.failures)
    yield from (["day", day, str(count)] for day, count in told.days.items())


def _tables(told: Stats) -> Iterator[Table]:
    """A section for each thing that there is."""
    every, labelled = sum(told.photos.values()), told.photos["labelled"]
    if not every:
        return
    names = (*islice(told.labels, _MOST), *islice(told.categories, _MOST))
    width = (
        min(max(map(len, names), default=0), _LONGEST),
        len(f"{max(every, *told.confidence):,}"),
    )
    yield _bars(counted(every, "photo"), told.photos, every, width, _STATES)
    if told.labels:
        yield _bars(_commonest("Labels", told.labels), told.labels, labelled, width)
        spread = {
            f"{number * 10} to {number * 10 + 10} %": count
            for number, count in enumerate(told.confidence)
        }
        found = sum(told.confidence)
        first = next(number for number, count in enumerate(told.confidence) if count)
        shown = dict(islice(spread.items(), first, None))
        yield _bars(f"How sure {counted(found, 'label')} are", shown, found, width)
    if told.categories:
        yield _bars(_commonest("Categories", told.categories), told.categories, labelled, width)
    if told.failures:
        yield _failures(told)
    if told.days:
        latest = dict(islice(told.days.items(), max(len(told.days) - _MOST, 0), None))
        title = "Labelled each day (UTC)"
        if len(told.days) > _MOST:
            title += f", the latest {_MOST} of {len(told.days):,}"
        yield _bars(title, latest, labelled, width)


def _bars(
    title: str,
    counts: Mapping[str, int],
    total: int,
    width: tuple[int, int],
    styles: Mapping[str, str] | None = None,
) -> Table:
    """The first counts, each with its share of a total and a bar, of which the longest is full."""
    shown = list(islice(counts.items(), _MOST))
    longest = max((count for _, count in shown), default=0) or 1
    rows: list[list[str | Cell | Bar]] = [
        [
            Cell(name, "" if count else "dim"),
            f"{count:,}",
            Cell(_percent(count, total), "dim"),
            Bar(count / longest, (styles or {}).get(name, "cyan")),
        ]
        for name, count in shown
    ]
    columns = (
        Column("", width=max(width[0], _SHORTEST)),
        Column("", right=True, width=width[1]),
        Column("", right=True, width=len("100.0 %")),
        Column("", bars=True),
    )
    return Table(columns, rows, title=title)


def _commonest(title: str, counts: Mapping[str, int]) -> str:
    return title if len(counts) <= _MOST else f"{title}, the commonest {_MOST} of {len(counts):,}"


def _failures(told: Stats) -> Table:
    shown = told.failures[:_MOST]
    return Table(
        columns=(Column("", right=True), Column("", style="red")),
        rows=[(f"{each.photos:,}", each.reason) for each in shown],
        title="Why photos failed",
    )


def _percent(count: int, total: int) -> str:
    share = 100 * count / total if total else 0
    return "< 0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"
