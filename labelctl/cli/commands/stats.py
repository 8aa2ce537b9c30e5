"""`labelctl stats`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import typer

from labelctl.cli.commands._photo import STYLES
from labelctl.cli.commands._prefix import note_similar_prefix
from labelctl.cli.options import Prefix, check_prefix, no_keys
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Bar, Cell, Column, Table, number
from labelctl.text import counted

if TYPE_CHECKING:
    from labelctl.labels.stats import Stats

_MAX_ROWS = 15  # of a section on a terminal; plain and JSON output have all
_MIN_NAME, _MAX_NAME = 11, 30  # columns for names, the same in all sections to align the bars


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
    most = None if view.mode == "plain" else _MAX_ROWS
    view.show(counts.as_json(), *_tables(counts, most))
    if not tally.photos:
        view.note(no_keys(prefix) if prefix else "There are no photos.")
        note_similar_prefix(session, prefix)
    if session.options.verbose:
        view.note(f"Read: {reader.spent}.")


def _tables(stats: Stats, most: int | None) -> Iterator[Table]:
    """A table for each kind of count that is not empty, with at most `most` rows."""
    total, labelled = sum(stats.photos.values()), stats.photos["labelled"]
    if most and not total:
        return
    names = (*islice(stats.labels, _MAX_ROWS), *islice(stats.categories, _MAX_ROWS))
    shared = columns(max(map(len, names), default=0), max(total, *stats.confidence))

    def table(title: str, group: str, counts: Mapping[str, int], whole: int) -> Table:
        rows = [_row(group, name, count, whole) for name, count in islice(counts.items(), most)]
        return Table(shared, [[*row, ""] for row in rows], title=title, header=False)

    yield table(counted(total, "photo"), "photos", stats.photos, total)
    if stats.labels:
        yield table(_top("Labels", stats.labels), "label", stats.labels, labelled)
        label_total = sum(stats.confidence)
        title = f"Confidence of {counted(label_total, 'label')}, in percent"
        ranges = _ranges(stats.confidence, from_zero=most is None)
        yield table(title, "confidence", ranges, label_total)
    if stats.categories:
        yield table(_top("Categories", stats.categories), "category", stats.categories, labelled)
    if stats.failures:
        rows = [
            [*_row("failure", each.error, each.photos, total)[:-1], each.reason]
            for each in stats.failures[:most]
        ]
        failure_columns = (*shared[:4], Column("Reason", style="red", fills=True))
        yield Table(failure_columns, rows, title="Why photos failed", header=False)
    if stats.days:
        latest = dict(islice(stats.days.items(), max(len(stats.days) - (most or total), 0), None))
        title = "Labelled per day (UTC)"
        if len(latest) < len(stats.days):
            title += f", latest {len(latest)} of {len(stats.days):,}"
        yield table(title, "day", latest, labelled)


def columns(longest_name: int, largest: int) -> tuple[Column, ...]:
    """The columns of all tables, with equal widths so that the bars are aligned."""
    return (
        Column("Group", in_title=True),
        Column("Name", width=min(max(longest_name, _MIN_NAME), _MAX_NAME)),
        Column("Count", right=True, width=len(f"{largest:,}")),
        Column("Percentage", right=True, width=len("100.0 %")),
        Column("", bars=True),
        Column("Reason", in_title=True),  # of failures, whose table has it instead of bars
    )


def _row(group: str, name: str, count: int, whole: int) -> list[AnyCell]:
    """A count, its share of the whole, and a bar for this share: a full bar is 100 %."""
    share = count / whole if whole else 0
    text = "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
    return [
        group,
        Cell(name, "" if count else "dim"),
        number(count),
        Cell(text, "dim", plain=f"{100 * share:.1f}"),
        Bar(share, STYLES[name] if group == "photos" else "cyan"),
    ]


def _ranges(bins: Sequence[int], *, from_zero: bool) -> dict[str, int]:
    """The counts by range of confidence, from 0 or from the first range with labels."""
    first = 0 if from_zero else next(index for index, count in enumerate(bins) if count)
    return {f"{low}-{low + 10}": bins[low // 10] for low in range(10 * first, 100, 10)}


def _top(title: str, counts: Mapping[str, int]) -> str:
    if len(counts) <= _MAX_ROWS:
        return title
    return f"{title}, top {_MAX_ROWS} of {len(counts):,}"
