"""The pacer: several instances of the function share the quota of a simulated service.

Time is simulated, so that the tests are fast and deterministic.
"""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections.abc import Callable
from itertools import count, product
from threading import Thread
from typing import Any

import pytest

from labeller import pacer

LATENCY = 0.3
START = 12.5
"""Initial rate in calls per second."""


class Service:
    """Allows `quota` calls per second: a token bucket of that size, which is empty at first."""

    def __init__(self, quota: float) -> None:
        self.quota = quota
        self.passed: list[float] = []
        self.refused: list[float] = []
        self._tokens, self._at = 0.0, 0.0

    def call(self, now: float) -> bool:
        self._tokens = min(self.quota, self._tokens + (now - self._at) * self.quota)
        self._at = now
        if self._tokens < 1:
            self.refused.append(now)
            return False
        self._tokens -= 1
        self.passed.append(now)
        return True


class Simulation:
    """Instances of the function, each of which always processes ten photos."""

    def __init__(self, pace: Callable[[], Any], service: Service, copies: int, seed: int = 0):
        self.service = service
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._random = random.Random(seed)
        for _ in range(copies):
            one, waiting = pace(), []
            for _ in range(10):
                self._at(self._random.uniform(0, 0.3), self._ask(one, waiting))

    def _at(self, moment: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), what))

    def _ask(self, pace: Any, waiting: list[float]) -> Callable[[float], None]:
        def ask(asked: float) -> None:
            self._at(asked, lambda now: turn(asked, now))

        def turn(asked: float, now: float) -> None:
            if now < pace.next:
                self._at(pace.next, lambda later: turn(asked, later))
                return
            pace.start(asked, now)
            passes = self.service.call(now)
            after = self._random.uniform(0.9, 1.2) * LATENCY if passes else 0.01
            self._at(now + after, passed if passes else refused)

        def passed(now: float) -> None:
            pace.passed(now)
            ask(now + self._random.uniform(0.02, 0.1))  # the table

        def refused(now: float) -> None:
            pace.throttled(now)
            ask(now)

        return ask

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] < until:
            now, _, what = heapq.heappop(self._heap)
            what(now)


def between(moments: list[float], begin: float, end: float) -> int:
    return sum(begin <= moment < end for moment in moments)


@pytest.mark.parametrize(
    ("quota", "copies", "stale"),
    [
        *product([5, 20, 50], [1, 2, 4], [1]),
        *((50, 10, 1), (500, 40, 1)),
        *((5, 4, 10), (50, 4, 0.1)),  # the quota has changed since the deploy
    ],
)
def test_quota_is_nearly_used_up_with_few_throttled_calls(quota, copies, stale):
    most = copies * 10 / (LATENCY * 1.05 + 0.06)  # maximum number of calls
    service = Service(quota)
    Simulation(lambda: pacer.Pace(stale * quota / copies), service, copies).run(until=180)
    passed, refused = between(service.passed, 60, 180), between(service.refused, 60, 180)
    assert passed >= 0.95 * 120 * min(quota, 0.95 * most)
    assert refused <= 0.05 * (passed + refused)


def test_nothing_is_delayed_without_a_quota():
    service = Service(1e9)
    Simulation(lambda: pacer.Pace(START), service, copies=4).run(until=10)
    assert between(service.passed, 5, 10) >= 0.95 * 5 * 40 / (LATENCY * 1.05 + 0.06)


def test_instances_share_a_quota_fairly():
    """Usually: an instance that a series of throttled calls slowed down catches up in minutes."""

    def ratio(seed: int) -> float:
        paces: list[Any] = []

        def make() -> Any:
            paces.append(pacer.Pace(START))
            return paces[-1]

        Simulation(make, Service(50), copies=4, seed=seed).run(until=300)
        rates = [pace.rate for pace in paces]
        return max(rates) / min(rates)

    assert statistics.median(map(ratio, range(5))) < 4


def test_increased_quota_is_used_soon():
    service = Service(10)
    simulation = Simulation(lambda: pacer.Pace(START), service, copies=4)
    simulation.run(until=60)
    service.quota = 40
    simulation.run(until=240)
    assert between(service.passed, 140, 240) >= 0.95 * 100 * 40


def test_outage_costs_few_calls_and_ends_quickly():
    service = Service(50)
    simulation = Simulation(lambda: pacer.Pace(START), service, copies=4)
    simulation.run(until=60)
    service.quota, service._tokens = 1e-9, 0.0
    simulation.run(until=60 + 3600)
    assert between(service.refused, 60, 70) <= 4 * 15  # until the outage is detected
    during = between(service.refused, 70, 3660)
    assert during <= 4 * 3590 * pacer.MIN_RATE * 1.1
    service.quota = 50
    simulation.run(until=3760)
    assert between(service.passed, 3670, 3760) >= 0.85 * 90 * 50


def test_single_photos_do_not_change_the_rate():
    """A call that did not have to wait gives no information about the quota."""
    pace = pacer.Pace(START)
    for second in range(3600):
        pace.start(asked=second, now=second + 1e-6)
        pace.passed(second + 0.3)
    assert pace.rate == START


def test_idle_time_after_throttling_is_not_an_outage():
    pace = pacer.Pace(START)
    pace.start(asked=0, now=0)
    for _ in range(5):
        pace.throttled(0.1)
    slower = pace.rate
    assert slower < START / 2  # the minimum rate after an outage
    pace.start(asked=600, now=600)
    pace.passed(600.3)
    assert pace.rate == slower


def test_no_turn_after_the_deadline():
    assert pacer.Pacer(START).turn(until=time.monotonic() - 1) is False


def test_turn_after_the_deadline_is_not_awaited():
    keeper = pacer.Pacer(START)
    for _ in range(40):
        keeper.throttled()
    began = time.monotonic()
    assert keeper.turn(until=began + 4) is False
    assert time.monotonic() - began < 4


def test_threads_share_one_pace():
    keeper = pacer.Pacer(START)
    starts: list[float] = []

    def work() -> None:
        for _ in range(2):
            assert keeper.turn(until=time.monotonic() + 60)
            starts.append(time.monotonic())

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(starts) - min(starts) >= 7 / START * 0.99
