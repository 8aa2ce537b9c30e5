"""What `labelctl verify` says of the numbers, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from labelctl import cli, verify
from labelctl.options import options_of
from labelctl.session import Session
from labelctl.verify import Progress, Summary

WELL = Summary(
    photos=6,
    labelled=6,
    failed=0,
    waiting=0,
    cleanups=0,
    late=0,
    unclear=0,
    lost=0,
    messages=None,
    amiss={},
    repaired=0,
    units=1.0,
)
WAITING = replace(WELL, labelled=3, waiting=3, messages=4)
AGAIN = "What waits cannot be told from what is lost yet: check again in some minutes.\n"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs `labelctl verify`, the numbers being these; returns exit code, stdout, stderr."""

    def session(context):
        made = Session(options_of(context))
        made.__dict__.update(aws=None, stack=SimpleNamespace(alarm_age=43200))
        return made

    monkeypatch.setattr(Session, "of", session)

    def ran(summary, *words, progress=()):
        asked = []

        def steps(aws, stack, **more):
            asked.append(more)
            if summary is None:
                raise KeyboardInterrupt
            yield from progress
            yield summary

        monkeypatch.setattr(verify, "verify", steps)
        code = cli.run(["verify", *words])
        ran.asked = asked
        return code, *capsys.readouterr()

    return ran


def test_all_is_well(run):
    told = "6 photos: 6 labelled, 0 failed. Nothing is amiss.\n"
    assert run(WELL) == (0, "", told)
    assert run.asked == [{"prefix": "", "overdue": None, "repair": False}]


def test_while_something_waits_nobody_says_that_nothing_is_amiss(run):
    told = "6 photos: 3 labelled, 0 failed, 3 waiting. Nothing is known to be amiss; 3 wait.\n"
    assert run(WAITING) == (0, "", told + AGAIN)
    code, _, err = run(replace(WELL, cleanups=1, messages=1))
    assert code == 0
    assert "Nothing is known to be amiss; 1 waits.\nWhat is left of 1 photo may go with" in err


def test_what_is_lost_for_sure_ends_with_5_and_tells_how_to_queue_it(run):
    code, _, err = run(replace(WAITING, lost=2, messages=1), "--prefix", "a b/", "--overdue", "9")
    assert code == 5
    assert err == (
        "6 photos: 3 labelled, 0 failed, 3 waiting.\n"
        "Error: At least 2 of the 3 that wait are lost: the queue holds 1 message.\n"
        "Queue all that wait once more, for at most a call each: "
        "labelctl verify --prefix 'a b/' --overdue 0 --repair\n"
    )


LATE = replace(WAITING, cleanups=1, late=2, messages=4)


def test_what_waits_for_very_long_is_told_and_how_to_see_it(run):
    told = (
        "6 photos: 3 labelled, 0 failed, 3 waiting. Nothing is known to be amiss; 4 wait.\n"
        f"What is left of 1 photo may go with the queue.\n{AGAIN}"
        "2 of the 4 have waited for over 12 hours: the queue may be that long, with 4 messages."
        " To be told which:\n"
        "$ labelctl verify --prefix a/ --overdue 12\n"
    )
    assert run(LATE, "--prefix", "a/") == (0, "", told)
    assert json.loads(run(LATE, "-o", "json")[1])["late"] == 2
    assert "1 of the 4 has waited" in run(replace(LATE, late=1))[2]
    assert run(LATE, "--quiet") == (0, "", "")


def test_where_the_late_explain_what_is_lost_only_they_are_to_be_queued(run):
    code, _, err = run(replace(LATE, messages=2, lost=2))
    assert code == 5
    assert err.endswith(
        "Error: At least 2 of the 4 that wait are lost: the queue holds 2 messages.\n"
        "Queue those that wait for over 12 hours once more, for at most a call each:"
        " labelctl verify --repair\n"
    )
    err = run(replace(LATE, messages=1, lost=3))[2]
    assert (
        "Queue all that wait once more, for at most a call each: labelctl verify --overdue 0" in err
    )


def test_what_is_lost_is_told_beside_what_is_amiss_and_though_that_is_queued(run):
    both = replace(WAITING, labelled=2, lost=1, messages=2, amiss={"missing": 1})
    code, _, err = run(both)
    assert code == 5
    assert "Error: Amiss: 1 missing. At least 1 of the 3 that wait is lost" in err
    code, _, err = run(replace(both, repaired=1), "--repair")
    assert code == 5
    assert "Error: At least 1 of the 3 that wait is lost" in err


def test_what_nobody_knows_is_not_called_waiting(run):
    code, _, err = run(replace(WELL, labelled=4, unclear=2, messages=1))
    assert code == 5
    assert "Nothing is" not in err
    assert "Error: 2 photos may wait or have been given up: not all dead letters could be" in err


def test_json_has_the_numbers(run):
    code, out, _ = run(replace(WAITING, lost=2, messages=1), "-o", "json")
    told = json.loads(out)
    assert code == 5
    assert (told["waiting"], told["lost"], told["messages"], told["unclear"]) == (3, 2, 1, 0)
    assert "units" not in told


def test_it_says_once_why_it_stands_still(run):
    pauses = [Progress("looking again", 0, 3, left) for left in (121, 120, 119)]
    told = "3 photos may be too young to be sure of: looking at them again in 2 minutes"
    assert run(WELL, progress=pauses)[2].splitlines() == [
        f"{told} (--overdue 0 does not wait).",
        "6 photos: 6 labelled, 0 failed. Nothing is amiss.",
    ]
    assert "look" not in run(WELL, progress=[Progress("Looking closer", 0, 3)])[2]


def test_what_the_table_took_is_told_where_it_is_known(run):
    told = "Reading the table took 1.0 read units."
    assert told in run(WELL, "--verbose")[2]
    assert "read units" not in run(replace(WELL, units=None), "--verbose")[2]
    assert told not in run(WELL)[2]


def test_a_prefix_that_no_key_begins_with(run):
    nobody = replace(WELL, photos=0, labelled=0)
    told = 'There is no photo whose key begins with "typo/".\n'
    assert run(nobody, "--prefix", "typo/") == (0, "", told)
    assert "0 photos" in run(nobody)[2]
    left = replace(nobody, amiss={"orphaned": 1})
    assert "Error: Amiss: 1 orphaned." in run(left, "--prefix", "gone/")[2]


@pytest.mark.parametrize(("hours", "code"), [("nan", 2), ("-1", 2), ("0", 0), ("inf", 0)])
def test_overdue_is_a_number_of_hours(run, hours, code):
    assert run(WELL, "--overdue", hours)[0] == code


def test_an_interrupted_one_claims_nothing_that_is_not_so(run):
    assert run(None, "--repair")[2].endswith(
        "Interrupted. Nothing is left half done."
        " A few more may be queued than are told above, which does no harm.\n"
    )
