"""What computes the frames of a head: PyTorch, or on a processor ONNX Runtime, which takes two
thirds of the time for the paper's network and a quarter for a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from thbench.paper.nets.generator import Generator

Renderer = Literal["graph", "torch"]
Render = Callable[[Tensor], Tensor]  # landmark images -> frames, float32 [N, 3, S, S] in [-1, 1]


def fastest_renderer(device: torch.device) -> Renderer:
    """The graph runs on processors; on a GPU the network is where its weights are already."""
    return "graph" if device.type == "cpu" else "torch"


def make_render(renderer: Renderer, generator: Generator, adaptive: Tensor, size_px: int) -> Render:
    """The frames of one person. The generator has its spectral normalisation folded in; adaptive is
    psi' [1, A]. Both renderers agree within a hundredth of a grey level.
    """
    if renderer == "torch":
        return _torch_render(generator, adaptive)
    return _graph_render(generator, adaptive, size_px)


def _torch_render(generator: Generator, adaptive: Tensor) -> Render:
    def render(landmark_images: Tensor) -> Tensor:
        parameters = adaptive.expand(len(landmark_images), -1)
        with torch.no_grad():
            return generator.synthesise(landmark_images.to(adaptive.device), parameters).cpu()

    return render


def _graph_render(generator: Generator, adaptive: Tensor, size_px: int) -> Render:
    import onnxruntime

    from thbench.paper.render_graph import INPUT, OUTPUT, head_graph

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that wait would spin, and take the processor from whoever else works on it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = head_graph(generator, adaptive, size_px).SerializeToString()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def render(landmark_images: Tensor) -> Tensor:
        frames = session.run([OUTPUT], {INPUT: landmark_images.numpy()})[0]
        return torch.from_numpy(frames)

    return render
