"""Progress bars on terminals: rate, time left, stalls and hostile texts."""

from __future__ import annotations

import io

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
        assert "10.0/s, 57 seconds left" in shown()[0]
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
