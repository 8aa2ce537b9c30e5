"""Turning a search request into a query on stored labels.

A query is a conjunction of groups of labels: a match has at least one label of each group, and none of
the excluded labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from labelctl.contract import schema
from labelctl.errors import Command, LabelNotFoundError, UsageError
from labelctl.labels.search.candidates import Order

if TYPE_CHECKING:
    from labelctl.labels.search.vocabulary import Vocabulary, VocabularyEntry


@dataclass(frozen=True)
class SearchRequest:
    """A search as the user entered it: photos with all `labels`, or, if `any_label`, one of them."""

    labels: Sequence[str] = ()
    any_label: bool = False
    without: Sequence[str] = ()
    categories: Sequence[str] = ()
    min_confidence: float = 0
    prefix: str = ""
    order: Order = "confidence"

    def command(self) -> Command:
        """The equivalent command."""
        arguments = ["search", *self.labels, *(["--any"] if self.any_label else [])]
        for option, texts in (("--not", self.without), ("--category", self.categories)):
            for text in texts:
                arguments += [option, text]
        if self.min_confidence:
            arguments += ["--min-confidence", f"{self.min_confidence:g}"]
        if self.prefix:
            arguments += ["--prefix", self.prefix]
        if self.order != "confidence":
            arguments += ["--sort", self.order]
        return Command(*arguments)

    def with_replaced(self, word: str, instead: str) -> Self:
        """The same request with `word` replaced by `instead` in labels and categories."""

        def replaced(texts: Sequence[str]) -> list[str]:
            return [instead if each == word else each for each in texts]

        return replace(
            self,
            labels=replaced(self.labels),
            without=replaced(self.without),
            categories=replaced(self.categories),
        )


@dataclass(frozen=True)
class Group:
    """Labels of which a match has at least one; `name` is for display."""

    name: str
    words: tuple[VocabularyEntry, ...]

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(word.label for word in self.words)


@dataclass(frozen=True)
class Query:
    """A search in terms of stored labels.

    `min_confidence` (0 to 100) is the minimum confidence of labels, including excluded ones.
    `unknown` are labels to exclude that no photo has. `absent` has an error for each requested
    label that no photo has, if any one of several labels is enough.
    """

    groups: tuple[Group, ...]
    without: frozenset[str] = frozenset()
    min_confidence: Decimal = Decimal(0)
    prefix: str = ""
    order: Order = "confidence"
    unknown: tuple[str, ...] = ()
    absent: tuple[LabelNotFoundError, ...] = ()


def plan(vocabulary: Vocabulary, request: SearchRequest) -> Query:
    """Build the query for a request.

    Raises UsageError for an empty request; LabelNotFoundError for a label or category that no photo has
    or had. If any one of several labels is enough, raises it only if all are missing.
    """
    if not request.labels and not request.categories:
        raise UsageError(
            "Nothing to search for.", "Name a label, such as dog, or a category with --category."
        )
    if not all(schema.label_of(each) for each in (*request.labels, *request.without)):
        raise UsageError("A label is empty.", "Name one, such as dog.")
    known = vocabulary.find([*request.labels, *request.without])
    missing = [text for text in request.labels if not known[text]]
    absent = [
        _not_found("label", text, vocabulary, vocabulary.near(text), request) for text in missing
    ]
    if absent and not (request.any_label and len(absent) < len(request.labels)):
        raise absent[0]
    groups = [_group(known[text]) for text in request.labels]
    if request.any_label and groups:
        groups = [_group(word for text in request.labels for word in known[text])]
    for text in request.categories:
        if not (words := vocabulary.in_category(text)):
            near = vocabulary.near_categories(text)
            raise _not_found("category", text, vocabulary, near, request)
        groups.append(Group(_category(words, text), words))
    return Query(
        groups=tuple({group.labels: group for group in groups}.values()),
        without=frozenset(word.label for text in request.without for word in known[text]),
        min_confidence=Decimal(str(request.min_confidence)),
        prefix=request.prefix,
        order=request.order,
        unknown=tuple(text for text in request.without if not known[text]),
        absent=tuple(absent),
    )


def _group(words: Iterable[VocabularyEntry]) -> Group:
    unique = tuple(dict.fromkeys(words))
    return Group(" or ".join(word.name for word in unique), unique)


def _category(words: Sequence[VocabularyEntry], text: str) -> str:
    """A category's stored spelling."""
    key = schema.label_of(text)
    return next(each for each in words[0].categories if schema.label_of(each) == key)


def _not_found(
    kind: str, text: str, vocabulary: Vocabulary, near: Sequence[str], request: SearchRequest
) -> LabelNotFoundError:
    what = "has the label" if kind == "label" else "has a label in the category"
    message = f'No photo {what} "{text}".'
    if not vocabulary.words:
        next_step = Command("upload", "PATH")
        return LabelNotFoundError(message, "No photo has been labelled yet. Next: ", next_step)
    if kind == "label" and vocabulary.in_category(text):
        others = [each for each in request.labels if each != text]
        by_category = Command("search", *others, "--category", text)
        return LabelNotFoundError(message, "It is a category: ", by_category)
    if not near:
        return LabelNotFoundError(message, "`", Command("stats"), "` shows the most common labels.")
    suggestions = near[0] if len(near) == 1 else f"{', '.join(near[:-1])} or {near[-1]}"
    return LabelNotFoundError(
        message, f"Did you mean {suggestions}? ", request.with_replaced(text, near[0]).command()
    )
