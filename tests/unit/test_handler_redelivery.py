"""The function and what did not go well: put off for a while, or set aside for a person to see."""

from __future__ import annotations

import binascii
import sys
import time
from concurrent.futures import Future
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tests.lambda_runtime import message_body, sqs_event
from tests.unit.function_world import names, printed

TEMPORARY = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "InternalServerError",
]
LASTING = ["AccessDeniedException", "ResourceNotFoundException"]


@pytest.fixture
def redelivery(function: ModuleType) -> ModuleType:
    return sys.modules["redelivery"]


@pytest.fixture
def delays(function: ModuleType) -> list[int]:
    """For how many seconds the function put each message off."""
    delays: list[int] = []

    def hear(params: dict[str, Any], **_: Any) -> None:
        delays.append(params["VisibilityTimeout"])

    events = function.clients.sqs().meta.events
    events.register("before-parameter-build.sqs.ChangeMessageVisibility", hear)
    return delays


# Put off


def test_a_delay_doubles_with_each_receive_up_to_a_quarter_of_an_hour(redelivery):
    longest = [15, 30, 60, 120, 240, 480, 900, 900]
    for receives, seconds in [*enumerate(longest, start=1), (100_000, 900)]:
        drawn = [redelivery.delay(receives) for _ in range(200)]
        assert seconds // 2 <= min(drawn) <= max(drawn) <= seconds
        assert len(set(drawn)) > 4, "those that failed together come back together"


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("code", TEMPORARY)
@pytest.mark.parametrize("receives", [1, 10, 399])
def test_what_goes_away_by_itself_is_put_off_for_days(
    code, receives, work, photos, rekognition, delays, queues
):
    rekognition.answers["a.jpg"] = code
    assert work(photos.put("a.jpg"), receives=[receives]) == ["m0"]
    [seconds] = delays
    assert seconds <= min(15 * 2 ** (receives - 1), 900)
    assert queues.set_aside() == []


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (ReadTimeoutError(endpoint_url="https://rekognition"), True),
        (EndpointConnectionError(endpoint_url="https://rekognition"), True),
        (ResponseParserError("no JSON"), True),
        (TimeoutError(), True),
        (ParamValidationError(report="a bug"), False),
        (ValueError("a bug"), False),
    ],
)
def test_a_connection_that_breaks_is_temporary(error, temporary, redelivery):
    assert redelivery.is_temporary(error) is temporary


@pytest.mark.parametrize(
    "code",
    [
        *("ThrottlingException", "ProvisionedThroughputExceededException", "Throttling"),
        *("RequestLimitExceeded", "SlowDown"),
    ],
)
def test_every_service_has_its_word_for_throttling(code, redelivery):
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert redelivery.is_throttling(ClientError(answer, "GetItem"))
    assert redelivery.is_temporary(ClientError(answer, "GetItem"))


@pytest.mark.parametrize(
    ("status", "temporary"), [(500, True), (503, True), (429, True), (400, False)]
)
def test_an_outage_is_known_by_its_http_status(status, temporary, redelivery):
    answer: Any = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert redelivery.is_temporary(ClientError(answer, "GetItem")) is temporary


def test_throttling_is_over_some_day(work, photos, rekognition, look, delays, patience):
    rekognition.answers["a.jpg"] = "ThrottlingException"
    record = photos.put("a.jpg")
    for receives in (1, 2):
        assert work(record, receives=[receives]) == ["m0"]
    rekognition.answers["a.jpg"] = ["Dog"]
    patience.turns = None
    assert work(record, receives=[3]) == []
    assert names(look(record)) == ["Dog"]
    assert len(delays) == 2


@pytest.mark.usefixtures("patience")
def test_a_queue_that_does_not_answer_costs_its_visibility_timeout(
    function, work, photos, rekognition, capsys
):
    rekognition.answers["a.jpg"] = "ThrottlingException"
    function._redelivery._queue = "https://queue.amazonaws.com/1/nowhere"
    assert work(photos.put("a.jpg")) == ["m0"]
    [logged] = printed(capsys)
    assert "NonExistentQueue" in logged["trouble"]
    assert "again_in" not in logged


