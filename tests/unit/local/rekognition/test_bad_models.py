"""Harmful models: each is refused with one sentence, in a process with limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from labelctl.errors import LocalCloudError
from labelctl.local import engine
from labelctl.local.rekognition.limits import Limits
from labelctl.local.rekognition.recogniser import Recogniser
from labelctl.local.rekognition.server import MODULE
from tests.unit.recogniser_world import plain, workers, write_model

NAMES = {0: "dog", 1: "cat", 2: "cup"}
GOOD = {"names": repr(NAMES), "task": "classify", "imgsz": "64"}
UNUSABLE = "has no usable names, task and imgsz in its metadata"


def write_graph(
    path: Path,
    nodes: list[Any],
    metadata: Mapping[str, str],
    *,
    inputs: bool = True,
    sides: tuple[Any, Any] = (64, 64),
    constants: Mapping[str, Any] | None = None,
) -> Path:
    """A model whose nodes produce "output", from "images" if it has an input."""
    feed = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *sides])
    graph = helper.make_graph(
        nodes,
        "bad",
        [feed] if inputs else [],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)
    return path


def means() -> list[Any]:
    return [helper.make_node("ReduceMean", ["images", "axes"], ["output"], keepdims=0)]


AXES = {"axes": np.array([2, 3])}


def no_input(path: Path) -> Path:
    nodes = [helper.make_node("Identity", ["scores"], ["output"])]
    scores = {"scores": np.ones((1, 3), dtype=np.float32)}
    return write_graph(path, nodes, GOOD, inputs=False, constants=scores)


def nan_scores(path: Path) -> Path:
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["means"], keepdims=0),
        helper.make_node("Neg", ["means"], ["negative"]),
        helper.make_node("Sqrt", ["negative"], ["output"]),
    ]
    return write_graph(path, nodes, GOOD, constants=AXES)


def endless(path: Path) -> Path:
    """An endless loop."""
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition"], ["go on"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("go on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [1, 3]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], [scores.name], keepdims=0),
        helper.make_node("Loop", ["", "true", "scores"], ["output"], body=body),
    ]
    return write_graph(path, nodes, GOOD, constants=AXES | {"true": np.array(True)})


def greedy(path: Path) -> Path:
    """Asks for a terabyte."""
    nodes = [
        helper.make_node("Expand", ["images", "huge"], ["large"]),
        helper.make_node("ReduceMean", ["large", "axes"], ["output"], keepdims=0),
    ]
    huge = {"huge": np.array([1, 3, 64 * 20_000, 64 * 50_000])}
    sides = ("height", "width")
    return write_graph(path, nodes, GOOD, sides=sides, constants=AXES | huge)


def with_metadata(sides: tuple[Any, Any] = (64, 64), **metadata: str) -> Any:
    return lambda path: write_graph(path, means(), GOOD | metadata, sides=sides, constants=AXES)


MODELS = {
    "no input": (no_input, "has no input"),
    "scores that are not numbers": (nan_scores, "returns scores that are not numbers"),
    "endless loop": (endless, "takes too much CPU time to load and test"),
    "a terabyte": (greedy, "does not run"),
    "nested minus signs": (with_metadata(names="-" * 200_000 + "1"), UNUSABLE),
}
METADATA = {
    "infinite size": (with_metadata(("h", "w"), imgsz="[1e999, 1e999]"), UNUSABLE),
    "nested brackets": (with_metadata(names="[" * 200_000), UNUSABLE),
    "long name": (with_metadata(names=repr(["x" * 5_000_000, "b", "c"])), UNUSABLE),
    "a name of 300 letters": (with_metadata(names=repr(["x" * 300, "b", "c"])), UNUSABLE),
    "lone surrogate": (with_metadata(names="['a', 'b', '\\ud800']"), UNUSABLE),
    "escape sequence": (with_metadata(names="['a', 'b', '\\x1b[2J']"), UNUSABLE),
    "long task": (with_metadata(task="t" * 5_000_000), "has the unsupported task 'ttt"),
}


def assert_one_sentence(message: str, model: Path, reason: str) -> None:
    assert message.startswith(f"The model {str(model)!r} {reason}")
    assert message.endswith(".")
    assert len(message) < len(str(model)) + 120
    assert "\n" not in message


@pytest.mark.parametrize("name", MODELS)
def test_a_harmful_model_is_refused_with_one_sentence(tmp_path, name):
    write, reason = MODELS[name]
    model = write(tmp_path / "bad.onnx")

    with (
        workers(model, workers=1, limits=Limits(load_seconds=3)) as pool,
        pytest.raises(LocalCloudError) as caught,
    ):
        pool.warm_up()
    assert_one_sentence(caught.value.message, model, reason)


@pytest.mark.parametrize("name", METADATA)
def test_unusable_metadata_is_refused_with_one_sentence(tmp_path, name):
    """By the code that a worker runs, without a worker."""
    write, reason = METADATA[name]
    model = write(tmp_path / "bad.onnx")

    with pytest.raises(LocalCloudError) as caught:
        Recogniser(model)
    assert_one_sentence(caught.value.message, model, reason)


def test_the_check_and_the_start_report_a_harmful_model(tmp_path):
    model = no_input(tmp_path / "bad.onnx")

    for mode in (["--check"], ["--port", "0"]):
        command = [sys.executable, "-P", "-m", MODULE, *mode, "--model", str(model)]
        done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
        assert (done.returncode, done.stdout) == (LocalCloudError.exit_code, "")
        assert "has no input" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_check_imports_nothing_from_the_current_directory(tmp_path, monkeypatch):
    model = write_model(tmp_path / "good.onnx", NAMES, "classify")
    for module in ("labelctl/__init__.py", "numpy.py"):
        (tmp_path / module).parent.mkdir(exist_ok=True)
        (tmp_path / module).write_text(f"open({str(tmp_path / 'trapped')!r}, 'w')")
    monkeypatch.chdir(tmp_path)

    engine._check_model(str(model))

    assert not (tmp_path / "trapped").exists()


def test_boxes_that_are_not_numbers_are_ignored(tmp_path):
    """A model may work in the test run but not on other pictures."""
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["means"], keepdims=0),
        helper.make_node("Sub", ["half", "means"], ["below half"]),
        helper.make_node("Sqrt", ["below half"], ["roots"]),
        helper.make_node("Concat", ["means", "roots"], ["row"], axis=1),
        helper.make_node("Unsqueeze", ["row", "first"], ["output"]),
    ]
    half = {"half": np.array([[0.5, 0.5, 0.5]], dtype=np.float32), "first": np.array([1])}
    metadata = GOOD | {"task": "detect"}
    model = write_graph(tmp_path / "picky.onnx", nodes, metadata, constants=AXES | half)

    seen = Recogniser(model).detect(plain("blue", (200, 200)))

    assert {finding.label.name for finding in seen.findings} == {"Blue"}
