"""What somebody searches for, as labels and categories that are stored.

A query is a conjunction of groups of labels: a photo has at least one of each group, and none of the
labels that are excluded.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from labelctl import schema
from labelctl.candidates import Order
from labelctl.errors import LabelNotFoundError, UsageError

if TYPE_CHECKING:
    from labelctl.vocabulary import Vocabulary, Word


@dataclass(frozen=True)
class SearchRequest:
    """What somebody asks for, in their words. All `labels`, or `any_label` of them."""

    labels: Sequence[str] = ()
    any_label: bool = False
    without: Sequence[str] = ()
    categories: Sequence[str] = ()
    min_confidence: float = 0
    prefix: str = ""
    order: Order = "surest"

    def command(self, word: str = "", instead: str = "") -> str:
        """The command line that asks for it, with another word in one's place."""

        def words(some: Sequence[str]) -> list[str]:
            return [shlex.quote(instead if each == word else each) for each in some]

        parts = ["labelctl search", *words(self.labels), *(["--any"] if self.any_label else [])]
        parts += [f"--not {each}" for each in words(self.without)]
        parts += [f"--category {each}" for each in words(self.categories)]
        if self.min_confidence:
            parts.append(f"--min-confidence {self.min_confidence:g}")
        if self.prefix:
            parts.append(f"--prefix {shlex.quote(self.prefix)}")
        if self.order != "surest":
            parts.append(f"--sort {self.order}")
        return " ".join(parts)


@dataclass(frozen=True)
class Group:
    """Labels of which a photo has at least one; `name` is how somebody would call them."""

    name: str
    words: tuple[Word, ...]

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(word.label for word in self.words)


@dataclass(frozen=True)
class Query:
    """What is asked for, as labels that are stored.

    On no photo are `unknown`, which were to be excluded; `absent` is what is to be said of those that
    are on none, where any of several would have done.
    `least` (0 to 100) is the confidence from which on a label counts, whether wanted or not.
    """

    groups: tuple[Group, ...]
    without: frozenset[str] = frozenset()
    least: Decimal = Decimal(0)
    prefix: str = ""
    order: Order = "surest"
    unknown: tuple[str, ...] = ()
    absent: tuple[LabelNotFoundError, ...] = ()


def plan(vocabulary: Vocabulary, request: SearchRequest) -> Query:
    """The query that somebody means.

    Raises UsageError where nothing is asked for, LabelNotFoundError for a label or a category that no
    photo has or had; where any of several labels will do, only if there is none of them.
    """
    if not request.labels and not request.categories:
        raise UsageError(
            "Nothing to search for.", "Name a label, such as dog, or a category with --category."
        )
    if not all(schema.label_of(each) for each in (*request.labels, *request.without)):
        raise UsageError("A label has no name.", "Name one, such as dog.")
    known = vocabulary.find([*request.labels, *request.without])
    nobodys = [text for text in request.labels if not known[text]]
    absent = [
        _not_found("label", text, vocabulary, vocabulary.near(text), request) for text in nobodys
    ]
    if absent and not (request.any_label and len(absent) < len(request.labels)):
        raise absent[0]
    groups = [_group(known[text]) for text in request.labels]
    if request.any_label and groups:
        groups = [_group(word for text in request.labels for word in known[text])]
    for text in request.categories:
        if not (some := vocabulary.in_category(text)):
            near = vocabulary.near_categories(text)
            raise _not_found("category", text, vocabulary, near, request)
        groups.append(Group(_category(some, text), some))
    return Query(
        groups=tuple({group.labels: group for group in groups}.values()),
        without=frozenset(word.label for text in request.without for word in known[text]),
        least=Decimal(str(request.min_confidence)),
        prefix=request.prefix,
        order=request.order,
        unknown=tuple(text for text in request.without if not known[text]),
        absent=tuple(absent),
    )


def _group(words: Iterable[Word]) -> Group:
    some = tuple(dict.fromkeys(words))
    return Group(" or ".join(word.name for word in some), some)


def _category(words: Sequence[Word], text: str) -> str:
    """A category as it is written."""
    wanted = schema.label_of(text)
    return next(each for each in words[0].categories if schema.label_of(each) == wanted)


def _not_found(
    kind: str, text: str, vocabulary: Vocabulary, near: Sequence[str], request: SearchRequest
) -> LabelNotFoundError:
    what = "has the label" if kind == "label" else "has a label in the category"
    message = f'No photo {what} "{text}".'
    if not vocabulary.words:
        hint = "No photo has been labelled yet. Next: labelctl upload PATH"
        return LabelNotFoundError(message, hint)
    if not near:
        return LabelNotFoundError(message, "`labelctl stats` shows the commonest labels.")
    some = near[0] if len(near) == 1 else f"{', '.join(near[:-1])} or {near[-1]}"
    return LabelNotFoundError(message, f"Did you mean {some}? {request.command(text, near[0])}")
