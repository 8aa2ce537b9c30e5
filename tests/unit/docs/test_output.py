"""docs/output.md names the columns that commands print, in a pipe and on a terminal."""

from __future__ import annotations

import re

import pytest

from labelctl.cli.commands import (
    _photo,
    deploy,
    export,
    failures,
    images,
    retry,
    rm,
    search,
    stats,
    status,
    tail,
    upload,
    verify,
)
from labelctl.cli.tables import Column
from tests import docs

COLUMNS = {
    "upload": upload.COLUMNS,
    "upload --wait": _photo.PHOTO_LABEL_COLUMNS,
    "labels": _photo.LABEL_COLUMNS,
    "search": (*search.COLUMNS, *search.GROUP_COLUMNS),
    "images": images.COLUMNS,
    "stats": stats.columns(0, 0),
    "failures": failures.COLUMNS,
    "failures --discard": failures.DELETED_COLUMNS,
    "retry": retry.COLUMNS,
    "rm": rm.COLUMNS,
    "tail": tail.COLUMNS,
    "verify": verify.COLUMNS,
    "export -o FILE": export.COLUMNS,
    "deploy --dry-run": deploy.COLUMNS,
    "status": status.ERROR_COLUMNS,
}
ORDER = ("group", "outcome", "problem", "state", "status", "photo", "time", "uploaded")
"""The first columns of all commands are in this order."""

GOLDEN = {
    "upload-mixed": "upload",
    "upload-wait": "upload --wait",
    "labels": "labels",
    "search": "search",
    "search-any": "search",
    "images": "images",
    "stats": "stats",
    "failures": "failures",
    "failures-discard": "failures --discard",
    "retry-all": "retry",
    "tail": "tail",
    "verify-problems": "verify",
    "export-file": "export -o FILE",
    "deploy-dry-run": "deploy --dry-run",
}
"""Outputs of each command, by the names of their files in tests/golden."""


def documented() -> dict[str, list[str]]:
    text = (docs.DOCS / "output.md").read_text(encoding="utf-8").split("## Plain lines")[1]
    rows = re.findall(r"^\| `([^`]+)`(?: errors)? \| (.*) \|$", text, flags=re.MULTILINE)
    return {command: columns.split(", ") for command, columns in rows}


def plain_titles(columns: tuple[Column, ...]) -> list[str]:
    return [column.title.lower() for column in columns if not column.bars]


def stdout(name: str) -> list[str]:
    text = (docs.DOCS.parent / "tests" / "golden" / f"{name}.txt").read_text(encoding="utf-8")
    return text.split("[stdout]\n")[1].split("[stderr]\n")[0].splitlines()


@pytest.mark.parametrize("command", COLUMNS)
def test_the_columns_are_documented(command):
    assert documented()[command] == plain_titles(COLUMNS[command])


@pytest.mark.parametrize("command", COLUMNS)
def test_columns_have_one_order(command):
    first = [title for title in plain_titles(COLUMNS[command]) if title in ORDER]
    assert first == sorted(first, key=ORDER.index)
    assert plain_titles(COLUMNS[command])[: len(first)] == first


@pytest.mark.parametrize("golden", GOLDEN)
def test_plain_lines_have_the_documented_columns(golden):
    lines = stdout(f"{golden}-plain")
    assert lines
    assert {len(line.split("\t")) for line in lines} == {len(documented()[GOLDEN[golden]])}


@pytest.mark.parametrize("golden", ["labels", "search", "images", "failures", "deploy-dry-run"])
def test_the_table_on_a_terminal_has_the_same_columns(golden):
    columns = COLUMNS[GOLDEN[golden]]
    empty = ["Why"] if golden == "deploy-dry-run" else []  # a column without any text is left out
    titles = [each.title for each in columns if not each.in_title and each.title not in empty]
    assert any(re.split(r" {2,}", line.strip()) == titles for line in stdout(f"{golden}-table"))
