"""The output and exit codes of `labelctl verify`."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.session import Session
from labelctl.operations.verify import verify
from tests.fakes.photos import LABELS
from tests.unit.verify_world import NOW, STACK, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two labelled photos and one failed photo."""
    world = World()
    for key in ("a.jpg", "b/b c.jpg"):
        world.label(world.put(key), {"Dog": 98.1, "Cat": 91.0})
    world.fail(world.put("bad.jpg"))

    def session(context: Any) -> Session:
        made = Session(options_of(context))
        made.__dict__.update(aws=world, stack=STACK)
        return made

    monkeypatch.setattr(Session, "of", session)
    timed = partial(verify.verify, clock=lambda: world.now, sleep=world.sleep)
    monkeypatch.setattr(verify, "verify", timed)
    return world


@pytest.fixture
def run(world, capsys):
    """Runs `labelctl verify`; returns exit code, stdout and stderr."""

    def ran(*words: str) -> tuple[int, str, str]:
        return app.run(["verify", *words]), *capsys.readouterr()

    return ran


@pytest.fixture
def damaged(world: World) -> World:
    """One photo of each kind of problem."""
    world.put("missing.jpg")
    world.label(world.put("stale.jpg"))
    world.put("stale.jpg", "another picture")
    world.label(world.put("orphaned.jpg"))
    world.remove("orphaned.jpg")
    event = world.put("dead.jpg")
    world.record_failure(event, "AccessDeniedException", "Rekognition may not read the photo.")
    [item] = [item for item in world.index() if (item["image"], item["label"]) == ("a.jpg", "dog")]
    world.dynamodb.drop(LABELS, item["label"], item["rank"])
    world.dynamodb.put(
        LABELS, {**item, "rank": item["rank"][:-16] + "0" * 16, "image": "b/b c.jpg"}
    )
    return world


PROBLEMS = {
    "dead.jpg": "dead_letter",
    "missing.jpg": "missing",
    "orphaned.jpg": "orphaned",
    "stale.jpg": "stale",
}


# ---- messages


def test_no_problems(run):
    assert run() == (0, "", "3 photos: 2 labelled, 1 failed. No problems found.\n")
    assert run("--index")[2] == "3 photos: 2 labelled, 1 failed. No problems found.\n"
    assert run("--quiet") == (0, "", "")


def test_problems_are_listed_and_counted_and_the_exit_code_is_5(damaged, run):
    code, out, err = run()
    assert code == 5
    assert sorted(line.split("\t") for line in out.splitlines()) == [
        [
            "dead_letter",
            "dead.jpg",
            "Dead letter. AccessDeniedException: Rekognition may not read the photo.",
        ],
        ["missing", "missing.jpg", "It has had no result for 11 hours."],
        ["orphaned", "orphaned.jpg", "The photo was removed, but its result is still stored."],
        ["stale", "stale.jpg", "Its result is of another version than the one in the bucket."],
    ]
    assert err == (
        "6 photos: 2 labelled, 1 failed.\n"
        "Error: Problems: 1 missing, 1 dead-lettered, 1 stale, 1 orphaned.\n"
        "Repair them: labelctl verify --repair\n"
    )


def test_with_index_the_index_is_checked_too(damaged, run):
    code, out, err = run("--index", "--prefix", "b/", "--overdue", "9")
    assert code == 5
    assert out == "unused\tb/b c.jpg\tThe index has 1 item of an earlier result.\n"
    assert err == (
        "1 photo: 1 labelled, 0 failed.\n"
        "Error: Problems: 1 with unused index items.\n"
        "Repair them: labelctl verify --prefix b/ --index --overdue 9 --repair\n"
    )
    code, out, err = run("--index", "--prefix", "a")
    assert out == "unindexed\ta.jpg\tA search misses it for 1 of its 2 labels.\n"
    assert "Problems: 1 not in the index.\n" in err


