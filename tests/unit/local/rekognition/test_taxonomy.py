"""labels.txt: every ImageNet class is assigned to the right labels."""

from __future__ import annotations

from collections import Counter

import pytest

from labelctl.local.rekognition import taxonomy
from labelctl.local.rekognition.taxonomy import LabelInfo, imagenet_labels, label_info

BY_NAME = {label.name: (label, classes) for label, classes in imagenet_labels().items()}


def test_every_class_is_listed() -> None:
    assert {index for entry in taxonomy._ENTRIES for index in entry.classes} == set(range(1000))


def test_no_two_labels_share_a_name() -> None:
    names = Counter(entry.name for entry in taxonomy._ENTRIES if entry.name != "-")
    assert [name for name, count in names.items() if count > 1] == []
    assert len(BY_NAME) == len(imagenet_labels())


def test_every_label_has_a_category() -> None:
    assert [m.name for m in imagenet_labels() if not m.categories[0]] == []


def test_a_label_counts_all_classes_below_it() -> None:
    assert BY_NAME["Cat"][1] == set(range(281, 286))
    assert BY_NAME["Dog"][1] == set(range(151, 269))
    assert BY_NAME["Bird"][1] == {*range(7, 25), *range(80, 101), *range(127, 147)}
    for label, classes in imagenet_labels().items():
        for parent in label.parents:
            assert classes <= BY_NAME.get(parent, (None, frozenset()))[1], (label.name, parent)


def test_a_class_is_a_label_with_the_parents_of_its_group() -> None:
    label, classes = BY_NAME["Siamese Cat"]
    assert classes == {284}
    assert label == LabelInfo(
        "Siamese Cat", ("Animal", "Cat", "Mammal", "Pet"), ("Animals and Pets",)
    )


def test_a_class_in_brackets_is_not_a_label() -> None:
    """A network that knows thirteen fish labels every fish as one of them."""
    assert 0 in BY_NAME["Fish"][1]
    assert "Tench" not in BY_NAME


def test_a_class_may_belong_to_two_labels() -> None:
    """An espresso is also a cup."""
    assert 967 in BY_NAME["Espresso"][1] & BY_NAME["Coffee"][1] & BY_NAME["Cup"][1]


def test_classes_for_textures_are_not_labels() -> None:
    assert not {111, 916, 971} & set().union(*imagenet_labels().values())


@pytest.mark.parametrize(("name", "parents"), [("kite", ("Toy",)), ("mouse", ...), ("crane", ())])
def test_a_detectors_names_are_not_confused_with_imagenets_classes(
    name: str, parents: object
) -> None:
    """COCO's kite is a toy, and its mouse belongs to a computer; ImageNet's kite is a bird."""
    found = label_info(name)
    assert "Animal" not in found.parents
    assert parents is ... or found.parents == parents
