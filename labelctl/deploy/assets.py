"""Locating the function's sources and the templates, in an installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def asset_folder(name: str) -> Path:
    """Return the path of the folder `lambda` or `cloudformation`."""
    installed = _PACKAGE / "_assets" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def template(name: str) -> str:
    """Return the text of a CloudFormation template, by its file name."""
    return (asset_folder("cloudformation") / name).read_text(encoding="utf-8")
