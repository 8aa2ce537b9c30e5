"""Measurements anyone can start: `python -m tests.bench startup` or `python -m tests.bench photo`.

Machines differ and are noisy, so what is compared is run in turn, in one go, and told as medians
and ratios. Nothing here fails for being slow: figures are for people to read.

    startup   how long commands take to start, against `python -c pass`
    photo     from `upload` to labels, in a local cloud of its own that is warm
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LABELCTL = str(Path(sys.executable).with_name("labelctl"))
ROUNDS = 15


def timed(command: Sequence[str], env: dict[str, str] | None = None) -> float:
    """Seconds that a command takes, start to end."""
    started = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - started


def startup() -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "labelctl --version": [LABELCTL, "--version"],
        "labelctl --help": [LABELCTL, "--help"],
        "labelctl upload --help": [LABELCTL, "upload", "--help"],
        "python -c 'import boto3'": [sys.executable, "-c", "import boto3"],
    }
    if aws := shutil.which("aws"):
        commands["aws --version"] = [aws, "--version"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            spent = timed(command)
            if number:  # the first round warms the disk's cache
                times[name].append(spent)
    base = statistics.median(times["python -c pass"])
    for name, spents in times.items():
        median = statistics.median(spents)
        print(f"{name:<28} {median * 1000:6.0f} ms   {median / base:5.1f} times python -c pass")


def photo() -> None:
    found = importlib.util.find_spec("skimage")
    assert found
    assert found.origin
    source = Path(found.origin).parent / "data" / "astronaut.png"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "LABELCTL_HOME": folder, "LABELCTL_LOCAL": "1"}
        try:
            print(f"{'local start':<32} {timed([LABELCTL, 'local', 'start'], env):6.2f} s")
            print(f"{'deploy (new)':<32} {timed([LABELCTL, 'deploy', '--quiet'], env):6.2f} s")
            print(
                f"{'deploy (no change)':<32} {timed([LABELCTL, 'deploy', '--quiet'], env):6.2f} s"
            )
            upload, labels = [], []
            for number in range(8):
                copy = Path(folder) / f"{number}.png"
                shutil.copy(source, copy)
                spent = timed([LABELCTL, "upload", "--wait", str(copy)], env)
                if number:  # the first one starts the function
                    upload.append(spent)
                    labels.append(timed([LABELCTL, "labels", str(copy)], env))
            print(f"{'upload --wait, warm (median)':<32} {statistics.median(upload):6.2f} s")
            print(f"{'upload --wait, warm (longest)':<32} {max(upload):6.2f} s")
            print(f"{'labels (median)':<32} {statistics.median(labels):6.2f} s")
        finally:
            subprocess.run([LABELCTL, "local", "stop"], env=env, check=False, capture_output=True)


BENCHMARKS: dict[str, Callable[[], None]] = {"startup": startup, "photo": photo}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in BENCHMARKS:
        sys.exit(f"usage: python -m tests.bench {'|'.join(BENCHMARKS)}")
    BENCHMARKS[sys.argv[1]]()
