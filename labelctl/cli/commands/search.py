"""`labelctl search`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.options import Limit, Prefix, check_prefix
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Column, moment, percent
from labelctl.cli.values import choice_option, percent_option
from labelctl.errors import UsageError

if TYPE_CHECKING:
    from labelctl.labels.search.query import Query
    from labelctl.labels.search.run import Match

_ORDERS = ("confidence", "newest")
COLUMNS = (
    Column("Photo", style="bold", is_key=True),
    Column("Uploaded", in_wide_windows=True),
)
GROUP_COLUMNS = (Column("Label"), Column("Confidence", right=True))
"""For each label or category that was searched for."""


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
    columns = (*COLUMNS, *(GROUP_COLUMNS * len(query.groups)))
    shown, more = 0, False
    with (
        view.long_table(columns) as show,
        view.meter("Searching") as meter,
        closing(searching.matches(limit + 1)) as matches,
    ):
        for match in matches:
            if shown == limit:
                more = True
                continue  # the last match: lets the search end and add up what it has read
            shown += 1
            session.names.add(keys=[match.image])
            show({"kind": "photo", **match.as_json()}, _row(match))
            meter.update(shown, detail=f"of {searching.photos_read:,} photos read")
    # The last line of JSON marks the end, and says whether there is more.
    view.stream_json({"kind": "summary", "photos": shown, "more": more})
    if not shown:
        view.note(_empty_message(query))
    if more:
        view.note("More results: raise --limit.")
    if session.options.verbose:
        view.note(f"Read: {searching.spent}.")


def _row(match: Match) -> list[AnyCell]:
    """The photo, and the most confident label of each group."""
    best = [group[0] for group in match.found]
    labels = (
        cell for each in best for cell in (each.name, percent(float(each.confidence), "green"))
    )
    return [match.image, moment(match.uploaded_at, "dim"), *labels]


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
