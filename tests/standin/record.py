"""What a stand-in saw: every call with its end, and the sums that tests and benchmarks ask for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

THROTTLED = "throttled"


@dataclass(frozen=True)
class Call:
    """One call. `at` is in seconds of the monotonic clock, `subject` what it was about.

    `outcome` is "answered" for the service's own answer (an error of its own too), "throttled", the
    name of a fault (tests.standin.faults), or "unreachable" when the service did not answer.
    """

    at: float
    operation: str
    subject: str
    outcome: str


@dataclass
class Record:
    """Calls in the order in which they were decided."""

    calls: list[Call] = field(default_factory=list)

    def outcomes(self) -> Counter[str]:
        return Counter(call.outcome for call in self.calls)

    def passed(self) -> list[Call]:
        """The calls that the quota let through."""
        return [call for call in self.calls if call.outcome != THROTTLED]

    def per_subject(self) -> Counter[str]:
        """How many calls were let through for each photo (key and version)."""
        return Counter(call.subject for call in self.passed())

    def seconds(self) -> float:
        """From the first call to the last one that was let through; 0 for fewer than two."""
        passed = self.passed()
        return passed[-1].at - self.calls[0].at if passed else 0.0

    def wasted(self) -> float:
        """The share of calls that were throttled."""
        return self.outcomes()[THROTTLED] / len(self.calls) if self.calls else 0.0

    def per_second(self) -> list[tuple[int, int]]:
        """For each second since the first call: how many were let through, how many throttled."""
        if not self.calls:
            return []
        first = self.calls[0].at
        counts = [[0, 0] for _ in range(int(max(c.at for c in self.calls) - first) + 1)]
        for call in self.calls:
            counts[int(call.at - first)][call.outcome == THROTTLED] += 1
        return [(passed, throttled) for passed, throttled in counts]
