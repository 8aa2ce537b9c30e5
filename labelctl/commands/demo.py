"""`labelctl demo`: the whole story on the local cloud, command by command."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from labelctl.errors import LocalCloudError
from labelctl.options import options_of
from labelctl.session import Session
from labelctl.words import quoted

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Photographs in scikit-image's package data; all in the public domain or CC0."""


def demo(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Photos of yours; else a few that came along."),
    ] = None,
) -> None:
    """Show it all on the local cloud, with a few photos.

    Deploys, uploads and shows the labels, and prints each command that it stands for. It needs no
    AWS account.
    """
    from labelctl.commands import deploy, upload
    from labelctl.stack import Settings

    options = options_of(context)
    options.local = True
    session = Session.of(context)
    photos = paths or _photographs()
    prefix = "" if paths else "demo/"  # no photo of the user's is to be replaced

    view = session.view
    view.command(session.command("deploy"))
    deploy.carry_out(session, Settings(), yes=False)
    words = f"--prefix {prefix} " if prefix else ""
    view.command(session.command(f"upload --wait {words}{' '.join(map(_quoted, photos))}"))
    upload.upload(context, paths=photos, prefix=prefix, wait=True)
    if photos[0].is_file():
        key = quoted(prefix + photos[0].name)
        view.command(session.command(f"labels {key}"), lead="Try: ")
    for words in ("stats", "gallery --open", "status", "destroy"):
        view.command(session.command(words), lead="Try: ")


def _photographs() -> list[Path]:
    # Found, not imported: importing scikit-image takes longer than labelling its photographs.
    found = importlib.util.find_spec("skimage")
    folder = Path(found.origin).parent / "data" if found and found.origin else None
    photos = [folder / name for name in PHOTOGRAPHS] if folder else []
    there = [photo for photo in photos if photo.is_file()]
    if not there:
        raise LocalCloudError(
            "The demo's photographs are not installed.",
            "Install them with the local cloud, pip install 'labelctl[local]', "
            "or name photos of yours: labelctl demo a.jpg b.png",
        )
    return there


def _quoted(path: Path) -> str:
    here = Path.cwd()
    return quoted(str(path.relative_to(here) if path.is_relative_to(here) else path))
