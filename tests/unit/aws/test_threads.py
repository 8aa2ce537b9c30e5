"""A thread pool ends with its block; Ctrl-C does not wait for it."""

from __future__ import annotations

from threading import Event, Lock

import pytest

from labelctl.aws.threads import Budget, pool


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


def test_a_budget_is_never_exceeded_and_more_than_all_of_it_is_all():
    budget, used, most = Budget(10), [0], [0]
    lock = Lock()

    def work(amount):
        with budget.taken(amount):
            with lock:
                used[0] += min(amount, 10)
                most.append(used[0])
            with lock:
                used[0] -= min(amount, 10)

    with pool(8, "x") as threads:
        done = [threads.submit(work, amount) for amount in (4, 3, 25, 7, 1, 0) * 50]
    assert all(each.exception() is None for each in done)
    assert max(most) == 10


def test_a_budget_waits_until_enough_is_given_back():
    budget, begun = Budget(10), Event()

    def work():
        with budget.taken(5):
            begun.set()

    with pool(1, "x") as threads:
        with budget.taken(6):
            threads.submit(work)
            assert not begun.wait(0.05)
        assert begun.wait(10)
