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


def watch(home: Path, say: Callable[[str, str], None], *, pause: float = _PAUSE) -> None:
    """Look, until this program ends, whether the local cloud in `home` answers.

    `say` is called with a message and a hint each time it falls silent, from another thread.
    """

    def look() -> None:
        silent = False
        while True:
            time.sleep(pause)
            try:
                engine.status(home)
            except LocalCloudError as problem:
                if not silent:
                    say(problem.message, problem.hint)
                silent = True
            else:
                silent = False

    threading.Thread(target=look, daemon=True).start()
