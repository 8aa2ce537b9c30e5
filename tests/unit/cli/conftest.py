"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from labelctl.cli import app


@pytest.fixture
def run(capsys):
    """Runs a command line; returns the exit code, stdout and stderr."""

    def ran(*arguments):
        code = app.run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return ran
