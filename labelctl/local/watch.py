"""Tells a command at work that the local cloud has stopped answering, and what can be done.

Without this a paused or hung process would show as silence: botocore waits a minute for each answer,
and asks three times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from labelctl.errors import LocalCloudError
from labelctl.local import engine

_PAUSE = 2.0  # seconds between two looks; with the time that an answer may take, less than 15


class Watch:
    """Looks whether the local cloud in `home` answers.

    `say` is called with a message and a hint each time it falls silent.
    """

    def __init__(self, home: Path, say: Callable[[str, str], None]) -> None:
        self.home, self.say = home, say
        self._silent = False

    def look(self) -> None:
        """Look once. It takes up to 12 seconds when nobody answers."""
        try:
            engine.status(self.home)
        except LocalCloudError as problem:
            if not self._silent:
                self.say(problem.message, problem.hint)
            self._silent = True
        else:
            self._silent = False

    def start(self) -> None:
        """Look every few seconds, on a thread of its own, until this program ends."""

        def run() -> None:
            while True:
                time.sleep(_PAUSE)
                self.look()

        threading.Thread(target=run, daemon=True).start()
