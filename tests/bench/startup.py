"""How long commands take to start, against `python -c pass`.

Machines differ and are noisy, so what is compared is run in turn, in one go, and shown as medians
and ratios. Nothing here fails for being slow: figures are for people to read.
"""

from __future__ import annotations

import shutil
import statistics
import sys

from tests.bench.timing import LABELCTL, timed

ROUNDS = 15


def startup() -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "labelctl --version": [LABELCTL, "--version"],
        "labelctl --help": [LABELCTL, "--help"],
        "labelctl upload --help": [LABELCTL, "upload", "--help"],
        "labelctl lables (no such command)": [LABELCTL, "lables"],
        "python -c 'import boto3'": [sys.executable, "-c", "import boto3"],
    }
    if aws := shutil.which("aws"):
        commands["aws --version"] = [aws, "--version"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            spent = timed(command, check="lables" not in command)
            if number:  # the first round warms the disk's cache
                times[name].append(spent)
    base = statistics.median(times["python -c pass"])
    for name, spents in times.items():
        median = statistics.median(spents)
        print(f"{name:<34} {median * 1000:6.0f} ms   {median / base:5.1f} times python -c pass")
