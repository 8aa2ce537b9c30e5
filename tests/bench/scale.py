"""What limits the pipeline when many photos arrive, by a simulation, and what to change then.

See `pipeline` for the model and its sources. Prices are those of `cost`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from labelctl.deploy.quotas import BATCH, BATCH_SECONDS
from tests.bench import pipeline
from tests.bench.cost import Units, units, usd
from tests.bench.pipeline import DAY, Run, Setup, simulate

TIERS = ((1e6, 0.0010), (4e6, 0.0008), (math.inf, 0.0006))
"""Photos of a month and USD for each. [Amazon Rekognition pricing, us-east-1] Lower prices for
still more photos are left out."""
PAGE_SECONDS = 0.1
"""Assumed for a request that lists 1,000 objects or scans 1 MB of a table, the largest pages. [S3 API,
ListObjectVersions; DynamoDB API, Scan]"""


@dataclass(frozen=True)
class Scenario:
    """So many photos, uploaded at a rate per second."""

    name: str
    photos: int
    rate: int


SCENARIOS = (
    Scenario("10 photos/s for a day", 10 * DAY, 10),
    Scenario("100 photos/s for a day", 100 * DAY, 100),
    Scenario("1,000 photos/s for a day", 1_000 * DAY, 1_000),
    Scenario("100 million at 3,500/s", 100_000_000, 3_500),
)


@dataclass(frozen=True)
class Stage:
    """A simulation, and the change that its bottleneck needs; None if photos do not wait."""

    setup: Setup
    run: Run
    bottleneck: str | None
    limit: float | None
    change: str | None


def stages(scenario: Scenario, photo: Units) -> list[Stage]:
    """Simulate the default setup, and change what limits it until photos no longer wait."""
    found: list[Stage] = []
    setup = Setup()
    while True:
        run = simulate(scenario.photos, scenario.rate, setup, photo)
        name = run.bottleneck
        if name is None:
            return [*found, Stage(setup, run, None, None, None)]
        better, change = improve(setup, name, scenario.rate, photo)
        assert better != setup, name
        limit = pipeline.limits(setup, photo, DAY, setup.warm)[name]
        found.append(Stage(setup, run, name, limit, change))
        setup = better


def improve(setup: Setup, name: str, rate: float, photo: Units) -> tuple[Setup, str]:
    """Return a setup in which a resource allows `rate` photos per second, and what to do for it."""
    writes = {table: rate * each for table, each in pipeline.table_units(photo).items()}
    if name == pipeline.REKOGNITION:
        calls = _round_up(rate / pipeline.USED_QUOTA, 50)
        return replace(setup, calls=calls), f"request a quota of {calls:,} calls per second"
    if name == pipeline.FUNCTION:
        copies = math.ceil(setup.calls * BATCH_SECONDS / BATCH)  # as `deploy` chooses it
        return replace(setup, copies=copies), f"`deploy --concurrency {copies}`"
    if name in writes:
        warm = _round_up(writes[name], 1_000)
        text = f"set the warm throughput of the table and its index to {warm:,} write units"
        return replace(setup, warm={**setup.warm, name: warm}), text
    if name == pipeline.TABLE:
        quota = _round_up(writes[pipeline.GROWING], 10_000)
        text = f"request {quota:,} write units per second and table"
        return replace(setup, table_writes=quota), text
    if name == pipeline.BY_DATE:
        shards = math.ceil(rate * pipeline.COMMON / pipeline.KEY_WRITES)
        text = f"spread each label over {shards} keys (a change of the code)"
        return replace(setup, label_shards=shards), text
    shards = math.ceil(rate / pipeline.KEY_WRITES)
    text = f"raise `SHARDS` in `labelctl/contract/schema.py` to {shards}"
    return replace(setup, state_shards=shards), text


def _round_up(number: float, unit: int) -> int:
    return math.ceil(number / unit) * unit


def rekognition_usd(by_month: Mapping[int, float]) -> float:
    """USD for the photos labelled in each month."""
    total = 0.0
    for photos in by_month.values():
        left = float(photos)
        for size, price in TIERS:
            total += min(left, size) * price
            left = max(0.0, left - size)
    return total


def scale(as_json: bool) -> None:
    """Print the simulations as Markdown tables, or as JSON."""
    photo = units(pipeline.LABELS)["first time"]
    found = {each: stages(each, photo) for each in SCENARIOS}
    if as_json:
        print(json.dumps([_record(*each) for each in found.items()], indent=2))
        return
    _print_defaults(found)
    _print_changes(found)
    last = {scenario: steps[-1].run for scenario, steps in found.items()}
    _print_shares(last)
    _print_prices(last, photo)


def _print_defaults(found: Mapping[Scenario, list[Stage]]) -> None:
    print("With the default settings and quotas:\n")
    _row("Uploaded", "First bottleneck", "Longest wait", "Expired messages", "Done after")
    _row("---", "---", "---:", "---:", "---:")
    for scenario, [first, *_] in found.items():
        run, name = first.run, first.bottleneck or "none"
        times = (_time(run.waited), _millions(run.expired), _time(run.seconds))
        _row(scenario.name, name, *times)


def _print_changes(found: Mapping[Scenario, list[Stage]]) -> None:
    print("\nWhat limits the pipeline, and what to change, one after the other:\n")
    _row("Uploaded", "Bottleneck", "Photos/s", "Change", "Then longest wait", "Done after")
    _row("---", "---", "---:", "---", "---:", "---:")
    for scenario, steps in found.items():
        for before, after in pairwise(steps):
            times = (_time(after.run.waited), _time(after.run.seconds))
            _row(scenario.name, before.bottleneck, f"{before.limit:,.0f}", before.change, *times)


def _print_shares(last: Mapping[Scenario, Run]) -> None:
    print("\nThe largest share of each limit that is used after these changes:\n")
    _row("Limit", *(each.name for each in last))
    _row("---", *["---:"] * len(last))
    for name in last[SCENARIOS[0]].peaks:
        _row(name, *(f"{run.peaks[name]:.0%}" for run in last.values()))


def _print_prices(last: Mapping[Scenario, Run], photo: Units) -> None:
    print("\nUSD after these changes, and the time that `verify` takes:\n")
    services = _services(photo, 1)
    _row("Uploaded", "Photos", "Rekognition", *services, "`verify`")
    _row("---", *["---:"] * (len(services) + 3))
    for scenario, run in last.items():
        prices = [rekognition_usd(run.by_month), *_services(photo, scenario.photos).values()]
        _row(
            scenario.name,
            _millions(scenario.photos),
            *(f"{each:,.0f}" for each in prices),
            _time(verify_seconds(scenario.photos, photo)),
        )


def verify_seconds(photos: float, photo: Units) -> float:
    """Seconds that `verify` takes for its requests: first it lists the bucket, then scans the table."""
    pages = photos * photo.writes["photos table"] / 1024  # a unit is at most 1 KB
    return (photos / 1_000 + pages) * PAGE_SECONDS


def _services(photo: Units, photos: float) -> dict[str, float]:
    """USD by service, for so many photos."""
    found: dict[str, float] = {}
    for name, price in usd(photo).items():
        service = name.split(":")[0].split(" ")[0]
        found[service] = found.get(service, 0.0) + price * photos / 1e6
    return found


def _record(scenario: Scenario, steps: list[Stage]) -> dict[str, Any]:
    by_month = steps[-1].run.by_month
    return {
        **asdict(scenario),
        "stages": [asdict(each) for each in steps],
        "rekognition_usd": rekognition_usd(by_month),
    }


def _millions(photos: float) -> str:
    return f"{photos / 1e6:,.1f} million" if photos else "0"


def _time(seconds: float) -> str:
    for unit, size in (("days", DAY), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.95 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"


def _row(*cells: Any) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|")
