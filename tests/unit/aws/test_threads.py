"""A thread pool ends with its block; Ctrl-C does not wait for it."""

from __future__ import annotations

from threading import Event

import pytest

from labelctl.aws.threads import pool


def test_all_work_is_done_at_the_end_of_the_block():
    with pool(2, "x") as threads:
        done = [threads.submit(str, number) for number in range(20)]
    assert [each.result() for each in done] == [str(number) for number in range(20)]


@pytest.mark.parametrize("end", [KeyboardInterrupt, GeneratorExit, ValueError])
def test_pending_work_is_cancelled(end):
    go, begun = Event(), Event()

    def work():
        begun.set()
        assert go.wait(10)

    def run():
        with pool(1, "x") as threads:
            waiting.extend([threads.submit(work), threads.submit(work)])
            assert begun.wait(10)
            if end is not KeyboardInterrupt:  # Ctrl-C must not wait
                go.set()
            raise end

    waiting = []
    with pytest.raises(end):
        run()
    assert waiting[0].done() == (end is not KeyboardInterrupt)
    go.set()
    waiting[0].result(10)
    assert waiting[1].cancelled() or end is not KeyboardInterrupt
