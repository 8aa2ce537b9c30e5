"""A small run of `python -m tests.bench chaos`: everything fails for a while, and nothing is lost."""

from __future__ import annotations

from tests.bench.chaos import run
from tests.bench.cloud import trial


def test_nothing_is_lost_while_services_fail_and_processes_are_killed() -> None:
    with trial("--concurrency", "4") as cloud:
        outcome = run(cloud, photos=30, seed=1, kills=1, pace=1.5, visibility=5)

    assert outcome.wrong == []
    assert outcome.kills == {"worker": 1, "engine": 1}
    assert outcome.statuses.total() == 30
    assert outcome.statuses["failed"] in (1, 2)  # two are no pictures; one may have been replaced
    for service in ("rekognition", "dynamodb"):
        assert outcome.faults[service]["answered"] < outcome.faults[service].total()