def test_a_repair_prints_what_it_did_and_how_to_check_it(damaged, run):
    damaged.put("young.jpg", at=NOW)
    code, out, err = run("--repair", "--index")
    assert code == 0
    assert len(out.splitlines()) == 6
    assert err == (
        "7 photos: 2 labelled, 1 failed, 1 waiting.\n"
        "6 problems repaired, or queued for repair. Check again when the queue is empty:\n"
        "$ labelctl verify --index\n"
    )
    assert len(damaged.requests()) == 4


def test_waiting_photos_are_counted(world, run):
    world.put("young.jpg", at=NOW - timedelta(seconds=10))
    world.label(world.put("gone.jpg"))
    world.remove("gone.jpg", at=NOW)
    assert run() == (
        0,
        "",
        "4 photos: 2 labelled, 1 failed, 1 waiting. No problems found.\n"
        "The results of 1 deleted photo have not been removed yet.\n"
        "Check again when the queue is empty: waiting photos may turn out to be missing.\n",
    )


def test_photos_that_wait_while_dead_letters_cannot_be_read(world, run):
    """The waiting photos may be among those dead letters."""
    world.put("young.jpg", at=NOW)
    world.record_failure(world.put("x.jpg"))
    world.sqs.take("dead")
    world.label(world.put("x.jpg"))
    code, _, err = run("--prefix", "young")
    assert code == 5
    assert "1 dead letter is in use by another command" in err
    assert err.endswith(
        "Error: Waiting photos may be dead letters, not all of which could be read.\n"
        "Check again in a few minutes: labelctl verify --prefix young\n"
    )


def test_a_prefix_without_photos(run):
    assert run("--prefix", "typo/") == (0, "", 'No photo has a key starting with "typo/".\n')


def test_a_prefix_with_only_an_orphaned_result(damaged, run):
    code, _, err = run("--prefix", "orphaned.")
    assert code == 5
    assert err.startswith("0 photos: 0 labelled, 0 failed.\nError: Problems: 1 orphaned.\n")


# ---- formats


def test_json_has_a_line_per_problem_and_a_summary(damaged, run):
    code, out, _ = run("-o", "json")
    assert code == 5
    *findings, summary = map(json.loads, out.splitlines())
    assert {each["image"]: each["kind"] for each in findings} == PROBLEMS
    assert all(each.keys() == {"kind", "image", "detail", "repaired"} for each in findings)
    assert not any(each["repaired"] for each in findings)
    assert summary == {
        "kind": "summary",
        "photos": 6,
        "labelled": 2,
        "failed": 1,
        "waiting": 0,
        "removals": 0,
        "problems": {"missing": 1, "dead_letter": 1, "stale": 1, "orphaned": 1},
        "repaired": 0,
    }
    code, out, _ = run("-o", "json", "--repair")
    *findings, summary = map(json.loads, out.splitlines())
    assert (code, summary["repaired"]) == (0, 4)
    assert all(each["repaired"] for each in findings)


def test_a_table_has_aligned_columns_and_escaped_keys(world, run):
    world.put("odd\x1b[31m.jpg")
    world.put("missing.jpg")
    code, out, _ = run("-o", "table")
    lines = sorted(out.splitlines())
    assert code == 5
    assert lines[0].split(maxsplit=2) == [
        "missing",
        "missing.jpg",
        "It has had no result for 11 hours.",
    ]
    assert r"odd\x1b[31m.jpg" in lines[1]
    assert len({line.index("It has") for line in lines}) == 1


# ---- early exits


def test_an_interrupted_check(world, run):
    def interrupted():
        raise KeyboardInterrupt

    world.before["Scan"] = interrupted
    assert run() == (130, "", "Interrupted. Run the same command to start over.\n")
    assert run("--repair")[2] == (
        "Interrupted. Run the same command to start over."
        " A few more photos than shown may be queued, which is harmless.\n"
    )


@pytest.mark.parametrize(("hours", "code"), [("nan", 2), ("-1", 2), ("0", 0), ("inf", 0)])
def test_overdue_is_a_number_of_hours(run, hours, code):
    assert run("--overdue", hours)[0] == code