@pytest.mark.usefixtures("patience")
def test_a_queue_that_cannot_be_reached_costs_no_other_photo(
    function, work, photos, rekognition, look
):
    def unreachable(**_):
        raise EndpointConnectionError(endpoint_url="https://queue")

    events = function.clients.sqs().meta.events
    events.register("before-call.sqs.ChangeMessageVisibility", unreachable)
    rekognition.answers["a.jpg"] = "ThrottlingException"
    other = photos.put("b.jpg")
    assert work(photos.put("a.jpg"), other) == ["m0"]
    assert look(other).status == "labelled"


# Set aside


@pytest.mark.parametrize("code", LASTING)
def test_what_waiting_does_not_mend_is_set_aside_with_its_reason(
    code, redelivery, work, photos, rekognition, tables, queues, delays, capsys
):
    rekognition.answers["a.jpg"] = code
    record = photos.put("a.jpg")
    for receives in range(1, redelivery.PATIENCE):
        assert work(record, receives=[receives]) == ["m0"]
    assert queues.set_aside() == []
    assert work(record, receives=[redelivery.PATIENCE]) == []
    [letter] = queues.set_aside()
    assert letter["body"] == message_body(record)
    assert letter["error"] == code
    assert "said Rekognition" in letter["reason"]
    assert tables.all() == []
    assert sum(redelivery.delay(number) for number in range(1, redelivery.PATIENCE)) < 3600
    logged = printed(capsys)
    assert {line["status"] for line in logged[:-1]} == {"retrying"}
    assert (logged[-1]["status"], logged[-1]["image"], logged[-1]["error"]) == (
        "set_aside",
        "a.jpg",
        code,
    )


@pytest.mark.parametrize("body", ["hello", "{}", "[" * 200_000, '{"Records": [{}]}'])
def test_a_message_that_is_no_s3_event_is_set_aside_at_once_and_alone(
    body, work, photos, look, queues, delays, capsys
):
    record = photos.put("a.jpg")
    assert work(body, record) == []
    assert look(record).status == "labelled"
    [letter] = queues.set_aside()
    assert (letter["body"], letter["error"]) == (body, "NotAnEvent")
    assert letter["reason"]
    assert delays == []
    [logged] = [line for line in printed(capsys) if line["image"] is None]
    assert (logged["status"], logged["message_id"]) == ("set_aside", "m0")


def test_a_reason_with_odd_characters_is_no_obstacle(redelivery, work, photos, rekognition, queues):
    def crash(_):
        raise RuntimeError("\x00 \x1b[31m \ud800 😀" + "x" * 5000)

    rekognition.answers["a.jpg"] = crash
    assert work(photos.put("a.jpg"), receives=[redelivery.PATIENCE]) == []
    [letter] = queues.set_aside()
    assert letter["error"] == "Runtime"
    assert letter["reason"].isascii()
    assert len(letter["reason"]) < 2000


@pytest.mark.parametrize(
    ("error", "code"),
    [(ClientError({}, "DetectLabels"), "ClientError"), (binascii.Error(), "Error")],
)
def test_an_error_without_a_name_gets_one(redelivery, error, code):
    """SQS takes no attribute that is empty."""
    assert redelivery.code(error) == code


def test_a_photo_that_cannot_be_set_aside_is_kept(function, work, photos, rekognition, redelivery):
    rekognition.answers["a.jpg"] = "AccessDeniedException"
    function._redelivery._dead_letters = "https://queue.amazonaws.com/1/nowhere"
    assert work(photos.put("a.jpg"), receives=[redelivery.PATIENCE]) == ["m0"]


# Left behind


