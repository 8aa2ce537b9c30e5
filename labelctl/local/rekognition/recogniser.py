"""Analyses one picture at a time: findings and image properties.

Each worker process has one `Recogniser`, which loads its models once. A picture is decoded once and
then passed to all detectors.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from labelctl.errors import LocalCloudError
from labelctl.local.rekognition.classifier import Classifier
from labelctl.local.rekognition.decode import open_picture
from labelctl.local.rekognition.detect import Detectors, find_colors
from labelctl.local.rekognition.detector import Detector
from labelctl.local.rekognition.merge import merge
from labelctl.local.rekognition.models import Finding
from labelctl.local.rekognition.onnx_model import Model
from labelctl.local.rekognition.pretrained import Pretrained
from labelctl.local.rekognition.properties import image_properties


@dataclass(frozen=True)
class Detection:
    """The results for one picture; `properties` is None if they were not requested."""

    findings: tuple[Finding, ...]
    properties: dict[str, Any] | None


class Network(Protocol):
    """The user's model, the classifier or the detector."""

    def detect(self, picture: Image.Image) -> list[Finding]:
        """The findings in an RGB picture."""


class Recogniser:
    """Analyses pictures with OpenCV's detectors and the user's model.

    Without a model, the installed pretrained networks are used. Not thread-safe, as OpenCV's detectors
    are not.
    """

    def __init__(self, model: Path | None = None) -> None:
        """Load the models. Raises LocalCloudError if `model` is unusable."""
        pretrained = Pretrained.from_variables(os.environ)
        self._networks = [Model(model)] if model else _open_networks(pretrained)
        self._detectors = Detectors()

    def detect(self, data: bytes, max_colors: int | None = None) -> Detection:
        """Analyse the JPEG or PNG `data`, including image properties if `max_colors` is given.

        Raises RefusalError for data that the real service would refuse.
        """
        return self.detect_in(open_picture(data), max_colors)

    def detect_in(self, picture: Image.Image, max_colors: int | None = None) -> Detection:
        """Analyse an RGB picture."""
        gray = picture.convert("L")
        found = [finding for network in self._networks for finding in network.detect(picture)]
        things = merge(found, self._detectors.find_faces(gray))
        findings = (*things, *self._detectors.find_codes(gray), *find_colors(picture))
        if max_colors is None:
            return Detection(findings, None)
        boxes = [finding.box for finding in findings if finding.box]
        return Detection(findings, image_properties(picture, boxes, max_colors))


def _open_networks(pretrained: Pretrained) -> list[Network]:
    networks: list[Network] = []
    if pretrained.classifier:
        networks.append(Classifier(pretrained.classifier))
    if pretrained.detector:
        networks.append(Detector(*pretrained.detector))
    return networks


def model_version(model: Path | None = None) -> str:
    """`labelctl-local/<recogniser>@<hash>`: with equal versions, a picture gets equal labels.

    The hash covers everything that determines the results: this package's source and labels, OpenCV's
    version, and the model's bytes or the names of the pretrained networks (whose hashes are in the
    source). Neither OpenCV nor a model is loaded. Raises LocalCloudError if OpenCV is not installed or
    the model file does not exist.
    """
    pretrained = "" if model else Pretrained.from_variables(os.environ).name()
    digest = hashlib.sha256(pretrained.encode())
    folder = Path(__file__).parent
    for source in sorted([*folder.glob("*.py"), folder / "labels.txt"]):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    opencv = importlib.util.find_spec("cv2")
    if opencv is None or opencv.origin is None:
        raise LocalCloudError(
            "The local cloud is not installed.", "Install it: pip install 'labelctl[local]'"
        )
    digest.update(Path(opencv.origin).with_name("version.py").read_bytes())
    if model:
        if not model.is_file():
            raise LocalCloudError(
                f"There is no model file {str(model)!r}.", "Give --model the path of an .onnx file."
            )
        with model.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model.stem) if model else pretrained
    return f"labelctl-local/{name or 'opencv'}@{digest.hexdigest()[:12]}"
