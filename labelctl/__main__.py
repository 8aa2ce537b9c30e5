"""The console script, and `python -m labelctl`: ends quietly even if it is interrupted as it starts."""

from __future__ import annotations

import os
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line."""
    try:
        from labelctl.cli import app
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    app.main()


if __name__ == "__main__":
    main()
