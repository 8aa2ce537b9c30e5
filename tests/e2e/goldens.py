"""What goldens are made of: steps of a session, what differs from run to run, and the comparison.

What differs (times, ids, hashes, ports, paths, durations) is replaced by something as long, so that
the tables keep their shape.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.conftest import Answer, User

GOLDEN = Path(__file__).parent.parent / "golden"
MODES = ("plain", "json", "table")
PIPED = ("plain", "json")
"""Enough where stdout holds no table."""
LOOKS = {"images", "labels", "local", "search", "stats", "status", "tail"}
"""Commands that change nothing here: a step of one runs in all modes at once."""


@dataclass(frozen=True)
class Step:
    """A command of the session, once in each mode; MODE in a word stands for the mode's name.

    `first` and `then` are commands before and after it whose output is of no interest. What is `free`
    needs nothing of the session: it runs alone, and the session only where one of its steps is asked
    for. `output` is the option that tells the mode.
    """

    name: str
    words: str
    modes: tuple[str, ...] = MODES
    first: str = ""
    then: str = ""
    env: tuple[tuple[str, str], ...] = ()
    free: bool = False
    output: str = "-o"


def cases(steps: Iterable[Step]) -> dict[str, tuple[Step, str]]:
    """The names of the golden files of these steps, each with its step and mode."""
    return {_case(step, mode): (step, mode) for step in steps for mode in step.modes}


def _case(step: Step, mode: str) -> str:
    return f"{step.name}-{mode}".rstrip("-")


VARYING = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+00:00)", r"YYYY-MM-DDTHH:MM:SS.mmm\1"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)", r"YYYY-MM-DDTHH:MM:SS\1"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM"),
    (r"\b\d\d:\d\d:\d\d\b", "HH:MM:SS"),
    (r"\b\d{4}-\d\d-\d\d at \d\d:\d\d\b", "YYYY-MM-DD at HH:MM"),
    (r"\b\d{4}-\d\d-\d\d\b", "YYYY-MM-DD"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID" * 9),
    (r"message [0-9a-f]{8}…", "message UUIDUUID…"),
    (r"no result for \d+ \w+", "no result for SOME TIME"),
    (r"\b[0-9a-f]{64}\b", "SHA-256/" * 8),
    (r"\blabelctl-[0-9a-f]{32}\.zip", f"labelctl-{'HASH' * 8}.zip"),
    (r"(golden-[a-z-]+-)[0-9a-f]{12,13}\b", r"\1random-random"),
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:PPPPP"),
    (r"(labelctl-local/[\w.+-]+@)[0-9a-f]{12}", r"\1HASHHASHHASH"),
    (r"\bLCTL[A-Z2-7]{16}\b", "LCTL" + "KEY." * 4),
    (r'(AWS_SECRET_ACCESS_KEY(?:=|": "))[\w-]{40}', r"\1SECRET"),
    (r"\b\d+ ?ms\b", "N ms"),
    (r"HH:MM:SS +\d+\.\d s\b", "HH:MM:SS   N.N s"),
    (r'("ms": )\d+', r"\1N"),
    (r"(\tYYYY\S+\t)\d+(\t\d*\t)", r"\1N\2"),
    (r'("version_id": ")[^"]+', r"\1VERSION"),
    (r"(?m)^((?:recogniser )?pid\t)\d+$", r"\1PID"),
    (r'("(?:recogniser_)?pid": )\d+', r"\1PID"),
]


def normal(text: str, home: Path) -> str:
    text = text.replace(str(home), "HOME")
    for pattern, instead in VARYING:
        text = re.sub(pattern, instead, text)
    return text


def run(user: User, words: str, **env: str) -> Answer:
    """A command to its end, however that is."""
    return user.run(shlex.split(words), user.env | env)


def printed(user: User, step: Step, mode: str) -> str:
    """What a step prints, as the golden files have it."""
    words = step.words.replace("MODE", mode)
    if mode:
        words += f" {step.output} {mode}"
    done = run(user, words, **dict(step.env))
    return normal(
        f"$ labelctl {words.strip()}\n[stdout]\n{done.out}[stderr]\n{done.err}[exit {done.code}]\n",
        Path(user.env["HOME"]),
    )


def play(user: User, steps: Iterable[Step], prepare: Callable[[str, str], None]) -> dict[str, str]:
    """What each case of the session printed: all steps in their order, but those that are free.

    `prepare` carries out a step's `first` and `then`, for a mode.
    """

    def take(step: Step, mode: str) -> str:
        prepare(step.first, mode)
        answer = printed(user, step, mode)
        prepare(step.then, mode)
        return answer

    answer: dict[str, str] = {}
    for step in steps:
        if not step.free:
            looks = step.words.partition(" ")[0] in LOOKS and not (step.first or step.then)
            with ThreadPoolExecutor(len(step.modes) if looks else 1) as pool:
                texts = pool.map(take, [step] * len(step.modes), step.modes)
                answer |= zip((_case(step, mode) for mode in step.modes), texts, strict=True)
    return answer


def compare(transcript: str, case: str) -> None:
    """Hold what was printed against its file, or write that anew."""
    golden = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDENS") == "1":
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(transcript, encoding="utf-8")
    assert golden.exists(), f"There is no {golden.name} yet: see test_goldens.py."
    assert transcript.splitlines() == golden.read_text(encoding="utf-8").splitlines()
