"""Every command that finds or shows photos, asked about one album, in each output form.

The album has the demo's photographs and painted ones; `tests.e2e.answers` finds the right answers by
reading everything. One album serves all tests: none of them changes it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.e2e import answers
from tests.e2e.album import CUT, NO_PICTURE, PAINTED, Album, made
from tests.e2e.answers import Entry, Hit, Question
from tests.e2e.conftest import User, data_of, deployed


@pytest.fixture(scope="module")
def asked(
    cloud: User,
    client: Callable[[str], Any],
    photographs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Album]:
    folder = tmp_path_factory.mktemp("album")
    user = cloud.like(folder, LABELCTL_LOCAL="1", LABELCTL_STACK="t-album")
    with deployed(user) as user:
        yield made(user, client, photographs)


# ---- search

QUESTIONS = {
    "one label": Question(("gray",)),
    "two labels": Question(("SILVER", "person")),
    "an alias": Question(("human",), prefix="sea/"),
    "any of some": Question(("person", "teal", "red"), any_label=True),
    "a category": Question(categories=("person description",)),
    "none of some": Question(("gray",), without=("silver", "black"), min_confidence=55.28),
    "the most confident few": Question(("silver",), limit=7),
    "the newest few": Question(("silver",), prefix="hills/", sort="newest", limit=4),
    "all at once": Question(
        ("gray", "black"),
        any_label=True,
        without=("face",),
        categories=("Colors and Visual Composition",),
        min_confidence=55.24,
        prefix="hills/",
        sort="newest",
    ),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_search_tells_programs(asked: Album, question: Question) -> None:
    right = answers.find(asked.entries, question)
    assert 1 < len(right) < PAINTED
    assert len(right) > question.limit or question.limit == 1000

    lines = asked(*question.words(), "-o", "json").out.splitlines()
    *answer, summary = [json.loads(line) for line in lines]

    found = {
        each["image"]: Hit(
            each["uploaded_at"],
            each["confidence"],
            {label["name"]: label["confidence"] for label in each["labels"]},
        )
        for each in answer
    }
    assert len(found) == len(answer) == min(len(right), question.limit)
    more = len(right) > question.limit
    assert summary == {"kind": "summary", "photos": len(answer), "more": more}
    assert found == {image: right.get(image) for image in found}
    assert ranks(question, found) == sorted(ranks(question, right), reverse=True)[: question.limit]


def ranks(question: Question, hits: dict[str, Hit]) -> list[Any]:
    """What photos are ordered by: those that are alike come in any order."""
    return [
        hit.confidence if question.sort == "confidence" else hit.uploaded_at
        for hit in hits.values()
    ]


def test_search_tells_pipes_and_people(asked: Album) -> None:
    question = Question(("gray", "silver"), prefix="hills/", limit=100)
    right = {
        image: (hit.uploaded_at, *(f"{hit.labels[name]:.1f}" for name in ("Gray", "Silver")))
        for image, hit in answers.find(asked.entries, question).items()
    }

    rows = asked(*question.words()).rows
    table = asked(*question.words(), "-o", "table").out.splitlines()
    head, _, *lines = [line for line in table if line.strip()]

    images = [row[0] for row in rows]
    assert sorted(images) == sorted(right)
    assert head.split() == ["Photo", "Uploaded", *("Label", "Confidence") * 2]
    for image, row, line in zip(images, rows, lines, strict=True):
        at, gray, silver = right[image]
        assert row == [image, at, "Gray", gray, "Silver", silver]
        day = f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M}"
        found = ["Gray", gray, "%", "Silver", silver, "%"]
        assert line.split() == [image, *day.split(), *found]


# ---- images


COLORS = "Colors and Visual Composition"


def listed(entry: Entry) -> dict[str, Any]:
    """A photo as `images` tells of it."""
    labelled = entry.status == "labelled"
    parents = {name for row in entry.labels for name in row["parents"]}
    specific = [row for row in entry.labels if row["name"] not in parents]
    subjects = [row for row in specific if COLORS not in row["categories"]]
    return {
        "image": entry.image,
        "status": entry.status,
        "label_count": len(entry.labels) if labelled else None,
        "top": [row["name"] for row in (subjects or specific)[:3]],
        "reason": entry.item.get("reason"),
        "at": entry.at,
    }


@pytest.mark.parametrize(
    ("status", "prefix"),
    [("", ""), ("labelled", ""), ("failed", ""), ("waiting", ""), ("labelled", "sea/")],
)
def test_images_tells_programs(asked: Album, status: str, prefix: str) -> None:
    right = [listed(entry) for entry in asked.some(prefix, status)]
    options = [*(["--status", status] if status else []), "--prefix", prefix, "--limit", "1000"]

    answer = asked("images", *options, "-o", "json").json

    if status in ("labelled", "failed") and not prefix:  # the latest first, not by their names
        times = [each["at"] for each in answer["images"]]
        assert times == sorted(times, reverse=True)
        answer["images"].sort(key=lambda each: each["image"].encode())
    assert answer == {"images": right, "more": False}


def test_images_tells_pipes_and_people(asked: Album) -> None:
    right = [listed(entry) for entry in asked.entries]

    rows = asked("images").rows
    table = asked("images", "--limit", "1000", "-o", "table")

    cells = [
        (
            each["status"],
            each["image"],
            each["label_count"],
            each["reason"] or ", ".join(each["top"]),
        )
        for each in right
    ]
    assert rows == [
        [status, image, each["at"], "" if count is None else str(count), top]
        for each, (status, image, count, top) in zip(right[:100], cells, strict=False)
    ]
    for each, (status, image, count, top) in zip(right, cells, strict=True):
        time = f"{datetime.fromisoformat(each['at']):%Y-%m-%d %H:%M}"
        words = [status, image, time, "" if count is None else str(count), top]
        line = r"\s+".join(re.escape(word) for word in words if word)
        assert re.search(rf"^\s*{line}\s*$", table.out, re.MULTILINE), words


# ---- stats


@pytest.mark.parametrize("prefix", ["", "hills/"])
def test_stats_counts_for_programs(asked: Album, prefix: str) -> None:
    answer = asked("stats", "--prefix", prefix, "-o", "json").json

    reasons = {each["error"]: each.pop("reason") for each in answer["failures"]}
    assert answer == answers.counts(asked.some(prefix))
    failed = asked.some(prefix, "failed")
    assert {(entry.item["error"], entry.item["reason"]) for entry in failed} >= {*reasons.items()}


def test_stats_counts_for_pipes_and_people(asked: Album) -> None:
    right = answers.counts(asked.entries)

    rows = asked("stats").rows
    table = asked("stats", "-o", "table").out

    lines = {("photos", state, count) for state, count in right["photos"].items() if state != "all"}
    for kind, key in (("label", "labels"), ("category", "categories")):
        lines |= {(kind, each["name"], each["photos"]) for each in right[key]}
    lines |= {("day", each["day"], each["photos"]) for each in right["days"]}
    lines |= {("failure", each["error"], each["photos"]) for each in right["failures"]}
    lines |= {
        ("confidence", f"{each['from']}-{each['to']}", each["labels"])
        for each in right["confidence"]
    }
    assert {(kind, what, int(count)) for kind, what, count, *_ in rows} == lines
    assert len(rows) == len(lines)

    every, labelled = right["photos"]["all"], right["photos"]["labelled"]
    assert f"{every} photos" in table
    shares = [(state, right["photos"][state], every) for state in ("labelled", "failed", "waiting")]
    for key in ("labels", "categories"):  # a section shows the 15 commonest
        shares += [(each["name"], each["photos"], labelled) for each in right[key][:15]]
    for what, count, total in shares:
        line = rf"^\s*{what}\s+{count}\s+{100 * count / total:.1f} %\s+\S+\s*$"
        assert re.search(line, table, re.MULTILINE), (what, count)


# ---- export


def test_export_for_programs(asked: Album, tmp_path: Path) -> None:
    right = answers.records(asked.entries)
    path = tmp_path / "labels.jsonl"

    said = asked("export", "-o", path, "--output", "json").json

    answer = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert {(each["image"], each["label"]): each for each in answer} == right
    assert len(answer) == len(right)
    photos = [image for image, _ in groupby(answer, key=lambda each: each["image"])]
    assert len(photos) == len({*photos}) == len(asked.some(status="labelled"))
    for _, labels in groupby(answer, key=lambda each: each["image"]):
        sure = [each["confidence"] for each in labels]
        assert sure == sorted(sure, reverse=True)
    assert said == {
        "file": str(path),
        "format": "jsonl",
        "labels": len(right),
        "photos": len(photos),
        "bytes": path.stat().st_size,
    }


def test_export_for_pipes(asked: Album) -> None:
    right = answers.records(asked.entries, "hills/", 55.5)

    said = asked("export", "--prefix", "hills/", "--min-confidence", "55.5")

    answer = [*csv.DictReader(io.StringIO(said.out))]

    assert 0 < len(right) < len(answers.records(asked.entries, "hills/"))
    assert {(each["image"], each["label"]): each for each in answer} == {
        key: {
            name: "; ".join(value) if name in ("categories", "parents", "aliases") else str(value)
            for name, value in {**record, "boxes": json.dumps(record["boxes"])}.items()
        }
        for key, record in right.items()
    }


def test_export_for_people(asked: Album, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    right = answers.records(asked.entries)
    path = tmp_path / "labels.parquet"

    said = asked("export", "-o", path, "--output", "table")

    answer = parquet.read_table(path).to_pylist()
    assert {(each["image"], each["label"]): each for each in answer} == {
        key: record
        | {name: datetime.fromisoformat(record[name]) for name in ("uploaded_at", "labelled_at")}
        for key, record in right.items()
    }
    assert len(answer) == len(right)
    labelled = len(asked.some(status="labelled"))
    assert f'{len(right)} labels of {labelled} photos in "{path}"' in said.err


# ---- show


@pytest.mark.parametrize("mode", ["table", "plain", "json"])
def test_show_draws_the_labels(asked: Album, tmp_path: Path, mode: str) -> None:
    entry = next(entry for entry in asked.some("sea/") if "Face" in entry.sure())
    path = tmp_path / "drawn.png"

    said = asked("show", entry.image, "-o", path, "--output", mode)

    with Image.open(path) as drawn:
        answer = {"image": entry.image, "status": "labelled", "file": str(path)}
        if mode == "json":
            assert said.json == {**answer, "width": drawn.width, "height": drawn.height}
        elif mode == "plain":
            assert said.out == f"{path}\n"
        else:
            assert {entry.image, str(path), f"{drawn.width:,}"} <= {*said.out.split()}
        plain = asked.uploaded(entry)
        scale = drawn.width / plain.width
        plain = plain.resize((drawn.width, round(plain.height * scale)))
        changed = ImageChops.difference(drawn.convert("RGB").crop((0, 0, *plain.size)), plain)
    boxes = [box for row in entry.labels for box in row["boxes"]]
    assert boxes
    for box in boxes:  # the left edge of each has another colour now
        x = round(float(box["left"]) * plain.width)
        y = round(float(box["top"] + box["height"] / 2) * plain.height)
        assert strongest(changed.crop((x - 3, y - 1, x + 4, y + 2))) > 60, box


def strongest(difference: Image.Image) -> int:
    """How far the two are apart where they are most, of 255."""
    return max(high for _, high in ImageStat.Stat(difference).extrema)


# ---- gallery


def shown(page: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A page's photos by their names, with their labels by name; and all that it says."""
    answer = data_of(page)
    photos = {each["image"]: each for each in answer["photos"]}
    for each in photos.values():
        each["labels"] = [
            (answer["labels"][number], confidence, boxes)
            for number, confidence, boxes, *_ in each["labels"]
        ]
    return photos, answer


