"""copy-nearest, bundled and as the example of a method that lives outside this repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.random_frames import random_frames

from thbench.method import Frames, MethodOptions, load_method

EXAMPLE = Path(__file__).parents[2] / "examples" / "copy-nearest"


def test_the_shot_with_the_nearest_landmarks_is_copied() -> None:
    shots = random_frames(5)
    order = [3, 0, 4, 3, 1]
    drive = Frames(
        torch.zeros(5, 3, 64, 64, dtype=torch.uint8),
        shots.landmarks[order] + 0.3 * torch.randn(5, 68, 2),
    )
    head = load_method("copy-nearest", MethodOptions()).adapt(shots)
    assert torch.equal(head.render(drive), shots.images[order])


def test_one_point_far_away_weighs_less_than_all_points_a_little_off() -> None:
    """The distance is the mean over points, not a root mean square: 68 points by 1 pixel against
    one by 30.
    """
    base = torch.rand(1, 68, 2) * 60
    far = base.clone()
    far[0, 7, 0] += 30
    shots = Frames(random_frames(2).images, torch.cat([base + torch.tensor([1.0, 0.0]), far]))
    drive = Frames(random_frames(1).images, base)
    head = load_method("copy-nearest", MethodOptions()).adapt(shots)
    assert torch.equal(head.render(drive)[0], shots.images[1])


@pytest.mark.slow
def test_the_example_package_adds_a_method_without_touching_this_repository(tmp_path: Path) -> None:
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--target",
        str(tmp_path / "site"),
    ]
    source = tmp_path / "source"
    source.mkdir()
    for file in ("pyproject.toml", "nearest_example.py"):
        (source / file).write_bytes((EXAMPLE / file).read_bytes())
    subprocess.run([*install, str(source)], check=True, capture_output=True)
    program = (
        "import json, torch\n"
        "from thbench.method import Frames, MethodOptions, load_method, method_names, provenance\n"
        "method = load_method('nearest-example', MethodOptions())\n"
        "shots = Frames(torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 4, 4),\n"
        "               torch.arange(3.0).view(3, 1, 1).expand(3, 68, 2).contiguous())\n"
        "rendered = method.adapt(shots).render(shots[[2, 0]].without_images())\n"
        "print(json.dumps([method_names(), rendered[:, 0, 0, 0].tolist(), provenance(method)]))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )
    names, rendered, described = json.loads(ran.stdout)
    assert {"nearest-example", "copy-nearest"} <= set(names)
    assert rendered == [2, 0]
    assert described == {"drives_with": "landmarks"}


def test_the_example_is_ten_lines() -> None:
    code = [
        line
        for line in (EXAMPLE / "nearest_example.py").read_text().splitlines()
        if line.strip() and not line.strip().startswith(('"""', "#"))
    ]
    assert len(code) <= 10
