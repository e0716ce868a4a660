"""What computes the frames of a head: PyTorch, as it is or compiled, or on a processor ONNX
Runtime, which takes two thirds of the time for the paper's network and a quarter for a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from thbench.device import Precision, arithmetic, compiled, laid_out, tensor_cores
from thbench.errors import ThbenchError
from thbench.images import to_signed, to_uint8
from thbench.paper.nets.generator import Generator

# graph: ONNX Runtime. compiled: `torch.compile`, with CUDA graphs on a GPU; the first frames of a
# batch size wait for it up to a minute, so that it pays from some thousand frames.
Renderer = Literal["graph", "torch", "compiled"]
# Landmark images -> frames, both uint8 [N, 3, S, S]; the frames are where the head is.
Render = Callable[[Tensor], Tensor]


def fastest_renderer(device: torch.device, precision: Precision = "float32") -> Renderer:
    """The graph runs on processors, in float32; on a GPU the network is where its weights are."""
    return "graph" if device.type == "cpu" and precision == "float32" else "torch"


def render_batch(device: torch.device) -> int:
    """How many frames are computed together: on a GPU as many as keep it busy."""
    return 32 if device.type == "cuda" else 8


def make_render(
    renderer: Renderer,
    generator: Generator,
    adaptive: Tensor,
    size_px: int,
    precision: Precision = "float32",
) -> Render:
    """The frames of one person. The generator has its spectral normalisation folded in; adaptive is
    psi' [1, A]. All renderers agree within a grey level; in bf16, PyTorch's within 45 dB.

    Raises `ThbenchError` for bf16 by ONNX Runtime.
    """
    if renderer != "graph":
        return _torch_render(generator, adaptive, precision, renderer == "compiled")
    if precision != "float32":
        raise ThbenchError("renderer = 'graph' computes in float32; for bf16 choose 'torch'")
    return _graph_render(generator, adaptive, size_px)


def _torch_render(
    generator: Generator, adaptive: Tensor, precision: Precision, compile_it: bool
) -> Render:
    device = adaptive.device
    generator = laid_out(generator, device)
    synthesise = compiled(generator.synthesise, compile_it, replayed=True)

    @torch.no_grad()
    def render(landmark_images: Tensor) -> Tensor:
        # As bytes, a quarter of the size, both ways.
        y = to_signed(landmark_images.to(device, non_blocking=True))
        with tensor_cores(), arithmetic(precision, device):
            frames = synthesise(y, adaptive.expand(len(y), -1))
        return to_uint8(frames)

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
        frames = session.run([OUTPUT], {INPUT: to_signed(landmark_images).numpy()})[0]
        return to_uint8(torch.from_numpy(frames))

    return render
