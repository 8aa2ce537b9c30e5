"""A command run as from the command line, on tables and a bucket in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


Run = Callable[..., Said]


def runner(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `labelctl WORD…`; what it prints goes to no terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def session(context: Any) -> Session:
        made = Session(options_of(context))
        made.__dict__.update(
            aws=SimpleNamespace(dynamodb=table, s3=table.bucket, many_puts=None),
            stack=SimpleNamespace(table=PHOTOS, labels_table=LABELS, bucket="photos"),
        )
        return made

    monkeypatch.setattr(Session, "of", session)

    def run(*words: Any) -> Said:
        capsys.readouterr()
        code = app.run([*map(str, words)])
        return Said(code, *capsys.readouterr())

    return run
