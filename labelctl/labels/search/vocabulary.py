"""The vocabulary of stored labels, and finding labels in it by name, alias or category.

A label is read by its key. The complete vocabulary (a few hundred kilobytes at most) is read only if
that is not enough: for aliases, categories and suggestions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from labelctl.contract import schema

if TYPE_CHECKING:
    from labelctl.labels.reader import Item, Reader

NEAR = 3
"""Maximum number of suggestions for an unknown label."""

_MAX_LABEL = 500  # bytes; DynamoDB allows keys of 1,024, and Rekognition's labels are much shorter
_MIN_SIMILARITY = 0.65  # 0 to 1; difflib's own cutoff is 0.6
_MAX_TRIED = 10  # suggestions checked in the index for having a photo


@dataclass(frozen=True)
class VocabularyEntry:
    """A label: `label` is its normalized form for searching, `name` its spelling."""

    label: str
    name: str
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Vocabulary:
    """The labels that any photo has or had, read when needed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @cached_property
    def words(self) -> tuple[VocabularyEntry, ...]:
        """All labels, sorted by their normalized form."""
        return tuple(map(_word, self._reader.vocabulary()))

    def find(self, texts: Iterable[str]) -> dict[str, tuple[VocabularyEntry, ...]]:
        """For each text, the label with that name, or else labels with that alias; empty if unknown."""
        normalized = {text: schema.label_of(text) for text in texts}
        labels = sorted({label for label in normalized.values() if _is_possible(label)})
        items = self._reader.index_items((schema.VOCABULARY, label) for label in labels)
        known = {word.label: word for word in map(_word, items)}
        return {
            text: (known[label],) if label in known else self._by_alias(label)
            for text, label in normalized.items()
        }

    def _by_alias(self, label: str) -> tuple[VocabularyEntry, ...]:
        return tuple(word for word in self.words if label in map(schema.label_of, word.aliases))

    def in_category(self, text: str) -> tuple[VocabularyEntry, ...]:
        """The labels in a category, ignoring case."""
        category = schema.label_of(text)
        return tuple(
            word for word in self.words if category in map(schema.label_of, word.categories)
        )

    def near(self, text: str) -> list[str]:
        """Up to three similar labels that some photo has, most similar first."""
        names = {schema.label_of(each): word.name for word in self.words for each in word.aliases}
        names |= {word.label: word.name for word in self.words}
        return [*islice(filter(self._has_photo, islice(_nearest(text, names), _MAX_TRIED)), NEAR)]

    def near_categories(self, text: str) -> list[str]:
        """Up to three similar categories, most similar first."""
        names = {schema.label_of(each): each for word in self.words for each in word.categories}
        return [*islice(_nearest(text, names), NEAR)]

    def _has_photo(self, name: str) -> bool:
        return self._reader.count_labels(schema.label_of(name), 1)[0] > 0


def _word(item: Item) -> VocabularyEntry:
    return VocabularyEntry(
        item["rank"], item["name"], tuple(item["categories"]), tuple(item["aliases"])
    )


def _is_possible(label: str) -> bool:
    try:
        return 0 < len(label.encode()) <= _MAX_LABEL
    except UnicodeEncodeError:  # the argument is not valid UTF-8
        return False


def _nearest(text: str, names: Mapping[str, str]) -> Iterator[str]:
    """The names with a similar spelling or a word in common, most similar first, without duplicates."""
    label = schema.label_of(text)
    if not _is_possible(label):
        return iter(())
    ranked = sorted((-_similarity(label, each), each) for each in names)
    return iter(dict.fromkeys(names[each] for rank, each in ranked if -rank >= _MIN_SIMILARITY))


def _similarity(text: str, other: str) -> float:
    """0 to 1, or above 1 if `other` contains all words of `text`."""
    words, others = {*text.split()}, {*other.split()}
    if words <= others:  # "phone" and "Mobile Phone"
        return 1 + len(words) / len(others)
    if others < words or (len(text) > 3 and text in other):  # "red phone" and "Phone"
        return max(0.8, _ratio(text, other))
    return max(_ratio(text, other), *(0.8 * _ratio(text, each) for each in others))


def _ratio(text: str, other: str) -> float:
    matcher = SequenceMatcher(None, other, text, autojunk=False)
    if matcher.real_quick_ratio() < _MIN_SIMILARITY or matcher.quick_ratio() < _MIN_SIMILARITY:
        return 0
    return matcher.ratio()
