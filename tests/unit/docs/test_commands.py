"""docs/commands.md and the manual page say what `--help` says."""

from __future__ import annotations

import re

import pytest
import typer

from labelctl import errors
from labelctl.cli import app
from tests import docs


@pytest.mark.parametrize("path", docs.FILES, ids=lambda path: path.name)
def test_they_are_up_to_date(path):
    assert path.read_text(encoding="utf-8") == docs.FILES[path](), "Run python -m tests.docs."


def test_every_option_of_every_command_is_described():
    root = typer.main.get_command(app.app)
    described = docs.markdown()
    for name, command in root.commands.items():
        section = described.split(f"\n## labelctl {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.expose_value:
                assert parameter.opts[0] in section, name


def test_every_exit_code_is_described():
    assert {int(code) for code in errors.ExitCode} == set(docs.EXIT_CODES)


def test_the_readme_names_every_command_and_no_other():
    readme = (docs.DOCS.parent / "README.md").read_text(encoding="utf-8")
    listed = readme.split("\n## Commands\n")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| .*?`labelctl (\w+)", listed, flags=re.MULTILINE))
    assert named == {name for group in docs.GROUPS.values() for name in group}
