"""`labelctl rm`: its questions and messages, and how it resumes after an interrupt."""

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
    """Runs `labelctl rm`. A user gives the `answer` to its question, if any."""
    stack = SimpleNamespace(bucket=bucket, queue=queue, dead_letter_queue=dead)

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


# ---- questions and messages


def test_one_photo(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    gone = rm("a.jpg", answer="y\n")
    assert gone.rows == [["removed", "a.jpg"]]
    assert gone.err == (
        "a.jpg\n"
        "Remove 1 photo and its labels (S3 keeps the photo for 7 days)? [y/N] "
        "1 photo removed with its labels. S3 keeps the photo for 7 days.\n"
    )


def test_several_photos(rm: Any, photos: Any) -> None:
    photos("a.jpg", "b.jpg")
    assert rm("a.jpg", "b.jpg", answer="y\n").err == (
        "a.jpg\nb.jpg\n"
        "Remove 2 photos and their labels (S3 keeps the photos for 7 days)? [y/N] "
        "2 photos removed with their labels. S3 keeps the photos for 7 days.\n"
    )


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (
            ["d/a"],
            '1 photo whose key starts with "d/" and its labels (S3 keeps the photo for 7 days)?',
        ),
        (
            ["d/a", "d/b"],
            '2 photos whose keys start with "d/" and their labels (S3 keeps the photos for 7 days)?',
        ),
    ],
)
def test_under_a_prefix(rm: Any, photos: Any, keys: list[str], asked: str) -> None:
    photos(*keys)
    assert f"Remove {asked} [y/N] " in rm("--prefix", "d/", answer="y\n").err


def test_many_photos_are_counted_on_a_terminal_and_listed_in_a_pipe(rm: Any, photos: Any) -> None:
    photos(*(f"d/{number:02}" for number in range(13)))
    gone = rm("--prefix", "d/", "--yes", "-o", "table")
    lines = [line.split() for line in gone.out.splitlines()]
    assert lines == [["removed", f"d/{number:02}"] for number in range(10)]
    assert gone.err.startswith("and 3 more\n13 photos removed with their labels.")
    photos(*(f"d/{number:02}" for number in range(13)))
    assert len(rm("--prefix", "d/", "--yes").rows) == 13


def test_for_good_removes_permanently(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    err = rm("a.jpg", "--for-good", answer="y\n").err
    assert "Remove 1 photo and its labels (permanently)? [y/N] " in err
    assert err.endswith("1 photo removed with its labels.\n")


@pytest.mark.parametrize("words", [["a.jpg", "--prefix", "d/"], [], ["--prefix", ""]])
def test_either_keys_or_a_prefix_is_required(
    rm: Any, photos: Any, s3: Any, words: list[str]
) -> None:
    photos("a.jpg", "d/a.jpg")
    assert rm(*words, "--yes").code == 2
    assert s3.list_objects_v2(Bucket="photos")["KeyCount"] == 2


def test_a_key_that_is_named_twice_counts_once(rm: Any, photos: Any) -> None:
    photos("a.jpg")
    assert rm("a.jpg", "a.jpg", "--yes").rows == [["removed", "a.jpg"]]


# ---- dead letters


@pytest.mark.parametrize("answer", ["n\n", "\n", "what?\n"])
def test_nothing_is_removed_without_a_yes(
    rm: Any, photos: Any, s3: Any, bucket: str, sqs: Any, dead: str, answer: str
) -> None:
    photos("a.jpg")
    put(sqs, dead, body("a.jpg"))
    put(sqs, dead, body("gone.jpg"))
    assert rm("a.jpg", "gone.jpg", answer=answer).code == 4
    assert s3.head_object(Bucket=bucket, Key="a.jpg")
    assert visible(sqs, dead) == 2


@pytest.mark.parametrize("yes", [["--yes"], []])
def test_an_interrupted_removal_under_a_prefix_resumes(
    rm: Any, photos: Any, s3: Any, sqs: Any, dead: str, yes: list[str]
) -> None:
    """The photos are already gone, so there is no question, but their dead letters remain."""
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
        'No photo has a key starting with "d/".\n2 dead letters of removed photos deleted.\n'
    )
    assert visible(sqs, dead) == 1
    assert rm("--prefix", "d/", *yes).err == 'No photo has a key starting with "d/".\n'


@pytest.mark.parametrize("yes", [["--yes"], []])
def test_an_interrupted_removal_of_keys_resumes(
    rm: Any, sqs: Any, dead: str, yes: list[str]
) -> None:
    """The key is not found, as for any missing photo, but its dead letter is deleted."""
    put(sqs, dead, body("a.jpg"))
    put(sqs, dead, body("b.jpg"))
    again = rm("a.jpg", *yes)
    assert (again.code, again.out) == (3, "")
    note, error, hint = again.err.splitlines()
    assert note == "1 dead letter of a removed photo deleted."
    assert error == 'Error: There is no photo "a.jpg" in the bucket.'
    assert "labelctl verify --repair" in hint
    assert visible(sqs, dead) == 1
    assert rm("a.jpg", *yes).err.startswith("Error: There is no photo")


def test_an_existing_photo_keeps_its_dead_letter(rm: Any, photos: Any, sqs: Any, dead: str) -> None:
    photos("x/a.jpg", "b.jpg")
    put(sqs, dead, body("x/a.jpg"))
    assert rm("b.jpg", "a.jpg", "--yes").code == 3
    assert visible(sqs, dead) == 1


def test_dead_letters_that_could_not_be_read_are_mentioned(
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
    assert gone.err.endswith("S3 keeps the photo for 7 days.\n")
