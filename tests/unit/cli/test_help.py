"""The help of all commands, and that it appears quickly."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer

from labelctl.cli import app


def root():
    return typer.main.get_command(app.app)


def every_command():
    for name, command in root().commands.items():
        yield (name,), command
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield (name, inner), subcommand


COMMANDS = dict(every_command())


@pytest.mark.parametrize("arguments", [[], ["local"]])
def test_no_arguments_show_the_help(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: labelctl")
    assert "status" in err


HEAVY = ("boto3", "botocore", "rich", "cv2", "numpy", "PIL", "ministack", "asyncio", "jinja2")


def test_help_imports_nothing_heavy():
    """In a new process, as this one has imported them. Each of them would make --help slow."""
    code = f"""
import contextlib, io, sys
from labelctl.cli.app import run
for words in {[list(words) for words in COMMANDS]!r}:
    with contextlib.redirect_stdout(io.StringIO()):
        assert run([*words, "--help"]) == 0
        assert run(["--help"]) == 0
print(*sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_all_commands_exist():
    assert set(root().commands) >= {
        *("demo", "deploy", "upload", "labels", "status", "tail", "destroy", "package", "local"),
    }
    assert set(root().commands["local"].commands) >= {"start", "stop", "status", "reset", "env"}


@pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)
def test_every_command_and_parameter_has_help(run, words):
    code, out, err = run(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: labelctl {' '.join(words)}")
    command = COMMANDS[words]
    assert command.help
    assert command.help.splitlines()[0].strip().endswith((".", ":"))
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.opts[0] in out or parameter.param_type_name == "argument"
    for option in ("--stack", "--profile", "--region", "--local", "--output", "--quiet"):
        assert option in out


def test_help_lists_all_commands(run):
    _, out, _ = run("--help")
    for name in root().commands:
        assert re.search(rf"^  {name} +\w", out, re.MULTILINE)
