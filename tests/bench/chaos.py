"""Photos go through the pipeline while everything fails; in the end nothing may be lost.

Between the function and Rekognition, DynamoDB and SQS stand proxies that throttle, fail, delay,
talk malformed and drop connections. Meanwhile the function's processes and the local cloud's engine
are killed at moments by chance, photos are replaced and removed, and some photos are no pictures. A
user, who is cut off by all this, starts `labelctl upload` again. When the queue is empty, the bucket
and both tables are compared: by `labelctl verify --index`, and without it (tests.bench.consistency).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from botocore.exceptions import BotoCoreError, ClientError

from labelctl.local import processes
from tests.bench import pictures
from tests.bench.cloud import Trial, trial
from tests.bench.consistency import Expected, check
from tests.fault_proxy import FaultProxy, Faults, Record

REKOGNITION = Faults(quota=40, error=0.04, malformed=0.02, drop=0.02, cut=0.02, delay=(0.0, 0.4))
DYNAMODB = Faults(
    error=0.01, malformed=0.005, drop=0.01, cut=0.01, unprocessed=0.2, delay=(0.0, 0.05)
)
SQS = Faults(error=0.05, drop=0.05, cut=0.05)
VISIBILITY = (
    20  # seconds until a killed worker's photos come again; the template's 720 would be dull
)
PATIENCE = 300.0  # seconds until the queue is empty, after the last upload and kill
FEW_UPLOADS = 20  # a user gives up sometime


@dataclass
class Outcome:
    """What came of it; `wrong` is empty when all is well. `unused`: index items that lead nowhere."""

    photos: int
    statuses: Counter[str] = field(default_factory=Counter)
    dead_letters: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    wasted: float = 0.0
    seconds: float = 0.0
    unused: int = 0
    wrong: list[str] = field(default_factory=list)


def chaos(photos: int, seed: int) -> int:
    """Print the figures of a run with four kills of each kind; 0 if nothing is wrong."""
    with trial("--concurrency", "4") as cloud:
        outcome = run(cloud, photos=photos, seed=seed, kills=4)
    print(f"photos              {outcome.photos}, seed {seed}")
    for status in ("labelled", "failed", "removed"):
        print(f"{status:<19} {outcome.statuses[status]}")
    print(f"dead letters        {outcome.dead_letters}")
    print(f"kill -9             {_listed(outcome.kills)}")
    print(f"runs of upload      {outcome.uploads}")
    for service, faults in outcome.faults.items():
        print(f"{service:<19} {_listed(faults)}")
    print(f"wasted calls        {outcome.wasted:.1%}")
    print(f"unused index items  {outcome.unused}")
    print(f"seconds             {outcome.seconds:.0f}")
    print(f"wrong               {len(outcome.wrong) or 'nothing'}")
    for sentence in outcome.wrong:
        print(f"    {sentence}")
    return 1 if outcome.wrong else 0


def run(
    cloud: Trial,
    *,
    photos: int,
    seed: int,
    kills: int,
    pace: float = 4.0,
    visibility: int = VISIBILITY,
) -> Outcome:
    """Do it all in a cloud that was just deployed.

    The worker and the engine are killed `kills` times each, one of them about every `pace` seconds.
    """
    die, outcome, started = Random(seed), Outcome(photos), time.monotonic()
    album = _Album(cloud.user.folder, photos, die)
    with (
        FaultProxy(cloud.recogniser, faults=REKOGNITION, seed=seed) as rekognition,
        FaultProxy(cloud.endpoint, faults=DYNAMODB, seed=seed) as dynamodb,
        FaultProxy(cloud.endpoint, faults=SQS, seed=seed) as sqs,
    ):
        cloud.put_between(rekognition=rekognition.url, dynamodb=dynamodb.url, sqs=sqs.url)
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=cloud.outputs["Queue"], Attributes={"VisibilityTimeout": str(visibility)}
        )
        killer = _Killer(cloud, Random(seed), kills, pace)
        killer.start()
        try:
            outcome.uploads += _upload(cloud, album.first)
            _remove(cloud, album.removed)
            outcome.uploads += _upload(cloud, album.second)
        finally:
            killer.join()
        cloud.ask("status")  # brings the engine up, if it was killed last
        outcome.kills = Counter(what.split()[-1] for _, what in killer.deeds)
        if not cloud.await_rest(PATIENCE):
            outcome.wrong.append(f"the queue is not empty: {cloud.messages()}")
        outcome.seconds = time.monotonic() - started
        outcome.wasted = rekognition.record.wasted()
        outcome.faults = {
            "rekognition": rekognition.record.outcomes(),
            "dynamodb": dynamodb.record.outcomes(),
            "sqs": sqs.record.outcomes(),
        }
    outcome.dead_letters = sum(cloud.messages("DeadLetterQueue"))
    if outcome.dead_letters:
        outcome.wrong.append(f"{outcome.dead_letters} dead letters")
    books = check(cloud, album.expected)
    outcome.statuses, outcome.unused = books.statuses, books.unused
    records = (rekognition.record, dynamodb.record)
    for sentence in books.wrong:
        key = sentence.partition(":")[0]
        outcome.wrong += [sentence, *_story(cloud, key, started, killer.deeds, *records)]
    verified = cloud.ask("verify", "--index", "-o", "json")
    if verified.code != (5 if books.wrong or outcome.dead_letters else 0):
        outcome.wrong.append(f"verify ended with {verified.code}: {verified.out} {verified.err}")
    return outcome


class _Album:
    """Photos in two folders: `second` replaces some of `first`; and what must become of each."""

    def __init__(self, folder: Path, count: int, die: Random) -> None:
        self.first, self.second = folder / "first", folder / "second"
        names = [f"{number:04}.jpg" for number in range(count)]
        broken = set(die.sample(names, max(2, count // 30)))
        replaced = die.sample(names, max(3, count // 20))
        self.removed = die.sample(sorted(set(names) - set(replaced)), max(2, count // 40))
        self.expected: dict[str, Expected] = {}
        for each in (self.first, self.second):
            each.mkdir()
        for name in names:
            make = pictures.broken_png if name in broken else pictures.red_jpeg
            (self.first / name).write_bytes(make(name))
            self.expected[name] = (
                Expected("failed") if name in broken else Expected("labelled", "Red")
            )
        for name in replaced:
            (self.second / name).write_bytes(pictures.blue_jpeg(name))
            self.expected[name] = Expected("labelled", "Blue")
        for name in self.removed:
            del self.expected[name]


class _Killer(threading.Thread):
    """Kills workers and the engine in turn, at moments by chance, and records when."""

    def __init__(self, cloud: Trial, die: Random, each: int, pace: float) -> None:
        super().__init__(name="killer")
        self.deeds: list[tuple[float, str]] = []
        self._cloud, self._die, self._pace = cloud, die, pace
        self._plan = ["worker", "engine"] * each
        self._home = Path(cloud.user.env["LABELCTL_HOME"], "local")

    def run(self) -> None:
        for kind in self._plan:
            time.sleep(self._die.uniform(0.5, 1.5) * self._pace)
            deadline = time.monotonic() + 30
            while not (pids := self._pids(kind)) and time.monotonic() < deadline:
                time.sleep(0.1)
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._die.choice(pids), signal.SIGKILL)
                    self.deeds.append((time.monotonic(), f"killed the {kind}"))
            if kind == "engine":
                time.sleep(self._die.uniform(0, 1))
                self._cloud.ask("status")

    def _pids(self, kind: str) -> list[int]:
        """The processes of this kind that run, of this trial's local cloud alone."""
        try:
            record = json.loads((self._home / "engine.json").read_text())
        except (OSError, ValueError):
            return []
        ours = processes.find_processes(self._home)
        if kind == "engine":
            return sorted(ours & {record["pid"]})
        return sorted(ours - {record["pid"], record["recogniser_pid"]})


