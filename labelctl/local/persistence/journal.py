"""A journal of S3 notifications, one JSON line each, so that none is lost between two snapshots.

An object is written to disk immediately, but its notification is a message in memory until the next
snapshot. Taking a snapshot for each of a thousand uploads would be slow. So an upload is answered as
soon as its notification is in this journal, and at startup the notifications that the snapshot does not
contain are sent again. A notification may therefore be delivered twice, as on S3. The files are
numbered: each snapshot starts the next file, stores its number, and copies the notifications not yet
delivered into it. Like the snapshots, the journal protects against a killed process, not a power cut.
"""

from __future__ import annotations

import json
import threading
from io import BufferedWriter
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class Journal:
    """The journal files in one folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._undelivered: dict[int, bytes] = {}
        self._ticket = 0
        self._number = (
            max(self._numbers(), default=0) + 1
        )  # the last file may end with a partial line
        self._file: BufferedWriter | None = None

    def begin(self, event: Event, *, written: bool = False) -> int:
        """Append the event, unless it is `written` already. Returns a ticket for `end`."""
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            if not written:
                self._open().write(line)
                self._open().flush()
            self._ticket += 1
            self._undelivered[self._ticket] = line
            return self._ticket

    def end(self, ticket: int) -> None:
        """Note that the event was delivered, so later snapshots contain it."""
        with self._lock:
            del self._undelivered[ticket]

    def rotate(self) -> int:
        """Start the next file and return its number. Later snapshots cover all older files."""
        with self._lock:
            self._close()
            self._number += 1
            for line in self._undelivered.values():
                self._open().write(line)
            if self._file:
                self._file.flush()
            return self._number

    def since(self, number: int) -> list[Event]:
        """The readable events in file `number` and later ones."""
        return [event for event in self._events(number) if event]

    def is_damaged(self) -> bool:
        """Whether a line is unreadable, which means that a notification is lost."""
        return None in self._events(0)

    def _events(self, number: int) -> list[Event | None]:
        events = []
        for each in sorted(self._numbers()):
            if each >= number:
                # A partial last line belongs to an upload that was never confirmed.
                *lines, _ = self._path(each).read_bytes().split(b"\n")
                events += [_event(line) for line in lines]
        return events

    def forget(self, number: int) -> None:
        """Delete the files with numbers below `number`."""
        for each in self._numbers():
            if each < number:
                self._path(each).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the current file. It is reopened if necessary."""
        with self._lock:
            self._close()

    def _close(self) -> None:
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
