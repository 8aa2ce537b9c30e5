"""The user's own model: an ONNX file as exported by Ultralytics.

The metadata of such a file describes its input and classes (`names`, `task`, `imgsz`, as Python
literals). The input is RGB, divided by 255, channels first. `detect` models return
`[1, 4 + classes, N]`, which needs non-maximum suppression, or `[1, N, 6]`, where it was applied;
`classify` models return `[1, classes]`. A file without this metadata is refused, as with the wrong size
or normalisation a model returns wrong results with high confidence. A test run on a blank picture at
load time detects unusable models before the first photo.
"""

from __future__ import annotations

import ast
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelctl.errors import LocalCloudError
from labelctl.local.rekognition.models import Box, Finding
from labelctl.local.rekognition.taxonomy import label_info

Array = npt.NDArray[np.float32]

_MIN_SCORE = 0.25  # Ultralytics' default for predictions
_MAX_OVERLAP = 0.5
_GRAY = (114, 114, 114)  # the letterbox colour that these models are trained with
_MAX_INPUT_SIDE = 4096
_MAX_METADATA = 2 * 1024 * 1024  # characters: ImageNet's 21,841 names take 0.5 million
_MAX_NAME = 200
_MAX_FOUND = 300  # boxes per picture, Ultralytics' default
_MAX_SECONDS = 3.0  # of CPU time per picture; callers of DetectLabels usually wait 10 s


# Including the errors of Python's parser for malicious literals.
_BAD_METADATA = (
    KeyError, TypeError, ValueError, SyntaxError, OverflowError, RecursionError, MemoryError
)  # fmt: skip


class Model:
    """A loaded model. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Load and test the model. Raises LocalCloudError, with the reason, if it is unusable."""
        self.path = path
        self._session = _open_session(path)
        if not self._session.get_inputs():
            raise _unusable(path, "has no input")
        feed = self._session.get_inputs()[0]
        self._input: str = feed.name
        self._dtype = np.float16 if feed.type == "tensor(float16)" else np.float32
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            self._names = _names(_literal(metadata["names"]))
            self._height, self._width = _size(_literal(metadata["imgsz"]), feed.shape)
            self._task: str = metadata["task"]
        except _BAD_METADATA as error:
            raise _unusable(path, "has no usable names, task and imgsz in its metadata") from error
        if self._task not in ("detect", "classify"):
            raise _unusable(path, f"has the unsupported task {self._task[:40]!r}")
        self._test_run()

    def detect(self, picture: Image.Image) -> list[Finding]:
        """The findings in an RGB `picture` with a score of at least 25 %."""
        if self._task == "classify":
            scores = self._run(_center_crop(picture, self._width, self._height))
            return [
                Finding(label_info(self._names[index]), _percent(score))
                for index, score in enumerate(scores)
                if score >= _MIN_SCORE
            ]
        letterboxed, scale, left, top = _letterbox(picture, self._width, self._height)
        width, height = (side * scale for side in picture.size)
        return [
            Finding(
                label_info(self._names[int(index)]),
                _percent(score),
                Box.between(
                    (x1 - left) / width,
                    (y1 - top) / height,
                    (x2 - left) / width,
                    (y2 - top) / height,
                ),
            )
            for x1, y1, x2, y2, score, index in self._detections(self._run(letterboxed))
            if score >= _MIN_SCORE and int(index) in self._names
        ]

    def _run(self, image: Image.Image) -> Array:
        """The first output for `image`, without its batch axis."""
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[np.newaxis] / 255
        outputs = self._session.run(None, {self._input: pixels.astype(self._dtype)})
        return np.asarray(outputs[0][0], dtype=np.float32)

    def _detections(self, output: Array) -> list[list[float]]:
        """Rows of x1, y1, x2, y2 (pixels of the input), score and class, without duplicates."""
        if self._is_suppressed(output):
            known = output[np.isfinite(output).all(axis=1)]
            return [[float(value) for value in row] for row in known[:_MAX_FOUND]]
        output = output[:, np.isfinite(output).all(axis=0)]
        if not output.size:
            return []
        cv2: Any = import_module("cv2")
        centers, sizes, scores = output[:2].T, output[2:4].T, output[4:].T
        classes, confidence = scores.argmax(axis=1), scores.max(axis=1)
        corners = centers - sizes / 2
        kept = cv2.dnn.NMSBoxesBatched(
            np.hstack([corners, sizes]), confidence, classes, _MIN_SCORE, _MAX_OVERLAP
        )
        return [
            [*map(float, (*corners[i], *(corners[i] + sizes[i]), confidence[i], classes[i]))]
            for i in kept[:_MAX_FOUND]
        ]

    def _is_suppressed(self, output: Array) -> bool:
        rows, columns = map(int, output.shape)
        return columns == 6 and rows != 4 + len(self._names)

    def _test_run(self) -> None:
        began = time.process_time()
        try:
            output = self._run(Image.new("RGB", (self._width, self._height), _GRAY))
        except Exception as error:  # onnxruntime's exception classes are not public
            raise _unusable(self.path, "does not run") from error
        if (seconds := time.process_time() - began) > _MAX_SECONDS:
            raise _unusable(
                self.path, f"needs {seconds:.0f} s per picture; the limit is {_MAX_SECONDS:.0f} s"
            )
        classes = len(self._names)
        fits = (
            output.shape == (classes,)
            if self._task == "classify"
            else output.ndim == 2 and (output.shape[0] == 4 + classes or output.shape[1] == 6)
        )
        if not fits:
            shape = [1, *output.shape]
            raise _unusable(self.path, f"returns {shape}, which does not match its {classes} names")
        if not np.isfinite(output).all():
            raise _unusable(self.path, "returns scores that are not numbers")