@pytest.fixture(scope="module")
def gallery(asked: Album) -> tuple[Path, Any]:
    """A gallery of all photos: its folder, and its JSON output."""
    folder = asked.user.folder.parent / "gallery"
    return folder, asked("gallery", "-o", folder, "--output", "json").json


def test_gallery_is_made(asked: Album, gallery: tuple[Path, Any]) -> None:
    folder, answer = gallery
    states = {state: len(asked.some(status=state)) for state in ("labelled", "failed", "waiting")}

    again = asked("gallery", "-o", folder, "--output", "plain")
    table = asked("gallery", "-o", folder, "--output", "table")

    right = {"path": f"{folder}/index.html", "photos": len(asked.entries), "more": False, **states}
    assert {name: answer[name] for name in right} == right
    assert {each["image"] for each in answer["without_picture"]} == {NO_PICTURE, CUT}
    assert again.out == f"{folder}/index.html\n"
    sums = ", ".join(f"{states[state]} {state}" for state in states)
    assert f"{len(asked.entries)} ({sums})" in table.out


def test_gallery_shows_everything(asked: Album, gallery: tuple[Path, Any]) -> None:
    folder, _ = gallery
    photos, answer = shown(folder / "index.html")

    assert [*photos] == [entry.image for entry in asked.entries]
    assert {row["name"]: row["categories"] for entry in asked.entries for row in entry.labels} == {
        name: [answer["categories"][number] for number in some]
        for name, some in zip(answer["labels"], answer["label_categories"], strict=True)
    }
    for entry in asked.entries:
        photo = photos[entry.image]
        assert photo["status"] == entry.status
        assert photo["reason"] == entry.item.get("reason")
        assert photo["labels"] == [tile_label(row) for row in entry.labels]
        if entry.image in (NO_PICTURE, CUT):
            assert (photo["thumb"], photo["full"]) == (None, None)
            continue
        original = asked.uploaded(entry)
        assert (photo["width"], photo["height"]) == original.size
        assert_same(folder / photo["full"], original)
        original.thumbnail((400, 400))
        assert_same(folder / photo["thumb"], original)


def assert_same(path: Path, right: Image.Image) -> None:
    """The file has this picture, as far as a JPEG has."""
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("JPEG", right.size)
        difference = ImageChops.difference(picture.resize((8, 8)), right.resize((8, 8)))
    assert strongest(difference) < 6, path


def tile_label(row: answers.Row) -> tuple[str, float, list[list[float]]]:
    sides = ("left", "top", "width", "height")
    boxes = [[round(float(box[side]), 4) for side in sides] for box in row["boxes"]]
    return row["name"], round(float(row["confidence"]), 2), boxes


def test_gallery_of_what_a_search_finds_in_one_file(asked: Album, tmp_path: Path) -> None:
    right = answers.find(asked.entries, Question(("person", "silver"), prefix="hills/"))
    page = tmp_path / "people.html"
    words = ("--search", "person", "--search", "silver", "--prefix", "hills/", "--embed")

    said = asked("gallery", "-o", page, *words, "--output", "json").json

    photos, answer = shown(page)
    assert photos.keys() == right.keys()
    assert answer["query"] == "person, silver"
    assert said["photos"] == said["labelled"] == len(right)
    assert page.read_text("utf-8").count("data:image/jpeg;base64,") == 2 * len(right)
