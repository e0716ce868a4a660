"""A head as an ONNX graph: what ONNX Runtime renders on a processor, and what `thbench export-head`
writes.

One person's adaptive parameters are constants, so that AdaIN is plain instance normalisation with
scale and bias. Halving after a 3 x 3 convolution, and doubling before one, are part of the
convolution (see `thbench.paper.nets.resampling`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from thbench.paper.nets.blocks import (
    EPS,
    AdaIN,
    AdaptiveBlock,
    DownBlock,
    FirstBlock,
    SelfAttention,
)
from thbench.paper.nets.generator import Generator
from thbench.paper.nets.resampling import doubling_kernel, halving_kernel

OPSET = 17
INPUT, OUTPUT = "landmark_images", "frames"
ATTENTION_ROWS = 512
DESCRIPTION = (
    "The head of one person (Zakharov et al. 2019). landmark_images: float32 [N, 3, S, S], RGB "
    "scaled from 0 ... 255 to -1 ... 1: the 68 iBUG landmarks as coloured lines on black, as "
    "thbench draws them. frames: the same for the pictures."
)


def head_graph(generator: Generator, adaptive: Tensor, size_px: int) -> onnx.ModelProto:
    """The graph of G'(y; psi, psi'), from landmark_images to frames, both float32 [N, 3, S, S] in
    [-1, 1].

    The generator has its spectral normalisation folded in; adaptive is psi' [1, A].
    """
    graph = _Graph()
    x, side_px = INPUT, size_px
    for block in generator.encoder:
        if isinstance(block, SelfAttention):
            x = _attention(graph, x, block, side_px)
        else:
            x, side_px = _down_block(graph, x, block), side_px // 2

    parts = iter(torch.split(adaptive[0], generator.slices))
    for block in [*generator.bottleneck, *generator.decoder]:
        if isinstance(block, SelfAttention):
            x = _attention(graph, x, block, side_px)
        else:
            x = _adaptive_block(graph, x, block, next(parts))
            side_px *= 2 if block.upsample else 1

    x = graph.add("Relu", _adain(graph, x, generator.norm, next(parts)))
    graph.add("Tanh", _conv(graph, x, generator.to_rgb), output=OUTPUT)
    return graph.model(size_px)


class _Graph:
    """Nodes and constants of a graph, named as they come."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Tensor | NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Adds a constant tensor; returns its name."""
        name = f"constant_{len(self.constants)}"
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(self, size_px: int) -> onnx.ModelProto:
        shape: list[str | int | None] = ["N", 3, size_px, size_px]
        graph = helper.make_graph(
            self.nodes,
            "head",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
            self.constants,
        )
        return helper.make_model(
            graph,
            doc_string=DESCRIPTION,
            producer_name="thbench",
            ir_version=8,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )


def _down_block(graph: _Graph, x: str, block: nn.Module) -> str:
    if isinstance(block, FirstBlock):
        h = graph.add("Relu", _conv(graph, x, block.conv1))
    else:
        assert isinstance(block, DownBlock)
        h = graph.add("Relu", _norm(graph, x, block.norm1))
        h = graph.add("Relu", _norm(graph, _conv(graph, h, block.conv1), block.norm2))

    skip = _conv(graph, _halve(graph, x), block.skip)
    return graph.add("Add", _halved_conv(graph, h, block.conv2), skip)


def _adaptive_block(graph: _Graph, x: str, block: AdaptiveBlock, parameters: Tensor) -> str:
    first, second = torch.split(
        parameters, [block.norm1.adaptive_parameters, block.norm2.adaptive_parameters]
    )
    h = graph.add("Relu", _adain(graph, x, block.norm1, first))
    h = (_doubled_conv if block.upsample == "start" else _conv)(graph, h, block.conv1)

    h = graph.add("Relu", _adain(graph, h, block.norm2, second))
    h = (_doubled_conv if block.upsample == "middle" else _conv)(graph, h, block.conv2)

    if block.upsample is None:
        return graph.add("Add", h, x)
    assert isinstance(block.skip, nn.Conv2d)
    skip = _conv(graph, x, block.skip)
    if block.upsample == "end":
        return _double(graph, graph.add("Add", h, skip))
    return graph.add("Add", h, _double(graph, skip))


def _attention(graph: _Graph, x: str, block: nn.Module, side_px: int) -> str:
    """x + gamma h(x) softmax(f(x)^T g(x)), with positions in rows: queries [N, P, C / 8]."""
    assert isinstance(block, SelfAttention)
    flat = graph.constant(np.array([0, 0, -1]))
    query, key, value = (
        graph.add("Reshape", _conv(graph, x, layer), flat)
        for layer in (block.query, block.key, block.value)
    )
    query, value = (graph.add("Transpose", part, perm=[0, 2, 1]) for part in (query, value))

    attended = [
        graph.add("MatMul", graph.add("Softmax", graph.add("MatMul", part, key), axis=-1), value)
        for part in _parts(graph, query, side_px**2)
    ]
    rows = graph.add("Concat", *attended, axis=1)

    change = graph.add("Transpose", rows, perm=[0, 2, 1])
    change = graph.add("Reshape", change, graph.add("Shape", x))
    return graph.add("Add", x, graph.add("Mul", change, graph.constant(block.gamma)))


def _parts(graph: _Graph, rows: str, positions: int) -> list[str]:
    """Splits rows [N, P, C], so that a part's weights over all positions stay in the cache."""
    sizes = [
        min(ATTENTION_ROWS, positions - first) for first in range(0, positions, ATTENTION_ROWS)
    ]
    names = [f"{rows}_part_{number}" for number in range(len(sizes))]
    graph.nodes.append(
        helper.make_node("Split", [rows, graph.constant(np.array(sizes))], names, axis=1)
    )
    return names


def _conv(graph: _Graph, x: str, layer: nn.Conv2d) -> str:
    padding = layer.kernel_size[0] // 2
    return graph.add("Conv", x, *_weights(graph, layer.weight, layer.bias), pads=[padding] * 4)


def _halved_conv(graph: _Graph, x: str, layer: nn.Conv2d) -> str:
    """Average pooling of a 3 x 3 convolution, as one convolution of stride 2."""
    weights = _weights(graph, halving_kernel(layer.weight), layer.bias)
    return graph.add("Conv", x, *weights, strides=[2, 2], pads=[1, 1, 1, 1])


def _doubled_conv(graph: _Graph, x: str, layer: nn.Conv2d) -> str:
    """A 3 x 3 convolution of the doubled input, as one transposed convolution."""
    weight = doubling_kernel(layer.weight)
    return graph.add(
        "ConvTranspose",
        x,
        *_weights(graph, weight, layer.bias),
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    )


def _weights(graph: _Graph, weight: Tensor, bias: Tensor | None) -> Iterator[str]:
    yield graph.constant(weight)
    if bias is not None:
        yield graph.constant(bias)


def _norm(graph: _Graph, x: str, layer: nn.Module) -> str:
    assert isinstance(layer, nn.InstanceNorm2d)
    scale, bias = graph.constant(layer.weight), graph.constant(layer.bias)
    return graph.add("InstanceNormalization", x, scale, bias, epsilon=layer.eps)


def _adain(graph: _Graph, x: str, layer: AdaIN, parameters: Tensor) -> str:
    bias, scale = (graph.constant(part) for part in parameters.chunk(2))
    return graph.add("InstanceNormalization", x, scale, bias, epsilon=EPS)


def _halve(graph: _Graph, x: str) -> str:
    """Average pooling by 2; the sides of a generator's maps are even."""
    return graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])


def _double(graph: _Graph, x: str) -> str:
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    return graph.add(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
