"""What the photos are like, counted: by state, label, sureness, category, reason and day.

Counted from their items alone; photos are read as `photos.listing` reads them. Memory grows with the
number of different labels, errors and days, not with that of photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labelctl.contract import schema
from labelctl.labels.listing import Listed
from labelctl.labels.results import PENDING
from labelctl.labels.tables import Item

ATTRIBUTES = ("labels", "details", "error", "reason", "done_at")
"""What is read of a photo's item to count it."""

_BINS = 10  # of confidence, each as wide


@dataclass(frozen=True)
class Failures:
    """How many photos have failed with one error: its code, and the reason of the first one met."""

    error: str
    reason: str
    photos: int


@dataclass(frozen=True)
class Stats:
    """The counts: of photos, except where it says labels.

    `photos` is by state: labelled, failed, pending. `labels` and `categories` are the commonest first;
    a photo counts once for each of its categories. `confidence` has ten numbers of labels: surer than
    0 to 10 %, … and 90 to 100 %, the lower end included. `days` are those (UTC) on which any of the
    labelled photos was labelled, the earliest first.
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
            "labels": _listed("name", self.labels),
            "confidence": [
                {"from": number * step, "to": (number + 1) * step, "labels": count}
                for number, count in enumerate(self.confidence)
            ],
            "categories": _listed("name", self.categories),
            "failures": [asdict(each) for each in self.failures],
            "days": _listed("day", self.days),
        }


def _listed(name: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{name: each, "photos": count} for each, count in counts.items()]


class Tally:
    """Counts photos as they come."""

    def __init__(self) -> None:
        self._photos = Counter({schema.LABELLED: 0, schema.FAILED: 0, PENDING: 0})
        self._labels: Counter[str] = Counter()
        self._bins = [0] * _BINS
        self._categories: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._days: Counter[str] = Counter()

    @property
    def photos(self) -> int:
        """How many were counted so far."""
        return self._photos.total()

    def add(self, photos: Iterable[Listed]) -> None:
        """Count some more."""
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
        self._categories.update({each for one in details for each in one.get("categories", ())})

    def stats(self) -> Stats:
        """The counts so far."""
        return Stats(
            photos=dict(self._photos),
            labels=_commonest(self._labels),
            confidence=tuple(self._bins),
            categories=_commonest(self._categories),
            failures=tuple(
                Failures(error, self._reasons[error], count)
                for error, count in _commonest(self._failed).items()
            ),
            days=dict(sorted(self._days.items())),
        )


def _commonest(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