def test_a_photo_that_takes_too_long_is_left_behind_and_no_other_with_it(
    function, work, photos, rekognition, look, capsys, monkeypatch
):
    answered = Event()
    rekognition.answers["slow.jpg"] = lambda _: ["Dog"] if answered.wait(40) else []
    slow, quick = photos.put("slow.jpg"), photos.put("quick.jpg")
    waited = []

    def time_is_over(working: list[Future[bool]], timeout: float) -> None:
        waited.append(timeout)
        working[1].result()

    monkeypatch.setattr(function, "wait", time_is_over)
    assert work(slow, quick, seconds=60) == ["m0"]
    assert waited == [60 - function.SPARE_SECONDS]
    assert look(quick).status == "labelled"
    assert look(slow).status == "pending"
    assert printed(capsys)[-1]["reason"] == "It took too long."
    answered.set()
    deadline = time.monotonic() + 60
    while look(slow).status != "labelled":  # what goes on by itself does no harm
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_that_comes_too_late_leaves_its_message_alone(
    function, work, photos, rekognition, queues, delays
):
    """It was given back meanwhile: another worker may have labelled the photo by now."""
    rekognition.answers["a.jpg"] = "AccessDeniedException"
    [message] = sqs_event(photos.put("a.jpg"), receives=[100])["Records"]
    assert function._work(message, until=time.monotonic() - 1) is False
    assert (delays, queues.set_aside()) == ([], [])


# What is paid for


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
@pytest.mark.parametrize("operation", ["PutItem", "BatchWriteItem"])
def test_a_table_that_takes_nothing_costs_one_call_and_not_one_each_time(
    operation, code, function, work, photos, rekognition, look
):
    refused = [True]

    def refuse(**_):
        wrong = {"Error": {"Code": code, "Message": ""}}
        answer = {**wrong, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return (SimpleNamespace(status_code=400), answer) if refused else None

    events = function.clients.dynamodb.meta.events
    events.register(f"before-call.dynamodb.{operation}", refuse)
    first, second = photos.put("a.jpg"), photos.put("b.jpg")
    assert work(first) == ["m0"]
    for receives in (2, 3):
        assert work(first, second, receives=[receives, 1]) == ["m0", "m1"]
    assert len(rekognition.requests) == 1
    refused.clear()
    assert work(first, second) == []
    assert len(rekognition.requests) == 3
    assert look(first).status == "labelled"


def test_an_error_of_rekognition_s_own_is_tried_three_times(work, photos, rekognition, look):
    rekognition.answers["a.jpg"] = "InternalServerError"
    assert work(photos.put("a.jpg")) == ["m0"]
    assert len(rekognition.requests) == 3
    answers = iter(["InternalServerError", ["Dog"]])
    rekognition.answers["b.jpg"] = lambda _: next(answers)
    record = photos.put("b.jpg")
    assert work(record) == []
    assert names(look(record)) == ["Dog"]


def test_an_answer_that_is_none_is_no_reason_to_give_up(
    function, redelivery, work, photos, rekognition
):
    function._recognition._client = SimpleNamespace(detect_labels=lambda **_: {})
    assert work(photos.put("a.jpg"), receives=[redelivery.PATIENCE]) == ["m0"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (["Dog"], ["turn", "passed"]),
        ("InvalidImageFormatException", ["turn", "passed"]),
        ("AccessDeniedException", ["turn", "passed"]),
        (["ThrottlingException", ["Dog"]], ["turn", "throttled", "turn", "passed"]),
        (["InternalServerError", ["Dog"]], ["turn", "turn", "passed"]),
    ],
)
def test_the_pacer_hears_what_lets_it_learn(answer, expected, function, work, photos, rekognition):
    heard: list[str] = []

    class Listening:
        def turn(self, until: float) -> bool:
            heard.append("turn")
            assert until < time.monotonic() + 60 - 22
            return True

        def __getattr__(self, name: str) -> Any:
            return lambda: heard.append(name)

    function._recognition._pacer = Listening()
    answers = iter(answer if isinstance(answer, list) and len(answer) == 2 else [answer])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    work(photos.put("a.jpg"), seconds=60)
    assert heard == expected
