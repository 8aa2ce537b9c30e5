"""The S3 notifications begun since the last saved state, one JSON line each, so that none is lost.

An object is on disk at once, but the message that tells of it is in the memory of a queue until the
next snapshot. Saving everything for each of a thousand uploads would be slow, so an upload is
answered as soon as its notification is in this journal, and at a start the notifications that the
saved state does not cover are sent again. One may thus be delivered twice, as S3's own may. Files
are numbered; each snapshot begins the next file, writes down which, and carries over what was still
on its way. Like the snapshots, this guards against a killed process, not against a power cut.
"""

from __future__ import annotations

import json
import threading
from io import BufferedWriter
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Journal:
    """The journal files in one folder. Its methods may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._under_way: dict[int, bytes] = {}
        self._ticket = 0
        self._number = max(self._numbers(), default=0) + 1  # the last one may end torn
        self._file: BufferedWriter | None = None

    def begin(self, event: Event, *, written: bool = False) -> int:
        """Write the event down (unless it is `written` already); a ticket to end it with."""
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            if not written:
                self._open().write(line)
                self._open().flush()
            self._ticket += 1
            self._under_way[self._ticket] = line
            return self._ticket

    def end(self, ticket: int) -> None:
        """The event has been delivered: whatever is captured from now on covers it."""
        with self._lock:
            del self._under_way[ticket]

    def rotate(self) -> int:
        """Begin the next file; its number. What is captured after this covers all older files."""
        with self._lock:
            self._shut()
            self._number += 1
            for line in self._under_way.values():
                self._open().write(line)
            if self._file:
                self._file.flush()
            return self._number

    def since(self, number: int) -> list[Event]:
        """The events in this file and later ones, as far as they can be read."""
        return [event for event in self._events(number) if event]

    def is_damaged(self) -> bool:
        """Whether a line cannot be read: the notification in it is lost."""
        return None in self._events(0)

    def _events(self, number: int) -> list[Event | None]:
        events = []
        for each in sorted(self._numbers()):
            if each >= number:
                # A torn last line was never answered for.
                *lines, _ = self._path(each).read_bytes().split(b"\n")
                events += [_event(line) for line in lines]
        return events

    def forget(self, number: int) -> None:
        """Delete the files below this number."""
        for each in self._numbers():
            if each < number:
                self._path(each).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; it is opened again if need be."""
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> BufferedWriter:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = self._path(self._number).open("ab")
        return self._file

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.jsonl"

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("*.jsonl") if path.stem.isdecimal()]


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
