"""The renderers of a head, against one another, and its file for other programs."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cli import thbench
from thbench.data.landmarks.dlib import DlibLandmarks
from thbench.data.photos import read_photos
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.heads import export_head
from thbench.method import Frames, MethodOptions, load_method
from thbench.paper.head import OursHead

MODELS = Path(str(resources.files("thbench"))) / "assets" / "models"
PERSON = Path(__file__).parents[4] / "shared/data/vox1-sample/unzippedFaces/Peter_Capaldi"


def made(shots: Frames, renderer: str | None) -> OursHead:
    settings = {"renderer": renderer} if renderer else {}
    model = MODELS / "ours-ft.safetensors"
    options = MethodOptions(checkpoint=model, size_px=64, settings=settings)
    head = load_method("ours-ff", options).adapt(shots)
    assert isinstance(head, OursHead)
    return head


def synthetic_frames() -> Frames:
    heads = synth(64)
    return heads.read(heads.videos[0], range(0, 60, 6))


@pytest.fixture(scope="module")
def real_frames() -> Frames:
    if not PERSON.exists():
        pytest.skip("needs ../shared/data, real frames that are not distributed")
    photos = sorted(PERSON.rglob("*.jpg"))[:6]
    return read_photos(photos, 64, DlibLandmarks(), "as-is").frames


def grey_levels_apart(frames: Frames) -> int:
    by_graph, by_torch = (made(frames, name).render(frames).int() for name in ("graph", "torch"))
    return int((by_graph - by_torch).abs().max())


def test_both_renderers_agree_within_a_grey_level() -> None:
    assert grey_levels_apart(synthetic_frames()) <= 1


def test_both_renderers_agree_on_real_frames(real_frames: Frames) -> None:
    assert grey_levels_apart(real_frames) <= 1


def test_a_compiled_head_renders_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.compile
    monkeypatch.setattr(  # without the C++ compiler, whose part takes minutes
        torch,
        "compile",
        lambda function, **how: whole(function, dynamic=False, backend="aot_eager"),
    )
    frames = synthetic_frames()

    by_compiled, by_torch = (
        made(frames, name).render(frames[:8]).int() for name in ("compiled", "torch")
    )

    assert int((by_compiled - by_torch).abs().max()) <= 1


def test_bf16_renders_within_45_db() -> None:
    frames = synthetic_frames()
    settings = {"precision": "bf16"}
    options = MethodOptions(
        checkpoint=MODELS / "ours-ft.safetensors", size_px=64, settings=settings
    )
    head = load_method("ours-ff", options).adapt(frames)
    assert isinstance(head, OursHead)

    apart = (head.render(frames).double() - made(frames, "torch").render(frames).double()) / 255

    assert head.renderer == "torch"
    assert 0 < float((apart**2).mean()) <= 10**-4.5


def test_bf16_by_the_graph_is_refused() -> None:
    frames = synthetic_frames()
    settings = {"precision": "bf16", "renderer": "graph"}
    options = MethodOptions(
        checkpoint=MODELS / "ours-ft.safetensors", size_px=64, settings=settings
    )
    head = load_method("ours-ff", options).adapt(frames)

    with pytest.raises(ThbenchError, match="for bf16 choose 'torch'"):
        head.render(frames)


def test_a_processor_renders_by_the_graph_unless_told_otherwise() -> None:
    shots = synthetic_frames()

    assert made(shots, None).renderer == "graph"
    assert made(shots, "torch").renderer == "torch"


def test_the_graph_renders_the_same_however_frames_are_grouped() -> None:
    shots = synthetic_frames()
    head = made(shots, "graph")

    one_by_one = torch.cat([head.render(shots[[index]]) for index in range(len(shots))])

    assert torch.equal(head.render(shots), one_by_one)


def test_an_unknown_renderer_is_refused() -> None:
    with pytest.raises(
        ThbenchError, match="renderer = 'gpu' is unknown; known are graph, torch, compiled"
    ):
        made(synthetic_frames(), "gpu")


def test_an_exported_head_runs_without_this_project(tmp_path: Path) -> None:
    shots = synthetic_frames()
    head = made(shots, "graph")
    head.save(tmp_path / "person.safetensors")

    ran = CliRunner().invoke(
        thbench,
        ["export-head", str(tmp_path / "person.safetensors"), "-o", str(tmp_path / "p.onnx")],
    )
    assert ran.exit_code == 0, ran.output
    script = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "drawn = numpy.zeros((2, 3, 64, 64), numpy.float32) - 1\n"
        "frames = session.run(None, {'landmark_images': drawn})[0]\n"
        "assert 'thbench' not in sys.modules\n"
        "print(frames.shape, float(abs(frames).max()) <= 1)\n"
    )
    alone = subprocess.run(
        [sys.executable, "-I", "-c", script, str(tmp_path / "p.onnx")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert alone.stdout == "(2, 3, 64, 64) True\n"


def test_a_head_that_cannot_be_exported_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thbench.heads.load_head", lambda path: object())

    with pytest.raises(ThbenchError, match="cannot be exported"):
        export_head(tmp_path / "head.safetensors", tmp_path / "x.onnx")
