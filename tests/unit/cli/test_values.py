"""The values of options: percentages, numbers and words."""

from __future__ import annotations

import pytest
import typer

from labelctl.cli import app, values
from labelctl.cli.session import Session


@pytest.fixture
def value(monkeypatch):
    """Parses a command line; returns the value that one parameter gets."""
    parsed = {}

    def take(context):
        parsed.update(context.params)
        raise typer.Exit

    monkeypatch.setattr(Session, "of", take)

    def value(name, *arguments):
        parsed.clear()
        assert app.run(list(arguments)) == 0
        return parsed[name]

    return value


@pytest.mark.parametrize(
    ("text", "meant"),
    [("80", 80), ("80%", 80), ("99.5", 99.5), ("99.5 %", 99.5), ("0", 0), ("1", 1), ("0.8%", 0.8)],
)
def test_a_percentage(value, text, meant):
    assert value("min_confidence", "labels", "a.jpg", "--min-confidence", text) == meant


COMMANDS = ("search dog", "labels a.jpg", "show a.jpg", "export", "deploy")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_share_is_not_taken_for_a_percentage(run, command):
    assert run(*command.split(), "--min-confidence", "0.8") == (
        2,
        "",
        "Error: Invalid value for '--min-confidence': 0.8 is less than 1 percent.\n"
        "Did you mean 80? For 0.8 percent, add the sign: 0.8%\n",
    )


def test_every_percentage_is_read_by_the_same_parser():
    root = typer.main.get_command(app.app)
    found = {
        name: param.type.func
        for name, command in root.commands.items()
        for param in command.params
        if param.metavar == "PERCENT"
    }
    assert found == {command.split()[0]: values.percent for command in COMMANDS}


INVALID = {
    "labels a.jpg --min-confidence 101": "101 is not a percentage from 0 to 100.",
    "labels a.jpg --min-confidence -1": "-1 is not a percentage from 0 to 100.",
    "search dog --min-confidence inf": "inf is not a percentage from 0 to 100.",
    "search dog --min-confidence NaN": "'NaN' is not a number.",
    "export --min-confidence 0,8": "'0,8' is not a number.",
    "labels a.jpg --timeout nan": "'nan' is not a number.",
    "labels a.jpg --timeout 0.5": "0.5 is too small. The minimum is 1.",
    "verify --overdue -1": "-1 is too small. The minimum is 0.",
    "images --limit 1.5": "'1.5' is not a whole number.",
    "gallery --limit 0": "0 is too small. The minimum is 1.",
    "search dog --limit 9999999999999": "too large. The maximum is 1,000,000,000,000.",
    "deploy --concurrency 1": "1 is too small. The minimum is 2.",
    "images --status done": "'done' is not one of labelled, failed, waiting.",
    "search dog --sort name": "'name' is not one of confidence, newest.",
    "export --format xml": "'xml' is not one of csv, jsonl, parquet.",
}


@pytest.mark.parametrize(("words", "message"), INVALID.items())
def test_an_invalid_value(run, words, message):
    *_, option, _ = words.split()
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    error, hint = err.splitlines()
    assert error.startswith(f"Error: Invalid value for '{option}': ")
    assert error.endswith(message)
    assert hint == f"Run `labelctl {words.split()[0]} --help` for usage."


def test_defaults_pass_the_parsers(value):
    assert value("min_confidence", "search", "dog") == 0
    assert value("limit", "search", "dog") == 100
    assert value("status", "images") is None


def test_every_value_has_a_name_in_the_help():
    """Else Typer shows the names of its types, such as INTEGER RANGE."""
    root = typer.main.get_command(app.app)
    for command in root.commands.values():
        for param in command.params:
            named = param.metavar or param.param_type_name == "argument" or param.is_flag
            assert named, f"{command.name} {param.name}"
