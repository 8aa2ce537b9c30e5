"""Times and durations as text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from labelctl import times
from labelctl.errors import UsageError


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time zone of the user is 5:30 hours ahead of UTC."""
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 30, 17, 7, 12, 999_999, tzinfo=UTC),
        datetime(2026, 11, 30, 19, 7, 12, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 11, 30, 17, 7, 12, tzinfo=UTC).timestamp(),
    ],
)
def test_utc(moment):
    assert times.utc(moment) == "2026-11-30T17:07:12Z"


@pytest.mark.parametrize(
    "moment", ["2026-11-30T17:07:12.345Z", datetime(2026, 11, 30, 17, 7, 12, tzinfo=UTC)]
)
@pytest.mark.usefixtures("india")
def test_local_times(moment):
    assert times.local_minute(moment) == "2026-11-30 22:37"
    assert times.local_clock(moment) == "22:37:12"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        (" 5m ", 300),
        ("0s", 0),
    ],
)
def test_a_duration(text, seconds):
    assert times.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["10001d", "9" * 20 + "s", "9" * 400 + "d", "9" * 5000 + "h"])
def test_a_duration_that_reaches_before_1970(text):
    with pytest.raises(UsageError, match="is too long") as refused:
        times.parse_duration(text)
    assert "10000d" in refused.value.hint


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "5 m", "5w", "1h30m", "１０m…", "1e3s"])
def test_no_duration(text):
    with pytest.raises(UsageError) as caught:
        times.parse_duration(text)
    assert caught.value.message == f'"{text}" is not a duration.'
    assert "90s, 10m, 2h or 1d" in caught.value.hint
