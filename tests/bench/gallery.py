"""How long a gallery's pictures take, against Pillow's `draft` and `thumbnail` alone on as many cores.

All run in this process, in turn, and read the photos from memory. Pillow alone makes the same two sizes
from a JPEG decoded at half size, the least that is large enough. A second peer also encodes and writes
them.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image

from labelctl.aws.threads import cores
from labelctl.photos.versions import ObjectVersion
from labelctl.render.gallery import build
from labelctl.render.gallery.thumbnails import FULL, THUMB, open_folder
from tests.bench.album import SIZE, photographs

MAX_RATIO = 1.3

_HALF = (SIZE[0] // 2, SIZE[1] // 2)
_QUALITY = 82  # as in a gallery
_NO_LABELS = SimpleNamespace(photos=lambda images, *_, **__: {})


class _Bucket:
    """Stands in for S3: any number of photos, with the same few contents."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._contents = contents

    def content(self, number: int) -> bytes:
        return self._contents[number % len(self._contents)]

    def get_object(self, *, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803
        data = self.content(int(Key))
        return {"Body": io.BytesIO(data), "ContentLength": len(data)}


def gallery(photos: int, rounds: int) -> None:
    """Print the medians of wall and CPU time, and of the ratios to Pillow alone in the same round."""
    print("4 photos of 12 megapixels are being made…", file=sys.stderr)
    bucket = _Bucket(list(photographs()))
    ways: dict[str, Callable[[_Bucket, int], None]] = {
        "draft, thumbnail": _shrink_all,
        "draft, thumbnail, save": _save_all,
        "labelctl gallery": _build,
    }
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way(bucket, photos)
            runs[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"{photos:,} photos of 12 megapixels, {cores()} cores, medians of {rounds} rounds\n")
    print(f"{'':24}{'seconds':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'ms/photo':>10}")
    for name, spent in runs.items():
        wall, cpu = _medians(spent)
        # Of each round, as other programs slow down some rounds.
        ratios = [
            (mine[0] / least[0], mine[1] / least[1])
            for mine, least in zip(spent, runs["draft, thumbnail"], strict=True)
        ]
        wall_ratio, cpu_ratio = _medians(ratios)
        print(
            f"{name:24}{wall:8.2f}{wall_ratio:7.2f}{cpu:8.2f}{cpu_ratio:7.2f}"
            f"{wall / photos * 1000:10.1f}"
        )
    print(f"\nTarget for the gallery: at most {MAX_RATIO} in wall time.")


def _medians(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def _build(bucket: _Bucket, photos: int) -> None:
    """A new gallery of photos that have no labels yet."""
    s3: Any = bucket
    reader: Any = _NO_LABELS
    chosen = [ObjectVersion(str(number), "v", f"{number:032x}") for number in range(photos)]
    with tempfile.TemporaryDirectory() as root, open_folder(Path(root)) as folder:
        for tile in build.build_tiles(s3, "photos", reader, chosen, folder):
            assert tile.pictures, tile.reason


def _shrink_all(bucket: _Bucket, photos: int) -> None:
    def work(number: int) -> None:
        _shrunk(bucket.content(number))

    _on_all_cores(work, photos)


def _save_all(bucket: _Bucket, photos: int) -> None:
    with tempfile.TemporaryDirectory() as root:

        def work(number: int) -> None:
            for image in _shrunk(bucket.content(number)):
                image.save(f"{root}/{number}-{image.width}.jpg", "JPEG", quality=_QUALITY)

        _on_all_cores(work, photos)


def _shrunk(data: bytes) -> tuple[Image.Image, Image.Image]:
    large = Image.open(io.BytesIO(data))
    large.draft("RGB", _HALF)
    large.thumbnail((FULL, FULL))
    small = large.copy()
    small.thumbnail((THUMB, THUMB))
    return large, small


def _on_all_cores(work: Callable[[int], None], photos: int) -> None:
    with ThreadPoolExecutor(cores()) as threads:
        for _ in threads.map(work, range(photos)):
            pass
