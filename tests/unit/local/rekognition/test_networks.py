"""The findings of the pretrained networks in photographs, and how they are merged."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labelctl.errors import LocalCloudError
from labelctl.local.rekognition.merge import merge
from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.pretrained import Pretrained, prepare
from labelctl.local.rekognition.protocol import to_labels
from labelctl.local.rekognition.recogniser import Recogniser, model_version
from labelctl.local.rekognition.taxonomy import FACE, HEAD, PERSON, label_info
from tests.unit.recogniser_world import encode, photo

Labels = Callable[..., dict[str, dict[str, Any]]]
LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 0.5, 1)
HEAD_IN_LEFT, HEAD_IN_RIGHT = Box(0.2, 0.1, 0.1, 0.1), Box(0.7, 0.1, 0.1, 0.1)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return prepare(tmp_path_factory.mktemp("models"))[0]


@pytest.fixture(scope="module")
def classifier(networks: Pretrained) -> Labels:
    """An installation without the extra `detector`."""
    return detect_labels_with(Pretrained(networks.classifier))


@pytest.fixture(scope="module")
def both(networks: Pretrained) -> Labels:
    """An installation with the extra `detector`."""
    return detect_labels_with(networks)


def detect_labels_with(networks: Pretrained) -> Labels:
    """A function that returns the labels of DetectLabels with these networks, by name, in order."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in networks.variables().items():
            patch.setenv(name, value)
        recogniser = Recogniser()

    def labels(picture: bytes, min_confidence: float = 55) -> dict[str, dict[str, Any]]:
        found = to_labels(recogniser.detect(picture).findings, min_confidence)
        confidences = [each["Confidence"] for each in found]
        assert confidences == sorted(confidences, reverse=True)
        return {label["Name"]: label for label in found}

    return labels


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coffee.png", {"Coffee", "Cup", "Beverage"}),
        ("chelsea.png", {"Cat", "Pet", "Mammal", "Animal"}),
        ("astronaut.png", {"Person", "Head", "Face"}),
    ],
)
def test_the_demos_photos_are_recognised(classifier: Labels, name: str, expected: set[str]) -> None:
    found = classifier(photo(name))
    assert expected <= set(list(found)[:5])


def test_the_network_is_built_correctly(classifier: Labels) -> None:
    """With the padding on the other side, the results would be similar but not equal."""
    assert classifier(photo("chelsea.png"))["Cat"]["Confidence"] == pytest.approx(93.1, abs=0.7)


@pytest.mark.parametrize("name", ["brick.png", "moon.png", "page.png", "gravel.png", "color.png"])
def test_textures_and_texts_only_get_colour_labels(classifier: Labels, name: str) -> None:
    categories = [label["Categories"] for label in classifier(photo(name)).values()]
    assert all(each == [{"Name": "Colors and Visual Composition"}] for each in categories)


def test_a_breed_is_only_reported_with_high_confidence(classifier: Labels) -> None:
    """The probability is shared by three breeds, but their sum for Cat is high."""
    found = classifier(photo("chelsea.png"), min_confidence=0)
    assert found["Cat"]["Confidence"] > 90
    assert not {"Siamese Cat", "Persian Cat"} & set(found)


def test_colours_rank_after_objects(classifier: Labels) -> None:
    found = list(classifier(photo("coffee.png")).values())
    is_color = [{"Name": "Colors and Visual Composition"} in label["Categories"] for label in found]
    assert any(is_color)
    assert is_color == sorted(is_color)
    assert all(
        label["Confidence"] <= 56 for label, color in zip(found, is_color, strict=True) if color
    )


def test_boxes_and_labels_of_both_networks_are_merged(both: Labels) -> None:
    found = both(photo("chelsea.png"))
    assert [label for label in found if label == "Cat"] == ["Cat"]
    [cat] = found["Cat"]["Instances"]
    assert cat["BoundingBox"]["Width"] > 0.5
    coffee = both(photo("coffee.png"))
    assert coffee["Cup"]["Instances"]
    assert "Coffee" in coffee


def test_boxes_of_a_wide_picture_match_its_objects(both: Labels) -> None:
    cat = Image.open(io.BytesIO(photo("chelsea.png"))).resize((450, 300))
    wide = Image.new("RGB", (900, 300), "white")
    wide.paste(cat, (450, 0))
    [found] = both(encode(wide))["Cat"]["Instances"]
    assert found["BoundingBox"]["Left"] > 0.4


def test_without_networks_only_faces_and_colours_are_found() -> None:
    assert "Cat" not in detect_labels_with(Pretrained())(photo("chelsea.png"))


def test_a_deleted_classifier_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"gone\.onnx.* cannot be loaded"):
        detect_labels_with(Pretrained(tmp_path / "gone.onnx"))


def test_the_version_contains_the_networks_names(
    networks: Pretrained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "yolo.onnx"
    model.write_bytes(b"any")
    bare, users = model_version(), model_version(model)
    for name, value in Pretrained(networks.classifier).variables().items():
        monkeypatch.setenv(name, value)
    alone = model_version()
    for name, value in networks.variables().items():
        monkeypatch.setenv(name, value)
    both = model_version()
    assert bare.startswith("labelctl-local/opencv@")
    assert alone.startswith("labelctl-local/efficientnet-lite0@")
    assert both.startswith("labelctl-local/efficientnet-lite0+ssd-mobilenet-v2@")
    assert len({version.rpartition("@")[2] for version in (bare, alone, both)}) == 3
    assert model_version(model) == users  # the user's model replaces both


# ---- merging findings


def test_a_head_within_a_persons_box_belongs_to_that_person() -> None:
    findings = [Finding(PERSON, 90, LEFT)]
    faces = [Finding(PERSON, 80, HEAD_IN_LEFT), Finding(HEAD, 80, HEAD_IN_LEFT)]
    found = merge(findings, faces)
    assert [each.box for each in found if each.label == PERSON] == [LEFT, None]
    assert [each.box for each in found if each.label == HEAD] == [HEAD_IN_LEFT]


def test_a_head_elsewhere_is_another_person() -> None:
    findings = [Finding(PERSON, 90, LEFT)]
    faces = [
        Finding(label, 80, head)
        for head in (HEAD_IN_LEFT, HEAD_IN_RIGHT)
        for label in (PERSON, HEAD, FACE)
    ]
    [person] = [each for each in to_labels(merge(findings, faces), 0) if each["Name"] == "Person"]
    assert len(person["Instances"]) == 2


def test_an_animal_unknown_to_the_detector_has_a_box_but_no_wrong_label() -> None:
    cheetah = Finding(label_info("big cat"), 98)
    found = merge([cheetah, Finding(label_info("bird"), 99, LEFT)], [])
    answer = {label["Name"]: label for label in to_labels(found, 0)}
    assert "Bird" not in answer
    assert len(answer["Animal"]["Instances"]) == 1
    assert "Big Cat" in answer


@pytest.mark.parametrize(
    ("classified", "confidence", "detected"),
    [
        ("mammal", 99, "dog"),  # an ancestor
        ("parrot", 99, "bird"),
        ("big cat", 60, "bird"),  # low confidence
        ("coffee", 99, "bird"),  # not an animal
    ],
)
def test_an_animal_that_the_classifier_does_not_contradict_keeps_its_label(
    classified: str, confidence: float, detected: str
) -> None:
    findings = [
        Finding(label_info(classified), confidence),
        Finding(label_info(detected), 90, LEFT),
        Finding(PERSON, 90, RIGHT),
    ]
    assert merge(findings, []) == findings
