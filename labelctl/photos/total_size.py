"""How much there is to upload, counted while the upload runs, for its progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from labelctl.photos.discovery import Discovery


class TotalSize:
    """The bytes of all files that a search finds. A thread counts them, and stops with the process.

    `bytes` is None while it does. `discovery` has the same options as that of the upload.
    """

    def __init__(self, discovery: Discovery, paths: Sequence[Path]) -> None:
        self.bytes: int | None = None
        self.thread = Thread(target=self._count, args=(discovery, paths), daemon=True)
        self.thread.start()

    def _count(self, discovery: Discovery, paths: Sequence[Path]) -> None:
        self.bytes = sum(size_of(candidate.path) for candidate in discovery.find(paths))


def size_of(path: Path) -> int:
    """The bytes of a file; 0 if it cannot be read."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0
