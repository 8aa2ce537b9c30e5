"""How long a command takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LABELCTL = str(Path(sys.executable).with_name("labelctl"))


def timed(
    command: Sequence[str], env: dict[str, str] | None = None, *, check: bool = True
) -> float:
    """Seconds that a command takes, start to end. With `check`, it must succeed."""
    started = time.perf_counter()
    subprocess.run(command, env=env, check=check, capture_output=True)
    return time.perf_counter() - started
