"""`labelctl completion`."""

from __future__ import annotations

from typing import Annotated

import typer

from labelctl.cli import completion as core
from labelctl.cli.session import Session
from labelctl.cli.values import choice


def completion(
    context: typer.Context,
    shell: Annotated[
        str,
        typer.Argument(
            parser=choice(core.SHELLS), metavar="|".join(core.SHELLS), help="Your shell."
        ),
    ],
) -> None:
    """Print a script for completion in bash, zsh or fish.

    Keys and labels are those that earlier commands showed or uploaded: completing never connects to
    AWS.
    """
    Session.of(context).view.text(core.script(shell))
