"""A gallery's memory use does not depend on the number of photos."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labelctl.photos.versions import ObjectVersion
from labelctl.render import pictures
from labelctl.render.gallery import build
from tests.unit.gallery_world import Gallery


def test_memory_does_not_grow_with_the_number_of_photos(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the files of photos in progress are in memory."""
    size = 1_000_000

    def fetch(s3: Any, bucket: str, sent: ObjectVersion) -> bytes:
        return bytes(size)

    def decode(data: bytes, longest: int) -> Image.Image:
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr(pictures, "fetch", fetch)
    monkeypatch.setattr(pictures, "decode", decode)
    chosen = [ObjectVersion(f"{n}.jpg", "v", str(n)) for n in range(60)]
    gallery.make([ObjectVersion("first.jpg", "v", "first")])  # imports what the others need
    tracemalloc.start()
    try:
        gallery.make(chosen)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < (build.WORKERS + 4) * size


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_largest_photos_are_decoded_in_bounded_memory(tmp_path: Path) -> None:
    """Some of 10,000 x 5,000 pixels asked for at once, in a new process: half of the largest, which
    take twice the memory and the time."""
    image = Image.new("RGB", (10_000, 5_000), "red")
    image.save(tmp_path / "a.png", compress_level=1)
    image.save(tmp_path / "b.jpg")  # is decoded small
    fewer = image.crop((0, 0, 8_000, 5_000))
    # Is decoded small, but the decoder holds all of it.
    fewer.save(tmp_path / "c.jpg", progressive=True, subsampling=0)
    script = """
import sys
from pathlib import Path
from types import SimpleNamespace
from labelctl.render import pictures
from labelctl.render.gallery import build
from labelctl.photos.versions import ObjectVersion
from labelctl.render.gallery.thumbnails import open_folder

reader = SimpleNamespace(photos=lambda images, **_: {})
pictures.fetch = lambda s3, bucket, sent: Path(sent.key).read_bytes()
chosen = [ObjectVersion(name, "v", str(n)) for n, name in enumerate(sys.argv[1:])]
with open_folder(Path("gallery")) as folder:
    tiles = list(build.build_tiles(None, "", reader, chosen, folder))
assert all(tile.pictures and tile.pictures.width == 1600 for tile in tiles), tiles
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""
    result = subprocess.run(
        [sys.executable, "-c", script, "b.jpg", "a.png", "a.png", "c.jpg", "c.jpg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    # kB. It is 340 MB; and 530 if large ones are decoded side by side.
    assert int(result.stdout) < 400_000