def _upload(cloud: Trial, folder: Path) -> int:
    """Upload a folder, again and again until it is done; how often it took."""
    for number in range(1, FEW_UPLOADS + 1):
        uploaded = cloud.ask("upload", folder, "--quiet")
        if uploaded.code == 0:
            return number
        print(f"upload ended with {uploaded.code}: {uploaded.err[:200]}", file=sys.stderr)
    raise AssertionError("upload was cut off too often")


def _remove(cloud: Trial, keys: list[str]) -> None:
    """Remove photos as their owner, by boto3, until it is done."""
    for key in keys:
        while True:
            with contextlib.suppress(ClientError, BotoCoreError):
                cloud.client("s3").delete_object(Bucket=cloud.outputs["PhotosBucket"], Key=key)
                break
            time.sleep(0.2)


def _story(
    cloud: Trial, key: str, started: float, deeds: list[tuple[float, str]], *records: Record
) -> Iterator[str]:
    """What was seen of one photo, in order, between the kills: for whoever looks for the cause."""
    seen = list(deeds)
    for record in records:
        for call in record.calls:
            if call.subject.partition("@")[0] == key:
                seen.append((call.at, f"{call.operation} {call.subject} {call.outcome}"))
    for at, what in sorted(seen):
        yield f"    {at - started:6.1f} s  {what}"
    events = cloud.client("logs").filter_log_events(logGroupName=cloud.outputs["LogGroup"])
    for event in events["events"]:
        if f'"{key}"' in event["message"]:
            yield f"    log     {event['message'].strip()}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())
