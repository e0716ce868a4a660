"""Random files in the layouts of vincent-thevenin's training, spectral norm as torch kept it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.vincent.importer import Imported, import_vincent

State = dict[str, Tensor]
DOWNS = {"2019": 6, "january-2020": 4, "march-2020": 4, "april-2020": 4}
ROWS = {"2019": 17158, "january-2020": 13062, "march-2020": 13062, "april-2020": 13184}


def imported(tmp_path: Path, name: str) -> tuple[dict[str, Any], Path]:
    states, out = random_file(name), tmp_path / "model.safetensors"
    torch.save(states, tmp_path / "his.tar")
    assert import_vincent(tmp_path / "his.tar", out) == Imported(name, True)
    return states, out


def random_file(name: str) -> dict[str, Any]:
    """What his training writes: spectral norm as weight_orig, weight_u, weight_v."""
    torch.manual_seed(0)
    ups = [(512, 512)] * 2 * (name == "2019") + [(512, 256), (256, 128), (128, 64)]
    ups += [(64, 32 if name == "april-2020" else 3)]
    E: State = {}
    for i, (a, b) in enumerate([(6, 64), (64, 128), (128, 256), (256, 512)] + [(512, 512)] * 2):
        residual(E, f"resDown{i + 1}", a, b, 3)
    attention(E, "self_att", 256)

    D: State = {"w_0": torch.randn(512, 1) / 22, "b": torch.zeros(1)}
    D |= {"W_i": torch.rand(512, 32), "w_prime": torch.randn(512, 1)}
    for i, (a, b) in enumerate([(6, 64), (64, 128), (128, 256), (256, 512)] + [(512, 512)] * 2):
        residual(D, f"resDown{i + 1}", a, b, 3)
    attention(D, "self_att", 256)
    conv(D, "res.conv1", 512, 512, 3)
    conv(D, "res.conv2", 512, 512, 3)

    G: State = {"p": torch.randn(ROWS[name], 512) * 0.05, "psi": torch.rand(ROWS[name], 1)}
    widths = [3, 64, 128, 256, 512, 512, 512][: DOWNS[name] + 1]
    for i in range(DOWNS[name]):
        residual(G, f"resDown{i + 1}", widths[i], widths[i + 1], 9 if i == 0 else 3)
        affine(G, f"in{i + 1}", widths[i + 1])
    attention(G, "self_att_Down", 256)
    for i in range(5):
        conv(G, f"res{i + 1}.conv1", 512, 512, 3)
        conv(G, f"res{i + 1}.conv2", 512, 512, 3)
    for i, (a, b) in enumerate(ups):
        residual(G, f"resUp{i + 1}", a, b, 9 if b == 3 else 3)
    attention(G, "self_att_Up", 128)
    if name == "march-2020":
        affine(G, "in5", 3)
    if name == "april-2020":
        G["conv2d.weight"], G["conv2d.bias"] = torch.randn(3, 32, 3, 3) / 17, torch.randn(3) / 9
    states = {"E_state_dict": E, "G_state_dict": G, "D_state_dict": D}
    return {"epoch": 3, "lossesG": [1.0], **states}


def conv(state: State, name: str, a: int, b: int, kernel: int) -> None:
    weight = torch.randn(b, a, kernel, kernel)
    state[f"{name}.weight_orig"], state[f"{name}.bias"] = weight, torch.randn(b) * 0.1
    v = F.normalize(torch.randn(a * kernel**2), dim=0)
    for _ in range(3):
        u = F.normalize(weight.flatten(1) @ v, dim=0)
        v = F.normalize(weight.flatten(1).T @ u, dim=0)
    state[f"{name}.weight_u"], state[f"{name}.weight_v"] = u, v


def residual(state: State, name: str, a: int, b: int, kernel: int) -> None:
    conv(state, f"{name}.conv_l1", a, b, 1)
    conv(state, f"{name}.conv_r1", a, b, kernel)
    conv(state, f"{name}.conv_r2", b, b, kernel)


def attention(state: State, name: str, channels: int) -> None:
    for part, width in (("f", channels // 8), ("g", channels // 8), ("h", channels)):
        conv(state, f"{name}.conv_{part}", channels, width, 1)
    state[f"{name}.gamma"] = torch.tensor([0.7])


def affine(state: State, name: str, channels: int) -> None:
    state[f"{name}.weight"], state[f"{name}.bias"] = (
        torch.rand(channels) + 0.5,
        torch.randn(channels),
    )
