"""What a check of the bucket and the tables reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labelctl.operations.dead_letters import Unseen

PROBLEMS = ("missing", "dead_letter", "stale", "orphaned", "unindexed", "unused")
"""The kinds of a `Finding`."""


@dataclass(frozen=True)
class Progress:
    """What is being done, and how far it is, in photos; `total` is None while it is not known."""

    message: str
    done: int
    total: int | None = None


@dataclass(frozen=True)
class Finding:
    """A problem with one photo, in a sentence, and whether it was put right or queued for that.

    missing: a photo without a result; dead_letter: one whose message was given up; stale: the result
    is of another version than the one in the bucket; orphaned: a result of a photo that is gone;
    unindexed: a search misses the photo by some of its labels; unused: the index holds items of an
    earlier result, over which a search passes.
    """

    kind: str
    image: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True)
class Summary:
    """How all photos of the bucket stand; `problems` counts the findings by their kinds.

    `photos` is the sum of `labelled`, `failed`, `waiting` and those without a result of their version.
    `removals`: results of photos that are gone, which the function may still remove. `unseen` are the
    dead letters that could not be looked at.
    """

    photos: int
    labelled: int
    failed: int
    waiting: int
    removals: int
    problems: Mapping[str, int]
    repaired: int
    unseen: Unseen = field(default_factory=Unseen)
