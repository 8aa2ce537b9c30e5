"""Which labels there are, and which of them somebody means: by name, by alias, by category.

The words lie together in one partition of the table, one for each label that some photo has or had.
A word that is there is found by its key; all of them (some hundred kilobytes at most) are read only
where that is not enough: for aliases, for categories, and to tell what may have been meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from labelctl import contract

if TYPE_CHECKING:
    from labelctl.reads import Item, Reader

NEAR = 3
"""How many labels are suggested for one that is unknown."""

_LONGEST = 500  # bytes of a word; DynamoDB takes keys of 1,024, and Rekognition has none near that
_ALIKE = 0.65  # of 1, for two that are spelt the same; difflib's own is 0.6
_PART = 0.8  # at most, for "red phone" and "Phone", or "phone" and "Smartphones"
_TRIED = 10  # words that are looked up in the index, so that NEAR of them are some photo's


@dataclass(frozen=True)
class Word:
    """A label: `label` is how it is searched for, `name` how it is written."""

    label: str
    name: str
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Vocabulary:
    """The words of one table, read as far as they are needed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """All of them, in the order of their labels."""
        pages = self._reader.query(
            KeyConditionExpression="image = :words AND begins_with(#row, :word)",
            ExpressionAttributeNames={"#row": "row"},
            ExpressionAttributeValues={
                ":words": {"S": contract.VOCABULARY},
                ":word": {"S": contract.WORD},
            },
        )
        return tuple(_word(item) for page in pages for item in page)

    def find(self, texts: Iterable[str]) -> dict[str, tuple[Word, ...]]:
        """For each text the label of that name, else those with that alias; none if it is unknown."""
        wanted = {text: contract.label_of(text) for text in texts}
        rows = {contract.WORD + label for label in wanted.values() if _may_be(label)}
        items = self._reader.items((contract.VOCABULARY, row) for row in sorted(rows))
        known = {word.label: word for word in map(_word, items)}
        return {
            text: (known[label],) if label in known else self._by_alias(label)
            for text, label in wanted.items()
        }

    def _by_alias(self, label: str) -> tuple[Word, ...]:
        return tuple(
            word
            for word in self.words
            if label in {contract.label_of(each) for each in word.aliases}
        )

    def in_category(self, text: str) -> tuple[Word, ...]:
        """The labels in a category, in whatever case it is written."""
        wanted = contract.label_of(text)
        return tuple(
            word
            for word in self.words
            if wanted in {contract.label_of(each) for each in word.categories}
        )

    def near(self, text: str) -> list[str]:
        """Names of up to three labels that may have been meant, nearest first; some photo has each."""
        spelt = {contract.label_of(each): word.name for word in self.words for each in word.aliases}
        spelt |= {word.label: word.name for word in self.words}
        names = dict.fromkeys(spelt[each] for each in _nearest(contract.label_of(text), spelt))
        return [*islice(filter(self._has_photo, islice(names, _TRIED)), NEAR)]

    def near_categories(self, text: str) -> list[str]:
        """Names of up to three categories that may have been meant, nearest first."""
        spelt = {contract.label_of(each): each for word in self.words for each in word.categories}
        return [spelt[each] for each in islice(_nearest(contract.label_of(text), spelt), NEAR)]

    def _has_photo(self, name: str) -> bool:
        found = self._reader.count(
            1,
            IndexName=contract.CONFIDENCE_INDEX,
            KeyConditionExpression="label = :label",
            ExpressionAttributeValues={":label": {"S": contract.label_of(name)}},
        )
        return found > 0


def _word(item: Item) -> Word:
    return Word(
        item["row"].removeprefix(contract.WORD),
        item["name"],
        tuple(item["categories"]),
        tuple(item["aliases"]),
    )


def _may_be(label: str) -> bool:
    try:
        return 0 < len(label.encode()) <= _LONGEST
    except UnicodeEncodeError:  # an argument that is not UTF-8
        return False


def _nearest(text: str, known: Iterable[str]) -> Iterator[str]:
    """Those that are spelt alike or share a word, the likeliest first."""
    if not _may_be(text):
        return iter(())
    likeness = _likeness(text)
    ranked = sorted((-likeness(each), each) for each in known)
    return (each for rank, each in ranked if -rank >= _ALIKE)


def _likeness(text: str) -> Callable[[str], float]:
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)  # of which it remembers much
    words = {*text.split()}

    def alike(other: str) -> float:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
            return 0
        return matcher.ratio()

    def likeness(other: str) -> float:
        others = {*other.split()}
        if words <= others:  # "phone" and "Mobile Phone"
            return 1 + len(words) / len(others)
        within = others < words or (len(text) > 3 and text in other)
        best_word = max(map(alike, others)) if len(others) > 1 else 0  # "phonee" and the same
        return max(alike(other), _PART if within else 0, _PART * best_word)

    return likeness
