"""Failed photos from the index; dead letters from the queue with the states of their photos."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.cli.commands import failures as command
from labelctl.contract.schema import STATE_INDEX
from labelctl.errors import RefusedError
from labelctl.labels.reader import Reader
from labelctl.operations import failures
from labelctl.operations.dead_letters import UnreadMessages, lease
from labelctl.operations.failures import DeadLetterList, Failure, FailureFilter
from tests.fakes.photos import PHOTOS, PhotoTables
from tests.lambda_runtime import s3_record
from tests.unit.photo_items import event, failed, labelled, reader_of, removed, store
from tests.unit.queue_world import bodies, body, put, put_many, visible

ALL = FailureFilter()


@pytest.fixture
def tables() -> PhotoTables:
    return PhotoTables()


@pytest.fixture
def reader(tables: PhotoTables) -> Reader:
    return reader_of(tables)


@pytest.fixture
def listed(reader: Reader) -> Any:
    def read(choice: FailureFilter = ALL) -> list[str]:
        return [failure.image for failure in failures.failed_photos(reader, choice)]

    return read


@pytest.fixture
def listed_dead(sqs: Any, dead: str, reader: Reader) -> Any:
    def read(choice: FailureFilter = ALL, limit: int = 100) -> tuple[list[Any], bool]:
        answer = failures.list_dead_letters(sqs, dead, reader, choice, limit)
        assert not answer.unseen
        return answer.found, answer.more

    return read


# ---- photos that failed


def test_failed_photos_are_listed_latest_first(tables: PhotoTables, reader: Reader) -> None:
    store(tables, labelled(event("labelled.jpg"), now="2030-01-04T00:00:00Z"))
    store(tables, removed(event("gone.jpg"), "2030-01-05T00:00:00Z"))
    store(
        tables,
        failed(event("b.jpg"), now="2030-01-02T00:00:00Z"),
        failed(event("a.jpg"), "Empty", "It is empty.", "2030-01-01T00:00:00Z"),
        failed(event("[c].jpg"), now="2030-01-03T00:00:00Z"),
    )
    found = list(failures.failed_photos(reader, ALL))
    assert [failure.image for failure in found] == ["[c].jpg", "b.jpg", "a.jpg"]
    assert found[-1] == Failure("a.jpg", "Empty", "It is empty.", "2030-01-01T00:00:00Z")
    assert {index for _, index in tables.reads} == {STATE_INDEX}


@pytest.mark.parametrize(
    ("choice", "images"),
    [
        (FailureFilter(prefix="holiday/"), ["holiday/a.jpg"]),
        (FailureFilter(prefix="none/"), []),
        (FailureFilter(reason="toolarge"), ["a.jpg"]),
        (FailureFilter(reason="IS EMPTY"), ["holiday/a.jpg"]),
        (FailureFilter(reason="it is"), ["holiday/a.jpg", "a.jpg"]),
        (FailureFilter(prefix="a", reason="empty"), []),
    ],
)
def test_filter_by_prefix_and_reason(
    tables: PhotoTables, listed: Any, choice: FailureFilter, images: list[str]
) -> None:
    store(
        tables,
        failed(event("a.jpg"), now="2030-01-01T00:00:00Z"),
        failed(event("holiday/a.jpg"), "Empty", "It is empty.", "2030-01-02T00:00:00Z"),
    )
    assert listed(choice) == images


def test_the_index_is_read_page_by_page_and_only_as_far_as_needed(
    tables: PhotoTables, reader: Reader
) -> None:
    """With four shards, each with ten pages."""
    tables.page_items = 10
    for number in range(400):
        at = f"2030-01-01T00:{number // 60:02}:{number % 60:02}Z"
        tables.put(PHOTOS, failed(event(f"{number}.jpg"), now=at))
    found = failures.failed_photos(reader, ALL)
    assert [failure.image for failure in islice(found, 3)] == ["399.jpg", "398.jpg", "397.jpg"]
    assert tables.calls == {"Query": 4}
    assert [failure.image for failure in found] == [f"{n}.jpg" for n in reversed(range(397))]
    assert tables.calls["Query"] >= 40


@given(st.integers(0, 8), st.integers(1, 8))
def test_more_is_reported(there: int, limit: int) -> None:
    every: Any = list(range(there))
    assert failures.take(iter(every), limit) == (every[:limit], there > limit)


# ---- dead letters


def test_no_dead_letters(listed_dead: Any) -> None:
    assert listed_dead() == ([], False)


@pytest.mark.parametrize(
    ("number", "status", "state"),
    [
        (None, "", "waiting"),
        (4, "labelled", "waiting"),  # of the previous version
        (5, "labelled", "labelled"),
        (6, "labelled", "labelled"),
        (5, "failed", "failed"),
        (6, "removed", "removed"),
    ],
)
def test_a_dead_letter_has_the_current_state_of_its_photo(
    sqs: Any,
    dead: str,
    tables: PhotoTables,
    listed_dead: Any,
    number: int | None,
    status: str,
    state: str,
) -> None:
    message_id = put(sqs, dead, body("a.jpg", 5), error="AccessDenied", reason="It may not.")
    tables.lag()  # photos' items are read consistently
    if number is not None:
        items = {"labelled": labelled, "failed": failed, "removed": removed}
        store(tables, items[status](event("a.jpg", number)))
    ((found,), more) = listed_dead()
    assert (found.message.message_id, found.state, more) == (message_id, state, False)
    assert visible(sqs, dead) == 1
    result = found.as_json()
    assert result["images"] == ("a.jpg",)
    assert (result["error"], result["reason"], result["body"]) == (
        "AccessDenied",
        "It may not.",
        None,
    )


def test_an_unreadable_message_is_shown_with_its_body(
    sqs: Any, dead: str, listed_dead: Any
) -> None:
    put(sqs, dead, "hello")
    ((found,), _) = listed_dead()
    assert found.state == "unreadable"
    assert found.as_json()["body"] == "hello"


def test_of_several_photos_the_most_urgent_state_counts(
    sqs: Any, dead: str, tables: PhotoTables, listed_dead: Any
) -> None:
    put(sqs, dead, json.dumps({"Records": [s3_record("a.jpg", "5"), s3_record("b.jpg", "5")]}))
    store(tables, labelled(event("a.jpg", 5)))
    ((found,), _) = listed_dead()
    assert (found.message.images, found.state) == (("a.jpg", "b.jpg"), "waiting")


def test_more_dead_letters_than_photos_in_one_request(
    sqs: Any, dead: str, tables: PhotoTables, listed_dead: Any
) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg", 5) for number in range(120)])
    store(tables, *(labelled(event(f"{number}.jpg", 5)) for number in range(1, 120, 2)))
    found, more = listed_dead(limit=200)
    assert not more
    states = {each.message.images[0]: each.state for each in found}
    assert len(states) == 120
    assert {state for image, state in states.items() if int(image[:-4]) % 2} == {"labelled"}
    assert list(states.values()).count("waiting") == 60
    sent = [each.message.sent_at for each in found]
    assert sent == sorted(sent, reverse=True)


def test_without_a_filter_only_the_limit_is_read(sqs: Any, dead: str, listed_dead: Any) -> None:
    put_many(sqs, dead, [body(f"{number}.jpg") for number in range(30)])
    asked: list[int] = []
    sqs.meta.events.register("before-call.sqs.ReceiveMessage", lambda **_: asked.append(1))
    found, more = listed_dead(limit=5)
    assert (len(found), more) == (5, True)
    assert len(asked) == 1
    assert visible(sqs, dead) == 30


def test_filtered_dead_letters(sqs: Any, dead: str, listed_dead: Any) -> None:
    put(sqs, dead, body("x/a.jpg"), error="AccessDeniedException", reason="User may not.")
    put(sqs, dead, body("b.jpg"), error="KeyError", reason="'x'")
    put(sqs, dead, "hello", error="NotAnEvent", reason="no object")
    put_many(sqs, dead, [body(f"y/{number}.jpg") for number in range(20)])

    def images(choice: FailureFilter, limit: int = 100) -> tuple[list[tuple[str, ...]], bool]:
        found, more = listed_dead(choice, limit)
        return [each.message.images for each in found], more

    assert images(FailureFilter(reason="accessdenied")) == ([("x/a.jpg",)], False)
    assert images(FailureFilter(prefix="x/")) == ([("x/a.jpg",)], False)
    assert images(FailureFilter(reason="notanevent")) == ([()], False)
    found, more = images(FailureFilter(prefix="y/"), limit=7)
    assert (len(found), more) == (7, True)


@pytest.mark.parametrize(("there", "more"), [(1, False), (2, True)])
@pytest.mark.parametrize("choice", [ALL, FailureFilter(reason="kept")])
def test_more_is_exact(
    sqs: Any, dead: str, listed_dead: Any, there: int, more: bool, choice: FailureFilter
) -> None:
    for number in range(there):
        put(sqs, dead, body(f"{number}.jpg"), reason="kept failing")
    found, result = listed_dead(choice, limit=1)
    assert (len(found), result) == (1, more)


def test_a_message_leased_by_another_command_is_reported(
    sqs: Any, dead: str, reader: Reader
) -> None:
    """For example by a command that was killed: its message is not lost."""
    put(sqs, dead, body("a.jpg"))
    sqs.receive_message(QueueUrl=dead)
    result = failures.list_dead_letters(sqs, dead, reader, ALL, 100)
    assert result == DeadLetterList([], unseen=UnreadMessages(hidden=1))


@pytest.mark.parametrize("limit", [1, 9])
def test_filtering_more_than_the_lease_limit_is_incomplete(
    sqs: Any, dead: str, reader: Reader, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(failures, "MAX_LEASED", 5)
    for number in range(8):
        put(sqs, dead, body(f"{number}.jpg"))
    result = failures.list_dead_letters(sqs, dead, reader, FailureFilter(prefix="none/"), limit)
    assert result == DeadLetterList([], more=True, unseen=UnreadMessages(cut_off=True))
    every = failures.list_dead_letters(sqs, dead, reader, ALL, limit)
    assert (len(every.found), every.more) == (min(limit, 5), True)
    assert every.unseen == UnreadMessages(cut_off=limit == 9)


# ---- discarding


def test_only_unreadable_messages_are_deleted(
    sqs: Any, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_WINDOW", 10)
    lost = {put(sqs, dead, f"hello {number}") for number in range(25)}
    put(sqs, dead, body("a.jpg"))
    assert failures.unreadable_ids(sqs, dead) == (lost, UnreadMessages())
    assert visible(sqs, dead) == 26
    some = set(sorted(lost)[:3])
    gone: Any = list(failures.delete_unreadable(sqs, dead, some))
    assert {dead_message.message_id for dead_message in gone} == some
    rest: Any = list(failures.delete_unreadable(sqs, dead))
    assert {dead_message.message_id for dead_message in rest} == lost - some
    assert visible(sqs, dead) == 1
    assert list(failures.delete_unreadable(sqs, dead)) == []


def test_deletes_more_than_the_lease_limit(
    sqs: Any, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_WINDOW", 1)
    monkeypatch.setattr(failures, "lease", partial(lease, limit=10))
    put_many(sqs, dead, [f"hello {number}" for number in range(35)])
    assert failures.unreadable_ids(sqs, dead)[1] == UnreadMessages(cut_off=True)
    assert len(list(failures.delete_unreadable(sqs, dead))) == 35


def test_discard_reports_unread_messages(sqs: Any, dead: str) -> None:
    put(sqs, dead, "hello")
    sqs.receive_message(QueueUrl=dead)
    assert list(failures.delete_unreadable(sqs, dead)) == [UnreadMessages(hidden=1)]
    assert failures.unreadable_ids(sqs, dead) == (set(), UnreadMessages(hidden=1))


@dataclass
class Asked:
    """A fake view: when the user is asked, `happens` runs."""

    happens: Callable[[], str]
    mode: str = "json"
    shown: list[Any] = field(default_factory=list)

    def ask(self, question: str, *hint: Any) -> str:
        self.shown.append(question)
        return self.happens()

    def meter(self, words: str) -> Any:
        return nullcontext(SimpleNamespace(update=lambda *_: None, step=lambda _: None))

    def stream(self, value: Any, columns: Any, row: Any) -> None:
        self.shown.append(value["body"])

    def note(self, text: str) -> None:
        self.shown.append(text)

    warn = note


def discard_asking(sqs: Any, dead: str, happens: Callable[[], str]) -> list[Any]:
    view = Asked(happens)
    aws, stack = SimpleNamespace(sqs=sqs), SimpleNamespace(dead_letter_queue=dead)
    session: Any = SimpleNamespace(view=view, aws=aws, stack=stack)
    command._discard(session, yes=False)
    return view.shown


def test_nothing_is_leased_during_the_confirmation(sqs: Any, dead: str) -> None:
    """Otherwise the lease may have expired by the time the user answers."""
    put(sqs, dead, "hello")

    def think() -> str:
        assert visible(sqs, dead) == 1
        put(sqs, dead, "came in between")
        return "y"

    result = discard_asking(sqs, dead, think)

    question = "Delete 1 dead letter that cannot be read? [y/N]"
    assert result == [question, "hello", "1 dead letter deleted."]
    assert bodies(sqs, dead) == ["came in between"]


def test_nothing_is_deleted_without_a_yes(sqs: Any, dead: str) -> None:
    put(sqs, dead, "hello")
    with pytest.raises(RefusedError):
        discard_asking(sqs, dead, lambda: "")
    assert visible(sqs, dead) == 1


def test_no_confirmation_without_unreadable_messages(sqs: Any, dead: str) -> None:
    result = discard_asking(sqs, dead, pytest.fail)
    assert result == ["There are no unreadable dead letters."]
    put(sqs, dead, "hello")
    sqs.receive_message(QueueUrl=dead)
    hidden, none = discard_asking(sqs, dead, pytest.fail)
    assert hidden.startswith("1 dead letter is in use")
    assert none == "No unreadable dead letter was found."
