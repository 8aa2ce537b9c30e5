"""Messages that fail: backing off, dead-lettering, deadlines and costs."""

from __future__ import annotations

import binascii
import time
from concurrent.futures import Future
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from labeller import redelivery
from labeller.clients import Clients
from labeller.handler import SPARE_SECONDS
from tests.lambda_runtime import message_body, sqs_event
from tests.unit.function_world import names, printed

TEMPORARY = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "InternalServerError",
]
LASTING = ["AccessDeniedException", "ResourceNotFoundException"]


@pytest.fixture
def delays(clients: Clients) -> list[int]:
    """The visibility timeouts that the function sets, in seconds."""
    delays: list[int] = []

    def record(params: dict[str, Any], **_: Any) -> None:
        delays.append(params["VisibilityTimeout"])

    events = clients.sqs.meta.events
    events.register("before-parameter-build.sqs.ChangeMessageVisibility", record)
    return delays


# Backing off


def test_delay_doubles_with_each_receive_up_to_15_minutes():
    longest = [15, 30, 60, 120, 240, 480, 900, 900]
    for receives, seconds in [*enumerate(longest, start=1), (100_000, 900)]:
        drawn = [redelivery.delay(receives) for _ in range(200)]
        assert seconds // 2 <= min(drawn) <= max(drawn) <= seconds
        assert len(set(drawn)) > 4, "those that failed together come back together"


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    ("code", "receives"),
    [*((code, 399) for code in TEMPORARY), (TEMPORARY[0], 1), (TEMPORARY[0], 10)],
)
def test_temporary_errors_are_retried_for_days(
    code, receives, work, photos, rekognition, delays, queues
):
    rekognition.answers["a.jpg"] = code
    assert work(photos.put("a.jpg"), receives=[receives]) == ["m0"]
    [seconds] = delays
    assert seconds <= min(15 * 2 ** (receives - 1), 900)
    assert queues.dead_letter() == []


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
def test_connection_errors_are_temporary(error, temporary):
    assert redelivery.is_temporary(error) is temporary


@pytest.mark.parametrize(
    "code",
    [
        *("ThrottlingException", "ProvisionedThroughputExceededException", "Throttling"),
        *("RequestLimitExceeded", "SlowDown"),
    ],
)
def test_throttling_codes_of_all_services(code):
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert redelivery.is_throttling(ClientError(answer, "GetItem"))
    assert redelivery.is_temporary(ClientError(answer, "GetItem"))


@pytest.mark.parametrize(
    ("code", "temporary"),
    [
        ("TransactionConflictException", True),
        ("ReplicatedWriteConflictException", True),
        ("ItemCollectionSizeLimitExceededException", False),
        ("KmsDisabled", False),
    ],
)
def test_conflicting_writes_are_temporary(code, temporary):
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert redelivery.is_temporary(ClientError(answer, "PutItem")) is temporary


@pytest.mark.parametrize(
    ("status", "temporary"), [(500, True), (503, True), (429, True), (400, False)]
)
def test_http_status_5xx_is_temporary(status, temporary):
    answer: Any = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert redelivery.is_temporary(ClientError(answer, "GetItem")) is temporary


def test_photo_is_labelled_after_long_throttling(work, photos, rekognition, look, delays, patience):
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
def test_unresponsive_queue_costs_the_visibility_timeout(
    function, work, photos, rekognition, capsys
):
    rekognition.answers["a.jpg"] = "ThrottlingException"
    function._redelivery._queue = "https://queue.amazonaws.com/1/nowhere"
    assert work(photos.put("a.jpg")) == ["m0"]
    [logged] = printed(capsys)
    assert "NonExistentQueue" in logged["sqs_error"]
    assert "again_in" not in logged


@pytest.mark.usefixtures("patience")
def test_unreachable_queue_does_not_affect_other_photos(clients, work, photos, rekognition, look):
    def unreachable(**_):
        raise EndpointConnectionError(endpoint_url="https://queue")

    events = clients.sqs.meta.events
    events.register("before-call.sqs.ChangeMessageVisibility", unreachable)
    rekognition.answers["a.jpg"] = "ThrottlingException"
    other = photos.put("b.jpg")
    assert work(photos.put("a.jpg"), other) == ["m0"]
    assert look(other).status == "labelled"


# Dead-lettering


@pytest.mark.parametrize("code", LASTING)
def test_permanent_error_is_dead_lettered_with_a_reason(
    code, work, photos, rekognition, tables, queues, delays, capsys
):
    rekognition.answers["a.jpg"] = code
    record = photos.put("a.jpg")
    for receives in range(1, redelivery.PATIENCE):
        assert work(record, receives=[receives]) == ["m0"]
    assert queues.dead_letter() == []
    assert work(record, receives=[redelivery.PATIENCE]) == []
    [message] = queues.dead_letter()
    assert message["body"] == message_body(record)
    assert message["error"] == code
    assert "said Rekognition" in message["reason"]
    assert tables.all() == []
    assert sum(redelivery.delay(number) for number in range(1, redelivery.PATIENCE)) < 3600
    logged = printed(capsys)
    assert {line["status"] for line in logged[:-1]} == {"retrying"}
    assert (logged[-1]["status"], logged[-1]["image"], logged[-1]["error"]) == (
        "dead_letter",
        "a.jpg",
        code,
    )


