"""How fast the function's zip starts, and how fast it labels a batch.

The start is compared with that of a process which imports boto3 and creates the same two clients. The
batch runs against stand-ins for Rekognition and DynamoDB in another process, which answer over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelctl.deploy import package
from tests.bench.timing import timed
from tests.bench.usual_photo import answer
from tests.fakes.template import function_environment
from tests.fault_proxy import wire
from tests.lambda_runtime import s3_record, sqs_event

ROUNDS = 15
BATCHES = 10
PHOTOS = 10
LABELS = 20
_BARE = "import boto3; boto3.client('rekognition'); boto3.client('dynamodb')"
_START = "import labeller.main"
_BATCHES = """
import json, resource, sys, time
from types import SimpleNamespace
from labeller.main import handler
context = SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
for line in sys.stdin:
    started, used = time.perf_counter(), time.process_time()
    failures = handler(json.loads(line), context)["batchItemFailures"]
    spent = time.perf_counter() - started, time.process_time() - used
    assert not failures, failures
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"wall": spent[0], "cpu": spent[1], "peak": peak}), file=sys.stderr)
"""


@dataclass(frozen=True)
class Measured:
    """The figures: bytes of the zip; seconds of the start, and its ratio to that of the bare clients;
    seconds of a process's first and usual batch; CPU seconds per photo; megabytes in memory."""

    zip_bytes: int
    start: float
    start_ratio: float
    first_batch: float
    batch: float
    cpu_per_photo: float
    memory: float


def function(latency: float = 0.5, as_json: bool = False) -> None:
    """Print the figures of the zip, with a Rekognition that answers after `latency` seconds."""
    measured = measure(latency)
    if as_json:
        print(json.dumps(asdict(measured)))
        return
    print(f"zip                     {measured.zip_bytes / 1000:6.1f} KB")
    print(f"start                   {measured.start * 1000:6.0f} ms", end="")
    print(f"   {measured.start_ratio:.2f} of boto3 with the same clients")
    print(f"first batch of {PHOTOS}       {measured.first_batch * 1000:6.0f} ms", end="")
    print(f"   with a Rekognition that takes {latency * 1000:.0f} ms")
    print(f"later batches of {PHOTOS}     {measured.batch * 1000:6.0f} ms")
    print(f"CPU time of a photo     {measured.cpu_per_photo * 1000:6.1f} ms   with {LABELS} labels")
    print(f"memory                  {measured.memory:6.0f} MB")


def measure(latency: float = 0.5) -> Measured:
    """Measure the zip. Medians of several runs, except for the first batch of a process."""
    with tempfile.TemporaryDirectory() as folder, _services(latency) as url:
        bundle = package.build()
        # Like Lambda, import from the zip without compiled modules: its code's folder is read-only.
        path = Path(folder) / bundle.name
        path.write_bytes(bundle.content)
        env = _environment(path, url)
        start, ratio = _starts(env)
        batches = _batches(env)
    later = batches[1:]
    return Measured(
        zip_bytes=len(bundle.content),
        start=start,
        start_ratio=ratio,
        first_batch=batches[0]["wall"],
        batch=statistics.median(batch["wall"] for batch in later),
        cpu_per_photo=statistics.median(batch["cpu"] for batch in later) / PHOTOS,
        memory=batches[-1]["peak"] * (1 if sys.platform == "darwin" else 1024) / 1e6,
    )


def _environment(path: Path, url: str) -> dict[str, str]:
    resources = {"PhotosTable": "photos", "LabelsTable": "labels", "Queue": url, "DeadLetters": url}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **function_environment(resources),
        "PYTHONPATH": str(path),
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _starts(env: dict[str, str]) -> tuple[float, float]:
    """Seconds that the function takes to start, and the ratio to the bare clients beside it."""
    pairs = [
        [timed([sys.executable, "-c", code], env) for code in (_START, _BARE)]
        for _ in range(ROUNDS + 1)
    ][1:]  # the first round warms the disk's cache
    return (
        statistics.median(start for start, _ in pairs),
        statistics.median(start / bare for start, bare in pairs),
    )


def _batches(env: dict[str, str]) -> list[dict[str, float]]:
    """What each batch of one process took."""
    events = "".join(json.dumps(_event(number)) + "\n" for number in range(BATCHES + 1))
    done = subprocess.run(
        [sys.executable, "-c", _BATCHES],
        input=events,
        env=env,
        capture_output=True,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def _event(batch: int) -> dict[str, Any]:
    keys = [f"{batch:03}/{photo:02}.jpg" for photo in range(PHOTOS)]
    return sqs_event(*(s3_record(key, "5F", size=12, eTag="e", versionId="v") for key in keys))


@contextmanager
def _services(latency: float) -> Iterator[str]:
    """Start the stand-ins in a process of their own; provides their URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(latency, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(latency: float, ready: Any) -> None:
    bodies: dict[str, Any] = {
        "DetectLabels": answer(LABELS),
        "GetItem": {},
        "Query": {"Items": [], "Count": 0, "ScannedCount": 0},
        "BatchWriteItem": {"UnprocessedItems": {}},
        "PutItem": {"ConsumedCapacity": {"TableName": "photos", "CapacityUnits": 4}},
    }
    answers = {
        name: wire.answer(200, json.dumps(body).encode()).raw for name, body in bodies.items()
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                operation = (await wire.read_request(reader)).operation
                if operation == "DetectLabels":
                    await asyncio.sleep(latency)
                writer.write(answers[operation])

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())
