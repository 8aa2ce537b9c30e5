"""Progress bars on terminals: rate, time left, stalls and hostile texts."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labelctl.cli.output import View
from labelctl.cli.progress import bar
from labelctl.cli.tables import Column
from tests.unit.streams import Pipe, Terminal


def test_progress_is_not_shown_in_pipes_or_with_json():
    err = Pipe()
    view = View("json", stdout=Pipe(), stderr=err)
    view.step((Column("A"),), "step")
    with view.meter("meter") as meter:
        meter.update(1)
    assert err.getvalue() == ""


def test_a_meter_escapes_hostile_texts():
    err = Terminal()
    with View("plain", stdout=Pipe(), stderr=err).meter("Sending [bold]\x1b]0;x") as meter:
        meter.update(1, total=2, detail="[/x]\n\x1b[31m.jpg")
        meter.update(2, total=2)
    assert "Sending [bold]" in err.getvalue()
    assert "\x1b[31m.jpg" not in err.getvalue()
    assert "\x1b]0;x" not in err.getvalue()


def test_a_meter_shows_rate_and_time_left_or_the_reason_of_a_stall():
    now = [100.0]
    console = Console(file=Terminal(), force_terminal=True, width=80, get_time=lambda: now[0])
    with bar(console, "Labelling") as meter:

        def shown() -> list[str]:
            copy = Console(file=io.StringIO(), width=80)
            with copy.capture() as captured:
                copy.print(meter)
            return captured.get().splitlines()

        meter.update(0, total=600)
        for done in (10, 20, 30):
            now[0] += 1
            meter.update(done, total=600)
        assert len(shown()) == 1
        assert "10.0/s, 57 s left" in shown()[0]
        reason = "12 photos waiting, no progress for 20 seconds. Latest error: status 429 \x1b[31m"
        meter.stall(reason)
        assert "left" not in shown()[0]
        assert "\\x1b[31m" in " ".join(shown()[1:])
        assert "12 photos waiting, no progress for 20 seconds." in shown()[1]
        now[0] += 20
        meter.update(40, total=600)
        assert len(shown()) == 1
        meter.update(600, total=600)
        assert "left" not in shown()[0]


def watch(columns, message="Uploading"):
    """A bar on a terminal of this width with 3 seconds of progress; returns it and a way to look."""
    now = [100.0]
    console = Console(file=Terminal(), force_terminal=True, width=columns, get_time=lambda: now[0])

    def shown(meter):
        copy = Console(file=io.StringIO(), width=columns)
        with copy.capture() as captured:
            copy.print(meter)
        return captured.get().splitlines()

    def run(meter, amounts, **more):
        for done in amounts:
            now[0] += 1
            meter.update(done, **more)

    return bar(console, message), shown, run


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_a_meter_is_one_line_in_every_window(columns):
    showing, shown, run = watch(columns, "Building the gallery")
    with showing as meter:
        run(meter, range(0, 4000, 1000), total=123_456, detail=f"holiday/{'x' * 80} 日本.jpg")
        [line] = shown(meter)
        assert len(line) <= columns
        assert ("1,000/s, 2 min left" in line) is (columns >= 60)
        assert ("━" in line) is (columns >= 80)
        assert ("holiday/xxx" in line) is (columns == 200)


def test_bytes_are_shown_in_their_units():
    showing, shown, run = watch(100)
    with showing as meter:
        run(meter, range(0, 40_000_000, 10_000_000), unit="bytes", detail="3 files  a.jpg")
        assert "30 MB  10 MB/s  " in shown(meter)[0]
        run(meter, [40_000_000], total=80_000_000, unit="bytes")
        assert "40 MB of 80 MB  10 MB/s, 4 s left" in shown(meter)[0]


def test_each_step_has_its_own_rate():
    showing, shown, run = watch(100, "Verifying")
    with showing as meter:
        meter.step("Listing the bucket")
        run(meter, range(0, 4000, 1000))
        assert "Listing the bucket  3,000  1,000/s" in shown(meter)[0]
        meter.step("Reading the table")
        run(meter, [0, 10, 20], total=3000)
        assert "10.0/s, 4 min left" in shown(meter)[0]
        meter.step("Reading the table")
        assert "20/3,000" in shown(meter)[0]
        run(meter, [0, 5], detail="again from the start")
        assert "  5.0/s" in shown(meter)[0]
