"""A gallery as one file, with all pictures embedded, to be sent to other people.

Pictures are first made in a temporary folder next to the file, so that an interrupted run resumes. They
are then written to the file one at a time, without holding all of them in memory.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelctl import paths
from labelctl.atomic_file import atomic_write
from labelctl.errors import RefusedError, UsageError
from labelctl.render.gallery import page
from labelctl.render.gallery.thumbnails import Folder, Pictures
from labelctl.text import counted, volume

MAX_SIZE = 250_000_000
"""Maximum size in bytes. Browsers take long to open larger files, and fail on small machines. Chromium
reads a page as one string of at most 512 MB."""

_SUFFIXES = (".html", ".htm")
_HEAD = 4096  # bytes within which the generator's meta tag is found


class OneFile:
    """The file to write.

    Raises UsageError for a folder, or for a name that browsers do not open as a web page; RefusedError
    for an existing file that is not a gallery.
    """

    def __init__(self, path: Path) -> None:
        paths.check(path)
        if path.is_dir():
            raise UsageError(
                f'--embed writes one file, but "{path}" is a folder.',
                "Name a file with -o, such as gallery.html.",
            )
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(
                f'--embed writes one file, not "{path.name}".', "Give -o a name ending in .html."
            )
        if path.exists() and not _is_ours(path):
            raise RefusedError(
                f'"{path}" exists already and was not created by labelctl.',
                "Choose another name with -o.",
            )
        self.path = path
        self._names: list[str] = []
        self._size = 0

    @property
    def temporary_folder(self) -> Path:
        """The temporary folder for the pictures."""
        return self.path.with_name(f".{self.path.name}.labelctl")

    @property
    def too_large(self) -> bool:
        return self._size > MAX_SIZE

    def add_size(self, folder: Folder, pictures: Pictures | None, done: int, count: int) -> None:
        """Add the size of a photo's pictures. Raises RefusedError if the file would be too large.

        `done` of `count` photos have been processed.
        """
        for name in (pictures.thumb, pictures.full) if pictures else ():
            if name:
                self._size += (folder.root / name).stat().st_size * 4 // 3
        if self.too_large:
            raise RefusedError(
                f"The file would be too large: {counted(done, 'photo')} of {count:,} need more than"
                f" {volume(MAX_SIZE)}.",
                "Choose fewer photos with --limit, --prefix or --search, or leave out --embed.",
            )

    def reference(self, name: str) -> dict[str, str]:
        """How the page refers to a picture file of the folder."""
        self._names.append(name)
        return {"block": _id(len(self._names))}

    def write(self, folder: Folder, data: Mapping[str, Any], hosts: Sequence[str]) -> None:
        """Write the file atomically. Raises RefusedError."""
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
