"""The calls to a fault proxy with their outcomes, and statistics for tests and benchmarks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

THROTTLED = "throttled"


@dataclass(frozen=True)
class Call:
    """One call. `at` is in seconds of the monotonic clock, `subject` is usually the photo.

    `outcome` is "answered" for the service's own response (including its errors), "throttled", the name
    of a fault (tests.fault_proxy.faults), or "unreachable" if the service did not respond.
    """

    at: float
    operation: str
    subject: str
    outcome: str


@dataclass
class Record:
    """All calls, in order of arrival."""

    calls: list[Call] = field(default_factory=list)

    def outcomes(self) -> Counter[str]:
        return Counter(call.outcome for call in self.calls)

    def passed(self) -> list[Call]:
        """The calls that the quota allowed."""
        return [call for call in self.calls if call.outcome != THROTTLED]

    def per_subject(self) -> Counter[str]:
        """The number of allowed calls for each photo (key and version)."""
        return Counter(call.subject for call in self.passed())

    def seconds(self) -> float:
        """Seconds from the first call to the last allowed one; 0 if none was allowed."""
        passed = self.passed()
        return passed[-1].at - self.calls[0].at if passed else 0.0

    def wasted(self) -> float:
        """The share of calls that were throttled."""
        return self.outcomes()[THROTTLED] / len(self.calls) if self.calls else 0.0

    def per_second(self) -> list[tuple[int, int]]:
        """For each second since the first call: the numbers of allowed and of throttled calls."""
        if not self.calls:
            return []
        first = self.calls[0].at
        counts = [[0, 0] for _ in range(int(max(c.at for c in self.calls) - first) + 1)]
        for call in self.calls:
            counts[int(call.at - first)][call.outcome == THROTTLED] += 1
        return [(passed, throttled) for passed, throttled in counts]
