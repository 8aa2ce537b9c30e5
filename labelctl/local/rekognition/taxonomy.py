"""Rekognition's labels for the names that detectors use, with parents, categories and aliases.

The labels are listed in labels.txt, which explains its format. A detector's name is looked up there
(`label_info`); an unknown name is kept in title case, without parents or categories. ImageNet's classes
are looked up by index (`imagenet_labels`), as their names are ambiguous: "crane" is the name of two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COLOR_NAMES = (
    "Black", "Blue", "Gold", "Gray", "Green", "Maroon", "Orange",
    "Purple", "Red", "Silver", "Teal", "Turquoise", "White", "Yellow",
)  # fmt: skip
"""The colours that are labels of Rekognition; each is a CSS colour of the same name."""

_CLASS = re.compile(r"([\d ]+) (.+)")


@dataclass(frozen=True)
class LabelInfo:
    """A label of Rekognition; `parents` are all its ancestors, in alphabetical order."""

    name: str
    parents: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass
class _Entry:
    """A label in labels.txt, with its direct parents and the ImageNet classes listed below it."""

    name: str
    parents: tuple[str, ...]
    category: str
    aliases: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    classes: tuple[int, ...] = ()
    is_class: bool = False


def label_info(name: str) -> LabelInfo:
    """The label for a detector's or model's `name`, ignoring case and underscores.

    ImageNet's classes are not found by name, unless a label has the same name.
    """
    plain = " ".join(name.replace("_", " ").split())
    known = _BY_MODEL_NAME.get(plain.lower())
    return known or LabelInfo(plain.title() if plain.islower() else plain)


def color_label(name: str) -> LabelInfo:
    """The label of a colour in `COLOR_NAMES`; "Orange" is the colour, not the fruit."""
    return LabelInfo(name, categories=("Colors and Visual Composition",))


@cache
def imagenet_labels() -> Mapping[LabelInfo, frozenset[int]]:
    """Every label with ImageNet classes, and the indices of all classes below it."""
    found: dict[LabelInfo, set[int]] = {}
    for entry in _ENTRIES:
        own = [_label(entry)] if entry.classes and entry.name != "-" else []
        for label in (*own, *(_BY_NAME[name] for name in _ancestors(entry) if entry.classes)):
            found.setdefault(label, set()).update(entry.classes)
    return {label: frozenset(classes) for label, classes in found.items()}


def _read(lines: list[str]) -> Iterator[_Entry]:
    above = _Entry("-", (), "")
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            name, parents, category, aliases, others, *_ = (
                cell.strip() for cell in (line + "||||").split("|")
            )
            above = _Entry(name, _split(parents), category, _split(aliases), _split(others))
            yield above
            continue
        match = _CLASS.fullmatch(line.strip())
        assert match, line
        classes = tuple(map(int, match[1].split()))
        if match[2].startswith("("):
            above.classes += classes
        else:
            parent = () if above.name == "-" else (above.name,)
            yield _Entry(match[2], parent, above.category, classes=classes, is_class=True)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(",") if part.strip())


def _ancestors(entry: _Entry) -> set[str]:
    direct = [_LINES[name] for name in entry.parents]
    return set(entry.parents).union(*map(_ancestors, direct))


def _label(entry: _Entry) -> LabelInfo:
    parents = tuple(sorted(_ancestors(entry)))
    return LabelInfo(entry.name, parents, (entry.category,), entry.aliases)


_TEXT = Path(__file__).with_name("labels.txt").read_text(encoding="utf-8")
_ENTRIES = list(_read(_TEXT.splitlines()))
_LINES = {entry.name: entry for entry in _ENTRIES if not entry.is_class and entry.name != "-"}
_BY_NAME = {name: _label(entry) for name, entry in _LINES.items()}
_BY_MODEL_NAME = {
    called.lower(): _BY_NAME[name]
    for name, entry in _LINES.items()
    for called in (name, *entry.other_names)
}

PERSON, HEAD, FACE, QR_CODE = (_BY_NAME[n] for n in ("Person", "Head", "Face", "QR Code"))
