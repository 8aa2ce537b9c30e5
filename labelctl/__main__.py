"""The console script, and `python -m labelctl`: ends quietly even if it is interrupted as it starts."""

from __future__ import annotations

import os
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line."""
    try:
        from labelctl import cli
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
