"""`labelctl gallery`: its messages, and that a typo never destroys a gallery."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from labelctl.cli.session import Session
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.command_world import Run, runner
from tests.unit.gallery_world import Gallery, files, jpeg


@pytest.fixture
def run(
    gallery: Gallery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command on the photos of `gallery`, in an empty folder."""
    run = runner(gallery.tables, monkeypatch, capsys)
    original = Session.of

    def session_of(context: object) -> Session:
        session = original(context)  # type: ignore[arg-type]
        session.__dict__.update(
            aws=SimpleNamespace(dynamodb=gallery.tables, s3=gallery.s3),
            stack=SimpleNamespace(
                table=PHOTOS, labels_table=LABELS, bucket=gallery.bucket, name="labelctl"
            ),
        )
        return session

    monkeypatch.setattr(Session, "of", session_of)
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def album(gallery: Gallery) -> Gallery:
    """A boat, a cat, and a rocket."""
    for name, colour in (("Boat", "blue"), ("Cat", "black"), ("Rocket", "red")):
        gallery.put(f"{name.lower()}.jpg", jpeg(colour=colour), {name: 90.0})
    return gallery


@pytest.mark.parametrize("name", ["g/index.html", "g.html"])
def test_a_page_replaces_a_planted_link(
    album: Gallery, run: Run, tmp_path: Path, name: str
) -> None:
    del album
    (tmp_path / "other").mkdir()
    embed = ("--embed",) if name == "g.html" else ()
    assert run("gallery", "-o", "other/index.html", "--embed").code == 0
    mine, page = tmp_path / "other" / "index.html", tmp_path / name
    before = mine.read_bytes()
    assert run("gallery", "-o", "g").code == 0
    page.unlink(missing_ok=True)
    page.symlink_to(mine)
    assert run("gallery", "-o", name.split("/")[0], "--limit", "1", *embed).code == 0
    assert mine.read_bytes() == before
    assert not page.is_symlink()


NOTHING = [
    ("--prefix typo", 'No photo has a key starting with "typo".\n'),
    ("--search cat --search rocket", "No photo shows Cat and Rocket.\n"),
    ("--search cat --prefix boat", 'No photo under "boat" shows Cat.\n'),
]


@pytest.mark.parametrize(("words", "message"), NOTHING)
def test_without_matching_photos_no_file_is_written(
    album: Gallery, run: Run, tmp_path: Path, words: str, message: str
) -> None:
    assert run("gallery", "-o", "g").code == 0
    assert run("gallery", "--embed", "-o", "g.html").code == 0
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    for place in ("-o g", "-o new", "--embed -o g.html", "--embed -o new.html"):
        result = run("gallery", *place.split(), *words.split(), "--open")
        assert (result.code, result.out, result.err) == (0, "", message)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    result = run("gallery", "-o", "g", *words.split(), "--output", "json")
    assert (result.json["photos"], result.json["path"], result.json["removed"]) == (0, None, 0)
    assert result.err == message


def test_an_empty_bucket_makes_no_gallery(gallery: Gallery, run: Run, tmp_path: Path) -> None:
    result = run("gallery")
    assert (result.code, result.out) == (0, "")
    assert result.err == "There are no photos yet. Next: labelctl upload PATH\n"
    assert files(tmp_path) == set()


def test_removed_pictures_of_other_photos_are_mentioned(album: Gallery, run: Run) -> None:
    run("gallery", "-o", "g")
    assert "removed" not in run("gallery", "-o", "g").err
    assert run("gallery", "-o", "g", "--limit", "2").err.splitlines() == [
        "1 picture of another photo removed. The folder only keeps what the page shows;"
        " use -o DIR for a second gallery.",
        "There are more photos: raise --limit.",
    ]
    run("gallery", "-o", "g")
    result = run("gallery", "-o", "g", "--search", "cat", "--output", "json")
    assert result.err == (
        "2 pictures of other photos removed. The folder only keeps what the page shows;"
        " use -o DIR for a second gallery.\n"
    )
    assert result.json["removed"] == 2


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("-o -", "A gallery cannot be written to stdout.", "a folder"),
        ("--embed -o -", "A gallery cannot be written to stdout.", "gallery.html"),
        ("--embed -o g9", '--embed writes one file, not "g9".', "a name ending in .html"),
        ("-o mine.txt", '"mine.txt" is a file, but a gallery is a folder.', "add --embed"),
        ("--embed -o .", '--embed writes one file, but "." is a folder.', "gallery.html"),
    ],
)
def test_an_unsuitable_target_is_refused(
    album: Gallery, run: Run, tmp_path: Path, words: str, message: str, hint: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = run("gallery", *words.split())
    first, second = result.err.splitlines()
    assert (result.code, result.out, first) == (2, "", f"Error: {message}")
    assert hint in second
    assert files(tmp_path) == {"mine.txt"}


def test_an_empty_target_is_refused(album: Gallery, run: Run, tmp_path: Path) -> None:
    assert run("gallery", "-o", "").code == 2
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("--search bot", "--search Boat"),
        ("--search cat --search bot", "--search cat --search Boat"),
        ("--search bot --prefix b", "--search Boat --prefix b"),
    ],
)
def test_a_misspelled_label_is_corrected_in_the_suggested_command(
    album: Gallery, run: Run, words: str, meant: str
) -> None:
    result = run("gallery", *words.split())
    assert result.code == 3
    assert result.err.splitlines()[1].endswith(f"Did you mean Boat? labelctl gallery {meant}")
