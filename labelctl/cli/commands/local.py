"""`labelctl local`: the cloud on this machine."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import Command, Group, Yes
from labelctl.cli.output import Column, Table
from labelctl.cli.session import Session
from labelctl.errors import NotFoundError

if TYPE_CHECKING:
    from labelctl.local.engine import Cloud

app = typer.Typer(
    cls=Group,
    help="The cloud on this machine, which --local uses.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(cls=Command)
def start(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.onnx",
            help="Label with this model only: an Ultralytics export, with its metadata.",
        ),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Return to the models of labelctl[local].")
    ] = False,
) -> None:
    """Start it. Any command with --local does so by itself."""
    from labelctl.local import engine

    session = Session.of(context)
    with session.view.meter("Starting the local cloud"):
        cloud = engine.start(model=model, forget_model=no_model)
    _show(session, cloud)
    if cloud.notice:
        session.view.warn(cloud.notice)
    session.view.note("Next: labelctl deploy --local")


@app.command(cls=Command)
def stop(context: typer.Context) -> None:
    """Stop it. Everything in it is kept."""
    from labelctl.local import engine

    session = Session.of(context)
    with session.view.meter("Stopping the local cloud"):
        cloud = engine.stop()
    session.view.show({"stopped": cloud is not None})
    session.view.note("Stopped." if cloud else "It was not running.")


@app.command(cls=Command)
def status(context: typer.Context) -> None:
    """Show whether it runs, and where."""
    from labelctl.local import engine

    session = Session.of(context)
    cloud = engine.status()
    if cloud is None:
        session.view.show({"running": False})
        raise NotFoundError("The local cloud is not running.", "Start it: labelctl local start")
    _show(session, cloud)


@app.command(cls=Command)
def reset(
    context: typer.Context,
    yes: Yes = False,
) -> None:
    """Stop it and delete all it holds: stacks, photos, labels."""
    from labelctl.errors import RefusedError
    from labelctl.local import engine, folder

    session = Session.of(context)
    if not yes:
        session.view.warn(f"This deletes all that the local cloud holds, in {folder.data_home()}.")
        answer = session.view.ask("Go on? [y/N]", yes_means="Add --yes if you are sure.")
        if answer.lower() not in ("y", "yes"):
            raise RefusedError("Not reset, as you said.", "Nothing was changed.")
    engine.reset()
    session.view.show({"reset": True})
    session.view.note("The local cloud is empty.")


@app.command(cls=Command)
def env(context: typer.Context) -> None:
    """Print shell lines that point any AWS tool at it.

    Use them so: eval "$(labelctl local env)"
    """
    from labelctl.local import engine, environment

    session = Session.of(context)
    with session.view.meter("Starting the local cloud"):
        cloud = engine.start()
    if cloud.notice:
        session.view.warn(cloud.notice)
    variables = environment.variables(cloud) | environment.around_proxies(os.environ)
    if session.view.mode == "json":
        session.view.show(variables)
        return
    if away := environment.misleading(os.environ):
        session.view.text(f"unset {' '.join(away)}")
    for name, value in variables.items():
        session.view.text(f"export {name}={shlex.quote(value)}")


def _show(session: Session, cloud: Cloud) -> None:
    told: dict[str, Any] = {
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
    rows = [(name.replace("_", " "), str(value)) for name, value in told.items() if value]
    session.view.show(told, Table(columns=(Column("", style="bold"), Column("")), rows=rows[1:]))
