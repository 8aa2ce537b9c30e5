"""How well the function uses a quota: many photos against a recogniser that allows few calls.

The recogniser is a fault proxy that answers after a time that is usual for Rekognition. All photos are
in the queue before the function sees the first, so that it has to slow down by itself: four copies
with ten photos each would make 133 calls a second.
"""

from __future__ import annotations

import sys
import time

from tests.bench import pictures
from tests.bench.cloud import Trial, trial
from tests.fault_proxy import FaultProxy, Faults
from tests.fault_proxy.faults import Counting

PATIENCE = 600.0  # seconds


def quota(
    photos: int,
    calls_per_second: int,
    latency: float,
    concurrency: int,
    outage: float,
    counting: Counting,
    seconds: bool,
) -> int:
    """Print the figures; 0 if every photo was labelled and none became a dead letter."""
    with (
        FaultProxy(latency=latency) as recogniser,
        trial("--concurrency", str(concurrency)) as cloud,
    ):
        cloud.put_between(rekognition=recogniser.url)
        cloud.enable(False)
        pictures.fill(cloud.user.folder / "photos", photos)
        _tell(f"{photos} photos are being uploaded…")
        uploaded = cloud.ask("upload", "photos", "--quiet")
        assert uploaded.code == 0, uploaded
        _await_messages(cloud, photos)
        _tell("…and now labelled.")
        recogniser.faults = Faults(quota=0 if outage else calls_per_second, counting=counting)
        cloud.enable(True)
        if outage:
            time.sleep(outage)
            recogniser.faults = Faults(quota=calls_per_second, counting=counting)
        opened = time.monotonic()
        finished = cloud.await_rest(PATIENCE)
        labelled = sum(item["status"] == "labelled" for item in cloud.items("Table"))
        dead = sum(cloud.messages("DeadLetterQueue"))
    record = recogniser.record
    after = [call for call in record.calls if call.at >= opened]
    passed = record.passed()
    first = after[0].at if outage and after else record.calls[0].at
    spent = passed[-1].at - first if passed else 0.0
    twice = sum(count - 1 for count in record.per_subject().values())
    throttled = record.outcomes()["throttled"]
    print(f"photos labelled     {labelled} of {photos}{'' if finished else ', and gave up'}")
    print(f"dead letters        {dead}")
    print(f"first to last call  {spent:.1f} s" + (" after the outage" if outage else ""))
    print(f"share of the quota  {labelled / (calls_per_second * max(spent, 1)):.1%}")
    print(f"wasted calls        {record.wasted():.1%} ({throttled} of {len(record.calls)})")
    print(f"called twice        {twice}")
    if seconds:
        print("calls each second   " + " ".join(f"{p}+{t}" for p, t in record.per_second()))
    return 0 if labelled == photos and not dead else 1


def _await_messages(cloud: Trial, count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(cloud.messages()) < count and time.monotonic() < deadline:
        time.sleep(0.1)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
