"""Many small photos, no two alike, made in a moment."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

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


def broken_png(seed: str) -> bytes:
    """A picture that looks complete, but whose pixels cannot be decoded."""
    file = io.BytesIO()
    text = PngInfo()
    text.add_text("seed", seed)
    Image.new("RGB", (SIDE, SIDE)).save(file, "PNG", pnginfo=text)
    before, name, pixels = file.getvalue().partition(b"IDAT")
    damaged = bytes(len(pixels) - 16)  # the rest is the checksum, and the end of the file
    return before + name + damaged + pixels[-16:]


def fill(folder: Path, count: int, seed: str = "") -> None:
    """Put `count` photos, 0000.jpg and so on, into a new folder."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(jpeg(f"{seed}{number}"))
