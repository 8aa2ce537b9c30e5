"""A gallery as one file: the page with all its pictures inside, to be sent to somebody.

The pictures are made in a folder beside the file, as those of any gallery, so that a run that was cut
off goes on; it is removed in the end. They are written one after the other, and never held together.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelctl.atomic_file import atomic_write
from labelctl.errors import RefusedError, UsageError
from labelctl.render.gallery import page
from labelctl.render.gallery.thumbnails import Folder, Pictures
from labelctl.text import counted, volume

LARGEST = 250_000_000
"""Bytes. Beyond it browsers take long to open a file, and small machines do not open it at all.
Chromium reads a page as one text, of at most 512 MB."""

_SUFFIXES = (".html", ".htm")
_HEAD = 4096  # bytes within which a page says who made it


class OneFile:
    """The file that is to be made.

    Raises UsageError for a folder, and for a name that browsers show as text; RefusedError for a file
    that is no gallery.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise UsageError(
                f'"{path}" is a folder, and --embed writes a file.',
                "Name a file with -o, such as gallery.html.",
            )
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f'The name "{path.name}" is no web page\'s.', "Give it .html at the end."
            )
        if path.exists() and not _is_ours(path):
            raise RefusedError(
                f'The file "{path}" is no gallery of labelctl\'s.', "Choose another name with -o."
            )
        self.path = path
        self._names: list[str] = []
        self._size = 0

    @property
    def workshop(self) -> Path:
        """The folder that the pictures are made in."""
        return self.path.with_name(f".{self.path.name}.labelctl")

    @property
    def too_large(self) -> bool:
        return self._size > LARGEST

    def weigh(self, folder: Folder, pictures: Pictures | None, done: int, count: int) -> None:
        """Add a photo's pictures to what the file will take. Raises RefusedError when that is too much.

        `done` of `count` photos are made.
        """
        for name in (pictures.thumb, pictures.full) if pictures else ():
            if name:
                self._size += (folder.root / name).stat().st_size * 4 // 3
        if self.too_large:
            raise RefusedError(
                f"One file would be too large: {counted(done, 'photo')} of {count:,} take more than"
                f" {volume(LARGEST)}.",
                "Choose fewer with --limit, --prefix or --search, or leave out --embed.",
            )

    def place(self, name: str) -> dict[str, str]:
        """How the page finds a picture of the folder."""
        self._names.append(name)
        return {"block": _id(len(self._names))}

    def write(self, folder: Folder, data: Mapping[str, Any], hosts: Sequence[str]) -> None:
        """Write it: all, or what was there stays. Raises RefusedError."""
        pictures = (
            (_id(number), _data_url(folder.root / name))
            for number, name in enumerate(self._names, start=1)
        )
        pieces = page.pieces(data, image_hosts=hosts, blocks=pictures)
        with atomic_write(self.path) as file:
            file.stream.writelines(piece.encode() for piece in pieces)


def _id(number: int) -> str:
    return f"p{number}"


def _data_url(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return b'<meta name="generator" content="labelctl gallery"' in file.read(_HEAD)
