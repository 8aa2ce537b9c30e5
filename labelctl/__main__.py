"""The console script, and `python -m labelctl`. Ctrl-C during the imports prints no traceback."""

from __future__ import annotations

import os
from typing import NoReturn

INTERRUPTED = 130  # as ExitCode.INTERRUPTED, which may not be imported yet


def main() -> NoReturn:
    """Run the command line."""
    try:
        from labelctl.cli import app
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    app.main()


if __name__ == "__main__":
    main()
