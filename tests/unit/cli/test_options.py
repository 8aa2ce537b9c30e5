"""Checks of option values, and commands whose own -o is an output file."""

from __future__ import annotations

import json

import pytest
import typer

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session


@pytest.fixture
def parse(monkeypatch):
    """Parses a command line; returns the requested output format and the output file."""
    parsed = []

    def take(context):
        parsed.append((options_of(context).output, context.params.get("file")))
        raise typer.Exit

    monkeypatch.setattr(Session, "of", take)

    def parse(*arguments):
        assert app.run(list(arguments)) == 0
        output, file = parsed.pop()
        return output, file and str(file)

    return parse


def test_o_is_the_output_file(parse):
    assert parse("show", "a.jpg", "-o", "b.png") == (None, "b.png")
    assert parse("show", "a.jpg", "-ob.png") == (None, "b.png")
    assert parse("show", "a.jpg", "-o", "b.png", "--output", "json") == ("json", "b.png")
    assert parse("show", "a.jpg", "-o", "plain.png") == (None, "plain.png")


def test_before_the_commands_name_o_is_the_format(parse):
    assert parse("-o", "plain", "show", "a.jpg", "-o", "b.png") == ("plain", "b.png")


def test_in_other_commands_o_is_the_format(parse):
    assert parse("labels", "a.jpg", "-o", "json")[0] == "json"


@pytest.mark.parametrize("form", ["table", "plain", "json"])
@pytest.mark.parametrize("words", [["-o", "{}"], ["-o{}"]])
def test_a_format_is_not_taken_for_a_file(capsys, form, words):
    arguments = [word.format(form) for word in words]
    assert app.run(["show", "a.jpg", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    if form == "json":
        error = json.loads(err)["error"]
        err = f"{error['message']}\n{error['hint']}\n"
    message, hint = err.splitlines()
    assert form in message
    assert hint == f"Use the long option: --output {form}"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("upload", "A path"),
        ("upload a.jpg", "A path"),
        ("demo", "A path"),
        ("package --output-dir", "--output-dir"),
        ("show a.jpg -o", "-o"),
        ("export -o", "-o"),
        ("gallery -o", "-o"),
    ],
)
def test_an_empty_path_is_refused(capsys, command, name):
    """An unset shell variable would otherwise upload the current folder."""
    assert app.run([*command.split(), ""]) == 2
    assert f"{name} is empty." in capsys.readouterr().err


def test_the_help_distinguishes_file_and_format(capsys):
    assert app.run(["show", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (own,) = [line for line in lines if line.startswith("  -o")]
    assert own.split()[:2] == ["-o", "FILE"]
    (common,) = [line for line in lines if "--output" in line]
    assert common.split()[0] == "--output"


@pytest.mark.parametrize(
    "command", ["rm", "verify", "stats", "search dog", "gallery", "export", "images"]
)
def test_a_prefix_that_no_key_can_have(capsys, parse, command):
    """S3 would refuse the request or return an empty list."""
    assert app.run([*command.split(), "--prefix", "ü" * 512 + "x"]) == 2
    assert "--prefix is longer than any key: 1,025 bytes." in capsys.readouterr().err
    assert app.run([*command.split(), "--prefix", "\udcff"]) == 2
    assert "--prefix is not valid UTF-8" in capsys.readouterr().err
    parse(*command.split(), "--prefix", "ü" * 512)
