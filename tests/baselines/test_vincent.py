"""vincent-thevenin's layouts: random files in each, against a plain re-statement in float64."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from support.random_frames import random_frames
from support.vincent_files import DOWNS, ROWS, State, imported, random_file
from torch import Tensor

from baselines.vincent import network
from baselines.vincent.discriminator import VincentDiscriminator
from baselines.vincent.importer import import_vincent
from baselines.vincent.landmarks import white_landmark_images
from baselines.vincent.method import VincentFF
from baselines.vincent.network import LAYOUTS, VincentEmbedder, VincentGenerator
from baselines.vincent.spectral import folded
from cli import thbench
from thbench.errors import ThbenchError
from thbench.method import MethodOptions
from thbench.training import checkpoints

# As 224 and 256, but faster; 2019 halves its maps six times.
PADDED_PX = {"2019": 128, "january-2020": 64, "march-2020": 64, "april-2020": 64}


class Plain:
    """His forward pass from the facts alone, in float64, one function for each kind of block."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.s = {key: tensor.double() for key, tensor in state.items()}
        self.act: Callable[[Tensor], Tensor] = (
            (lambda x: torch.where(x > 0, x, 0.01 * x))
            if name in ("march-2020", "april-2020")
            else (lambda x: x.clamp(min=0))
        )

    def conv(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.s.get(f"{name}.weight_orig"), self.s[f"{name}.bias"]
        if weight is None:
            weight = self.s[f"{name}.weight"]
        else:
            u, v = self.s[f"{name}.weight_u"], self.s[f"{name}.weight_v"]
            weight = weight / (u @ (weight.reshape(len(u), -1) @ v))
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def down(self, x: Tensor, name: str) -> Tensor:
        h = self.conv(self.act(self.conv(self.act(x), f"{name}.conv_r1")), f"{name}.conv_r2")
        return F.avg_pool2d(h + self.conv(x, f"{name}.conv_l1"), 2)

    def attend(self, x: Tensor, name: str) -> Tensor:
        B, _, H, W = x.shape
        f, g, h = (self.conv(x, f"{name}.conv_{part}").reshape(B, -1, H * W) for part in "fgh")
        weights = torch.einsum("bci,bcj->bij", f, g).exp()
        weights = weights / weights.sum(1, keepdim=True)
        return x + self.s[f"{name}.gamma"] * torch.einsum("bci,bij->bcj", h, weights).reshape(
            x.shape
        )

    def affine(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean((2, 3), keepdim=True)
        scaled = centred / (centred.pow(2).mean((2, 3), keepdim=True) + 1e-5).sqrt()
        weight, bias = self.s[f"{name}.weight"], self.s[f"{name}.bias"]
        return scaled * weight[:, None, None] + bias[:, None, None]

    def adain(self, x: Tensor, psi: Tensor) -> Tensor:
        n = x.shape[2] * x.shape[3]
        centred = x - x.mean((2, 3), keepdim=True)
        deviation = (centred.pow(2).sum((2, 3), keepdim=True) / (n - 1)).sqrt() + 1e-5
        C = x.shape[1]
        return psi[:, C:, None, None] * centred / deviation + psi[:, :C, None, None]

    def double(self, x: Tensor, size: int) -> Tensor:
        if self.name == "april-2020":
            return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
        return F.interpolate(x, size=(size, size))

    def pad(self, x: Tensor) -> Tensor:
        padded_px = PADDED_PX[self.name]
        out = torch.zeros(*x.shape[:2], padded_px, padded_px, dtype=torch.float64)
        edge = (padded_px - x.shape[-1]) // 2
        out[:, :, edge : edge + x.shape[-1], edge : edge + x.shape[-1]] = x
        return out

    def embed(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.pad(torch.cat([x, y], 1))
        for i in range(1, 7):
            out = self.down(out, f"resDown{i}")
            out = self.attend(out, "self_att") if i == 3 else out
        return self.act(out.flatten(2).max(2)[0])

    def judge(self, x: Tensor, y: Tensor, e: Tensor) -> tuple[Tensor, list[Tensor]]:
        out, maps = self.pad(torch.cat([x, y], 1)), []
        for i in range(1, 7):
            out = self.down(out, f"resDown{i}")
            maps.append(out)
            out = self.attend(out, "self_att") if i == 3 else out
        maps.append(out + self.conv(self.act(self.conv(out, "res.conv1")), "res.conv2"))
        described = self.act(maps[-1].mean((2, 3)))
        return described @ (self.s["w_0"][:, 0] + e) + self.s["b"], maps

    def generate(self, y: Tensor, e: Tensor) -> Tensor:
        psi = e @ self.s["p"].T
        out, at = self.pad(y), 0

        def take(count: int) -> Tensor:
            nonlocal at
            at += count
            return psi[:, at - count : at]

        for i in range(1, DOWNS[self.name] + 1):
            out = self.affine(self.down(out, f"resDown{i}"), f"in{i}")
            out = self.attend(out, "self_att_Down") if i == 3 else out
        for i in range(1, 6):
            first, second = take(1024), take(1024)
            if self.name == "april-2020":
                h = self.conv(self.act(self.adain(out, first)), f"res{i}.conv1")
                h = self.conv(self.act(self.adain(h, second)), f"res{i}.conv2")
            else:
                h = self.act(self.adain(self.conv(out, f"res{i}.conv1"), first))
                h = self.adain(self.conv(h, f"res{i}.conv2"), second)
            out = out + h
        count = DOWNS[self.name]
        for i in range(1, count + 1):
            size = y.shape[-1] if i == count else 2 * out.shape[-1]
            after = len(self.s[f"resUp{i}.conv_l1.bias"])
            first, second = take(2 * out.shape[1]), take(2 * after)
            h = self.conv(self.double(self.act(self.adain(out, first)), size), f"resUp{i}.conv_r1")
            h = self.conv(self.act(self.adain(h, second)), f"resUp{i}.conv_r2")
            out = h + self.conv(self.double(out, size), f"resUp{i}.conv_l1")
            out = self.attend(out, "self_att_Up") if out.shape[1] == 128 else out
        if self.name == "march-2020":
            out = self.affine(out, "in5")
        if self.name == "april-2020":
            out = self.conv(self.act(self.adain(out, take(64))), "conv2d")
        assert at == psi.shape[1]
        return 1 / (1 + (-out).exp())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2019", "january-2020", "march-2020", "april-2020"])
def test_each_layout_does_what_its_formulas_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "PADDED_PX", PADDED_PX[name])
    size_px = PADDED_PX[name] * 3 // 4
    states, out = imported(tmp_path, name)
    method = VincentFF(MethodOptions(checkpoint=out))
    x, y = torch.rand(1, 3, size_px, size_px), torch.rand(1, 3, size_px, size_px)
    with torch.no_grad():
        e = method.model.embedder(x, y)
        made = method.generator(y, method.generator.project(e))

    true_e = Plain(name, states["E_state_dict"]).embed(x.double(), y.double())
    true = Plain(name, states["G_state_dict"]).generate(y.double(), e.double())
    assert true.std() > 0.01
    assert float((e - true_e).abs().max()) < 1e-4 * float(true_e.abs().max().clamp(min=1))
    assert float((made - true).abs().max()) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["january-2020", "april-2020"])
def test_the_discriminator_does_what_its_formulas_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "PADDED_PX", PADDED_PX[name])
    size_px = PADDED_PX[name] * 3 // 4
    states, out = imported(tmp_path, name)
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    judge = VincentDiscriminator(layout).eval()
    state = checkpoints.unprefixed("discriminator", checkpoints.load_model(out, "vincent")[0])
    judge.load_state_dict(folded(state))
    x, y, e = (
        torch.rand(1, 3, size_px, size_px),
        torch.rand(1, 3, size_px, size_px),
        torch.rand(512),
    )
    with torch.no_grad():
        score, maps = judge(x, y, judge.w_0[:, 0] + e)

    plain = Plain(name, states["D_state_dict"])
    true_score, true_maps = plain.judge(x.double(), y.double(), e.double())
    assert float((score - true_score).abs()) < 1e-4 * float(true_score.abs().clamp(min=1))
    for made, true in zip(maps, true_maps, strict=True):
        assert float((made - true).abs().max()) < 1e-4 * float(true.abs().max())
    assert sum(p.numel() for p in judge.parameters()) == 19_626_881 + 512 + 1


