"""The tools that labelctl is compared with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def installed_aws(folder: Path) -> str:
    """The AWS CLI, installed from PyPI into a folder, or the one that BENCH_AWS names."""
    if named := os.environ.get("BENCH_AWS"):
        return named
    python = folder / "peers" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "peers"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "awscli"], check=True)
    return str(python.with_name("aws"))
