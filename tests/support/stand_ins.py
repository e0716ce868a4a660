"""Stand-ins for public systems: the same command lines and outputs, and the driving frames back."""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.external.systems import Recipe

_STRIP = """
config = open(a.config).read()
root = pathlib.Path(config.split("root_dir:")[1].splitlines()[0].strip())
assert list((root / "train").iterdir()) == []
made = pathlib.Path(a.checkpoint).parent / "reconstruction" / "png"
made.mkdir(parents=True)
for clip in (root / "test").iterdir():
    frames = [Image.open(f) for f in sorted(clip.iterdir())]
    strip = Image.new("RGB", (sum(f.width for f in frames), frames[0].height))
    for i, f in enumerate(frames):
        strip.paste(f, (i * f.width, 0))
    strip.save(made / f"{clip.name}.png")
"""
_DEMO_OPTIONS = ("--config", "--checkpoint", "--source_image", "--driving_video", "--result_video")
_RUN_OPTIONS = ("--config", "--mode", "--checkpoint")
_MOTION = ("--relative", "--adapt_scale", "--find_best_frame", "--cpu")

# recipe -> (script, options with a value, flags, what it does)
_SCRIPTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str]] = {
    "tpsmm": ("run.py", (*_RUN_OPTIONS, "--device_ids"), (), _STRIP),
    "mraa": ("run.py", (*_RUN_OPTIONS, "--device_ids"), (), _STRIP),
    "liveportrait": (
        "inference.py",
        ("-s", "-d", "-o"),
        ("--no_flag_relative_motion", "--no_flag_pasteback", "--no_flag_do_crop"),
        "name = f'{pathlib.Path(a.s).stem}--{pathlib.Path(a.d).stem}'\n"
        "shutil.copy(a.d, f'{a.o}/{name}.mp4'); shutil.copy(a.d, f'{a.o}/{name}_concat.mp4')",
    ),
    "lia": (
        "run_demo.py",
        ("--model", "--source_path", "--driving_path", "--save_folder"),
        (),
        "made = pathlib.Path(a.save_folder, a.model); made.mkdir()\n"
        "name = f'{pathlib.Path(a.source_path).stem}_{pathlib.Path(a.driving_path).stem}.mp4'\n"
        "shutil.copy(a.driving_path, made / name)",
    ),
    "fsrt": (
        "demo.py",
        _DEMO_OPTIONS,
        _MOTION,
        "assert a.source_image.endswith(('.mp4', '.mkv')) and a.source_idx == ['0', '1'], a\n"
        "shutil.copy(a.driving_video, a.result_video)",
    ),
    "hyperreenact": (
        "run_inference.py",
        ("--source_path", "--target_path", "--output_path"),
        ("--save_images", "--save_grids", "--save_video"),
        "assert a.save_images\n"
        "for i, f in enumerate(sorted(pathlib.Path(a.target_path).iterdir())):\n"
        "    shutil.copy(f, pathlib.Path(a.output_path, f'{i:06d}.png'))",
    ),
    "x-portrait": (
        "core/test_xportrait.py",
        (
            *("--model_config", "--output_dir", "--resume_dir", "--seed", "--uc_scale"),
            *("--source_image", "--driving_video", "--best_frame", "--out_frames"),
            *("--num_mix", "--ddim_steps"),
        ),
        (),
        "shutil.copy(a.driving_video, f'{a.output_dir}/inference_appearance_by_mix4.mp4')",
    ),
}


def stand_in(folder: Path, name: str, known: Recipe) -> Path:
    """A clone of a system, as far as its recipe looks, whose program gives its driving frames back.

    It takes the options of the real program and no other.
    """
    for file in (*known.files, *known.weight_files):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("dataset_params:\n  root_dir: data\n" if file.endswith(".yaml") else "")
    script, options, flags, work = _SCRIPTS[name]
    lines = [
        "import argparse, pathlib, shutil",
        "from PIL import Image",
        "p = argparse.ArgumentParser()",
        *(
            f"p.add_argument({option!r}, required={option in known.door.command})"
            for option in options
        ),
        *(f"p.add_argument({flag!r}, action='store_true')" for flag in flags),
        "p.add_argument('--source_idx', nargs='+')" if name == "fsrt" else "",
        "a = p.parse_args()",
        work,
    ]
    (folder / script).write_text("\n".join(lines))
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder
