"""A user's album: many photos of 12 megapixels through the local cloud, and what the recogniser spends.

Linux only: CPU time is read from /proc.
"""

from __future__ import annotations

import io
import os
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelctl.aws.threads import cores
from tests.bench.cloud import Trial, trial

SIZE = (4000, 3000)
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")

MAX_RATIO = 1.4
MAX_SECONDS = 0.15


def album(photos: int) -> int:
    """Print the figures; 0 if every photo was labelled.

    The wall time is held against the CPU time of all that takes part: the upload, the emulator, the
    function and the recogniser. 1.0 would mean that no core was ever idle.
    An answer is wasted when its caller had given up, or when the photo had been answered before.
    """
    with trial() as cloud:
        folder = cloud.user.folder / "album"
        folder.mkdir()
        print(f"{photos} photos are being made…", file=sys.stderr)
        size = sum(map(len, _fill(folder, photos)))
        status = cloud.user("local", "status", "-o", "json").json
        log = Path(cloud.user.env["LABELCTL_HOME"], "local", "recogniser.log")
        logged = log.stat().st_size
        before, began = _spent(status), time.monotonic()
        uploaded = cloud.ask("upload", "album", "--wait", "--quiet")
        wall = time.monotonic() - began
        spent, others, machine = (
            now - then for now, then in zip(_spent(status), before, strict=True)
        )
        outcomes = _outcomes(log.read_bytes()[logged:].decode())
        labelled = _labelled(cloud)
    wasted = outcomes["wasted"] + max(0, outcomes["answered"] - photos)
    print(f"photos labelled         {labelled} of {photos}, {size / photos / 1e6:.1f} MB each")
    print(f"wall time               {wall:.1f} s, {photos / wall:.1f} photos/s")
    everything = spent + others
    print(f"CPU of the whole        {everything:.1f} s on {cores()} cores")
    print(
        f"  wall ÷ (CPU ÷ cores)  {wall / everything * cores():.2f} (target: at most {MAX_RATIO})"
    )
    print(f"CPU of the recogniser   {spent:.1f} s")
    print(f"  for each photo        {spent / photos:.3f} s (target: at most {MAX_SECONDS} s)")
    print(f"  wall ÷ (CPU ÷ cores)  {wall / spent * cores():.2f}")
    print(f"other programs          {machine - everything:.1f} s of CPU (should be next to none)")
    print(f"wasted answers          {wasted} (target: 0)")
    print(f"dropped requests        {outcomes['dropped']}")
    print(f"throttled requests      {outcomes['ThrottlingException']}")
    for name in sorted(outcomes - Counter(answered=photos)):
        if name not in ("answered", "wasted", "dropped", "ThrottlingException"):
            print(f"{name:<23} {outcomes[name]}")
    if uploaded.code:
        print(uploaded.err, file=sys.stderr)
    return 0 if labelled == photos else 1


def _fill(folder: Path, count: int) -> Iterator[bytes]:
    """Write `count` JPEGs of about 3 MB into `folder`, no two of them the same file."""
    pictures = list(photographs())
    for number in range(count):
        picture = pictures[number % len(pictures)]
        comment = f"photo {number}".encode()
        segment = b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment
        photo = picture[:2] + segment + picture[2:]
        (folder / f"{number:04}.jpg").write_bytes(photo)
        yield photo


def photographs() -> Iterator[bytes]:
    """Photographs enlarged to 12 megapixels, with a camera's grain, as a phone would save them."""
    package = find_spec("skimage")
    assert package
    assert package.origin
    grain = np.random.default_rng(0).normal(0, 6, (*SIZE[::-1], 1)).astype(np.int16)
    for name in PHOTOGRAPHS:
        with Image.open(Path(package.origin).parent / "data" / name) as image:
            large = np.asarray(image.convert("RGB").resize(SIZE), dtype=np.int16)
        file = io.BytesIO()
        grainy = np.clip(large + grain, 0, 255).astype(np.uint8)
        Image.fromarray(grainy).save(file, "JPEG", quality=88)
        yield file.getvalue()


def _spent(status: dict[str, Any]) -> tuple[float, float, float]:
    """CPU seconds so far of the recogniser; of the emulator, function and commands; and of all."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (
        _cpu_seconds(status["recogniser_pid"]),
        _cpu_seconds(status["pid"]) + commands.ru_utime + commands.ru_stime,
        (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK"),
    )


def _cpu_seconds(pid: int) -> float:
    """The CPU time of a process and of those it started, also of those that have ended."""
    ticks = sum(_fields(pid)[11:15])  # utime, stime, cutime, cstime [proc(5)]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        ticks += sum(sum(_fields(int(child))[11:13]) for child in children.read_text().split())
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[int]:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return [int(field) if field.lstrip("-").isdigit() else 0 for field in stat]


def _outcomes(log: str) -> Counter[str]:
    """What became of the requests, as the recogniser logs it."""
    return Counter(re.findall(r" DetectLabels (\w+) in ", log))


def _labelled(cloud: Trial) -> int:
    return sum(item["status"] == "labelled" for item in cloud.items("Table"))
