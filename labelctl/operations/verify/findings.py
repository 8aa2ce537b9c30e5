"""The output of a check: progress, findings and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelctl.operations.dead_letters import UnreadMessages

PROBLEMS = ("missing", "dead_letter", "stale", "orphaned", "unindexed", "unused")
"""The kinds of a `Finding`."""


@dataclass(frozen=True)
class Progress:
    """The current step, and how many photos or index items are done; `total` is None if unknown."""

    message: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class Finding:
    """A problem with one photo, in a sentence, and whether it was repaired or queued for repair.

    missing: a photo without a result; dead_letter: one whose message is a dead letter; stale: the
    result is of another version than the one in the bucket; orphaned: a result of a removed photo;
    unindexed: some labels of the photo are not in the index, so a search misses it; unused: the index
    holds items of an earlier result, which a search ignores.
    """

    kind: str
    image: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True)
class Summary:
    """The number of photos by state; `problems` counts the findings by kind.

    `photos` is the sum of `labelled`, `failed`, `waiting` and those without a result of their version.
    `removals` counts results of removed photos that the function may still delete. `unseen` are the
    dead letters that could not be read.
    """

    photos: int
    labelled: int
    failed: int
    waiting: int
    removals: int
    problems: Mapping[str, int]
    repaired: int
    unseen: UnreadMessages = field(default_factory=UnreadMessages)
