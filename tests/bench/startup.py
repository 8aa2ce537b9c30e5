"""How long commands take to start, and a shell waits for completion, against `python -c pass`.

Machines differ and are noisy, so what is compared is run in turn, in one go, and shown as medians
and ratios. Nothing here fails for being slow: figures are for people to read.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from unittest import mock

from labelctl.cli import known_names
from labelctl.cli.completion import LINE
from labelctl.cli.options import Options
from tests.bench.timing import LABELCTL, timed

ROUNDS = 15
_KEYS = 5000
_VALUES = {
    "TAB after labelctl images --status": "labelctl images --status ",
    f"TAB after labelctl labels, {_KEYS:,} keys": "labelctl labels ",
}


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
    commands |= {name: [LABELCTL] for name in _VALUES}
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        with mock.patch.dict(os.environ, environment):
            _remember_keys()
        for number in range(ROUNDS + 1):
            for name, command in commands.items():
                line = {LINE: _VALUES[name]} if name in _VALUES else {}
                spent = timed(command, environment | line, check="lables" not in command)
                if number:  # the first round warms the disk's cache
                    times[name].append(spent)
    base = statistics.median(times["python -c pass"])
    for name, spents in times.items():
        median = statistics.median(spents)
        print(f"{name:<37} {median * 1000:6.0f} ms   {median / base:5.1f} times python -c pass")


def _remember_keys() -> None:
    """Store keys for completion, as commands do."""
    names = known_names.KnownNames(Options.from_environment())
    names.add(keys=(f"holidays/2024/IMG_{number:05}.jpg" for number in range(_KEYS)))
    names.save("a stack")
    if len(known_names.KnownNames(Options.from_environment()).keys) != _KEYS:
        raise RuntimeError("The keys were not stored.")