def _open_session(path: Path) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal errors only; others are reported by this module
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exception classes are not public
        raise _unusable(path, "is not an ONNX model, or is damaged") from error


def _unusable(path: Path, what: str) -> LocalCloudError:
    return LocalCloudError(
        f"The model {str(path)!r} {what}.",
        "Use an ONNX file exported by Ultralytics (task detect or classify), with names, task and "
        "imgsz in its metadata: `yolo export model=… format=onnx`.",
    )


def _literal(text: str) -> Any:
    """The value of a Python literal in the metadata."""
    if len(text) > _MAX_METADATA:
        raise ValueError("too long")
    return ast.literal_eval(text)


def _names(literal: Any) -> dict[int, str]:
    names = dict(literal) if isinstance(literal, dict) else dict(enumerate(literal))
    if not names or sorted(names) != list(range(len(names))):
        raise ValueError("names are not numbered from 0")
    if not all(isinstance(name, str) and _is_valid_name(name) for name in names.values()):
        raise ValueError("names are not texts")
    return names


def _is_valid_name(text: str) -> bool:
    return bool(text.strip()) and len(text) <= _MAX_NAME and text.isprintable()


def _size(literal: Any, shape: list[Any]) -> tuple[int, int]:
    """Height and width of the input, from the graph if it fixes them, else from the metadata."""
    if len(shape) != 4:
        raise ValueError("the input is not a batch of pictures")
    sizes = [literal, literal] if isinstance(literal, int) else list(literal)
    height, width = (
        fixed if isinstance(fixed, int) else int(size)
        for fixed, size in zip(shape[2:], sizes, strict=True)
    )
    if not (0 < height <= _MAX_INPUT_SIDE and 0 < width <= _MAX_INPUT_SIDE):
        raise ValueError("no sensible size")
    return height, width


def _letterbox(
    picture: Image.Image, width: int, height: int
) -> tuple[Image.Image, float, int, int]:
    """`picture` scaled to fit on grey; the scale; and the left and top of the scaled picture."""
    scale = min(width / picture.width, height / picture.height)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = Image.new("RGB", (width, height), _GRAY)
    canvas.paste(picture.resize(size, Image.Resampling.BILINEAR), (left, top))
    return canvas, scale, left, top


def _center_crop(picture: Image.Image, width: int, height: int) -> Image.Image:
    scale = max(width / picture.width, height / picture.height)
    size = (max(round(picture.width * scale), width), max(round(picture.height * scale), height))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    resized = picture.resize(size, Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + width, top + height))


def _percent(score: float) -> float:
    return 100 * min(max(float(score), 0.0), 1.0)
