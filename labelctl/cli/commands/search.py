"""`labelctl search`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl import times
from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell
from labelctl.errors import UsageError

if TYPE_CHECKING:
    from labelctl.labels.search.query import Group, Query
    from labelctl.labels.search.run import Match

_ORDERS = ("confidence", "newest")
_MAX_NAME = 24  # columns for a label's name in a group; a longer name shifts the rest of its line
_DATE = "2026-05-01 14:02"
_CONFIDENCE = "100.0 %"


def search(
    context: typer.Context,
    label: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LABEL]...", help="Labels that a photo must have, all of them."),
    ] = None,
    any_label: Annotated[
        bool, typer.Option("--any", help="Find photos with any of the labels.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="LABEL", help="Exclude photos with this label."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help='Require a label in this category, e.g. "Animals and Pets".'
        ),
    ] = None,
    min_confidence: Annotated[
        float,
        percent_option("Ignore labels below this confidence (applies to --not too)."),
    ] = 0,
    prefix: Prefix = "",
    limit: Limit = 100,
    sort: Annotated[str, choice_option(_ORDERS, help="Order of the results.")] = "confidence",
) -> None:
    """Find photos by label.

    Case does not matter, and aliases work ("cell phone"). --not and --category can be repeated: a
    photo must have a label in each category and none of the excluded labels. With several labels,
    photos are ranked by the least confident one.
    """
    from labelctl.labels.search import run as core
    from labelctl.labels.search.query import SearchRequest, plan
    from labelctl.labels.search.vocabulary import Vocabulary

    check_prefix(prefix)
    session = Session.of(context)
    stack, aws, view, reader = session.stack, session.aws, session.view, session.reader
    request = SearchRequest(
        labels=label or (),
        any_label=any_label,
        without=without or (),
        categories=category or (),
        min_confidence=min_confidence,
        prefix=prefix,
        order="newest" if sort == "newest" else "confidence",
    )
    query = plan(Vocabulary(reader), request)
    for absent in query.absent:
        view.warn(absent.message, *absent.hint_parts)
    for text in query.unknown:
        view.warn(f'No photo has the label "{text}", so --not "{text}" excludes nothing.')
    session.names.add(labels=(word.name for group in query.groups for word in group.words))
    for group in query.groups:
        if group.labels <= query.without:
            raise UsageError(f"{group.name} is both required and excluded.", "Remove one of them.")
    searching = core.Search(reader, aws.s3, stack.bucket, query)
    shown, more = 0, False
    with view.meter("Searching") as meter, closing(searching.matches(limit + 1)) as matches:
        for match in matches:
            if shown == limit:
                more = True
                continue  # the last match: lets the search end and add up what it has read
            if not shown and view.mode == "table":
                view.stream(None, _titles(query))
            shown += 1
            session.names.add(keys=[match.image])
            plain = view.mode == "plain"
            value = {"kind": "photo", **match.as_json()}
            view.stream(value, _fields(match) if plain else _row(match, query))
            meter.update(shown, detail=f"of {searching.photos_read:,} photos read")
    if view.mode == "json":  # marks the end, and whether there is more
        view.stream({"kind": "summary", "photos": shown, "more": more}, ())
    if not shown:
        view.note(_empty_message(query))
    if more:
        view.note("More results: raise --limit.")
    if session.options.verbose:
        view.note(f"Read: {searching.spent}.")


def _titles(query: Query) -> list[str | Cell]:
    """The column titles. The widths must be known before the first photo is found."""
    groups = [_title(group).ljust(_width(group)) for group in query.groups]
    return [Cell(title, "bold") for title in (*groups, "Uploaded".ljust(len(_DATE)), "Photo")]


def _row(match: Match, query: Query) -> list[str | Cell]:
    cells: list[str | Cell] = []
    for group, found in zip(query.groups, match.found, strict=True):
        best = found[0]
        text = f"{best.confidence:5.1f} %"
        if len(group.words) > 1:
            text = f"{best.name.ljust(_name_width(group))} {text}"
        cells.append(Cell(text.ljust(_width(group)), "green"))
    return [*cells, Cell(times.local_minute(match.uploaded_at), "dim"), Cell(match.image, "bold")]


def _title(group: Group) -> str:
    if len(group.name) <= 2 * _MAX_NAME:
        return group.name
    return f"{group.name[: 2 * _MAX_NAME - 1]}…"


def _name_width(group: Group) -> int:
    return min(_MAX_NAME, max(len(word.name) for word in group.words))


def _width(group: Group) -> int:
    label = _name_width(group) + 1 if len(group.words) > 1 else 0
    return max(label + len(_CONFIDENCE), len(_title(group)))


def _fields(match: Match) -> list[str | Cell]:
    """The fields of a plain line: key, upload time, and each label's name and confidence."""
    labels = dict.fromkeys(label for group in match.found for label in group)
    pairs = [(label.name, f"{label.confidence:.1f}") for label in labels]
    return [match.image, match.uploaded_at, *(field for pair in pairs for field in pair)]


def _empty_message(query: Query) -> str:
    groups = " and ".join(group.name for group in query.groups)
    at_least = (
        f" with at least {float(query.min_confidence):g} % confidence"
        if query.min_confidence
        else ""
    )
    where = f' under "{query.prefix}"' if query.prefix else ""
    without = f" but not {' or '.join(sorted(query.without))}" if query.without else ""
    return f"No photo{where} shows {groups}{without}{at_least}."
