"""A command at work hears once of each time that the local cloud falls silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelctl.errors import LocalCloudError
from labelctl.local import engine
from labelctl.local.watch import Watch


def test_each_outage_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter((True, False, False, True, False))

    def status(home: Path) -> None:
        assert home == tmp_path
        if not next(answers):
            raise LocalCloudError("It is paused.", "Let it go on.")

    monkeypatch.setattr(engine, "status", status)
    said: list[tuple[str, str]] = []
    watch = Watch(tmp_path, lambda message, hint: said.append((message, hint)))
    for _ in range(5):
        watch.check()
    assert said == [("It is paused.", "Let it go on.")] * 2
