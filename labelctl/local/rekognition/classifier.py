"""Labels a picture as a whole with an ImageNet classifier, EfficientNet-Lite0.

The network distributes the probability among 1,000 narrow classes, such as several breeds of cat. So a
label's confidence is the sum over all classes below it (labels.txt). Two heuristics improve it. They
were chosen on about 250 photographs labelled by hand:

- The logits are divided by a temperature slightly below 1. The network was trained with label
  smoothing, and its confidences are too low. The best fit to the photographs was 0.7, but then
  half of the labels between 55 and 70 % were wrong; 0.9 omits most of these.
- A label with a single class is reported only from 75 %: the network must choose one of its classes
  even for things that it does not know, such as a rhea, which it calls an ostrich.

On 183 other photographs (cut-outs of animals, plants and objects, and landscapes), 35 of 371 labels
with at least 55 % were wrong: 5 of 23 below 70 %, 26 of 106 below 90 %, 4 of 242 above. 52 of the
photographs got no label, and 6 only wrong ones.

ImageNet has no class for a person, a face or a hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelctl.errors import Command, LocalCloudError
from labelctl.local.rekognition.efficientnet import INPUT, SIDE
from labelctl.local.rekognition.models import Finding
from labelctl.local.rekognition.taxonomy import imagenet_labels

Array = npt.NDArray[np.float32]

_TEMPERATURE = 0.9
_MIN_SUM = 0.25
_MIN_SINGLE = 0.75
_MAX_CONFIDENCE = 99.0  # percent; it is never certain


class Classifier:
    """A loaded classifier. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Load the file that `pretrained.prepare` returned.

        Raises LocalCloudError if it cannot be loaded, for example because it was deleted.
        """
        self._session = _open_session(path)
        labels = imagenet_labels()
        self._labels = list(labels)
        counts = [len(classes) for classes in labels.values()]
        self._rows = np.repeat(np.arange(len(labels)), counts)
        self._classes = np.concatenate([sorted(classes) for classes in labels.values()])
        self._minima = np.where(np.array(counts) == 1, _MIN_SINGLE, _MIN_SUM)

    def detect(self, picture: Image.Image) -> list[Finding]:
        """The labels of an RGB `picture`, without boxes."""
        # Not a matrix product: NumPy's threads for it would busy-wait while the network runs.
        shares = probabilities(self._logits(picture))[self._classes]
        sums = np.bincount(self._rows, shares, len(self._labels))
        return [
            Finding(self._labels[row], min(100 * float(sums[row]), _MAX_CONFIDENCE))
            for row in np.flatnonzero(sums >= self._minima)
        ]

    def _logits(self, picture: Image.Image) -> Array:
        pixels = (np.asarray(_center(picture), np.float32) - 127) / 128
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])
        return np.asarray(self._session.run(None, {INPUT: batch})[0][0], np.float32)


def probabilities(logits: Array) -> Array:
    """The softmax of `logits`, at the temperature of this module."""
    powers = np.exp((logits - logits.max()) / np.float32(_TEMPERATURE))
    return np.asarray(powers / powers.sum(), np.float32)


def _center(picture: Image.Image) -> Image.Image:
    """The largest square in the middle of `picture`, at the network's size."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = (left, top, left + side, top + side)
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, square, reducing_gap=2.0)


def _open_session(path: Path) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exception classes are not public
        raise LocalCloudError(
            f"The classifier {str(path)!r} cannot be loaded.",
            "To recreate it, run: ",
            Command("local", "stop"),
            ", then ",
            Command("local", "start"),
        ) from error
