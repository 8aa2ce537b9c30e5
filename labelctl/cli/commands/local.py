"""`labelctl local`: manages the local cloud."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli import help_layout
from labelctl.cli.command import CliCommand
from labelctl.cli.group import CliGroup
from labelctl.cli.options import Yes
from labelctl.cli.session import Session
from labelctl.cli.tables import Column, Table
from labelctl.errors import Command, NotFoundError

if TYPE_CHECKING:
    from labelctl.local.engine import Cloud

app = typer.Typer(
    cls=CliGroup,
    context_settings=help_layout.CONTEXT,
    help="Manage the local cloud (the target of --local).",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(cls=CliCommand, context_settings=help_layout.CONTEXT)
def start(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.onnx",
            help="Use this ONNX model instead: an Ultralytics export with its metadata.",
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Use the default models again.")
    ] = False,
) -> None:
    """Start the local cloud. Commands with --local start it automatically."""
    from labelctl.local import engine

    session = Session.of(context)
    with session.view.meter("Starting the local cloud"):
        cloud = engine.start(model=model, forget_model=no_model)
    _show(session, cloud)
    session.view.note("Next: labelctl deploy --local")


@app.command(cls=CliCommand, context_settings=help_layout.CONTEXT)
def stop(context: typer.Context) -> None:
    """Stop the local cloud. Its data is kept."""
    from labelctl.local import engine

    session = Session.of(context)
    with session.view.meter("Stopping the local cloud"):
        cloud = engine.stop()
    session.view.show({"stopped": cloud is not None})
    session.view.note("Stopped." if cloud else "The local cloud was not running.")


@app.command(cls=CliCommand, context_settings=help_layout.CONTEXT)
def status(context: typer.Context) -> None:
    """Show whether the local cloud is running, and where."""
    from labelctl.local import engine

    session = Session.of(context)
    cloud = engine.status()
    if cloud is None:
        session.view.show({"running": False})
        raise NotFoundError(
            "The local cloud is not running.", "Start it: ", Command("local", "start")
        )
    _show(session, cloud)


@app.command(cls=CliCommand, context_settings=help_layout.CONTEXT)
def reset(
    context: typer.Context,
    yes: Yes = False,
) -> None:
    """Stop the local cloud and delete its stacks, photos and labels."""
    from labelctl.errors import RefusedError
    from labelctl.local import engine, folder

    session = Session.of(context)
    if not yes:
        session.view.warn(f"This deletes all data of the local cloud in {folder.data_home()}.")
        answer = session.view.ask("Continue? [y/N]", "Add --yes to confirm.")
        if answer.lower() not in ("y", "yes"):
            raise RefusedError("The reset was cancelled.", "Nothing was changed.")
    engine.reset()
    session.view.show({"reset": True})
    session.view.note("The local cloud is empty.")


@app.command(cls=CliCommand, context_settings=help_layout.CONTEXT)
def env(context: typer.Context) -> None:
    """Print shell commands that connect AWS tools to the local cloud.

    Usage: `eval "$(labelctl local env)"`
    """
    from labelctl.local import engine, environment

    session = Session.of(context)
    with session.view.meter("Starting the local cloud"):
        cloud = engine.start()
    if cloud.notice:
        session.view.warn(cloud.notice, wrap=False)
    variables = environment.variables(cloud) | environment.bypass_proxy(os.environ)
    if session.view.mode == "json":
        session.view.show(variables)
        return
    if unwanted := environment.interfering(os.environ):
        session.view.text(f"unset {' '.join(unwanted)}")
    for name, value in variables.items():
        session.view.text(f"export {name}={shlex.quote(value)}")


def _show(session: Session, cloud: Cloud) -> None:
    value: dict[str, Any] = {
        "running": True,
        "pid": cloud.pid,
        "endpoint": cloud.endpoint,
        "recogniser": cloud.recogniser,
        "recogniser_pid": cloud.recogniser_pid,
        "model": cloud.model,
        "model_version": cloud.model_version,
        "home": str(cloud.home),
        "started_at": cloud.started_at,
    }
    rows = [(name.replace("_", " "), str(fact)) for name, fact in value.items() if fact]
    session.view.show(value, Table(columns=(Column("", style="bold"), Column("")), rows=rows[1:]))
    if cloud.notice:
        session.view.warn(cloud.notice, wrap=False)
