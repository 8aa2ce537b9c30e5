"""Photos are found by what is on them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import LABELCTL, User, until

Photo = Callable[..., Path]


def labelled(user: User, *images: str) -> dict[str, dict[str, float]]:
    """The labels that each photo got, by lower-case names."""
    answer = user("upload", ".", "--wait", "-o", "json").json["photos"]
    found = {
        photo["image"]: {each["name"].lower(): each["confidence"] for each in photo["labels"]}
        for photo in answer
    }
    assert found.keys() == {*images}
    return found


def lines(text: str) -> list[Any]:
    *photos, summary = [json.loads(line) for line in text.splitlines()]
    assert summary == {"kind": "summary", "photos": len(photos), "more": False}
    assert {photo.pop("kind") for photo in photos} <= {"photo"}
    return photos


def on_a_terminal(user: User, *arguments: str) -> str:
    """What a command shows on a terminal, errors and all."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [LABELCTL, *arguments],
        env=user.env | {"TERM": "dumb", "TZ": "UTC"},
        cwd=user.folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other side is closed, as Linux tells it
        pass
    os.close(ours)
    assert done.stderr
    with done.stderr:
        errors = done.stderr.read()
    assert done.wait(60) == 0, errors
    return shown.decode().replace("\r\n", "\n")


def test_photos_are_found_by_their_labels(stack: User, photo: Photo) -> None:
    photo("people/me.png", "astronaut.png")
    photo("people/again.png", "astronaut.png")
    photo("rocket.jpg")
    photo("cat.png", "chelsea.png")
    labels = labelled(stack, "people/me.png", "people/again.png", "rocket.jpg", "cat.png")

    # one label, in any case, confidence first
    person = stack("search", "PERSON", "-o", "json")
    assert {each["image"] for each in lines(person.out)} == {"people/me.png", "people/again.png"}
    common = {image: found["gray"] for image, found in labels.items() if "gray" in found}
    assert len(common) > 1
    answer = lines(stack("search", "gray", "-o", "json").out)
    assert [each["image"] for each in answer] == sorted(common, key=lambda i: -common[i])
    assert [each["confidence"] for each in answer] == sorted(common.values(), reverse=True)
    assert answer[0].keys() == {"image", "uploaded_at", "confidence", "labels"}

    # what makes no sense is said
    refused = stack("search", "person", "--not", "PERSON", code=2)
    assert refused.err.startswith("Error: Person is both required and excluded.")

    # all of some, any of some, none of some
    assert stack("search", "person", "gray").rows == []
    either = {row[0] for row in stack("search", "person", "--any", "gray").rows}
    assert either == {"people/me.png", "people/again.png", *common}
    half = stack("search", "persn", "--any", "gray")
    assert "Did you mean Person? labelctl search Person gray --any --local" in half.err
    assert stack("search", "face", "--not", "person").rows == []
    assert {row[0] for row in stack("search", "gray", "--not", "person").rows} == {*common}

    # by a category, under a prefix, above a confidence, newest first, so many
    category = "Colors and visual composition"
    assert {row[0] for row in stack("search", "--category", category).rows} >= {*common}
    assert {row[0] for row in stack("search", "face", "--prefix", "people/a").rows} == {
        "people/again.png"
    }
    best = max(common.values())
    sure = stack("search", "gray", "--min-confidence", f"{best}")
    assert [row[0] for row in sure.rows] == [answer[0]["image"]]
    newest = [row[1] for row in stack("search", "gray", "--sort", "newest").rows]
    assert newest == sorted(newest, reverse=True)
    one = stack("search", "person", "--limit", "1", "--verbose")
    assert len(one.rows) == 1
    assert "More results: raise --limit." in one.err
    assert "Read: 3 requests, read units unknown." in one.err

    # as people and programs see it
    confidence = f"{labels['people/me.png']['face']:.1f}"
    [[image, _, name, sure_of]] = stack("search", "face", "--prefix", "people/m").rows
    assert [image, name, sure_of] == ["people/me.png", "Face", confidence]
    table = on_a_terminal(stack, "search", "face", "--prefix", "people/m").splitlines()
    titles, _, row = (line.split() for line in table if line.strip())
    assert titles == ["Photo", "Uploaded", "Label", "Confidence"]
    assert [row[0], *row[3:]] == ["people/me.png", "Face", confidence, "%"]

    # a photo that is removed is found no more, and its label still is a word
    stack("rm", "people/me.png", "people/again.png", "--yes")
    until(lambda: stack("search", "face").out == "")
    gone = stack("search", "face")
    assert "No photo shows Face." in gone.err


def test_what_is_unknown_is_asked_about(stack: User, photo: Photo) -> None:
    photo("me.png", "astronaut.png")
    labelled(stack, "me.png")

    wrong = stack("search", "prson", "--not", "car", code=3)
    assert 'No photo has the label "prson".' in wrong.err
    assert "labelctl search Person --not car --local" in wrong.err
    answer = json.loads(stack("search", "prson", "-o", "json", code=3).err)["error"]
    assert answer["kind"] == "label_not_found"
    category = stack("search", "--category", "person", code=3)
    assert "Did you mean Person Description?" in category.err

    excluded = stack("search", "person", "--not", "unicorn")
    assert [row[0] for row in excluded.rows] == ["me.png"]
    assert 'No photo has the label "unicorn"' in excluded.err
    assert "Nothing to search for." in stack("search", "--not", "person", code=2).err
