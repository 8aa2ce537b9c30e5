"""Unknown commands: what the user may mean."""

from __future__ import annotations

import pytest

from labelctl.cli import suggestions
from labelctl.cli.group import COMMANDS

MEANT = {
    "ls": "labelctl images",
    "LIST": "labelctl images",
    "find": "labelctl search",
    "delete": "labelctl rm",
    "logs": "labelctl tail",
    "init": "labelctl deploy",
    "start": "labelctl local start",
    "stop": "labelctl local stop",
    "version": "labelctl --version",
    "uplaod": "labelctl upload",
    "lables": "labelctl labels",
    "vrfy": "labelctl verify",
    "gal": "labelctl gallery",
    "local up": "labelctl local start",
    "local delete": "labelctl local reset",
    "local stpo": "labelctl local stop",
    "local upload": "labelctl upload --local",
    "--stack blue ls": "labelctl images --stack blue",
    "--local deploi": "labelctl deploy --local",
    "--local local deploy": "labelctl deploy --local",
    "help uplaod": "labelctl upload",
}


@pytest.mark.parametrize(("words", "meant"), MEANT.items())
def test_a_command_that_may_be_meant(run, words, meant):
    word = words.split()[-1]
    assert run(*words.split()) == (
        2,
        "",
        f"Error: No such command {word!r}.\nDid you mean `{meant}`?\n",
    )


def test_two_commands_that_may_be_meant(run):
    assert run("strat")[2].endswith("Did you mean `labelctl stats` or `labelctl local start`?\n")


@pytest.mark.parametrize("words", ["nope", "local nope", "s", "xyzzy"])
def test_nothing_similar(run, words):
    group = "labelctl local" if "local" in words else "labelctl"
    assert run(*words.split())[2].splitlines()[1] == f"Run `{group} --help` for usage."


def test_every_suggestion_is_a_command(run):
    for text in {*suggestions.SYNONYMS.values()} - {"--version"}:
        assert run(*text.split(), "--help")[0] == 0
    local = COMMANDS["local"].commands
    assert not {*suggestions.SYNONYMS} & {*COMMANDS, *local, "help"}
