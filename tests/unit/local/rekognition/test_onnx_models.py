"""The user's own model: its classes become labels, and unusable models are refused."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from labelctl.errors import LocalCloudError
from labelctl.local.rekognition.recogniser import Recogniser, model_version
from labelctl.local.rekognition.server import MODULE
from tests.unit.recogniser_world import (
    InProcess,
    allow,
    encode,
    photo,
    plain,
    rekognition,
    write_model,
)

NAMES = {0: "dog", 1: "cell phone", 2: "lava_lamp"}


def detect(model: Path, data: bytes, **parameters: Any) -> dict[str, dict[str, Any]]:
    """The labels of a server with this model, by name."""
    with rekognition(InProcess(model), fetch=None, authorize=allow) as client:
        labels = client.detect_labels(Image={"Bytes": data}, **parameters)["Labels"]
    return {label["Name"]: label for label in labels}


# Letterboxed, these pictures fill the middle half of the square in one direction, as does the box.
WIDE = ((400, 200), {"Left": 0.25, "Top": 0, "Width": 0.5, "Height": 1})
HIGH = ((200, 400), {"Left": 0, "Top": 0.25, "Width": 1, "Height": 0.5})


@pytest.mark.parametrize(("size", "box"), [WIDE, HIGH], ids=["wide", "high"])
@pytest.mark.parametrize("kind", ["detect", "end to end"])
def test_a_detector_finds_objects_with_boxes(tmp_path, kind, size, box):
    model = write_model(tmp_path / "toy.onnx", NAMES, kind)

    seen = detect(model, plain("red", size))

    assert seen.keys() == {"Animal", "Canine", "Dog", "Mammal", "Pet", "Red"}
    (instance,) = seen["Dog"]["Instances"]
    assert instance["BoundingBox"] == pytest.approx(box, abs=1e-5)
    assert instance["Confidence"] == pytest.approx(50 * (1 + 114 / 255), abs=0.5)
    assert seen["Canine"]["Instances"] == []
    assert seen["Canine"]["Confidence"] == seen["Dog"]["Confidence"]
    assert [parent["Name"] for parent in seen["Dog"]["Parents"]] == [
        "Animal", "Canine", "Mammal", "Pet"
    ]  # fmt: skip


def test_names_are_mapped_to_rekognitions_labels(tmp_path):
    detector = write_model(tmp_path / "toy.onnx", NAMES, "detect")
    classifier = write_model(tmp_path / "sorter.onnx", NAMES, "classify")

    phone = detect(detector, plain("lime", (400, 200)))["Mobile Phone"]
    assert phone["Aliases"] == [{"Name": "Cell Phone"}]
    lamp = detect(classifier, plain("blue"))["Lava Lamp"]
    assert (lamp["Parents"], lamp["Categories"]) == ([], [])


def test_a_classifier_labels_the_whole_picture_without_boxes(tmp_path):
    model = write_model(tmp_path / "sorter.onnx", list(NAMES.values()), "classify")

    seen = detect(model, plain("red", (300, 100)))

    assert seen["Dog"]["Confidence"] == 100
    assert seen["Dog"]["Instances"] == []
    assert "Mobile Phone" not in seen


def test_a_face_within_a_persons_box_is_not_a_second_person(tmp_path):
    model = write_model(tmp_path / "toy.onnx", ["person", "dog", "cat"], "detect")
    lower = Image.new("RGB", (512, 512))
    lower.paste(Image.open(io.BytesIO(photo("astronaut.png"))), (40, 140))

    seen = detect(model, encode(lower), MinConfidence=0)

    assert len(seen["Person"]["Instances"]) == 1
    assert len(seen["Face"]["Instances"]) == 1
    assert seen["Person"]["Confidence"] >= seen["Face"]["Confidence"]


def test_a_face_elsewhere_is_another_person(tmp_path):
    model = write_model(tmp_path / "toy.onnx", ["person", "dog", "cat"], "detect")

    seen = detect(model, photo("astronaut.png"), MinConfidence=0)

    assert len(seen["Person"]["Instances"]) == 2
    assert len(seen["Face"]["Instances"]) == 1


def test_the_fruit_orange_is_not_the_colour(tmp_path):
    model = write_model(tmp_path / "toy.onnx", ["orange", "dog", "cat"], "classify")

    assert detect(model, plain("red"))["Orange"]["Parents"][0]["Name"] == "Citrus Fruit"
    assert detect(model, plain("orange"))["Orange"]["Confidence"] == 100


def test_another_model_has_another_version(tmp_path):
    one = write_model(tmp_path / "yolo 8.onnx", NAMES, "detect")
    other = write_model(tmp_path / "other.onnx", NAMES, "classify")

    assert model_version(one) == model_version(one)
    assert model_version(one).startswith("labelctl-local/yolo-8@")
    hashes = {model_version(model).rpartition("@")[2] for model in (one, other, None)}
    assert len(hashes) == 3


def test_a_missing_model_file_is_reported(tmp_path):
    with pytest.raises(LocalCloudError, match=r"no model file .*missing\.onnx"):
        model_version(tmp_path / "missing.onnx")


def test_a_damaged_model_is_reported(tmp_path):
    model = write_model(tmp_path / "toy.onnx", NAMES, "detect")
    model.write_bytes(model.read_bytes()[:100])

    with pytest.raises(LocalCloudError, match="damaged"):
        Recogniser(model)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"names": ""}, "no usable names"),
        ({"task": ""}, "no usable names, task"),
        ({"imgsz": ""}, "no usable names, task and imgsz"),
        ({"names": "__import__('os').abort()"}, "no usable names"),
        ({"names": "{1: 'dog', 2: 'cat'}"}, "no usable names"),
        ({"names": "{0: 'dog'}"}, r"returns \[1, 7, 2\], which does not match its 1 names"),
        ({"imgsz": "'large'"}, "no usable names"),
        ({"task": "segment"}, "the unsupported task 'segment'"),
    ],
    ids=str,
)
def test_a_model_without_metadata_is_refused(tmp_path, metadata, reason):
    model = write_model(tmp_path / "toy.onnx", NAMES, "detect", metadata)

    with pytest.raises(LocalCloudError, match=reason) as caught:
        Recogniser(model)
    assert "Ultralytics" in caught.value.hint


def test_the_program_reports_an_unusable_model_and_does_not_start(tmp_path):
    command = [sys.executable, "-m", MODULE, "--port", "0", "--model", str(tmp_path / "no.onnx")]

    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)

    assert (done.returncode, done.stdout) == (LocalCloudError.exit_code, "")
    assert "There is no model file" in done.stderr
    assert "Traceback" not in done.stderr