@pytest.mark.parametrize("body", ["hello", "{}", "[" * 200_000, '{"Records": [{}]}'])
def test_invalid_message_is_dead_lettered_immediately(
    body, work, photos, look, queues, delays, capsys
):
    record = photos.put("a.jpg")
    assert work(body, record) == []
    assert look(record).status == "labelled"
    [message] = queues.dead_letter()
    assert (message["body"], message["error"]) == (body, "NotAnEvent")
    assert message["reason"]
    assert delays == []
    [logged] = [line for line in printed(capsys) if line["image"] is None]
    assert (logged["status"], logged["message_id"]) == ("dead_letter", "m0")


def test_reason_with_control_characters(work, photos, rekognition, queues):
    def crash(_):
        raise RuntimeError("\x00 \x1b[31m \ud800 😀" + "x" * 5000)

    rekognition.answers["a.jpg"] = crash
    assert work(photos.put("a.jpg"), receives=[redelivery.PATIENCE]) == []
    [message] = queues.dead_letter()
    assert message["error"] == "Runtime"
    assert message["reason"].isascii()
    assert len(message["reason"]) < 2000


@pytest.mark.parametrize(
    ("error", "code"),
    [(ClientError({}, "DetectLabels"), "ClientError"), (binascii.Error(), "Error")],
)
def test_error_without_a_code_gets_one(error, code):
    """SQS rejects empty message attributes."""
    assert redelivery.code(error) == code


def test_message_that_cannot_be_dead_lettered_is_kept(function, work, photos, rekognition):
    rekognition.answers["a.jpg"] = "AccessDeniedException"
    function._redelivery._dead_letters = "https://queue.amazonaws.com/1/nowhere"
    assert work(photos.put("a.jpg"), receives=[redelivery.PATIENCE]) == ["m0"]


# Deadlines


def test_slow_photo_does_not_delay_the_batch(work, photos, rekognition, look, capsys, monkeypatch):
    answered = Event()
    rekognition.answers["slow.jpg"] = lambda _: ["Dog"] if answered.wait(40) else []
    slow, quick = photos.put("slow.jpg"), photos.put("quick.jpg")
    waited = []

    def stop_waiting(working: list[Future[bool]], timeout: float) -> None:
        waited.append(timeout)
        working[1].result()

    monkeypatch.setattr("labeller.handler.wait", stop_waiting)
    assert work(slow, quick, seconds=60) == ["m0"]
    assert waited == [60 - SPARE_SECONDS]
    assert look(quick).status == "labelled"
    assert look(slow).status == "waiting"
    assert printed(capsys)[-1]["reason"] == "It took too long."
    answered.set()
    deadline = time.monotonic() + 60
    while look(slow).status != "labelled":  # the slow call finishes in the background
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_late_worker_does_not_touch_its_message(
    function, work, photos, rekognition, queues, delays
):
    """The message is back in the queue, and another worker may have received it."""
    rekognition.answers["a.jpg"] = "AccessDeniedException"
    [message] = sqs_event(photos.put("a.jpg"), receives=[100])["Records"]
    assert function._process(message, deadline=time.monotonic() - 1) is False
    assert (delays, queues.dead_letter()) == ([], [])


def test_slow_message_of_another_tool_does_not_affect_the_batch(
    function, work, photos, look, capsys, monkeypatch
):
    """SQS does not answer while the message is dead-lettered."""
    answered = Event()
    monkeypatch.setattr(function._redelivery, "_dead_letter", lambda *_: answered.wait(40))
    monkeypatch.setattr("labeller.handler.wait", lambda working, timeout: working[1].result())
    quick = photos.put("quick.jpg")
    assert work("hello", quick) == ["m0"]
    assert look(quick).status == "labelled"
    assert printed(capsys)[-1] == {
        "image": None,
        "status": "retrying",
        "reason": "It took too long.",
        "message_id": "m0",
    }
    answered.set()


# Costs


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
@pytest.mark.parametrize("operation", ["PutItem", "BatchWriteItem"])
def test_failing_table_costs_only_one_call_to_rekognition(
    operation, code, clients, work, photos, rekognition, look
):
    refused = [True]

    def refuse(**_):
        wrong = {"Error": {"Code": code, "Message": ""}}
        answer = {**wrong, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return (SimpleNamespace(status_code=400), answer) if refused else None

    events = clients.dynamodb.meta.events
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


def test_server_error_of_rekognition_is_tried_three_times(work, photos, rekognition, look):
    rekognition.answers["a.jpg"] = "InternalServerError"
    assert work(photos.put("a.jpg")) == ["m0"]
    assert len(rekognition.requests) == 3
    answers = iter(["InternalServerError", ["Dog"]])
    rekognition.answers["b.jpg"] = lambda _: next(answers)
    record = photos.put("b.jpg")
    assert work(record) == []
    assert names(look(record)) == ["Dog"]


def test_empty_response_of_rekognition_is_retried(function, work, photos, rekognition):
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
def test_pacer_is_notified_of_each_call(answer, expected, function, work, photos, rekognition):
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
