"""shrubb's FSTH files: a random one in his layout gives, in our networks, what his formulas say."""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.shrubb.importer import import_shrubb
from thbench.errors import ThbenchError
from thbench.method import MethodOptions
from thbench.paper.ours import OursFF

State = dict[str, Tensor]
SIZE_PX = 64
WIDTHS = [8, 16, 32, 64]


def spectral(state: State, name: str, *shape: int, bias: bool = True) -> None:
    weight = torch.randn(*shape)
    v = F.normalize(torch.randn(weight[0].numel()), dim=0)
    for _ in range(20):
        u = F.normalize(weight.flatten(1) @ v, dim=0)
        v = F.normalize(weight.flatten(1).T @ u, dim=0)
    state |= {f"{name}.weight_orig": weight, f"{name}.weight_u": u, f"{name}.weight_v": v}
    if bias:
        state[f"{name}.bias"] = torch.randn(shape[0]) * 0.1


def downs(state: State, first: int, key: str, normalised: bool) -> None:
    spectral(state, "down_block.1", 8, first, 3, 3)
    spectral(state, "down_block.4", 8, 8, 3, 3)
    spectral(state, "skip.0", 8, first, 1, 1)
    for i, (a, b) in enumerate(pairwise(WIDTHS)):
        at = (3, 7) if normalised else (2, 5)
        spectral(state, f"{key}.{i}.block.{at[0]}", b, a, 3, 3, bias=not normalised)
        spectral(state, f"{key}.{i}.block.{at[1]}", b, b, 3, 3, bias=not normalised)
        spectral(state, f"{key}.{i}.skip.0", b, a, 1, 1)
        if normalised:
            for place, width in ((0, a), (4, b)):
                state[f"{key}.{i}.block.{place}.weight"] = torch.rand(width) + 0.5
                state[f"{key}.{i}.block.{place}.bias"] = torch.randn(width)


def random_file() -> dict[str, Any]:
    torch.manual_seed(0)
    E: State = {}
    downs(E, 6, "down_blocks", normalised=False)
    G: State = {}
    downs(G, 3, "down_blocks", normalised=True)
    for i in range(4):
        spectral(G, f"decoder_blocks.{i}.block.3", 64, 64, 3, 3, bias=False)
        spectral(G, f"decoder_blocks.{i}.block.7", 64, 64, 3, 3, bias=False)
    adaptive = 4 * 4 * 64
    for i, (a, b) in enumerate(((64, 64), (64, 32), (32, 16), (16, 8)), start=4):
        spectral(G, f"decoder_blocks.{i}.block.4", b, a, 3, 3, bias=False)
        spectral(G, f"decoder_blocks.{i}.block.8", b, b, 3, 3, bias=False)
        spectral(G, f"decoder_blocks.{i}.skip.1", b, a, 1, 1)
        adaptive += 2 * (a + b)
    spectral(G, "decoder_blocks.11", 3, 8, 3, 3)
    spectral(G, "project", adaptive + 2 * 8, 64)
    D: State = {}
    downs(D, 6, "blocks", normalised=False)
    spectral(D, "blocks.3.block.2", 64, 64, 3, 3)
    spectral(D, "blocks.3.block.5", 64, 64, 3, 3)
    spectral(D, "linear", 1, 64)
    spectral(D, "embed", 5, 64, bias=False)
    args = argparse.Namespace(embedder="FSTH", generator="FSTH", data_root=Path("/x"), seed=1)
    return {"embedder": E, "generator": G, "discriminator": D, "args": args}


