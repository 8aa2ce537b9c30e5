"""How the labels of a photo are printed: as a table, or as one line among many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelctl.cli.tables import Cell, Column, Items, Table, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelctl.cli.tables import AnyCell
    from labelctl.labels.results import Label, Photo

LABEL_COLUMNS = (
    Column("Label", style="bold"),
    Column("Confidence", right=True),
    Column("Categories"),
    Column("Parents"),
    Column("Boxes", right=True),
)
PHOTO_LABEL_COLUMNS = (Column("Photo", in_title=True), *LABEL_COLUMNS)
"""The same for several photos."""

STYLES = {
    "labelled": "green",
    "uploaded": "green",
    "new": "green",
    "replaced": "yellow",
    "changed": "yellow",
    "waiting": "yellow",
    "skipped": "yellow",
    "unchanged": "dim",
    "removed": "dim",
    "superseded": "dim",
    "failed": "red",
}
"""The colour of a photo's or a file's state, the same in all commands."""


def state(name: str) -> Cell:
    """A state in its colour."""
    return Cell(name, STYLES[name])


def labels_table(photo: Photo, min_confidence: float = 0, *, with_name: bool = False) -> Table:
    """The labels of one photo. `with_name` puts the photo's key first in each plain line."""
    rows: list[list[AnyCell]] = [
        [
            *([photo.image] if with_name else []),
            label.name,
            percent(label.confidence, _shade(label)),
            ", ".join(label.categories),
            ", ".join(label.parents),
            number(len(label.boxes)) if label.boxes else Cell("", plain="0"),
        ]
        for label in photo.labels
    ]
    above = f" with at least {min_confidence:g} % confidence" if min_confidence else ""
    return Table(
        columns=PHOTO_LABEL_COLUMNS if with_name else LABEL_COLUMNS,
        rows=rows,
        title=photo.image,
        empty=f'"{photo.image}" has no labels{above}.' if photo.status == "labelled" else "",
    )


def _shade(label: Label) -> str:
    return "green" if label.confidence >= 90 else "yellow" if label.confidence >= 70 else "dim"


def summary(photo: Photo, most: int | None = None, *, parents: bool = False) -> Cell | Items:
    """The photo's most specific labels such as "Cat 93 %", at most `most`; or why it has none."""
    if photo.status == "failed":
        return Cell(photo.reason or "", "red")
    return Items(list(_texts(photo, parents))[:most] or ["no labels"])


def _texts(photo: Photo, parents: bool) -> Iterator[str]:
    for label in photo.specific_labels:
        above = f" ({', '.join(label.parents)})" if parents and label.parents else ""
        yield f"{label.name} {label.confidence:.0f} %{above}"
