"""A model with which the recogniser starts fast: an ONNX classifier with two classes."""

from __future__ import annotations

from pathlib import Path

import pytest


def write_toy_model(path: Path) -> Path:
    """Write the model to this path, in the format of Ultralytics; the path."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["mean", "from", "to", "axis"], ["scores"]),
    ]
    values = [("from", [0]), ("to", [2]), ("axis", [1])]
    fixed = [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in values]
    graph = helper.make_graph(nodes, "toy", [image], [scores], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    metadata = {"names": "{0: 'cat', 1: 'dog'}", "task": "classify", "imgsz": "[32, 32]"}
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
