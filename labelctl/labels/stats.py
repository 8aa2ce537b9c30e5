"""Counting photos by state, label, confidence, category, error and day.

Uses only the photos' items, read by `labels.listing`. Memory grows with the number of different labels,
errors and days, not with the number of photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelctl.contract import schema
from labelctl.labels.listing import PhotoWithItem
from labelctl.labels.reader import Item
from labelctl.labels.results import WAITING

ATTRIBUTES = ("labels", "details", "error", "reason", "done_at")
"""The attributes of a photo's item needed for counting."""

_BINS = 10  # of equal width, for the confidence of labels


@dataclass(frozen=True)
class Failures:
    """The number of photos that failed with an error code, and the reason of the first of them."""

    error: str
    reason: str
    photos: int


@dataclass(frozen=True)
class Stats:
    """Counts of photos, except `confidence`, which counts labels.

    `photos` is by state: labelled, failed, waiting. `labels` and `categories` are sorted by frequency;
    a photo counts once for each of its categories. `confidence` has ten bins: 0 to below 10 %, ..., 90
    to 100 %. `days` are days in UTC with the number of photos labelled, earliest first.
    """

    photos: Mapping[str, int]
    labels: Mapping[str, int]
    confidence: Sequence[int]
    categories: Mapping[str, int]
    failures: Sequence[Failures]
    days: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        step = 100 // _BINS
        return {
            "photos": {"all": sum(self.photos.values()), **self.photos},
            "labels": _rows("name", self.labels),
            "confidence": [
                {"from": number * step, "to": (number + 1) * step, "labels": count}
                for number, count in enumerate(self.confidence)
            ],
            "categories": _rows("name", self.categories),
            "failures": [asdict(each) for each in self.failures],
            "days": _rows("day", self.days),
        }


def _rows(name: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{name: each, "photos": count} for each, count in counts.items()]


class Tally:
    """Counts photos incrementally."""

    def __init__(self) -> None:
        self._photos = Counter({schema.LABELLED: 0, schema.FAILED: 0, WAITING: 0})
        self._labels: Counter[str] = Counter()
        self._bins = [0] * _BINS
        self._categories: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._days: Counter[str] = Counter()

    @property
    def photos(self) -> int:
        """The number of photos counted so far."""
        return self._photos.total()

    def add(self, photos: Iterable[PhotoWithItem]) -> None:
        """Count more photos."""
        for photo in photos:
            self._photos[photo.status] += 1
            if photo.item is None:
                continue
            if photo.status == schema.FAILED:
                error = photo.item["error"]
                self._failed[error] += 1
                self._reasons.setdefault(error, photo.item["reason"])
            else:
                self._count(photo.item)

    def _count(self, item: Item) -> None:
        self._days[item["done_at"][:10]] += 1
        self._labels.update(item["labels"].keys())
        for confidence in item["labels"].values():
            self._bins[min(int(confidence) * _BINS // 100, _BINS - 1)] += 1
        details = item["details"].values()
        self._categories.update({each for label in details for each in label.get("categories", ())})

    def stats(self) -> Stats:
        """The counts so far."""
        return Stats(
            photos=dict(self._photos),
            labels=_by_frequency(self._labels),
            confidence=tuple(self._bins),
            categories=_by_frequency(self._categories),
            failures=tuple(
                Failures(error, self._reasons[error], count)
                for error, count in _by_frequency(self._failed).items()
            ),
            days=dict(sorted(self._days.items())),
        )


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
