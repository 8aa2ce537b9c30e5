"""Leases on tens of thousands of dead letters, with slow calls on a simulated clock."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import pytest

from labelctl.aws.queues import QueueDepth
from labelctl.operations import dead_letters
from labelctl.operations.dead_letters import LEASE, LONG_LEASE, SHORT_LEASE_LIMIT, WORKERS, lease


class SlowQueue:
    """A dead-letter queue, and the time that goes by as it is asked: WORKERS calls side by side.

    No call is answered before the holder has seen what the time is, so a busy machine changes nothing.
    """

    def __init__(self, dead_messages: int, seconds: float) -> None:
        self.now = self._seen = 0.0
        self._looks = 0  # at the same time: after a few, the renewer is idle
        self.waiting = deque(range(dead_messages))
        self.handed_out: Counter[int] = Counter()
        self.holds: set[int] = set()
        self._share = seconds / WORKERS
        self._until: dict[int, float] = {}
        self._ends: list[tuple[float, int]] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        if threading.current_thread().name == "dead-letters-renewer":
            self._seen, self._looks = self.now, self._looks + 1
        return self.now

    def goes_by(self, seconds: float) -> None:
        """Let time pass without receives; other calls still take their time."""
        end = self.now + seconds
        while self.now < end:
            wait_until(lambda: self._looks > 2 * WORKERS + 2)
            with self._lock:
                self._take(5.0)

    def receive_message(self, **asked: Any) -> Any:
        self._wait_for_the_renewer()
        with self._lock:
            self._take(self._share)
            count = min(asked["MaxNumberOfMessages"], len(self.waiting))
            found = [self.waiting.popleft() for _ in range(count)]
            self.handed_out.update(found)
            self._hide(found, asked["VisibilityTimeout"])
        result = {"SentTimestamp": "1700000000000", "ApproximateReceiveCount": "4"}
        messages = [
            {"MessageId": f"m{each}", "ReceiptHandle": str(each), "Body": "x", "Attributes": result}
            for each in found
        ]
        return {"Messages": messages, "ResponseMetadata": {}}

    def change_message_visibility_batch(self, **asked: Any) -> Any:
        with self._lock:
            self._take(self._share)
            for entry in asked["Entries"]:
                self._hide([int(entry["ReceiptHandle"])], entry["VisibilityTimeout"])
        return {}

    def _wait_for_the_renewer(self) -> None:
        wait_until(lambda: self.now - self._seen <= max(1.0, WORKERS * self._share))

    def _take(self, seconds: float) -> None:
        self.now, self._looks = self.now + seconds, 0
        while self._ends and self._ends[0][0] <= self.now:
            end, message = heapq.heappop(self._ends)
            if self._until.get(message) == end:
                del self._until[message]
                self.waiting.append(message)

    def _hide(self, dead_messages: list[int], seconds: int) -> None:
        self.holds.add(seconds)
        for message in dead_messages:
            if seconds:
                self._until[message] = self.now + seconds
                heapq.heappush(self._ends, (self.now + seconds, message))
            elif self._until.pop(message, None):
                self.waiting.append(message)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


@pytest.fixture(autouse=True)
def fast_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "TICK", 0.0005)


def test_many_messages_are_read_once_and_stay_leased() -> None:
    """However long reading and the work after it take."""
    many = 25_000
    queue: Any = SlowQueue(many, seconds=0.4)
    with lease(queue, "dead", clock=queue.clock) as dead_messages:
        result = [message.message_id for message in dead_messages]
        assert queue.now > LEASE
        queue.goes_by(LONG_LEASE + 100)
        assert not queue.waiting
        assert not dead_messages.unread(QueueDepth(many, 0, 0))
    assert len(result) == len(set(result)) == many
    assert set(queue.handed_out.values()) == {1}
    assert len(queue.waiting) == many  # released


@pytest.mark.parametrize(
    ("many", "holds"),
    [(SHORT_LEASE_LIMIT - 80, {LEASE}), (SHORT_LEASE_LIMIT + 80, {LEASE, LONG_LEASE})],
)
def test_small_leases_expire_soon_after_a_kill(many: int, holds: set[int]) -> None:
    """A killed reader releases nothing; only large leases stay hidden for long."""
    queue: Any = SlowQueue(many, seconds=0.2)
    with lease(queue, "dead", clock=queue.clock) as dead_messages:
        assert len(list(dead_messages)) == many
        queue.goes_by(2 * LEASE)
        assert queue.holds == holds
        assert not queue.waiting


def test_reading_ends_even_if_renewals_are_late() -> None:
    """And does not claim that all messages were read."""
    many = 12_000
    queue: Any = SlowQueue(many, seconds=10)
    with lease(queue, "dead", clock=queue.clock) as dead_messages:
        result = [message.message_id for message in dead_messages]
        assert dead_messages.more
        assert dead_messages.unread(QueueDepth(many, 0, 0)).cut_off
    assert len(result) == len(set(result))
    assert max(queue.handed_out.values()) > 1


def test_due_renewals_run_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pauses between calls, the last of very many leases would expire."""
    queue: Any = SlowQueue(200 * WORKERS, seconds=0.01)
    renewed: set[str] = set()
    change = queue.change_message_visibility_batch

    def renew(**asked: Any) -> Any:
        monkeypatch.setattr(dead_letters, "TICK", 60)  # the next pause never ends
        renewed.update(each["ReceiptHandle"] for each in asked["Entries"])
        return change(**asked)

    queue.change_message_visibility_batch = renew
    with lease(queue, "dead", clock=queue.clock) as dead_messages:
        many = len(list(dead_messages))
        queue.now += LONG_LEASE / 3
        wait_until(lambda: len(renewed) == many)
