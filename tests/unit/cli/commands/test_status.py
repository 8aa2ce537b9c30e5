"""What `labelctl status` prints."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session
from labelctl.operations import function_log, status
from tests.unit.conftest import REGION
from tests.unit.status_values import FINE, STACK


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `labelctl status`, in a place an hour east of Greenwich; what it prints on stdout."""
    monkeypatch.setenv("TZ", "UTC-1")
    time.tzset()

    def run(mode, **what):
        monkeypatch.setattr(status, "read", lambda *_, **_more: replace(FINE, **what))

        def session(context):
            made = Session(options_of(context))
            deployed = replace(STACK, parameters=DEFAULTS)
            made.__dict__.update(aws=SimpleNamespace(region=REGION), stack=deployed)
            return made

        monkeypatch.setattr(Session, "of", session)
        assert app.run(["status", "-o", mode]) == 0
        out, run.notes = capsys.readouterr()
        return out

    yield run
    monkeypatch.undo()
    time.tzset()


def test_what_is_unknown_is_neither_zero_nor_missing(command):
    reason = "Your AWS identity is not allowed to perform sqs:GetQueueAttributes."
    what = {"queue": None, "dead_letters": None, "failed": None, "error_count": None}
    lines = command("plain", **what, unknown=(reason,)).splitlines()
    rows = dict(line.split("\t", 1) for line in lines)
    unknown = {"failed", "waiting", "in progress", "dead letters"}
    assert {name for name, value in rows.items() if value == "unknown"} == unknown
    assert rows["labelled"] == "0"
    assert command.notes == f"Unknown: {reason}\n"
    value = json.loads(command("json", **what))
    assert (value["queue"], value["dead_letters"], value["errors"]) == (None, None, None)
    assert (value["photos"]["failed"], value["photos"]["waiting"]) == (None, None)


def test_a_count_that_is_not_exact_says_so(command):
    what = {"labelled": 1_000_000, "failed": 7, "approximate": {"labelled": "about"}}
    assert "about 1,000,000" in command("table", **what)
    assert json.loads(command("json", **what))["photos"]["approximate"] == ["labelled"]
    assert "labelled\t1000000\n" in command("plain", **what)


DEFAULTS = {
    "MinConfidence": "55",
    "MaxLabels": "100",
    "Concurrency": "4",
    "ImageProperties": "false",
    "LogRetention": "30",
}
DEAD_LETTER = function_log.LogEntry(
    "2030-01-01T23:30:15.058Z", None, "dead_letter", reason="no JSON"
)


def test_times_on_a_terminal_are_those_of_the_place(command):
    out = command(
        "table", errors=(DEAD_LETTER,), waiting_since=datetime(2030, 1, 1, 22, tzinfo=UTC)
    )
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "updated 2030-01-01 01:00" in lines
    assert "waiting since 2030-01-01 23:00" in lines
    assert "dead letter 2030-01-02 00:30 no JSON" in lines


def test_plain_output_has_the_exact_time_of_errors(command):
    result = command("plain", errors=(DEAD_LETTER,)).splitlines()[-1]
    assert result.split("\t") == [
        *("error", "dead letter", "", "2030-01-01T23:30:15.058Z", "no JSON"),
    ]


def test_times_in_json_are_utc(command):
    east = timezone(timedelta(hours=1))
    result = json.loads(
        command("json", errors=(DEAD_LETTER,), waiting_since=datetime(2030, 1, 1, 22, tzinfo=east))
    )
    assert result["updated_at"] == "2030-01-01T00:00:00Z"
    assert result["photos"]["waiting_since"] == "2030-01-01T21:00:00Z"
    assert [(each["at"], each["status"]) for each in result["errors"]] == [
        ("2030-01-01T23:30:15.058Z", "dead_letter")
    ]
