"""How long an export takes, against `aws dynamodb scan` of the same table.

Both read it from the server of `table_server`. `aws` comes from PyPI, into a temporary environment.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import installed_aws
from tests.bench.table_server import TABLE, table_server
from tests.bench.timing import LABELCTL
from tests.fakes.table_stream import LABELS_EACH


@dataclass(frozen=True)
class Run:
    """Seconds of wall time and of CPU, the most megabytes in memory, and bytes written."""

    seconds: float
    cpu: float
    memory: float
    bytes: int


def export(labels: int) -> None:
    """Print how exports of so many labels go in each format, and the scan with `aws`."""
    with tempfile.TemporaryDirectory() as folder:
        aws = installed_aws(Path(folder))
        with table_server(labels // LABELS_EACH) as env:
            runs = {
                f"labelctl export -o labels.{form}": measured(
                    [LABELCTL, "export", "-o", f"labels.{form}"], env, Path(folder)
                )
                for form in ("csv", "jsonl", "parquet")
            }
            scan = measured([aws, "dynamodb", "scan", "--table-name", TABLE], env, Path(folder))
            runs["aws dynamodb scan > labels.json"] = scan
    print(f"{labels:,} labels of {labels // LABELS_EACH:,} photos\n")
    print(
        f"{'':34}{'seconds':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'MB at most':>12}{'MB out':>8}"
    )
    for name, run in runs.items():
        print(f"{name:34}{run.seconds:8.1f}{run.seconds / scan.seconds:7.2f}", end="")
        print(f"{run.cpu:8.1f}{run.cpu / scan.cpu:7.2f}{run.memory:12.0f}{run.bytes / 1e6:8.0f}")


_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def measured(command: Sequence[str], env: Mapping[str, str], folder: Path) -> Run:
    """Run a command in a folder, with its output in a file of it."""
    output = folder / "output"
    started = time.perf_counter()
    with output.open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *command],
            env=env,
            cwd=folder,
            stdout=stream,
            stderr=subprocess.PIPE,
            check=True,
            text=True,
        )
    seconds = time.perf_counter() - started
    cpu, memory = map(float, done.stderr.split("\n")[-2].split())
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    written = [path for path in folder.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in written)
    for path in written:
        path.unlink()
    return Run(seconds, cpu, memory * unit / 1e6, size)
