"""Programs that take a picture and a video: what goes in, what comes back, what is told."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.random_frames import random_frames

from baselines.external.video import video
from protocols.definition import load_definition, method_entry
from protocols.run import RunOptions, run_protocol
from thbench.data.lossless import write_lossless
from thbench.data.open import open_dataset
from thbench.data.video import read_video
from thbench.errors import ThbenchError
from thbench.method import Frames, MethodOptions
from thbench.runs import Run, Unit

LAST = "{source} {driving} {result}"
COPY = "shutil.copy(sys.argv[2], sys.argv[3])"


def smooth_frames(n: int, seed: int = 0) -> Frames:
    """Frames that a codec keeps well: blurred noise."""
    frames = random_frames(n, seed=seed)
    small = frames.images.float()[:, :, ::16, ::16]
    large = torch.nn.functional.interpolate(small, scale_factor=16, mode="bicubic").clamp(0, 255)
    return Frames(large.to(torch.uint8).contiguous(), frames.landmarks)


def method(tmp_path: Path, lines: str, arguments: str = LAST, **settings: Any) -> Any:
    script = tmp_path / "my prog.py"
    script.write_text(f"import os, pathlib, shutil, sys, time\n{lines}\n")
    spec = f"mine={sys.executable} {shlex.quote(str(script))} {arguments}"
    return video(MethodOptions(spec, settings={"timeout_s": 60, **settings}))


def failure(found: Any) -> str:
    with pytest.raises(ThbenchError) as caught:
        found.adapt(smooth_frames(2)).render(smooth_frames(3, seed=1))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def error(images: torch.Tensor, drive: Frames) -> float:
    return float((images.float() - drive.images.float()).abs().mean() / 255)


def test_lossless_doors_give_every_pixel_back(tmp_path: Path) -> None:
    drive = random_frames(3, seed=1)
    by_ffv1 = method(tmp_path, COPY, lossless=True)
    assert torch.equal(by_ffv1.adapt(random_frames(2)).render(drive), drive.images)
    pictures = "[shutil.copy(f, sys.argv[2]) for f in sorted(pathlib.Path(sys.argv[1]).iterdir())]"
    by_png = method(tmp_path, pictures, "{driving_frames} {out}", result="*.png")
    assert torch.equal(by_png.adapt(random_frames(2)).render(drive), drive.images)


def test_mp4_costs_what_its_codec_costs_and_is_noted(tmp_path: Path) -> None:
    drive = smooth_frames(3, seed=1)
    head = method(tmp_path, COPY).adapt(smooth_frames(2))
    assert 0 < error(head.render(drive), drive) < 0.03
    assert head.notes[1] == "result: h264, yuv420p, 64x64"


def test_the_driving_video_begins_with_the_shot_when_asked(tmp_path: Path) -> None:
    """A program that only knows motion relative to the first frame would need it."""
    lines = f"{COPY}\nshutil.copy(sys.argv[2], {str(tmp_path / 'seen.mkv')!r})"
    shots, drive = random_frames(1), random_frames(3, seed=1)
    found = method(tmp_path, lines, lossless=True, prepend="shot")
    assert torch.equal(found.adapt(shots).render(drive), drive.images)
    seen = list(read_video(tmp_path / "seen.mkv")[0])
    assert len(seen) == 4
    assert np.array_equal(seen[0], shots.images[0].permute(1, 2, 0).numpy())


def test_the_shot_with_the_nearest_landmarks_is_the_source(tmp_path: Path) -> None:
    seen = tmp_path / "seen.png"
    lines = f"{COPY}\nshutil.copy(sys.argv[1], {str(seen)!r})"
    shots, drive = random_frames(3), random_frames(2, seed=1)
    shots.landmarks[1] = drive.landmarks.mean(0)

    head = method(tmp_path, lines).adapt(shots)
    head.render(drive)
    assert head.notes[0] == "shot 1 of 3"
    assert torch.equal(picture(seen), shots.images[1])

    head = method(tmp_path, lines, shots="first").adapt(shots)
    head.render(drive)
    assert torch.equal(picture(seen), shots.images[0])


def picture(file: Path) -> torch.Tensor:
    from PIL import Image

    return torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)


def test_all_shots_go_in_as_a_video_that_indices_count(tmp_path: Path) -> None:
    lines = (
        f"assert sys.argv[4:] == ['0', '1', '2'], sys.argv\n{COPY}\n"
        f"shutil.copy(sys.argv[1], {str(tmp_path / 'shots.mkv')!r})"
    )
    shots = random_frames(3)
    found = method(tmp_path, lines, f"{LAST} {{indices}}", shots="all-as-mp4", lossless=True)
    head = found.adapt(shots)
    head.render(random_frames(2))
    assert head.notes[0] == "all shots"
    read = np.stack(list(read_video(tmp_path / "shots.mkv")[0]))
    assert np.array_equal(read, shots.images.permute(0, 2, 3, 1).numpy())


def test_half_of_each_frame_may_be_the_result(tmp_path: Path) -> None:
    beside = (
        "from PIL import Image\n"
        "for f in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    image = Image.open(f); both = Image.new('RGB', (128, 64))\n"
        "    both.paste(image, (64, 0)); both.save(pathlib.Path(sys.argv[2]) / f.name)\n"
    )
    drive = random_frames(3, seed=1)
    found = method(tmp_path, beside, "{driving_frames} {out}", result="*.png", keep="right-half")
    assert torch.equal(found.adapt(random_frames(1)).render(drive), drive.images)
    whole = method(tmp_path, beside, "{driving_frames} {out}", result="*.png")
    assert "frames of 128x64 pixels came back" in failure(whole)


def test_a_system_of_another_size_is_served_at_that_size(tmp_path: Path) -> None:
    lines = f"{COPY}\nfrom PIL import Image\nassert Image.open(sys.argv[1]).size == (128, 128)"
    drive = smooth_frames(2, seed=1)
    head = method(tmp_path, lines, resize=128, lossless=True).adapt(smooth_frames(1))
    assert error(head.render(drive), drive) < 0.01
    assert head.notes[1].endswith("128x128")


def test_a_reconstruction_strip_is_cut_and_its_first_tile_dropped(tmp_path: Path) -> None:
    """FOMM's form: a folder test/clip/0000.png with the shot first, one PNG per clip back, beside
    the weights."""
    (tmp_path / "vox.yaml").write_text("dataset_params:\n  root_dir: data/vox\n  x: 1\n")
    (tmp_path / "vox.pth").write_text("weights")
    strip = (
        "from PIL import Image\n"
        "config = open(sys.argv[1]).read(); weights = pathlib.Path(sys.argv[2])\n"
        "assert weights.read_text() == 'weights'\n"
        "root = pathlib.Path(config.split('root_dir: ')[1].splitlines()[0])\n"
        "assert list((root / 'train').iterdir()) == []\n"
        "files = sorted((root / 'test' / 'clip').iterdir())\n"
        "both = Image.new('RGB', (64 * len(files), 64))\n"
        "for i, f in enumerate(files): both.paste(Image.open(f), (64 * i, 0))\n"
        "made = weights.parent / 'reconstruction' / 'png'; made.mkdir(parents=True)\n"
        "both.save(made / 'clip.png')\n"
    )
    found = method(
        tmp_path,
        strip,
        "{config} {weights}",
        cwd=str(tmp_path),
        root_config="vox.yaml",
        linked_weights="vox.pth",
        result="reconstruction/png/*.png",
        strip=True,
    )
    drive = random_frames(3, seed=1)
    assert torch.equal(found.adapt(random_frames(1)).render(drive), drive.images)


@pytest.mark.parametrize(
    ("lines", "settings", "told"),
    [
        ("", {}, "nothing below {out} fits 'result.*'; the program left nothing"),
        ("open(sys.argv[3], 'w').write('no video')", {}, "is truncated or not a video"),
        ("sys.exit('no face')", {}, "ended with exit code 1: no face"),
        ("time.sleep(60)", {"timeout_s": 1}, "ran longer than 1 s and was stopped"),
        (f"{COPY}; shutil.copy(sys.argv[3], sys.argv[3] + '.mp4')", {}, "2 results fit"),
        ("shutil.copy(sys.argv[1], sys.argv[3] + '.png')", {}, "1 frames came back, 3 were"),
        ("os.mkfifo(sys.argv[3])", {}, "nothing below {out} fits"),
        ("os.mkdir(sys.argv[3])", {}, "nothing below {out} fits"),
        ("os.symlink('/dev/zero', sys.argv[3])", {}, "nothing below {out} fits"),
    ],
)
def test_what_goes_wrong_is_told(
    lines: str, settings: dict[str, Any], told: str, tmp_path: Path
) -> None:
    assert told in failure(method(tmp_path, lines, **settings))


@pytest.mark.parametrize(
    ("line", "settings", "told"),
    [
        ("x=prog {source} {result}", {}, "must name what drives"),
        ("x=prog {driving}", {}, "must name what drives"),
        ("x=prog {driving} {result} {gpu}", {}, "unknown placeholder {gpu}"),
        ("x=prog {driving} {result}", {"shots": "best"}, "nearest-landmarks, first"),
        ("x=prog {driving} {result}", {"prepend": "frame"}, '"shot" or nothing'),
        ("x=prog {driving} {result}", {"keep": "half"}, "no part of a frame"),
        ("x=prog {driving} {result}", {"fps": 0}, "above 0"),
        ("x=prog {driving} {weights}", {}, "needs the setting linked_weights"),
        ("x=prog {driving} {result}", {"timout_s": 3}, "did you mean 'timeout_s'"),
        ("x=prog {driving} {result}", {"result": "/etc/*"}, "not a pattern of files below"),
        ("x=prog {driving} {result}", {"result": "../*.mp4"}, "not a pattern of files below"),
        ("x=prog {driving} {result}", {"result": ""}, "not a pattern of files below"),
        ("x=prog {driving} {result}", {"result": "a**/b"}, "not a pattern of files below"),
    ],
)
def test_a_malformed_spec_is_refused(line: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ThbenchError, match=told):
        video(MethodOptions(line, settings=settings))


@pytest.mark.slow
def test_an_identity_program_has_no_error_in_a_run_and_a_failed_unit_is_made_again(
    tmp_path: Path,
) -> None:
    script, mark = tmp_path / "prog.py", tmp_path / "mark"
    script.write_text(
        f"import pathlib, shutil, sys\nmark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists(): mark.touch(); sys.exit(3)\n"
        "shutil.copy(sys.argv[1], sys.argv[2])\n"
    )
    file = tmp_path / "copy.toml"
    file.write_text(
        f'command = "{sys.executable} {script} {{driving}} {{result}}"\nlossless = true\n'
    )
    definition = load_definition("self-reenactment").with_values(
        T=(1, 2),
        videos=1,
        holdout=2,
        metrics=("l1", "ssim"),
        methods=(method_entry(f"video:copy={file}"),),
    )
    first = run_protocol(definition, open_dataset("synth:64"), tmp_path / "run", RunOptions({}))
    assert len(first.failed) == 1
    second = run_protocol(definition, open_dataset("synth:64"), tmp_path / "run", RunOptions({}))
    assert not second.failed
    for row in second.summary.rows[1:]:
        assert (row.metrics["l1"].value, row.metrics["ssim"].value) == (0.0, 1.0)

    run = Run.open(tmp_path / "run")
    result = run.read_unit(next(unit for unit in run.planned() if unit.T == 2))
    assert result is not None
    assert result.notes[0].endswith("of 2")
    assert isinstance(next(run.planned()), Unit)


def test_lossless_videos_need_frames_and_their_suffix(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match=r"\.mkv"):
        write_lossless(tmp_path / "a.mp4", random_frames(1).images, 25)
