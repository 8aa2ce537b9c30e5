"""A photo costs no more than the documents say, by the function's own code and AWS's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelctl.contract import schema
from tests.bench.cost import REKOGNITION, Units, cost, units, usd
from tests.fakes.capacity import size
from tests.fakes.function import Function
from tests.fakes.photos import LABELS, PhotoTables
from tests.lambda_runtime import s3_record


@pytest.fixture(scope="module")
def photo() -> dict[str, Units]:
    return units(labels=20)


def test_a_photo_with_20_labels_takes_48_write_units_at_most(photo):
    first = photo["first time"]
    assert first.write_units <= 48
    assert first.reads == 1
    # One write for each label in the table and its index, one for the state.
    assert [*first.writes.values()][1:] == [1, 20, 20]


def test_all_other_services_cost_less_than_4_percent_of_rekognition(photo):
    assert sum(usd(photo["first time"]).values()) < 0.04 * REKOGNITION


def test_labelling_again_replaces_each_index_item_and_removing_deletes_it(photo):
    # New index items and the deletion of the old ones; the entry by state moves.
    assert [*photo["labelled again"].writes.values()][1:] == [2, 40, 40]
    assert [*photo["removed"].writes.values()][1:] == [1, 20, 20]


def test_prices_by_hand():
    cost = usd(Units(writes={"any": 40}, reads=2, log_bytes=201))
    assert cost["DynamoDB writes"] == 25  # 0.625 USD a million
    assert cost["DynamoDB reads"] == 0.25
    assert cost["S3: one PUT, one GET by Rekognition"] == 5.4
    assert cost["SQS: one send; receives and deletes in batches of ten"] == pytest.approx(0.48)
    assert cost["Lambda"] == pytest.approx(0.02 + 0.9043, 0.001)  # 0.068 GB-seconds a photo
    assert 0.113 < cost["CloudWatch Logs"] < 0.2  # 226 bytes a photo, and Lambda's own lines


def test_the_function_stores_what_is_paid_for():
    tables = PhotoTables()
    function = Function(tables)
    function.answer = {"Labels": [{"Name": "Dog", "Confidence": 98.1}]}
    line = function.run(s3_record("a.jpg", "01", versionId="v1", size=9, eTag="e"))
    assert '"status": "labelled"' in line
    stored = tables.photo("a.jpg")
    assert stored["labels"] == {"Dog": schema.Decimal("98.1")}
    [entry, word] = sorted(
        tables.items(LABELS), key=lambda item: item["label"] == schema.VOCABULARY
    )
    assert [entry] == schema.index_items(stored)
    assert [word] == schema.vocabulary_items(stored)
    assert size(entry) < 1024


def test_the_documents_have_the_tables_that_the_benchmark_prints(capsys):
    cost()
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    documented = (Path(__file__).parents[3] / "docs" / "aws.md").read_text().splitlines()
    assert [line for line in printed if line not in documented] == []
    assert len(printed) > 20
