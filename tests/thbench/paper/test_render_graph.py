"""The ONNX graph of a head, against the generator that it was made from."""

from __future__ import annotations

from dataclasses import replace

import onnx
import onnxruntime
import pytest
import torch

from thbench.paper.head import folded
from thbench.paper.nets.blocks import SelfAttention, Upsample
from thbench.paper.nets.config import NetConfig
from thbench.paper.nets.generator import Generator
from thbench.paper.render_graph import INPUT, head_graph

SMALL = NetConfig(
    size_px=64,
    channels=8,
    max_channels=16,
    embedding=16,
    bottleneck_px=8,
    bottleneck_blocks=2,
    attention_down_px=32,
    attention_up_px=32,
)


def generator(config: NetConfig) -> Generator:
    """With attention that takes part: its weight starts at 0."""
    torch.manual_seed(7)
    made = folded(Generator(config), config)
    for module in made.modules():
        if isinstance(module, SelfAttention):
            module.gamma.data.fill_(0.8)
    return made.requires_grad_(False)


@pytest.mark.parametrize("upsample", ["start", "middle", "end"])
@pytest.mark.parametrize("size_px", [64, 56])
def test_the_graph_renders_what_the_generator_does(upsample: Upsample, size_px: int) -> None:
    bottleneck_px = size_px // 8
    config = replace(
        SMALL,
        size_px=size_px,
        upsample=upsample,
        bottleneck_px=bottleneck_px,
        attention_down_px=size_px // 2,
        attention_up_px=size_px // 2,
    )
    made = generator(config)
    adaptive = torch.randn(1, sum(made.slices))
    drawn = torch.rand(3, 3, size_px, size_px) * 2 - 1

    graph = head_graph(made, adaptive, size_px)
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    rendered = torch.from_numpy(session.run(None, {INPUT: drawn.numpy()})[0])

    assert torch.allclose(rendered, made.synthesise(drawn, adaptive.expand(3, -1)), atol=1e-4)
