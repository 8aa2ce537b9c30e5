"""Which labels there are, and which of them somebody means: by name, by alias, by category.

A label is found by its key. All of them (some hundred kilobytes at most) are read only where that is
not enough: for aliases, for categories, and to suggest what may have been meant.
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
    from labelctl.labels.tables import Item, Reader

NEAR = 3
"""How many labels are suggested for one that is unknown."""

_LONGEST = 500  # bytes of a label; DynamoDB takes keys of 1,024, and Rekognition has none near that
_SIMILAR = 0.65  # of 1, for two spellings; difflib's own cutoff is 0.6
_TRIED = 10  # suggestions that are looked up in the index, so that NEAR of them are some photo's


@dataclass(frozen=True)
class Word:
    """A label: `label` is how it is searched for, `name` how it is written."""

    label: str
    name: str
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Vocabulary:
    """The labels that some photo has or had, read as far as they are needed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """All of them, in the order of their labels."""
        return tuple(map(_word, self._reader.vocabulary()))

    def find(self, texts: Iterable[str]) -> dict[str, tuple[Word, ...]]:
        """For each text the label of that name, else those with that alias; none if it is unknown."""
        wanted = {text: schema.label_of(text) for text in texts}
        labels = sorted({label for label in wanted.values() if _may_be(label)})
        known = {word.label: word for word in map(_word, self._reader.words(labels))}
        return {
            text: (known[label],) if label in known else self._by_alias(label)
            for text, label in wanted.items()
        }

    def _by_alias(self, label: str) -> tuple[Word, ...]:
        return tuple(word for word in self.words if label in map(schema.label_of, word.aliases))

    def in_category(self, text: str) -> tuple[Word, ...]:
        """The labels in a category, in whatever case it is written."""
        wanted = schema.label_of(text)
        return tuple(word for word in self.words if wanted in map(schema.label_of, word.categories))

    def near(self, text: str) -> list[str]:
        """Names of up to three labels that may have been meant, nearest first; some photo has each."""
        names = {schema.label_of(each): word.name for word in self.words for each in word.aliases}
        names |= {word.label: word.name for word in self.words}
        return [*islice(filter(self._has_photo, islice(_nearest(text, names), _TRIED)), NEAR)]

    def near_categories(self, text: str) -> list[str]:
        """Names of up to three categories that may have been meant, nearest first."""
        names = {schema.label_of(each): each for word in self.words for each in word.categories}
        return [*islice(_nearest(text, names), NEAR)]

    def _has_photo(self, name: str) -> bool:
        return self._reader.count_labels(schema.label_of(name), 1)[0] > 0


def _word(item: Item) -> Word:
    return Word(item["rank"], item["name"], tuple(item["categories"]), tuple(item["aliases"]))


def _may_be(label: str) -> bool:
    try:
        return 0 < len(label.encode()) <= _LONGEST
    except UnicodeEncodeError:  # an argument that is not UTF-8
        return False


def _nearest(text: str, names: Mapping[str, str]) -> Iterator[str]:
    """The names of those that are spelt alike or share a word, the likeliest first, each once."""
    wanted = schema.label_of(text)
    if not _may_be(wanted):
        return iter(())
    ranked = sorted((-_similarity(wanted, each), each) for each in names)
    return iter(dict.fromkeys(names[each] for rank, each in ranked if -rank >= _SIMILAR))


def _similarity(text: str, other: str) -> float:
    """From 0 to 1, and above 1 where all words of the text are among the other's."""
    words, others = {*text.split()}, {*other.split()}
    if words <= others:  # "phone" and "Mobile Phone"
        return 1 + len(words) / len(others)
    if others < words or (len(text) > 3 and text in other):  # "red phone" and "Phone"
        return max(0.8, _ratio(text, other))
    return max(_ratio(text, other), *(0.8 * _ratio(text, each) for each in others))


def _ratio(text: str, other: str) -> float:
    matcher = SequenceMatcher(None, other, text, autojunk=False)
    if matcher.real_quick_ratio() < _SIMILAR or matcher.quick_ratio() < _SIMILAR:
        return 0
    return matcher.ratio()
