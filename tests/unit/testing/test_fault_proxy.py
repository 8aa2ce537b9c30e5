"""The fault proxy, asked through boto3 as the function asks: what each fault looks like to a client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from tests.fault_proxy import FaultProxy, Faults
from tests.fault_proxy.faults import Counting, Quota

Make = Callable[..., FaultProxy]


@pytest.fixture
def proxy() -> Iterator[Make]:
    """Makes proxies that end with the test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(FaultProxy(*args, **options))


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Service(ThreadingHTTPServer):
    """Answers with what it was told: a request's headers and body; it remembers the bodies."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.told: list[Any] = []


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append(body)
        told = {"UnprocessedItems": {}, "headers": dict(self.headers), "body": body}
        answer = json.dumps(told).encode()
        self.send_response(200)
        if "X-Want-Chunks" in self.headers:
            self.send_header("Transfer-Encoding", "chunked")
            answer = b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (answer[:5], len(answer) - 5, answer[5:])
        else:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def client(name: str, place: FaultProxy, read_timeout: float = 5) -> Any:
    return boto3.client(
        name,
        endpoint_url=place.url,
        region_name="us-east-1",
        aws_access_key_id="mine",
        aws_secret_access_key="secret",
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=read_timeout, max_pool_connections=40
        ),
    )


def detect(rekognition: Any, key: str = "a.jpg", version: str = "1") -> Any:
    photo = {"Bucket": "photos", "Name": key, "Version": version}
    return rekognition.detect_labels(Image={"S3Object": photo})


def write(dynamodb: Any, count: int) -> Any:
    items = [{"image": {"S": "a.jpg"}, "row": {"S": str(number)}} for number in range(count)]
    return dynamodb.batch_write_item(
        RequestItems={"table": [{"PutRequest": {"Item": item}} for item in items]}
    )


def test_labels_depend_on_the_photo_and_its_version_alone(proxy: Make) -> None:
    rekognition = client("rekognition", proxy())

    first = detect(rekognition)

    assert detect(client("rekognition", proxy(seed=9)))["Labels"] == first["Labels"]
    assert detect(rekognition, version="2")["Labels"] != first["Labels"]
    assert detect(rekognition, key="b.jpg")["Labels"] != first["Labels"]
    assert len({label["Name"] for label in first["Labels"]}) == 10
    assert all(55 <= label["Confidence"] <= 100 for label in first["Labels"])


def test_an_answer_takes_its_time_and_forty_calls_take_no_longer(proxy: Make) -> None:
    place = proxy(latency=0.2)
    rekognition = client("rekognition", place)
    started = time.monotonic()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda number: detect(rekognition, f"{number}.jpg"), range(40)))

    assert 0.2 <= time.monotonic() - started < 4  # one after the other they take 8
    assert set(place.record.per_subject().values()) == {1}


def test_a_quota_refuses_what_is_over_it_in_the_names_of_the_service(proxy: Make) -> None:
    place = proxy(faults=Faults(quota=5))
    rekognition = client("rekognition", place)
    codes, statuses = [], set()

    for number in range(30):
        try:
            detect(rekognition, f"{number}.jpg")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
            statuses.add(error.response["ResponseMetadata"]["HTTPStatusCode"])

    assert set(codes) == {"ThrottlingException", "ProvisionedThroughputExceededException"}
    assert statuses == {400}
    assert place.record.outcomes() == {"answered": 30 - len(codes), "throttled": len(codes)}
    assert len(place.record.passed()) == 30 - len(codes)
    assert place.record.wasted() == len(codes) / 30
    assert sum(map(sum, place.record.per_second())) == 30


def test_no_second_has_more_calls_than_the_quota_however_it_is_laid() -> None:
    passed = let_through(7, "sliding", [at / 100 for at in range(500)])

    assert len(passed) == 35
    for start in passed:
        assert sum(start <= at < start + 1 for at in passed) <= 7


def test_a_quota_may_be_counted_by_the_clock_or_by_tokens() -> None:
    late = [0.9 + at / 1000 for at in range(200)]  # 0.9 s to 1.1 s

    assert len(let_through(7, "sliding", late)) == 7
    assert len(let_through(7, "clock", late)) == 14
    assert len(let_through(7, "bucket", late)) == 1
    assert len(let_through(7, "bucket", [0.0, *(9 + at for at in late)])) == 8  # saved for 1 s


def let_through(limit: int, counting: Counting, calls: list[float]) -> list[float]:
    quota = Quota()
    return [at for at in calls if quota.admits(limit, at, counting)]


def test_a_quota_can_be_lifted_while_it_runs(proxy: Make) -> None:
    place = proxy(faults=Faults(quota=0))
    rekognition = client("rekognition", place)
    with pytest.raises(ClientError):
        detect(rekognition)

    place.faults = Faults()

    assert detect(rekognition)["Labels"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("dynamodb", "ProvisionedThroughputExceededException|ThrottlingException"),
        ("sqs", "RequestThrottled"),
        ("s3", "SlowDown"),
    ],
)
def test_each_service_says_in_its_own_way_that_it_is_too_much(
    proxy: Make, name: str, code: str
) -> None:
    aws = client(name, proxy(faults=Faults(quota=0)))
    calls = {
        "dynamodb": lambda: write(aws, 1),
        "sqs": lambda: aws.receive_message(QueueUrl=f"{aws.meta.endpoint_url}/1/queue"),
        "s3": lambda: aws.get_object(Bucket="photos", Key="a.jpg"),
    }

    with pytest.raises(ClientError, match=code):
        calls[name]()


@pytest.mark.parametrize("name", ["rekognition", "dynamodb"])
def test_an_error_is_a_500(proxy: Make, service: Service, name: str) -> None:
    aws = client(name, proxy(service.url, faults=Faults(error=1)))

    with pytest.raises(ClientError, match="InternalServerError") as caught:
        detect(aws) if name == "rekognition" else write(aws, 1)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_half_of_the_errors_come_after_the_work_was_done(proxy: Make, service: Service) -> None:
    place = proxy(service.url, faults=Faults(error=1))
    rekognition = client("rekognition", place)

    for number in range(40):
        with pytest.raises(ClientError):
            detect(rekognition, f"{number}.jpg")

    assert 10 < len(service.told) < 30
    assert place.record.outcomes() == {"error": 40}


def test_nonsense_is_an_error_or_an_answer_without_labels(proxy: Make) -> None:
    rekognition = client("rekognition", proxy(faults=Faults(malformed=1)))
    seen = set()

    for number in range(30):
        try:
            answer = detect(rekognition, f"{number}.jpg")
        except Exception as error:
            seen.add(type(error).__name__)
        else:
            assert "Labels" not in answer  # botocore takes any text for an empty answer
            seen.add("empty")

    assert len(seen) >= 2


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_a_connection_ends_before_or_in_the_middle_of_the_answer(
    proxy: Make, service: Service, fault: str
) -> None:
    place = proxy(service.url, faults=Faults(**{fault: 1}))

    with pytest.raises(BotoCoreError):
        detect(client("rekognition", place))

    assert place.record.outcomes() == {fault: 1}


def test_a_call_that_hangs_is_not_answered_until_it_is_let_go(proxy: Make) -> None:
    place = proxy(faults=Faults(hang=1))
    rekognition = client("rekognition", place)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(detect, rekognition)
        while not place.record.calls:
            time.sleep(0.01)
        with pytest.raises(TimeoutError):
            hanging.result(timeout=0.2)
        place.faults = Faults()
        place.release()

        with pytest.raises(ConnectionClosedError):
            hanging.result(timeout=60)
    assert detect(rekognition)["Labels"]


def test_a_proxy_ends_although_calls_hang_in_it() -> None:
    with ThreadPoolExecutor(1) as pool:
        with FaultProxy(faults=Faults(hang=1)) as place:
            hanging = pool.submit(detect, client("rekognition", place))
            while not place.record.calls:
                time.sleep(0.01)

        assert isinstance(hanging.exception(timeout=60), BotoCoreError)


def test_a_call_is_held_up_for_a_while(proxy: Make) -> None:
    rekognition = client("rekognition", proxy(faults=Faults(delay=(0.3, 0.3))))
    started = time.monotonic()

    detect(rekognition)

    assert time.monotonic() - started >= 0.3


def test_what_is_passed_on_is_the_same_header_for_header(proxy: Make, service: Service) -> None:
    place = proxy(service.url)
    dynamodb = client("dynamodb", place)
    sent: dict[str, Any] = {}
    dynamodb.meta.events.register("before-send", lambda request, **_: sent.update(request.headers))

    told = _told(dynamodb, 3)

    for name, value in sent.items():
        assert told["headers"][name] == (value if isinstance(value, str) else value.decode())
    assert "Credential=mine/" in told["headers"]["Authorization"]
    assert told["headers"]["Host"] == place.url.removeprefix("http://")
    assert len(told["body"]["RequestItems"]["table"]) == 3


def test_an_answer_in_chunks_is_passed_back(proxy: Make, service: Service) -> None:
    dynamodb = client("dynamodb", proxy(service.url))

    def want_chunks(request: Any, **_: Any) -> None:
        request.headers["X-Want-Chunks"] = "yes"

    dynamodb.meta.events.register("before-send", want_chunks)

    for _ in range(3):
        assert len(_told(dynamodb, 3)["body"]["RequestItems"]["table"]) == 3


def _told(dynamodb: Any, count: int) -> dict[str, Any]:
    """What the service said that it was told."""
    told: dict[str, Any] = {}

    def read(http_response: Any, **_: Any) -> None:
        told.update(json.loads(http_response.content))

    dynamodb.meta.events.register("after-call", read)
    write(dynamodb, count)
    return told


def test_a_part_of_a_batch_is_written_and_the_rest_handed_back(
    proxy: Make, service: Service
) -> None:
    place = proxy(service.url, faults=Faults(unprocessed=1))
    dynamodb = client("dynamodb", place)

    told = _told(dynamodb, 10)

    written = told["body"]["RequestItems"]["table"]
    left = told["UnprocessedItems"]["table"]
    rows = [item["PutRequest"]["Item"]["row"]["S"] for item in written + left]
    assert rows == [str(number) for number in range(10)]
    assert written
    assert left
    assert place.record.outcomes() == {"unprocessed": 1}


def test_only_batches_are_handed_back(proxy: Make, service: Service) -> None:
    place = proxy(service.url, faults=Faults(unprocessed=1))

    client("dynamodb", place).put_item(TableName="table", Item={"image": {"S": "a.jpg"}})

    assert place.record.outcomes() == {"answered": 1}


def test_a_service_that_is_gone_ends_the_connection(proxy: Make, service: Service) -> None:
    place = proxy("http://127.0.0.1:9")

    with pytest.raises(BotoCoreError):
        detect(client("rekognition", place))

    assert place.record.outcomes() == {"unreachable": 1}


def test_the_same_photos_meet_the_same_faults_in_any_order(proxy: Make) -> None:
    faults = Faults(error=0.3, drop=0.3)
    keys = [f"{number}.jpg" for number in range(30)] * 2

    def outcomes(order: list[str], seed: int) -> set[tuple[str, str]]:
        place = proxy(faults=faults, seed=seed)
        rekognition = client("rekognition", place)
        for key in order:
            with suppress(ClientError, BotoCoreError):
                detect(rekognition, key)
        calls = enumerate(sorted(place.record.calls, key=lambda call: call.subject))
        return {(f"{call.subject} {number % 2}", call.outcome) for number, call in calls}

    assert outcomes(keys, 1) == outcomes(sorted(keys), 1)
    assert outcomes(keys, 1) != outcomes(keys, 2)
