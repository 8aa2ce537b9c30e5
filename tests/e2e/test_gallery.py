"""A page to look through photos: made on disk, made again, cut off, sent as one file, and linked."""

from __future__ import annotations

import io
import os
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import User, data_of, deployed, until
from tests.e2e.pipeline import stop_the_function

Client = Callable[[str], Any]

HOSTILE = "../../x <script>alert(1)</script>.jpg"
NOT_A_PICTURE = "It is not a JPEG or PNG image, or it is damaged."


@pytest.fixture(scope="module")
def pictured(
    cloud: User, client: Client, photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[User]:
    """The user of a stack with some photos, one that failed and one with a hostile name."""
    folder = tmp_path_factory.mktemp("pictured")
    user = cloud.like(folder, LABELCTL_LOCAL="1", LABELCTL_STACK="t-gallery")
    with deployed(user) as user:
        bucket = user.outputs["PhotosBucket"]
        for key, source in (("holiday/me.png", "astronaut.png"), (HOSTILE, "rocket.jpg")):
            content = (photographs / source).read_bytes()
            client("s3").put_object(Bucket=bucket, Key=key, Body=content)
            user("labels", key, "--wait")
        client("s3").put_object(Bucket=bucket, Key="broken.jpg", Body=b"GIF89a")
        user("labels", "broken.jpg", "--wait", code=5)
        yield user


@pytest.fixture
def visitor(pictured: User, tmp_path: Path) -> User:
    """Somebody who looks at these photos, from an empty folder."""
    return pictured.like(tmp_path)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_gallery_is_made_and_made_again(visitor: User) -> None:
    result = visitor("gallery")

    assert result.out == "labelctl-gallery/index.html\n"
    assert result.err.startswith("Downloading 3 photos from S3 (")
    assert f'No picture of "broken.jpg": {NOT_A_PICTURE}' in result.err
    folder = visitor.folder / "labelctl-gallery"
    shown = data_of(folder / "index.html")
    photos = {each["image"]: each for each in shown["photos"]}
    assert photos.keys() == {"holiday/me.png", HOSTILE, "broken.jpg"}
    me = photos["holiday/me.png"]
    assert (me["status"], me["width"], me["height"]) == ("labelled", 512, 512)
    assert "Face" in {shown["labels"][number] for number, *_ in me["labels"]}
    for place, size in (("thumb", 400), ("full", 512)):
        with Image.open(folder / me[place]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (size, size))
    broken = photos["broken.jpg"]
    assert (broken["status"], broken["thumb"], broken["full"]) == ("failed", None, None)
    assert broken["reason"].startswith(NOT_A_PICTURE)
    assert "<script>alert" not in (folder / "index.html").read_text()
    assert all(re.fullmatch(r"(\w+/)?[.\w-]+", name) for name in files(visitor.folder / folder))

    again = visitor("gallery", "--output", "json").json
    assert again.pop("without_picture")[0]["image"] == "broken.jpg"
    assert again == {
        "path": "labelctl-gallery/index.html",
        "photos": 3,
        "labelled": 2,
        "failed": 1,
        "waiting": 0,
        "more": False,
        "fetched": 0,
        "fetched_bytes": 0,
        "removed": 0,
        "links_end_at": None,
    }
    table = visitor("gallery", "--output", "table", "--quiet")
    assert re.search(r"Photos +3 \(2 labelled, 1 failed\)", table.out)
    assert table.err == ""


def test_only_some_photos_are_shown(visitor: User) -> None:
    def shown(*options: str) -> tuple[list[str], Any]:
        visitor("gallery", "-o", "g", *options)
        result = data_of(visitor.folder / "g" / "index.html")
        return [each["image"] for each in result["photos"]], result

    assert shown("--prefix", "holiday/")[0] == ["holiday/me.png"]
    found, result = shown("--search", "FACE", "--search", "person")
    assert found == ["holiday/me.png"]
    assert result["query"] == "FACE, person"
    first, result = shown("--limit", "1")
    assert (first, result["more"]) == ([HOSTILE], 2)
    assert "labelctl stats" in visitor("gallery", "--search", "unicorn", code=3).err
    before = files(visitor.folder)
    nothing = visitor("gallery", "-o", "g", "--prefix", "nothing/")
    result = 'No photo has a key starting with "nothing/".\n'
    assert (nothing.out, nothing.err) == ("", result)
    assert files(visitor.folder) == before


def test_a_folder_with_other_things_is_left_alone(visitor: User) -> None:
    (visitor.folder / "mine").mkdir()
    (visitor.folder / "mine" / "index.html").write_text("mine")

    result = visitor("gallery", "-o", "mine", code=4)

    assert "is not empty and not a gallery" in result.err
    assert files(visitor.folder) == {"mine/index.html"}
    assert "--output json" in visitor("gallery", "-o", "json", code=2).err


def test_one_file_to_send(visitor: User) -> None:
    result = visitor("gallery", "--embed")

    assert result.out == "labelctl-gallery.html\n"
    assert files(visitor.folder) == {"labelctl-gallery.html"}
    html = (visitor.folder / "labelctl-gallery.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 4
    visitor("gallery", "--embed", "--prefix", "holiday/")  # takes its place
    assert len(data_of(visitor.folder / "labelctl-gallery.html")["photos"]) == 1
    (visitor.folder / "mine.html").write_text("mine")
    assert (
        "was not created by labelctl"
        in visitor("gallery", "--embed", "-o", "mine.html", code=4).err
    )
    assert "is a folder" in visitor("gallery", "--embed", "-o", ".", code=2).err


def test_originals_are_linked_for_a_while(visitor: User) -> None:
    result = visitor("gallery", "--presign", "2h", "--output", "json", "--verbose")

    assert "X-Amz" not in result.out + result.err
    assert result.json["links_end_at"]
    page = visitor.folder / "labelctl-gallery" / "index.html"
    photos = {each["image"]: each for each in data_of(page)["photos"]}
    link = photos["holiday/me.png"]["full"]
    assert "X-Amz-Expires=7200" in link
    assert "versionId=" in link
    with (
        urllib.request.urlopen(link) as answer,
        Image.open(io.BytesIO(answer.read())) as picture,
    ):
        assert (picture.format, picture.size) == ("PNG", (512, 512))
    [policy] = re.findall(r"img-src ([^;]*)", page.read_text())
    assert policy.split()[-1] == link[: link.index("/", 8)]
    assert photos[HOSTILE]["full"] is None  # browsers would make another address of it
    assert not list((page.parent / "photos").iterdir())
    assert "7 days" in visitor("gallery", "--presign", "8d", code=2).err


def test_links_that_end_with_the_credentials_are_warned_of(visitor: User, client: Client) -> None:
    theirs = visitor("local", "env", "-o", "json").json
    session = client("sts").get_session_token()["Credentials"]
    temporary = theirs | {
        "LABELCTL_LOCAL": "0",
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }

    result = visitor("gallery", "--presign", "1h", "--prefix", "broken", "--quiet", **temporary)

    assert result.err == "Your credentials are temporary. When they expire, the links do too.\n"


def test_it_is_opened_in_the_browser(visitor: User) -> None:
    programs = visitor.folder / "programs"
    programs.mkdir()
    opener = programs / "xdg-open"
    opener.write_text('#!/bin/sh\necho "$@" > opened\n')
    opener.chmod(0o755)

    visitor("gallery", "-o", "g", "--open", PATH=f"{programs}:{visitor.env['PATH']}")

    assert (visitor.folder / "opened").read_text() == f"{visitor.folder / 'g' / 'index.html'}\n"
    opener.write_text("#!/bin/sh\nexit 3\n")
    result = visitor("gallery", "-o", "g", "--open", PATH=f"{programs}:{visitor.env['PATH']}")
    assert "g/index.html" in result.err


COUNT = 16


def test_a_run_that_is_cut_off_goes_on(stack: User, client: Client) -> None:
    stop_the_function(stack, client)
    file = io.BytesIO()
    Image.radial_gradient("L").resize((2000, 2000)).convert("RGB").save(file, "PNG")
    for number in range(COUNT):
        client("s3").put_object(
            Bucket=stack.outputs["PhotosBucket"], Key=f"{number}.png", Body=file.getvalue()
        )
    for end in (signal.SIGKILL, signal.SIGINT):  # kill -9, and Ctrl-C
        folder = stack.folder / end.name

        def made(folder: Path = folder) -> int:
            return len(list(folder.glob("thumbs/*.jpg")))

        cut_off = stack.start("gallery", "-o", folder.name)
        until(lambda made=made: made() > 2)  # type: ignore[misc]
        os.killpg(cut_off.pid, end)
        _, err = cut_off.communicate(timeout=60)
        already = made()
        assert 2 < already < COUNT
        assert not (folder / "index.html").exists()
        if end is signal.SIGINT:
            assert cut_off.returncode == 130
            assert b"Run the same command to resume." in err

        result = stack("gallery", "-o", folder.name, "--output", "json").json

        assert (result["photos"], result["waiting"]) == (COUNT, COUNT)
        assert result["fetched"] == COUNT - already
        names = {f"{part}/{name}" for part in ("thumbs", "photos") for name in names_in(folder)}
        assert files(folder) == {*names, "index.html", ".labelctl-gallery"}


def names_in(folder: Path) -> set[str]:
    """The files that a page names."""
    return {Path(each["thumb"]).name for each in data_of(folder / "index.html")["photos"]}