def test_the_counts_are_those_of_the_facts() -> None:
    newest = LAYOUTS[-1]
    count = sum(p.numel() for p in VincentEmbedder(newest).parameters())
    assert count == 14_907_265
    generator = VincentGenerator(newest)
    psi = ROWS["april-2020"]  # his file keeps one person's, which is left out
    assert sum(p.numel() for p in generator.parameters()) + psi == 38_160_037
    assert [sum(layout.slices) for layout in LAYOUTS] == list(ROWS.values())


def test_the_method_renders_frames_of_the_dataset(tmp_path: Path) -> None:
    _, out = imported(tmp_path, "april-2020")
    method = VincentFF(MethodOptions(checkpoint=out))
    drive = random_frames(2, seed=1).without_images()
    made = method.adapt(random_frames(1)).render(drive)
    assert made.shape == drive.images.shape
    assert made.dtype == torch.uint8
    assert "white landmark" in method.provenance["notes"][0]


def test_landmarks_are_thin_lines_on_white() -> None:
    landmarks = torch.full((1, 68, 2), 10.0)
    landmarks[0, 0:17, 0] = torch.linspace(20, 200, 17)
    landmarks[0, 0:17, 1] = 100
    image = white_landmark_images(landmarks, 224)[0]
    assert image.shape == (3, 224, 224)
    assert tuple(image[:, 220, 220].tolist()) == (255, 255, 255)
    red, green, blue = image[:, 100, 110].tolist()
    assert green > max(red, blue)  # the jaw


