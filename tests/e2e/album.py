"""Photos to ask about: the demo's, painted ones, a few that failed, and one that waits."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

from labelctl.cli.commands.demo import PHOTOGRAPHS
from tests.browser.scenes import paint
from tests.e2e import answers
from tests.e2e.answers import Entry
from tests.e2e.conftest import Answer, User, until
from tests.e2e.pipeline import stop_the_function

PAINTED = 26
SCALE = 0.2  # of the painter's 900 x 600: small, so that the recogniser is quick
VIVID = ("red", "blue", "green", "orange", "purple", "gold")
NO_PICTURE, CUT, SMALL = "broken/a [b].jpg", "broken/cut.jpg", "broken/small.png"
WAITS = "waits.jpg"
WIDE = {"COLUMNS": "220", "TZ": "UTC"}


@dataclass(frozen=True)
class Album:
    """Somebody's stack with the photos, and what bucket and table have of them."""

    user: User
    entries: tuple[Entry, ...]

    def __call__(self, *words: str | Path, code: int = 0) -> Answer:
        """Run a command."""
        return self.user(*words, code=code, **WIDE)

    def some(self, prefix: str = "", status: str = "") -> list[Entry]:
        return [
            entry
            for entry in self.entries
            if entry.image.startswith(prefix) and status in ("", entry.status)
        ]

    def uploaded(self, entry: Entry) -> Image.Image:
        """The picture that lies in the bucket, in a screen's colours."""
        with Image.open(self.user.folder / entry.image) as image:
            if not (profile := image.info.get("icc_profile")):
                return image.convert("RGB")
            own, srgb = ImageCms.getOpenProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, own, srgb) or image


def made(user: User, client: Callable[[str], Any], photographs: Path) -> Album:
    """The album, in the user's stack, and in their folder what lies in the bucket.

    One photo was replaced and one removed, whose first labels must be found nowhere.
    """
    outputs = user.outputs
    s3, dynamodb = client("s3"), client("dynamodb")
    bucket, table = outputs["PhotosBucket"], outputs["Table"]

    def put(image: str, content: bytes) -> str:
        path = user.folder / image
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        etag: str = s3.put_object(Bucket=bucket, Key=image, Body=content)["ETag"]
        return etag.strip('"')

    (user.folder / "demo").mkdir()
    for name in PHOTOGRAPHS:
        shutil.copy(photographs / name, user.folder / "demo")
    with Image.open(photographs / "astronaut.png") as astronaut:
        _paint(user.folder, astronaut.convert("RGB").crop((140, 0, 340, 230)).resize((90, 104)))
    user("upload", ".", "--wait", "--quiet")
    removed, replaced, *_ = sorted(
        f"hills/{path.name}" for path in (user.folder / "hills").iterdir()
    )
    rocket = (photographs / "rocket.jpg").read_bytes()
    sent = {
        replaced: put(replaced, rocket),
        NO_PICTURE: put(NO_PICTURE, b"GIF89a"),
        CUT: put(CUT, rocket[:3000]),
        SMALL: put(SMALL, _png(40, 40)),
    }
    s3.delete_object(Bucket=bucket, Key=removed)

    def stored(image: str) -> dict[str, Any]:
        key = {"image": {"S": image}}
        found = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
        return {name: value.get("S") for name, value in found.items()}

    until(lambda: all(stored(image).get("etag") == etag for image, etag in sent.items()), 60)
    until(lambda: stored(removed)["status"] == "removed", 60)
    stop_the_function(user, client)
    put(WAITS, rocket)
    return Album(user, tuple(answers.look(s3, dynamodb, bucket, table)))


def _paint(folder: Path, somebody: Image.Image) -> None:
    """Landscapes, one in five through coloured glass, and somebody in front of some."""
    for number in range(PAINTED):
        scene = paint(number, SCALE)
        place = folder / ("sea" if "Sea" in scene.boxes else "hills")
        place.mkdir(exist_ok=True)
        picture = scene.image
        if number % 5 == 2:
            glass = Image.new("RGB", picture.size, VIVID[number // 5 % len(VIVID)])
            picture = Image.blend(picture, glass, 0.75)
        if number % 6 == 3:
            picture.paste(somebody, (10, picture.height - somebody.height))
        picture.save(place / f"{scene.hour.lower()}-{number:03}.jpg", quality=90)


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()
