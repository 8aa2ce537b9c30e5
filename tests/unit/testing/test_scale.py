"""What limits the pipeline at which rate, as the documents say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from labelctl.contract import schema
from tests.bench import pipeline
from tests.bench.cost import Units, units
from tests.bench.pipeline import DAY, HOUR, Setup, simulate
from tests.bench.scale import Scenario, rekognition_usd, scale, stages

DOCUMENT = Path(__file__).parents[3] / "docs" / "scale.md"


@pytest.fixture(scope="module")
def photo() -> Units:
    return units(pipeline.LABELS)["first time"]


def bottlenecks(photo: Units, photos: int, rate: int) -> list[str | None]:
    return [each.bottleneck for each in stages(Scenario("", photos, rate), photo)]


def test_at_10_photos_per_second_nothing_is_full_with_the_default_quotas(photo):
    run = simulate(10 * HOUR, 10, Setup(), photo)
    assert run.bottleneck is None
    assert max(run.peaks.values()) < 0.5
    assert simulate(10 * HOUR, 10, Setup(calls=5), photo).bottleneck == pipeline.REKOGNITION


def test_at_100_photos_per_second_rekognition_is_full_first_and_then_the_function(photo):
    found = bottlenecks(photo, 100 * HOUR, 100)
    assert found == [pipeline.REKOGNITION, pipeline.FUNCTION, None]


def test_beyond_the_quotas_a_common_label_is_full_before_the_keys_by_state(photo):
    warm = dict.fromkeys(Setup().warm, 10**6)
    ready = Setup(calls=10_000, copies=1_000, table_writes=10**6, warm=warm, prefixes=2)
    assert simulate(1_600 * HOUR, 1_600, ready, photo).bottleneck is None
    assert simulate(1_700 * HOUR, 1_700, ready, photo).bottleneck == pipeline.BY_DATE
    spread = replace(ready, label_shards=5)
    assert simulate(3_900 * HOUR, 3_900, spread, photo).bottleneck is None
    assert simulate(4_100 * HOUR, 4_100, spread, photo).bottleneck == pipeline.BY_STATE
    fewer = replace(spread, state_shards=schema.SHARDS - 1)
    assert simulate(3_900 * HOUR, 3_900, fewer, photo).bottleneck == pipeline.BY_STATE


def test_messages_expire_when_the_queue_is_longer_than_14_days(photo):
    allowed = 50 * pipeline.USED_QUOTA * 14 * DAY
    assert simulate(allowed, 3_500, Setup(), photo).expired == 0
    run = simulate(2 * allowed, 3_500, Setup(), photo)
    assert run.labelled + run.expired == pytest.approx(2 * allowed)
    # What is uploaded last may wait until 14 days after that.
    uploading = 2 * allowed / 3_500
    assert run.labelled == pytest.approx(allowed + 50 * pipeline.USED_QUOTA * uploading, rel=0.001)
    assert run.waited == pipeline.RETENTION == 14 * DAY


def test_a_new_table_doubles_every_half_hour(photo):
    ready = Setup(calls=10_000, copies=1_000)
    run = simulate(1_000 * 4 * HOUR, 1_000, ready, photo)
    assert run.bottleneck == pipeline.GROWING
    assert run.limited[pipeline.GROWING] == pytest.approx(1.5 * HOUR, abs=60)  # 200, 400, 800


def test_the_photos_table_grows_too_once_the_labels_table_is_warm(photo):
    warm = {**Setup().warm, pipeline.GROWING: 40_000}
    ready = Setup(calls=10_000, copies=1_000, warm=warm)
    assert simulate(1_300 * HOUR, 1_300, ready, photo).bottleneck is None  # 4,000 units, 3 a photo
    assert simulate(1_500 * HOUR, 1_500, ready, photo).bottleneck == pipeline.GROWING_PHOTOS


def test_rekognition_costs_less_for_more_photos_of_a_month():
    assert rekognition_usd({0: 1e6}) == pytest.approx(1_000)
    assert rekognition_usd({0: 6e6}) == pytest.approx(1_000 + 3_200 + 600)
    assert rekognition_usd({0: 1e6, 1: 1e6}) == pytest.approx(2_000)


def test_the_document_has_the_tables_that_the_simulation_prints(capsys):
    scale(as_json=False)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    documented = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert [line for line in printed if line not in documented] == []
    assert len(printed) > 25


def test_the_same_as_json(capsys, monkeypatch):
    monkeypatch.setattr("tests.bench.scale.SCENARIOS", (Scenario("slow", 10 * HOUR, 10),))
    scale(as_json=True)
    [found] = json.loads(capsys.readouterr().out)
    assert found["name"] == "slow"
    assert found["stages"][-1]["run"]["labelled"] == 10 * HOUR