class Hostile:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.touched}",)


@pytest.mark.parametrize("system", ["vincent", "shrubb"])
def test_a_hostile_pickle_is_refused_and_runs_nothing(system: str, tmp_path: Path) -> None:
    touched, out = tmp_path / "touched", tmp_path / "out.safetensors"
    torch.save({"E_state_dict": Hostile(touched), "args": Hostile(touched)}, tmp_path / "a.tar")
    (tmp_path / "b.tar").write_bytes(pickle.dumps(Hostile(touched)))
    (tmp_path / "c.tar").write_bytes(b"no pickle")
    for name in "abc":
        told = CliRunner().invoke(
            thbench, ["import", system, str(tmp_path / f"{name}.tar"), "-o", str(out)]
        )
        assert isinstance(told.exception, ThbenchError)
        assert "cannot be read as weights" in str(told.exception)
    assert not touched.exists()
    assert not out.exists()


@pytest.mark.parametrize(
    "damaged",
    [
        {"E_state_dict": {"a": torch.zeros(1)}, "G_state_dict": {"p": torch.tensor(1.0)}},
        {"E_state_dict": {3: torch.zeros(1)}, "G_state_dict": {}},
        {"E_state_dict": {"a.weight_orig": torch.zeros(1)}, "G_state_dict": {}},
        {"E_state_dict": {"a": torch.zeros(1, dtype=torch.half).expand(10**15)}},
        {"E_state_dict": {"a": torch.zeros(2)}, "G_state_dict": {"p": torch.zeros(13184, 1)}},
    ],
)
def test_weights_of_odd_names_and_shapes_are_told_in_one_line(
    damaged: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(damaged, tmp_path / "his.tar")
    with pytest.raises(ThbenchError) as told:
        import_vincent(tmp_path / "his.tar", tmp_path / "out")
    assert "his.tar" in str(told.value)
    assert "\n" not in str(told.value)


def test_another_projection_is_told(tmp_path: Path) -> None:
    states = random_file("april-2020")
    states["G_state_dict"]["p"] = torch.zeros(9, 512)
    torch.save(states, tmp_path / "his.tar")
    with pytest.raises(ThbenchError, match=r"has 9 rows .* 13184 \(april-2020\)"):
        import_vincent(tmp_path / "his.tar", tmp_path / "out")
