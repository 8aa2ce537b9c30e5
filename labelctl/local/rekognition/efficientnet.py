"""EfficientNet-Lite0, built as an ONNX graph from its PyTorch weights.

The network is the one of Tan and Le, "EfficientNet" (2019), in Google's Lite variant: no
squeeze-and-excitation, ReLU6, a stem and a head of fixed width. Most of its shape can be read from
the weights; the strides and the padding ("same", with the odd pixel after) cannot and are written
here. Each batch normalisation is folded into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelctl.local.rekognition.weights import Array

SIDE = 224
"""Width and height of the input, in pixels."""

INPUT = "picture"
"""The input: 32-bit numbers of shape 1, 3, SIDE, SIDE; RGB, (value - 127) / 128."""

_BLOCKS = 16
_HALVING = {1, 3, 5, 11}  # blocks with stride 2
_EPSILON = 1e-3  # of the batch normalisations
_OPSET = 13
_IR_VERSION = 8  # ONNX 1.10 of 2021: what the oldest onnxruntime we allow reads


def to_onnx(weights: Mapping[str, Array]) -> bytes:
    """The model file: its one output has shape 1, 1000 and holds the logits of ImageNet's classes.

    Raises ValueError if a tensor is missing.
    """
    import onnx

    graph = _Graph(weights)
    try:
        last = _connect(graph)
    except KeyError as error:
        raise ValueError(f"the weights have no tensor {error}") from error
    number = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [onnx.helper.make_tensor_value_info(INPUT, number, [1, 3, SIDE, SIDE])],
            [onnx.helper.make_tensor_value_info(last, number, [1, 1000])],
            graph.tensors,
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="labelctl",
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class _Graph:
    """The nodes and constant tensors added so far. Every method returns the new node's output."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        import onnx

        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        import onnx

        self.tensors.append(onnx.numpy_helper.from_array(value, name))
        return name

    def convolve(self, source: str, convolution: str, norm: str, stride: int = 1) -> str:
        """The convolution and the batch normalisation after it, as one node."""
        kernel = self.weights[f"{convolution}.weight"]
        scale = self.weights[f"{norm}.weight"] / np.sqrt(
            self.weights[f"{norm}.running_var"] + np.float32(_EPSILON)
        )
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * scale
        return self.add(
            "Conv",
            source,
            self.constant(f"{convolution}.weight", kernel * scale[:, None, None, None]),
            self.constant(f"{convolution}.bias", shift),
            auto_pad="SAME_UPPER",
            strides=[stride, stride],
            group=len(kernel) if "depthwise" in convolution else 1,
        )

    def relu6(self, source: str) -> str:
        return self.add("Clip", source, "zero", "six")


def _connect(graph: _Graph) -> str:
    graph.constant("zero", np.array(0, np.float32))
    graph.constant("six", np.array(6, np.float32))
    flow = graph.relu6(graph.convolve(INPUT, "_conv_stem", "_bn0", stride=2))
    for index in range(_BLOCKS):
        flow = _inverted_residual(graph, flow, index)
    flow = graph.relu6(graph.convolve(flow, "_conv_head", "_bn1"))
    flow = graph.add("Flatten", graph.add("GlobalAveragePool", flow))
    factor = graph.constant("_fc.weight", graph.weights["_fc.weight"])
    offset = graph.constant("_fc.bias", graph.weights["_fc.bias"])
    return graph.add("Gemm", flow, factor, offset, transB=1)


def _inverted_residual(graph: _Graph, source: str, index: int) -> str:
    block = f"_blocks.{index}"
    stride = 2 if index in _HALVING else 1
    flow = source
    channels = len(graph.weights[f"{block}._depthwise_conv.weight"])
    if f"{block}._expand_conv.weight" in graph.weights:
        expand = graph.weights[f"{block}._expand_conv.weight"]
        channels = expand.shape[1]
        flow = graph.relu6(graph.convolve(flow, f"{block}._expand_conv", f"{block}._bn0"))
    flow = graph.relu6(graph.convolve(flow, f"{block}._depthwise_conv", f"{block}._bn1", stride))
    flow = graph.convolve(flow, f"{block}._project_conv", f"{block}._bn2")
    unchanged = len(graph.weights[f"{block}._project_conv.weight"]) == channels
    return graph.add("Add", flow, source) if stride == 1 and unchanged else flow
