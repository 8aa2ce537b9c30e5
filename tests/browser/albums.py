"""An album in the page's data format: painted scenes as files, with their labels."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from labelctl.render.drawing import palette
from tests.browser.scenes import Box, paint

KINDS = {
    "Outdoors": "Nature and Outdoors",
    "Nature": "Nature and Outdoors",
    "Sky": "Nature and Outdoors",
    "Sun": "Nature and Outdoors",
    "Moon": "Nature and Outdoors",
    "Sea": "Nature and Outdoors",
    "Tree": "Plants and Flowers",
    "House": "Buildings and Architecture",
    "Boat": "Vehicles and Automotive",
    "Balloon": "Vehicles and Automotive",
    "Transportation": "Vehicles and Automotive",
    "Dawn": "Nature and Outdoors",
    "Day": "Nature and Outdoors",
    "Sunset": "Nature and Outdoors",
    "Night": "Nature and Outdoors",
}
BEGUN = datetime(2026, 5, 1, 8, tzinfo=UTC)


class Names(list[str]):
    """Names by position, as the page's data refers to them."""

    def of(self, name: str) -> int:
        if name not in self:
            self.append(name)
        return self.index(name)


def album(
    photos: list[dict[str, Any]], *, kinds: dict[str, str] | None = None, **result: Any
) -> dict[str, Any]:
    """The page's data: `photos` with their labels by name, as `photo` makes them."""
    labels, categories = Names(), Names()
    kinds = KINDS | (kinds or {})
    numbered = [
        {
            **photo,
            "labels": [
                [labels.of(name), sure, boxes, *([colors[name]] if boxes else [])]
                for name, sure, boxes in photo["labels"]
            ],
        }
        for photo in photos
        for colors in [palette.assign([name for name, _, boxes in photo["labels"] if boxes])]
    ]
    return {
        "title": "labelctl",
        "stack": "labelctl",
        "made_at": "2026-11-23T07:28:00+00:00",
        "query": None,
        "prefix": None,
        "more": 0,
        "labels": [*labels],
        "label_categories": [
            [categories.of(kinds[name])] if name in kinds else [] for name in labels
        ],
        "categories": [*categories],
        "palette": palette.css_colors(),
        "photos": numbered,
        **result,
    }


def photo(
    image: str,
    labels: list[tuple[str, float, list[Box]]] | None = None,
    *,
    status: str = "labelled",
    reason: str | None = None,
    thumb: str | None = None,
    full: str | None = None,
    size: tuple[int, int] = (900, 600),
    at: datetime | None = BEGUN,
    taken: str | None = None,
) -> dict[str, Any]:
    """One photo of an album, its labels by name."""
    return {
        "image": image,
        "status": status,
        "reason": reason,
        "at": at.isoformat() if at else None,
        "taken": taken,
        "thumb": thumb,
        "full": full,
        "width": size[0],
        "height": size[1],
        "labels": sorted(labels or [], key=lambda label: -label[1]),
    }


def painted(folder: Path, count: int, scale: float = 1) -> list[dict[str, Any]]:
    """`count` painted photos with files in `folder`; every 50th failed, every 70th is waiting.

    With a scale of 1 they have about 900 x 600 pixels.
    """
    for name in ("thumbs", "photos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [_painted(folder, number, scale) for number in range(count)]


def _painted(folder: Path, number: int, scale: float) -> dict[str, Any]:
    scene = paint(number, scale)
    chance = random.Random(-number)
    place = "sea" if "Sea" in scene.boxes else "hills"
    image = f"{place}/{scene.hour.lower()}-{number:03}.jpg"
    at = BEGUN + timedelta(hours=7 * number)
    if number % 50 == 30:
        reason = "The file is not an image that Rekognition can read."
        broken = image.replace(".jpg", ".heic")
        return photo(broken, status="failed", reason=reason, at=at)
    thumb, full = f"thumbs/{number:03}.jpg", f"photos/{number:03}.jpg"
    scene.image.save(folder / full, quality=88)
    small = scene.image.copy()
    small.thumbnail((round(400 * scale), round(400 * scale)))
    small.save(folder / thumb, quality=82)
    size = scene.image.size
    if number % 70 == 9:
        return photo(image, status="waiting", thumb=thumb, full=full, size=size, at=None)
    sure = {name: round(chance.uniform(58, 99.9), 1) for name in ("Nature", "Sky", scene.hour)}
    seen = [
        (name, round(chance.uniform(60, 99.5), 1), boxes) for name, boxes in scene.boxes.items()
    ]
    whole = [(name, each, list[Box]()) for name, each in sure.items()]
    carried = [box for name in ("Boat", "Balloon") for box in scene.boxes.get(name, [])]
    if carried:
        whole.append(("Transportation", round(chance.uniform(60, 90), 1), carried))
    whole.append(("Outdoors", round(chance.uniform(90, 99.9), 1), []))
    return photo(image, whole + seen, thumb=thumb, full=full, size=size, at=at)


def has(painted: list[dict[str, Any]], *labels: str, least: float = 0) -> list[str]:
    """The names of the photos with all these labels, as the page should show them."""
    return [
        each["image"]
        for each in painted
        if set(labels) <= {name for name, sure, _ in each["labels"] if sure >= least}
    ]
