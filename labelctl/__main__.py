"""The console script, and `python -m labelctl`. Ctrl-C during the imports prints no traceback."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

INTERRUPTED = 130  # as ExitCode.INTERRUPTED, which may not be imported yet
_GARBAGE_THRESHOLD = 100_000
"""New objects after which Python looks for garbage. By default it is 700, and imports, which make
objects that stay, take a sixth longer."""


def main() -> NoReturn:
    """Run the command line."""
    _restart_if_needed()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        from labelctl.cli import app
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    app.main()


def _restart_if_needed() -> None:
    """Restart Python if its settings would garble file names or remove the help texts.

    S3 keys are UTF-8, and so are names on almost every disk, whatever the locale says: in a Latin-1
    locale Python would read "é" as "Ã©". Help texts are docstrings, which PYTHONOPTIMIZE=2 removes.
    """
    usual = sys.getfilesystemencoding() == "utf-8" and sys.flags.optimize < 2
    if usual or os.name == "nt" or not sys.executable:
        return
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONOPTIMIZE"}
    if sys.stdout:  # the terminal keeps the locale's encoding
        environment.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    # Only `python -m` looks for modules in the current folder.
    options = ["-X", "utf8", *([] if __name__ == "__main__" else ["-P"])]
    arguments = [sys.executable, *options, "-m", "labelctl", *sys.argv[1:]]
    os.execve(sys.executable, arguments, environment)


if __name__ == "__main__":
    main()
