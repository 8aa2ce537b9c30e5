"""`labelctl rm`, as it is typed: what it asks and says, and how one that was cut off goes on."""

from __future__ import annotations

import io
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.cli import app
from labelctl.cli.options import options_of
from labelctl.cli.output import View
from labelctl.cli.session import Session
from labelctl.operations import cleanup
from labelctl.operations.dead_letters import lease
from tests.unit.command_world import Said
from tests.unit.queue_world import body, put, visible


@pytest.fixture
def rm(
    s3: Any,
    sqs: Any,
    bucket: str,
    queue: str,
    dead: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """Runs `labelctl rm WORD…`, for a user who gives an `answer` to what it asks, if any."""
    stack = SimpleNamespace(bucket=bucket, queue=queue, dead_letters=dead)

    def session(context: Any) -> Session:
        made = Session(options_of(context))
        made.__dict__.update(aws=SimpleNamespace(s3=s3, sqs=sqs), stack=stack)
        return made

    monkeypatch.setattr(Session, "of", session)

    def run(*words: str, answer: str = "") -> Said:
        monkeypatch.setattr(View, "can_ask", lambda view: bool(answer))
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        capsys.readouterr()
        code = app.run(["rm", *words])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def photos(s3: Any, bucket: str) -> Any:
    def stored(*keys: str) -> None:
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    return stored


# ---- what is asked and said


def test_one_photo_is_one(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    gone = rm("a.jpg", answer="y\n")
    assert gone.rows == [["removed", "a.jpg"]]
    assert gone.err == (
        "a.jpg\n"
        "Remove 1 photo and its labels (S3 keeps it for 7 days)? [y/N] "
        "1 photo removed, and with it what is stored of it. S3 keeps it for 7 days.\n"
    )


def test_several_are_several(rm: Any, photos: Any) -> None:
    photos("a.jpg", "b.jpg")
    assert rm("a.jpg", "b.jpg", answer="y\n").err == (
        "a.jpg\nb.jpg\n"
        "Remove 2 photos and their labels (S3 keeps them for 7 days)? [y/N] "
        "2 photos removed, and with them what is stored of them. "
        "S3 keeps the removed photos for 7 days.\n"
    )


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (["d/a"], '1 photo whose key begins with "d/" and its labels (S3 keeps it for 7 days)?'),
        (
            ["d/a", "d/b"],
            '2 photos whose keys begin with "d/" and their labels (S3 keeps them for 7 days)?',
        ),
    ],
)
def test_under_a_prefix(rm: Any, photos: Any, keys: list[str], asked: str) -> None:
    photos(*keys)
    assert f"Remove {asked} [y/N] " in rm("--prefix", "d/", answer="y\n").err


def test_for_good_nothing_is_kept(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    told = rm("a.jpg", "--for-good", answer="y\n").err
    assert "Remove 1 photo and its labels (for good)? [y/N] " in told
    assert told.endswith("1 photo removed, and with it what is stored of it.\n")


@pytest.mark.parametrize("words", [["a.jpg", "--prefix", "d/"], [], ["--prefix", ""]])
def test_keys_or_a_prefix_are_to_be_given(rm: Any, photos: Any, s3: Any, words: list[str]) -> None:
    photos("a.jpg", "d/a.jpg")
    assert rm(*words, "--yes").code == 2
    assert s3.list_objects_v2(Bucket="photos")["KeyCount"] == 2


def test_one_that_is_named_twice_is_one(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    assert rm("a.jpg", "a.jpg", "--yes").rows == [["removed", "a.jpg"]]


# ---- dead letters


@pytest.mark.parametrize("answer", ["n\n", "\n", "what?\n"])
def test_nothing_goes_without_a_yes(
    rm: Any, photos: Any, s3: Any, bucket: str, sqs: Any, dead: str, answer: str
) -> None:
    photos("a.jpg")
    put(sqs, dead, body("a.jpg"))
    put(sqs, dead, body("gone.jpg"))
    assert rm("a.jpg", "gone.jpg", answer=answer).code == 4
    assert s3.head_object(Bucket=bucket, Key="a.jpg")
    assert visible(sqs, dead) == 2


@pytest.mark.parametrize("yes", [["--yes"], []])
def test_what_was_cut_off_goes_on_under_a_prefix(
    rm: Any, photos: Any, s3: Any, sqs: Any, dead: str, yes: list[str]
) -> None:
    """The photos are gone by then, and the alarm is to end. There is nothing to be asked about."""
    photos("d/a.jpg", "d/b.jpg")
    for key in ("d/a.jpg", "d/b.jpg", "e.jpg"):
        put(sqs, dead, body(key))

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    cut = s3.meta.events.register("before-call.s3.HeadObject", interrupt, "cut")
    assert rm("--prefix", "d/", "--yes").code == 130
    s3.meta.events.unregister("before-call.s3.HeadObject", cut, "cut")
    assert visible(sqs, dead) == 3

    again = rm("--prefix", "d/", *yes)

    assert (again.code, again.out) == (0, "")
    assert again.err == (
        'There is no photo whose key begins with "d/".\n'
        "2 dead letters cleared: their photos are gone.\n"
    )
    assert visible(sqs, dead) == 1
    assert rm("--prefix", "d/", *yes).err == 'There is no photo whose key begins with "d/".\n'


@pytest.mark.parametrize("yes", [["--yes"], []])
def test_what_was_cut_off_goes_on_with_keys(rm: Any, sqs: Any, dead: str, yes: list[str]) -> None:
    """They are not found any more, as always; nor are their dead letters, then."""
    put(sqs, dead, body("a.jpg"))
    put(sqs, dead, body("b.jpg"))
    again = rm("a.jpg", *yes)
    assert (again.code, again.out) == (3, "")
    assert again.err == (
        "1 dead letter cleared: its photo is gone.\n"
        'Error: There is no photo "a.jpg" in the bucket.\n'
        "What is stored of one that is gone is removed by `labelctl verify --repair`.\n"
    )
    assert visible(sqs, dead) == 1
    assert rm("a.jpg", *yes).err.startswith("Error: There is no photo")


def test_a_photo_that_is_there_keeps_its_dead_letter(
    rm: Any, photos: Any, sqs: Any, dead: str
) -> None:
    photos("x/a.jpg", "b.jpg")
    put(sqs, dead, body("x/a.jpg"))
    assert rm("b.jpg", "a.jpg", "--yes").code == 3
    assert visible(sqs, dead) == 1


def test_what_could_not_be_looked_at_is_told(
    rm: Any, photos: Any, sqs: Any, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        put(sqs, dead, body(f"{number}.jpg"))
    photos("a.jpg", "b.jpg")
    sqs.receive_message(QueueUrl=dead)
    gone = rm("a.jpg", "--yes")
    assert gone.code == 0
    assert gone.err.startswith("1 dead letter is in use by another command")
    monkeypatch.setattr(cleanup, "lease", partial(lease, limit=3))
    gone = rm("b.jpg", "--yes")
    assert gone.err.startswith("There are more dead letters than can be read at once")
    assert gone.err.endswith("S3 keeps it for 7 days.\n")
