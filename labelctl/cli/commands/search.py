"""`labelctl search`."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.errors import UsageError

if TYPE_CHECKING:
    from labelctl.labels.search.query import Group, Query
    from labelctl.labels.search.run import Match

_ORDERS = ("surest", "newest")
_WIDEST = 24  # of a label's name beside others; longer ones push the rest to the right
_DATE = "2026-05-01 14:02"
_CONFIDENCE = "100.0 %"


def _order(value: str) -> str:
    if value not in _ORDERS:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(_ORDERS)}.")
    return value


def search(
    context: typer.Context,
    label: Annotated[
        list[str] | None,
        typer.Argument(metavar="LABEL…", help="What is on the photo: all of these."),
    ] = None,
    any_label: Annotated[bool, typer.Option("--any", help="Any of the labels is enough.")] = False,
    without: Annotated[
        list[str] | None, typer.Option("--not", metavar="LABEL", help="What is not on it.")
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help='A label in it, such as "Animals and Pets".'),
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="From which confidence on a label counts, also in --not.",
        ),
    ] = 0,
    prefix: Prefix = "",
    limit: Annotated[int, typer.Option(min=1, metavar="COUNT", help="At most so many.")] = 100,
    sort: Annotated[
        str, typer.Option(callback=_order, metavar="|".join(_ORDERS), help="Which come first.")
    ] = "surest",
) -> None:
    """Find photos by what is on them.

    Case does not matter, and aliases are understood ("cell phone"). --not and --category may be
    given several times: a photo has a label in each category, and none that is excluded. Of several
    labels the least sure tells how sure a photo is.
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
        order="newest" if sort == "newest" else "surest",
    )
    query = plan(Vocabulary(reader), request)
    for absent in query.absent:
        view.warn(absent.message, session.options.complete(absent.hint))
    for text in query.unknown:
        view.warn(f'No photo has the label "{text}": --not takes nothing away.')
    for group in query.groups:
        if group.labels <= query.without:
            raise UsageError(f"{group.name} is both asked for and excluded.", "Choose one of them.")
    searching = core.Search(reader, aws.s3, stack.bucket, query)
    told, more = 0, False
    with view.meter("Searching") as meter, closing(searching.matches(limit + 1)) as matches:
        for match in matches:
            if told == limit:
                more = True
                continue  # it was the last; the search ends by itself, and the bill is whole
            if not told and view.mode == "table":
                view.stream(None, _titles(query))
            told += 1
            plain = view.mode == "plain"
            value = {"kind": "photo", **match.as_json()}
            view.stream(value, _fields(match) if plain else _row(match, query))
            meter.update(told, words=f"of {searching.looked:,} looked at")
    if view.mode == "json":  # so that a program knows that this is all, or not
        view.stream({"kind": "summary", "photos": told, "more": more}, ())
    if not told:
        view.note(_nothing(query))
    if more:
        view.note("… and more: --limit COUNT shows them.")
    if session.options.verbose:
        view.note(f"Read: {searching.spent}.")


def _titles(query: Query) -> list[str | Cell]:
    """Every column but the last has a width that is known before the first photo is found."""
    groups = [_name(group).ljust(_width(group)) for group in query.groups]
    return [Cell(title, "bold") for title in (*groups, "Uploaded".ljust(len(_DATE)), "Photo")]


def _row(match: Match, query: Query) -> list[str | Cell]:
    cells: list[str | Cell] = []
    for group, found in zip(query.groups, match.found, strict=True):
        surest = found[0]
        confidence = f"{surest.confidence:5.1f} %"
        many = len(group.words) > 1
        told = f"{surest.name.ljust(_names(group))} {confidence}" if many else confidence
        cells.append(Cell(told.ljust(_width(group)), "green"))
    uploaded = datetime.fromisoformat(match.uploaded_at).astimezone()
    return [*cells, Cell(f"{uploaded:%Y-%m-%d %H:%M}", "dim"), Cell(match.image, "bold")]


def _name(group: Group) -> str:
    if len(group.name) <= 2 * _WIDEST:
        return group.name
    return f"{group.name[: 2 * _WIDEST - 1]}…"


def _names(group: Group) -> int:
    return min(_WIDEST, max(len(word.name) for word in group.words))


def _width(group: Group) -> int:
    label = _names(group) + 1 if len(group.words) > 1 else 0
    return max(label + len(_CONFIDENCE), len(_name(group)))


def _fields(match: Match) -> list[str | Cell]:
    """The photo, when it was uploaded, and its labels, each a name and a confidence."""
    labels = dict.fromkeys(each for group in match.found for each in group)
    pairs = [(each.name, f"{each.confidence:.1f}") for each in labels]
    return [match.image, match.uploaded_at, *(field for pair in pairs for field in pair)]


def _nothing(query: Query) -> str:
    groups = " and ".join(group.name for group in query.groups)
    sure = f" with at least {float(query.least):g} %" if query.least else ""
    where = f' under "{query.prefix}"' if query.prefix else ""
    without = f" but not {' or '.join(sorted(query.without))}" if query.without else ""
    return f"No photo{where} shows {groups}{without}{sure}."
