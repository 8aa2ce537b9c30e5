"""labelctl as a process: where its output goes, and what if it cannot go there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def process(*arguments, code="from labelctl.cli import main; main()", **more):
    environment = {**os.environ, **more.pop("env", {})}
    command = [sys.executable, "-X", "utf8=0", "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, encoding="utf-8", **more
    )


@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_a_reader_that_has_gone_is_told_by_the_exit_code_alone(tmp_path, output):
    reader, writer = os.pipe()
    os.close(reader)
    running = process("package", "--output-dir", tmp_path, "-o", output, "--quiet", stdout=writer)
    os.close(writer)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("output", ["plain", "table", "json"])
def test_an_output_that_has_no_room_is_told(tmp_path, output):
    with Path("/dev/full").open("w") as full:
        running = process("package", "--output-dir", tmp_path, "-o", output, stdout=full)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 4
    assert "The output could not be written: No space left on device." in err
    assert "Traceback" not in err
    assert "Exception" not in err


def test_an_output_that_is_closed_is_no_bug(tmp_path):
    running = process(
        *("package", "--output-dir", tmp_path),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(1),
    )
    _, err = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Traceback" not in err


def test_an_output_that_is_ascii(tmp_path):
    running = process(
        *("package", "--quiet", "--output-dir", tmp_path / "é"),
        env={"PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE,
    )
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert "\\xe9" in out
