"""A running command reports each outage of the local cloud once."""

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
            raise LocalCloudError("It is paused.", "Resume it.")

    monkeypatch.setattr(engine, "status", status)
    messages: list[tuple[str, str]] = []
    watch = Watch(tmp_path, lambda message, hint: messages.append((message, hint)))
    for _ in range(5):
        watch.check()
    assert messages == [("It is paused.", "Resume it.")] * 2
