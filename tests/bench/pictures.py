"""Many small photos, no two alike, made in a moment."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

SIDE = 96  # pixels; Rekognition takes no less than 80


def jpeg(seed: str, color: tuple[int, int, int] = (128, 128, 128)) -> bytes:
    """A small JPEG in one colour, with the seed in a comment: no two are the same file."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), color).save(file, "JPEG", comment=seed.encode())
    return file.getvalue()


def red_jpeg(seed: str) -> bytes:
    """One that the local recogniser labels Red."""
    return jpeg(seed, (220, 20, 20))


def blue_jpeg(seed: str) -> bytes:
    """One that it labels Blue."""
    return jpeg(seed, (20, 20, 220))


def broken_jpeg(seed: str) -> bytes:
    """One that is a JPEG from its start to its end, but with 99 bits a colour, which none has."""
    start, frame, rest = jpeg(seed).partition(b"\xff\xc0")
    return start + frame + rest[:2] + b"\x63" + rest[3:]


def fill(folder: Path, count: int, seed: str = "") -> None:
    """Put `count` photos, 0000.jpg and so on, into a new folder."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(jpeg(f"{seed}{number}"))
