"""Warns a running command when the local cloud stops answering.

Without it, a command would seem to hang while a process is paused: botocore waits a minute for each
answer and tries three times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from labelctl.errors import LocalCloudError
from labelctl.local import engine

_INTERVAL = 2.0  # seconds between two checks; a check takes up to 12 more


class Watch:
    """Checks whether the local cloud in `home` answers.

    `say` is called with a message and the parts of a hint each time it stops answering.
    """

    def __init__(self, home: Path, say: Callable[..., None]) -> None:
        self.home, self.say = home, say
        self._silent = False

    def check(self) -> None:
        """Check once. This takes up to 12 seconds if there is no answer."""
        try:
            engine.status(self.home)
        except LocalCloudError as error:
            if not self._silent:
                self.say(error.message, *error.hint_parts)
            self._silent = True
        else:
            self._silent = False

    def start(self) -> None:
        """Check every few seconds, in a background thread, until this program ends."""

        def run() -> None:
            while True:
                time.sleep(_INTERVAL)
                self.check()

        threading.Thread(target=run, daemon=True).start()
