"""Search, against a table of 100,000 label rows: what it finds, in which order, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labelctl import contract
from labelctl.errors import LabelNotFoundError, UsageError
from labelctl.reads import Reader
from labelctl.search import Match, Search, Wanted, plan
from labelctl.vocabulary import Vocabulary
from tests.unit.table_fake import TableFake, made

ROWS = 100_000
RARE = 30  # photos with the label "Rarity"


def strewn(rows: int) -> TableFake:
    """A table as it is in life: photos were replaced, failed and went, and rows of theirs are left."""
    table = made(rows)
    images = sorted(table.bucket.keys())
    for number in range(RARE):
        at = f"2025-06-01T00:00:{number:02}.000Z"
        table.put_photo(f"rare/{number:02}.jpg", {"Rarity": 60 + number, "Thing 0": 99.5}, at=at)
    for number, image in enumerate(images[:: len(images) // 60]):
        kind = number % 6
        if kind in (0, 1):
            table.put_photo(image, {"Thing 0": 77.5, "Thing 3": 88}, at=LATE, leave=kind == 0)
        elif kind in (2, 3):
            table.fail_photo(image, at=LATE, leave=kind == 2)
        else:
            table.remove_photo(image, at=LATE, leave=kind == 4)
    return table


LATE = "2026-12-31T00:00:00.000Z"


@dataclass(frozen=True)
class Known:
    """A photo as it is: what a search has to find, without any index."""

    image: str
    uploaded_at: str
    labels: dict[str, Decimal]


def photos(table: TableFake) -> list[Known]:
    headers = (table.rows(image)[0] for image in table.bucket.keys())  # noqa: SIM118
    return [
        Known(
            header["image"],
            header["uploaded_at"],
            {contract.label_of(name): sure for name, sure in header["labels"].items()},
        )
        for header in headers
        if header["status"] == "labelled"
    ]


@pytest.fixture(scope="module")
def table() -> TableFake:
    return strewn(ROWS)


@pytest.fixture(scope="module")
def known(table: TableFake) -> list[Known]:
    return photos(table)


def search(table: TableFake, wanted: Wanted, most: int = 10**6) -> tuple[list[Match], Reader]:
    reader = Reader(table, "labels")
    query = plan(Vocabulary(reader), wanted)
    return [*Search(reader, table.bucket, "photos", query).matches(most)], reader


def groups_of(wanted: Wanted) -> list[set[str]]:
    """What is wanted, told without the vocabulary: of the table above it is known."""
    groups = [{contract.label_of(label)} for label in wanted.labels]
    if wanted.any_label:
        groups = [set().union(*groups)] if groups else []
    tens = {f"thing {number}" for number in range(0, 500, 10)}
    others = {f"thing {number}" for number in range(500)} - tens
    return groups + [tens if name == "tens" else others for name in wanted.categories]


def brute(known: list[Known], wanted: Wanted) -> dict[str, tuple[Decimal, str]]:
    """All photos that answer, with their confidence and when they were uploaded."""
    least = Decimal(str(wanted.min_confidence))
    groups = groups_of(wanted)
    without = {contract.label_of(label) for label in wanted.without}
    found = {}
    for photo in known:
        sure = {label for label, confidence in photo.labels.items() if confidence >= least}
        if photo.image.startswith(wanted.prefix) and not sure & without:
            shown = [group & sure for group in groups]
            if all(shown):
                best = min(max(photo.labels[label] for label in group) for group in shown)
                found[photo.image] = (best, photo.uploaded_at)
    return found


def check(matches: list[Match], truth: dict[str, tuple[Decimal, str]], wanted: Wanted, most: int):
    """What was found is the truth, in its order, of which those that are equal may be in any."""
    by = 0 if wanted.order == "surest" else 1
    assert len(matches) == min(most, len(truth))
    assert len({match.image for match in matches}) == len(matches)
    for match in matches:
        assert truth[match.image] == (match.confidence, match.uploaded_at)
    ranks = [truth[match.image][by] for match in matches]
    assert ranks == sorted((each[by] for each in truth.values()), reverse=True)[:most]


COMMON = [f"Thing {number}" for number in range(12)]
LABELS = st.sampled_from([*COMMON, "THING  40", "thing 300", "Thing 333", "Thing 490", "Rarity"])
WANTED = st.builds(
    Wanted,
    labels=st.lists(LABELS, min_size=1, max_size=3),
    any_label=st.booleans(),
    without=st.lists(LABELS, max_size=2),
    categories=st.lists(st.just("tens"), max_size=1),
    min_confidence=st.sampled_from([0, 0, 55.5, 80, 99]),
    prefix=st.sampled_from(["", "", "", "0", "07/", "07/photo-00", "rare/", "none/"]),
    order=st.sampled_from(["surest", "newest"]),
)
MOST = st.sampled_from([1, 2, 10, 101, 10**6])


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=WANTED, most=MOST)
@example(wanted=Wanted(categories=["tens", "OTHERS"]), most=50)
@example(wanted=Wanted(labels=["thing 0"], without=["thing 0"]), most=5)
@example(wanted=Wanted(labels=["Thing 0"], prefix="0"), most=10**6)
@example(wanted=Wanted(labels=["Thing 0"], min_confidence=99.9, order="newest"), most=2)
def test_it_finds_what_looking_at_every_photo_finds(table, known, wanted, most):
    wanted = replace(wanted, categories=[name.lower() for name in wanted.categories])
    matches, _ = search(table, wanted, most)
    check(matches, brute(known, wanted), wanted, most)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_finds_it_in_any_small_table(data):
    """Photos that come, change, fail and go, whose old rows are there or not; few confidences."""
    table = TableFake({f"Thing {n}": {"Categories": [{"Name": "Tens"}]} for n in (0, 10)})
    for name in COMMON[:4]:
        table.put_photo(f"{name}.jpg", {name: 50})
    for _ in range(data.draw(st.integers(0, 30))):
        image = data.draw(st.sampled_from(["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg"]))
        at = f"2026-01-0{data.draw(st.integers(1, 4))}T00:00:00.000Z"
        leave = data.draw(st.booleans())
        match data.draw(st.sampled_from(["put", "put", "put", "fail", "remove"])):
            case "put":
                labels = data.draw(
                    st.dictionaries(st.sampled_from(COMMON[:4]), st.sampled_from([60, 70, 80]))
                )
                table.put_photo(image, labels, at=at, leave=leave)
            case "fail":
                table.fail_photo(image, at=at, leave=leave)
            case "remove":
                table.remove_photo(image, at=at, leave=leave)
    wanted = data.draw(
        st.builds(
            Wanted,
            labels=st.lists(st.sampled_from(COMMON[:4]), min_size=1, max_size=3),
            any_label=st.booleans(),
            without=st.lists(st.sampled_from(COMMON[:4]), max_size=1),
            min_confidence=st.sampled_from([0, 65]),
            prefix=st.sampled_from(["", "a/"]),
            order=st.sampled_from(["surest", "newest"]),
        )
    )
    most = data.draw(st.sampled_from([1, 3, 100]))
    matches, _ = search(table, wanted, most)
    check(matches, brute(photos(table), wanted), wanted, most)


# What it costs


@pytest.mark.parametrize(
    ("wanted", "requests", "units"),
    [
        # the words, the index, and the headers of 101 photos: one more tells that there are more
        (Wanted(labels=["thing 0"]), 4, 54),
        (Wanted(labels=["thing 0"], order="newest"), 5, 60),
        (Wanted(labels=["rarity"]), 3, 17),
        # two counts besides: of those with the rare label, and none beyond them of the other
        (Wanted(labels=["rarity", "thing 0"]), 5, 20),
        (Wanted(labels=["thing 0", "rarity"]), 6, 22),
        (Wanted(labels=["thing 0"], prefix="rare/"), 3, 20),
        (Wanted(labels=["thing 0", "thing 1"], prefix="07/photo-0000"), 5, 5),
        # 50 labels: the words, each label's first page, the headers
        (Wanted(categories=["tens"]), 54, 82),
        # what is excluded is not looked for
        (Wanted(labels=["thing 0"], without=["thing 0"]), 1, 0.5),
        # the vocabulary, the index, the headers
        (Wanted(labels=["rarity"], categories=["tens"]), 14, 60),
    ],
)
def test_what_a_search_reads(table, wanted, requests, units):
    _, reader = search(table, wanted, 101)
    assert reader.spent.requests <= requests
    assert reader.spent.units <= units
    assert not table.calls["Scan"]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(labels=["rarity"]),
        Wanted(labels=["rarity", "thing 0"]),
        Wanted(labels=["thing 0"], prefix="rare/"),
    ],
)
def test_a_rare_label_costs_the_same_in_a_table_ten_times_as_large(table, wanted):
    small, large = (search(each, wanted)[1].spent for each in (strewn(ROWS // 10), table))
    assert (small.requests, small.units) == (large.requests, large.units)


def test_what_is_wanted_first_is_told_before_the_rest_is_read(table):
    reader = Reader(table, "labels")
    query = plan(Vocabulary(reader), Wanted(labels=["thing 0"]))
    matches = Search(reader, table.bucket, "photos", query).matches(10**6)
    next(matches)
    early = reader.spent.units
    matches.close()
    assert early < 200
    whole, reader = search(table, Wanted(labels=["thing 0"]))
    assert len(whole) > 4000
    assert reader.spent.units > 2000


def test_few_that_are_wanted_cost_few_headers(table):
    _, reader = search(table, Wanted(labels=["thing 0"]), 5)
    assert reader.spent.units < 6


@pytest.mark.parametrize("rare", [150, 1500])
def test_the_smallest_leads_wherever_it_stands(rare):
    """Whichever is asked for first, no more is read than some times what the rarest has."""
    table = TableFake()
    for number in range(5000):
        labels = {"Common": 90 + number / 1000, "Usual": 90 - number / 1000}
        if number % (5000 // rare) == 0:
            labels["Rare"] = 70
        table.put_photo(f"{number:05}.jpg", labels)
    costs = []
    for labels in (["rare", "common", "usual"], ["usual", "common", "rare"]):
        matches, reader = search(table, Wanted(labels=labels))
        assert len(matches) >= rare
        costs.append(reader.spent.units)
    assert max(costs) < 2 * min(costs)


def test_who_leaves_does_not_wait_for_what_is_under_way(table, monkeypatch):
    """Such as at an interrupt: a request that hangs does not hold it up."""
    begun, go_on, calls = Event(), Event(), count(1)
    answer = table.batch_get_item

    def hang(**request: Any) -> Any:
        number = next(calls)
        if number == 2:  # until the third, which is asked for beside it, is under way
            begun.wait(10)
        if number == 3:
            begun.set()
            go_on.wait(10)
        return answer(**request)

    query = plan(Vocabulary(Reader(table, "labels")), Wanted(labels=["thing 0"]))
    monkeypatch.setattr(table, "batch_get_item", hang)
    matches = Search(Reader(table, "labels"), table.bucket, "photos", query).matches(10**6)
    for _ in matches:
        if begun.is_set():
            break
    started = time.monotonic()
    matches.close()
    took = time.monotonic() - started
    go_on.set()
    assert took < 5


def test_a_photo_with_several_of_the_labels_is_looked_at_once(table, known):
    wanted = Wanted(labels=["thing 0", "thing 1", "thing 2"], any_label=True)
    matches, reader = search(table, wanted)
    assert len(matches) > 4500
    assert reader.spent.units < len(known) / 2 + 300  # with 160 for the index


def test_a_photo_that_comes_again_is_told_once(table, known, monkeypatch):
    """Even where so many came in between that it is not remembered."""
    monkeypatch.setattr("labelctl.search._REMEMBERED", 0)
    wanted = Wanted(labels=["thing 0", "thing 1", "thing 2"], any_label=True)
    matches, reader = search(table, wanted)
    check(matches, brute(known, wanted), wanted, 10**6)
    assert reader.spent.units > len(known) / 2 + 300  # it was looked at once more


def test_headers_that_dynamodb_leaves_out_are_asked_for_again(table, known):
    wanted = Wanted(labels=["thing 2", "thing 5"])
    table.refuse = lambda keys: keys // 3
    try:
        matches, _ = search(table, wanted)
    finally:
        table.refuse = lambda keys: 0
    check(matches, brute(known, wanted), wanted, 10**6)


def test_an_error_on_the_way_ends_the_search(table, monkeypatch):
    def fail(**request: Any) -> Any:
        raise ConnectionError("gone")

    monkeypatch.setattr(table, "batch_get_item", fail)
    query = plan(Vocabulary(Reader(strewn_small(), "labels")), Wanted(labels=["dog"]))
    query = replace(query, groups=(replace(query.groups[0], words=(_thing(query),)),))
    with pytest.raises(ConnectionError):
        list(Search(Reader(table, "labels"), table.bucket, "photos", query).matches(10))


def _thing(query: Any) -> Any:
    return replace(query.groups[0].words[0], label="thing 0")


def strewn_small() -> TableFake:
    table = TableFake(
        {
            "Dog": {"Categories": [{"Name": "Animals and Pets"}]},
            "Mobile Phone": {"Aliases": [{"Name": "Cell Phone"}]},
        }
    )
    table.put_photo("a.jpg", {"Dog": 98.1, "Beach": 92.04})
    table.put_photo("b.jpg", {"Dog": 80, "Mobile Phone": 99})
    return table


@pytest.fixture
def small() -> Iterator[TableFake]:
    return strewn_small()


# What it tells


def test_a_match_has_the_labels_it_was_found_by(small):
    [match], _ = search(small, Wanted(labels=["beach", "DOG"]))
    assert match.as_json() == {
        "image": "a.jpg",
        "uploaded_at": "2026-05-01T12:00:00.000Z",
        "confidence": Decimal("92.04"),
        "labels": [
            {"name": "Beach", "confidence": Decimal("92.04")},
            {"name": "Dog", "confidence": Decimal("98.1")},
        ],
    }


def test_an_alias_finds_its_label(small):
    matches, _ = search(small, Wanted(labels=["cell phone"]))
    assert [match.image for match in matches] == ["b.jpg"]


def test_any_of_some_tells_all_of_them_surest_first(small):
    matches, _ = search(small, Wanted(labels=["dog", "mobile phone"], any_label=True))
    assert [match.image for match in matches] == ["b.jpg", "a.jpg"]
    assert [found.name for found in matches[0].found[0]] == ["Mobile Phone", "Dog"]


def test_a_label_counts_from_the_confidence_on_also_where_it_is_excluded(small):
    matches, _ = search(small, Wanted(labels=["beach"], without=["dog"], min_confidence=98.1))
    assert not matches
    matches, _ = search(small, Wanted(labels=["mobile phone"], without=["dog"], min_confidence=85))
    assert [match.image for match in matches] == ["b.jpg"]


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        (
            Wanted(labels=["dgo", "beach"], without=["car"], min_confidence=80, order="newest"),
            'No photo has the label "dgo".',
            "Did you mean Dog? "
            "labelctl search Dog beach --not car --min-confidence 80 --sort newest",
        ),
        (
            Wanted(labels=["dogg", "phonee"], any_label=True, prefix="my photos/"),
            'No photo has the label "dogg".',
            "Did you mean Dog? labelctl search Dog phonee --any --prefix 'my photos/'",
        ),
        (
            Wanted(categories=["animals"]),
            'No photo has a label in the category "animals".',
            "Did you mean Animals and Pets? labelctl search --category 'Animals and Pets'",
        ),
        (
            Wanted(labels=["xyzzy"]),
            'No photo has the label "xyzzy".',
            "`labelctl stats` shows the commonest labels.",
        ),
    ],
)
def test_what_is_unknown_is_told_with_what_may_have_been_meant(small, wanted, message, hint):
    with pytest.raises(LabelNotFoundError) as error:
        search(small, wanted)
    assert (error.value.message, error.value.hint) == (message, hint)


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(without=["dog"]), Wanted(labels=[" "])])
def test_something_must_be_asked_for(small, wanted):
    with pytest.raises(UsageError):
        search(small, wanted)


def test_of_several_that_will_do_one_may_be_unknown(small):
    query = plan(
        Vocabulary(Reader(small, "labels")), Wanted(labels=["dog", "unicorn"], any_label=True)
    )
    assert [each.message for each in query.absent] == ['No photo has the label "unicorn".']
    assert [group.name for group in query.groups] == ["Dog"]
    with pytest.raises(LabelNotFoundError):
        plan(Vocabulary(Reader(small, "labels")), Wanted(labels=["unicorn"], any_label=True))


def test_an_unknown_label_excludes_nothing_and_is_told(small):
    query = plan(Vocabulary(Reader(small, "labels")), Wanted(labels=["dog"], without=["unicorn"]))
    assert query.unknown == ("unicorn",)
    assert not query.without


def test_it_is_quick(table):
    """A bound with much room: what is measured is in `python -m tests.bench search`."""
    started = time.perf_counter()
    search(table, Wanted(labels=["thing 0"]), 101)
    assert time.perf_counter() - started < 2
