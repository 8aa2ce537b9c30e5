"""`labelctl stats`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import typer

from labelctl.cli.commands._prefix import note_similar_prefix
from labelctl.cli.options import Prefix, check_prefix, no_keys
from labelctl.cli.session import Session
from labelctl.cli.tables import Bar, Cell, Column, Table
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.stats import Stats

_MAX_ROWS = 15  # of a section on a terminal; plain and JSON output have all
_MIN_NAME, _MAX_NAME = 11, 30  # columns for names, the same in all sections to align the bars
_STATES = {"labelled": "green", "failed": "red", "waiting": "yellow"}


def stats(
    context: typer.Context,
    prefix: Prefix = "",
) -> None:
    """Count photos, labels, categories and failures."""
    from labelctl.labels import listing
    from labelctl.labels import stats as core
    from labelctl.photos import versions

    check_prefix(prefix)
    session = Session.of(context)
    stack, aws, view, reader = session.stack, session.aws, session.view, session.reader
    with view.meter("Counting") as meter:
        tally = core.Tally()
        objects = versions.list_photos(aws.s3, stack.bucket, prefix)
        for page in listing.photos(reader, objects, *core.ATTRIBUTES):
            tally.add(page)
            meter.update(tally.photos)
    counts = tally.stats()
    session.names.add(labels=counts.labels)
    if view.mode == "plain":
        view.show(None, Table((), list(_lines(counts))))
    else:
        view.show(counts.as_json(), *_tables(counts))
    if not tally.photos:
        view.note(no_keys(prefix) if prefix else "There are no photos.")
        note_similar_prefix(session, prefix)
    if session.options.verbose:
        view.note(f"Read: {reader.spent}.")


def _lines(stats: Stats) -> Iterator[list[str]]:
    """The plain output: the kind of count, what is counted, and the count."""
    yield from (["photos", state, str(count)] for state, count in stats.photos.items())
    yield from (["label", name, str(count)] for name, count in stats.labels.items())
    for number, count in enumerate(stats.confidence):
        yield ["confidence", f"{number * 10}-{number * 10 + 10}", str(count)]
    yield from (["category", name, str(count)] for name, count in stats.categories.items())
    yield from (["failure", each.error, str(each.photos), each.reason] for each in stats.failures)
    yield from (["day", day, str(count)] for day, count in stats.days.items())


def _tables(stats: Stats) -> Iterator[Table]:
    """A section for each kind of count that is not empty."""
    total, labelled = sum(stats.photos.values()), stats.photos["labelled"]
    if not total:
        return
    names = (*islice(stats.labels, _MAX_ROWS), *islice(stats.categories, _MAX_ROWS))
    width = (
        min(max(map(len, names), default=0), _MAX_NAME),
        len(f"{max(total, *stats.confidence):,}"),
    )
    yield _bars(counted(total, "photo"), stats.photos, total, width, _STATES)
    if stats.labels:
        yield _bars(_top("Labels", stats.labels), stats.labels, labelled, width)
        ranges = {
            f"{number * 10} to {number * 10 + 10} %": count
            for number, count in enumerate(stats.confidence)
        }
        label_total = sum(stats.confidence)
        first = next(number for number, count in enumerate(stats.confidence) if count)
        shown = dict(islice(ranges.items(), first, None))
        title = f"Confidence of {counted(label_total, 'label')}"
        yield _bars(title, shown, label_total, width)
    if stats.categories:
        yield _bars(_top("Categories", stats.categories), stats.categories, labelled, width)
    if stats.failures:
        yield _failures(stats)
    if stats.days:
        latest = dict(islice(stats.days.items(), max(len(stats.days) - _MAX_ROWS, 0), None))
        title = "Labelled per day (UTC)"
        if len(stats.days) > _MAX_ROWS:
            title += f", latest {_MAX_ROWS} of {len(stats.days):,}"
        yield _bars(title, latest, labelled, width)


def _bars(
    title: str,
    counts: Mapping[str, int],
    total: int,
    width: tuple[int, int],
    styles: Mapping[str, str] | None = None,
) -> Table:
    """The first counts, each with its share of the total and a bar. The longest bar is full."""
    shown = list(islice(counts.items(), _MAX_ROWS))
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
        Column("", width=max(width[0], _MIN_NAME)),
        Column("", right=True, width=width[1]),
        Column("", right=True, width=len("100.0 %")),
        Column("", bars=True),
    )
    return Table(columns, rows, title=title)


def _top(title: str, counts: Mapping[str, int]) -> str:
    if len(counts) <= _MAX_ROWS:
        return title
    return f"{title}, top {_MAX_ROWS} of {len(counts):,}"


def _failures(stats: Stats) -> Table:
    shown = stats.failures[:_MAX_ROWS]
    return Table(
        columns=(Column("", right=True), Column("", style="red")),
        rows=[(f"{each.photos:,}", each.reason) for each in shown],
        title="Why photos failed",
    )


def _percent(count: int, total: int) -> str:
    share = 100 * count / total if total else 0
    return "< 0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"
