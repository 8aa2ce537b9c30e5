"""The help of all commands: its layout, its examples, and that it appears quickly."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import typer

from labelctl.cli import app
from labelctl.cli.examples import EXAMPLES
from labelctl.cli.group import GROUPS
from labelctl.cli.session import Session


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


def test_help_lists_all_commands_in_groups(run):
    """The summaries are read without loading the commands, so they are compared with these."""
    _, out, _ = run("--help")
    titles = [line.rstrip(":") for line in out.splitlines() if re.match(r"\w.*:$", line)]
    assert titles == [*GROUPS, "Global options"]
    for name, command in root().commands.items():
        first = command.help.split(".")[0]
        assert re.search(rf"^  {name} +{re.escape(first)}\.$", out, re.MULTILINE)


def test_the_options_of_a_command_come_first_and_the_global_ones_last(run):
    _, out, _ = run("search", "--help")
    order = ["Arguments:", "Options:", "  --category", "Examples:", "Global options:", "  --stack"]
    positions = [out.index(f"\n{each}") for each in order]
    assert positions == sorted(positions)


@pytest.mark.parametrize(("columns", "widest"), [(60, 60), (80, 80), (120, 120), (200, 120)])
def test_help_uses_the_width_of_the_terminal(run, monkeypatch, columns, widest):
    monkeypatch.setenv("COLUMNS", str(columns))
    longest = max(len(line) for line in run("deploy", "--help")[1].splitlines())
    assert widest - 14 < longest <= widest


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["help"], ["--help"]),
        (["help", "upload"], ["upload", "--help"]),
        (["help", "local", "start"], ["local", "start", "--help"]),
        (["local", "help", "start"], ["local", "start", "--help"]),
        (["-h"], ["--help"]),
        (["local", "stop", "-h"], ["local", "stop", "--help"]),
    ],
)
def test_other_ways_to_the_help(run, words, same):
    assert run(*words) == run(*same)
    assert run(*words)[0] == 0


# ---- examples


@pytest.fixture
def parse(monkeypatch):
    """Parses a command line without running the command; returns the exit code."""

    def stop(_):
        raise typer.Exit

    monkeypatch.setattr(Session, "of", stop)
    return lambda words: app.run(words)


LINES = [(path, line) for path, examples in EXAMPLES.items() for line in examples]


@pytest.mark.parametrize(("path", "line"), LINES, ids=[line for _, line in LINES])
def test_examples_work_as_written(parse, capsys, path, line):
    """Up to the point where a command would ask AWS."""
    assert len(line) <= 76
    command = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line)
    program, *words = shlex.split(re.split(r" [|>] ", command)[0])
    assert [program, *words][: len(path.split()) + 1] == ["labelctl", *path.split()]
    assert (parse(words), capsys.readouterr().err) == (0, "")


def test_every_command_has_examples_and_shows_them(run):
    assert set(EXAMPLES) == {" ".join(words) for words in COMMANDS}
    for words in COMMANDS:
        _, out, _ = run(*words, "--help")
        shown = out.split("Examples:\n")[1].split("\n\n")[0].splitlines()
        expected = EXAMPLES[" ".join(words)].items()
        assert shown == [f"  {each}" for line, text in expected for each in (f"# {text}", line)]