class Plain:
    """His forward passes in float64; `F.relu(x)` also where an in-place ReLU reached the skip."""

    def __init__(self, state: State) -> None:
        self.s = {name: tensor.double() for name, tensor in state.items()}

    def weight(self, name: str) -> Tensor:
        weight = self.s[f"{name}.weight_orig"]
        u, v = self.s[f"{name}.weight_u"], self.s[f"{name}.weight_v"]
        return weight / (u @ weight.flatten(1) @ v)

    def conv(self, x: Tensor, name: str) -> Tensor:
        weight = self.weight(name)
        return F.conv2d(x, weight, self.s.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def first(self, x: Tensor) -> Tensor:
        h = self.conv(F.relu(self.conv(x, "down_block.1")), "down_block.4")
        return F.avg_pool2d(h + self.conv(x, "skip.0"), 2)

    def embed(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.first(torch.cat([y, x], 1))
        for i in range(3):
            out = F.relu(out)
            h = self.conv(
                F.relu(self.conv(out, f"down_blocks.{i}.block.2")), f"down_blocks.{i}.block.5"
            )
            out = F.avg_pool2d(h + self.conv(out, f"down_blocks.{i}.skip.0"), 2)
        return F.relu(out).sum((2, 3))

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        var = x.var((2, 3), keepdim=True, unbiased=False)
        return (x - mean) / (var + 1e-4).sqrt() * weight[..., None, None] + bias[..., None, None]

    def generate(self, y: Tensor, e: Tensor) -> Tensor:
        psi = e @ self.weight("project").T + self.s["project.bias"]
        at = 0

        def adain(x: Tensor) -> Tensor:
            nonlocal at
            C = x.shape[1]
            at += 2 * C
            return self.norm(x, psi[:, at - C : at], psi[:, at - 2 * C : at - C])

        out = self.first(y)
        for i in range(3):
            k = f"down_blocks.{i}"
            h = F.relu(self.norm(out, self.s[f"{k}.block.0.weight"], self.s[f"{k}.block.0.bias"]))
            h = self.conv(h, f"{k}.block.3")
            h = F.relu(self.norm(h, self.s[f"{k}.block.4.weight"], self.s[f"{k}.block.4.bias"]))
            out = F.avg_pool2d(self.conv(h, f"{k}.block.7") + self.conv(out, f"{k}.skip.0"), 2)
        for i in range(4):
            h = self.conv(F.relu(adain(out)), f"decoder_blocks.{i}.block.3")
            out = out + self.conv(F.relu(adain(h)), f"decoder_blocks.{i}.block.7")
        for i in range(4, 8):
            k = f"decoder_blocks.{i}"
            h = self.conv(F.interpolate(F.relu(adain(out)), scale_factor=2), f"{k}.block.4")
            h = self.conv(F.relu(adain(h)), f"{k}.block.8")
            out = h + self.conv(F.interpolate(out, scale_factor=2), f"{k}.skip.1")
        return torch.tanh(self.conv(F.relu(adain(out)), "decoder_blocks.11"))


def test_a_random_file_does_what_his_formulas_say(tmp_path: Path) -> None:
    states = random_file()
    torch.save(states, tmp_path / "his.pth")
    config = import_shrubb(tmp_path / "his.pth", tmp_path / "model.safetensors")
    assert (config.size_px, config.embedding, config.relu_before_skip) == (64, 64, True)

    ours = OursFF(MethodOptions(checkpoint=tmp_path / "model.safetensors", size_px=64))
    x, y = (torch.rand(2, 3, SIZE_PX, SIZE_PX) * 2 - 1 for _ in range(2))
    with torch.no_grad():
        e = ours.model.embedder(x, y)
        made = ours.model.generator(y, e)
    true_e = Plain(states["embedder"]).embed(x.double(), y.double())
    assert float((e - true_e).abs().max()) < 1e-4 * float(true_e.abs().max())
    true = Plain(states["generator"]).generate(y.double(), e.double())
    assert float((made - true).abs().max()) < 1e-4


def test_running_averages_are_preferred(tmp_path: Path) -> None:
    states, others = random_file(), random_file()
    others["embedder"]["down_block.1.bias"] += 1
    states["running_averages"] = {"embedder": others["embedder"]}
    torch.save(states, tmp_path / "his.pth")
    import_shrubb(tmp_path / "his.pth", tmp_path / "model.safetensors")
    ours = OursFF(MethodOptions(checkpoint=tmp_path / "model.safetensors", size_px=64))
    bias = others["embedder"]["down_block.1.bias"]
    assert torch.equal(ours.model.embedder.state_dict()["blocks.0.conv1.bias"], bias)


def test_files_of_other_networks_are_told(tmp_path: Path) -> None:
    states = random_file()
    states["args"].gen_padding = "reflection"
    torch.save(states, tmp_path / "his.pth")
    with pytest.raises(ThbenchError, match="gen_padding = 'reflection'"):
        import_shrubb(tmp_path / "his.pth", tmp_path / "out")
    torch.save({"embedder": 3}, tmp_path / "his.pth")
    with pytest.raises(ThbenchError, match="holds no embedder"):
        import_shrubb(tmp_path / "his.pth", tmp_path / "out")
