"""From `upload` to labels, one photo at a time, in a local cloud of its own that is warm."""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from tests.bench.timing import LABELCTL, timed


def photo() -> None:
    found = importlib.util.find_spec("skimage")
    assert found
    assert found.origin
    source = Path(found.origin).parent / "data" / "astronaut.png"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "LABELCTL_HOME": folder, "LABELCTL_LOCAL": "1"}
        try:
            print(f"{'local start':<32} {timed([LABELCTL, 'local', 'start'], env):6.2f} s")
            print(f"{'deploy (new)':<32} {timed([LABELCTL, 'deploy', '--quiet'], env):6.2f} s")
            print(
                f"{'deploy (no change)':<32} {timed([LABELCTL, 'deploy', '--quiet'], env):6.2f} s"
            )
            upload, labels = [], []
            for number in range(8):
                copy = Path(folder) / f"{number}.png"
                shutil.copy(source, copy)
                spent = timed([LABELCTL, "upload", "--wait", str(copy)], env)
                if number:  # the first one starts the function
                    upload.append(spent)
                    labels.append(timed([LABELCTL, "labels", str(copy)], env))
            print(f"{'upload --wait, warm (median)':<32} {statistics.median(upload):6.2f} s")
            print(f"{'upload --wait, warm (longest)':<32} {max(upload):6.2f} s")
            print(f"{'labels (median)':<32} {statistics.median(labels):6.2f} s")
        finally:
            subprocess.run([LABELCTL, "local", "stop"], env=env, check=False, capture_output=True)
