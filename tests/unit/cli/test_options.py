"""A command with a -o of its own: it says where to write, and --output is written out there."""

from __future__ import annotations

import json

import pytest
import typer

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session


@pytest.fixture
def given(monkeypatch):
    """Runs a command line as far as the command; the output that it asked for, and its -o."""
    handed = []

    def take(context):
        handed.append((options_of(context).output, context.params.get("file")))
        raise typer.Exit

    monkeypatch.setattr(Session, "of", take)

    def run(*arguments):
        assert app.run(list(arguments)) == 0
        output, file = handed.pop()
        return output, file and str(file)

    return run


def test_its_o_is_a_file(given):
    assert given("show", "a.jpg", "-o", "b.png") == (None, "b.png")
    assert given("show", "a.jpg", "-ob.png") == (None, "b.png")
    assert given("show", "a.jpg", "-o", "b.png", "--output", "json") == ("json", "b.png")
    assert given("show", "a.jpg", "-o", "plain.png") == (None, "plain.png")


def test_before_the_commands_name_it_is_the_output(given):
    assert given("-o", "plain", "show", "a.jpg", "-o", "b.png") == ("plain", "b.png")


def test_the_others_keep_it(given):
    assert given("labels", "a.jpg", "-o", "json")[0] == "json"


@pytest.mark.parametrize("form", ["table", "plain", "json"])
@pytest.mark.parametrize("words", [["-o", "{}"], ["-o{}"]])
def test_a_form_of_output_is_no_file(capsys, form, words):
    arguments = [word.format(form) for word in words]
    assert app.run(["show", "a.jpg", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    told = json.loads(err)["error"] if form == "json" else None
    assert (told["hint"] if told else err.splitlines()[1]) == f"Write it out: --output {form}"
    assert form in (told["message"] if told else err)


@pytest.mark.parametrize(
    ("command", "told"),
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
def test_an_empty_path_is_not_taken_for_this_folder(capsys, command, told):
    """A variable that is not set would upload whatever lies here."""
    assert app.run([*command.split(), ""]) == 2
    assert f"{told} is empty." in capsys.readouterr().err


def test_the_help_tells_which_is_which(capsys):
    assert app.run(["show", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (own,) = [line for line in lines if line.startswith("  -o")]
    assert own.split()[:2] == ["-o", "FILE"]
    (common,) = [line for line in lines if "--output" in line]
    assert common.split()[0] == "--output"


@pytest.mark.parametrize(
    "words",
    [
        "search dog --min-confidence nan",
        "export --min-confidence nan",
        "labels a.jpg --min-confidence NaN",
        "labels a.jpg --timeout nan",
    ],
)
def test_nan_is_no_number(capsys, words):
    assert app.run(words.split()) == 2
    option = words.split()[-2]
    assert capsys.readouterr().err == f"Error: {option} nan is no number.\nGive one, such as 90.\n"


@pytest.mark.parametrize("command", ["images", "search dog", "gallery"])
def test_a_limit_beyond_all_bounds(capsys, command):
    assert app.run([*command.split(), "--limit", "99999999999999999999"]) == 2
    assert "--limit 99999999999999999999 is too large." in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["rm", "verify", "stats", "search dog", "gallery", "export", "images"]
)
def test_what_no_key_can_begin_with_is_no_prefix(capsys, given, command):
    """It would be a refusal of S3's, or a list of nothing."""
    assert app.run([*command.split(), "--prefix", "ü" * 512 + "x"]) == 2
    assert "--prefix is longer than any key: 1,025 bytes." in capsys.readouterr().err
    assert app.run([*command.split(), "--prefix", "\udcff"]) == 2
    assert "--prefix is not valid UTF-8" in capsys.readouterr().err
    given(*command.split(), "--prefix", "ü" * 512)
