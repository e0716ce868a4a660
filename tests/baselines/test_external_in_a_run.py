"""The whole way: export a protocol, answer it with a method's own frames, and get that method's
numbers.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from protocols.definition import load_definition, method_entry
from protocols.export import export_from_command_line
from protocols.run import Outcome, RunOptions, run_protocol
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.runs import Run

SETTINGS: dict[str, Any] = {"T": (1, 2), "videos": 2, "holdout": 3}


def run(out: Path, *methods: str) -> Outcome:
    definition = load_definition("self-reenactment").with_values(
        **SETTINGS,
        metrics=("ssim", "psnr", "l1"),
        methods=tuple(method_entry(spec) for spec in methods),
    )
    return run_protocol(definition, open_dataset("synth:64"), out, RunOptions({}))


def export(out: Path, dataset: str = "synth:64", drives_with: Any = "image", **changes: Any) -> int:
    return export_from_command_line(
        "self-reenactment",
        dataset=dataset,
        seed=None,
        split=None,
        drivers=None,
        sources=None,
        drives_with=drives_with,
        out=out,
        **{**SETTINGS, **changes},
    )


@pytest.mark.slow
def test_frames_of_a_method_fed_back_give_exactly_its_numbers(tmp_path: Path) -> None:
    assert export(tmp_path / "export") == 4
    assert not run(tmp_path / "first", "copy-nearest").failed
    shutil.copytree(
        tmp_path / "first/images/copy-nearest", tmp_path / "export/answers", dirs_exist_ok=True
    )
    outcome = run(tmp_path / "second", f"external:theirs={tmp_path / 'export/answers'}")
    assert not outcome.failed
    columns = ["T", "video", "frame"]
    first, second = (
        pd.read_parquet(Run.open(tmp_path / name).frames_parquet) for name in ("first", "second")
    )
    second["method"] = second["method"].replace("theirs", "copy-nearest")
    pd.testing.assert_frame_equal(
        first.sort_values(["method", *columns], ignore_index=True),
        second.sort_values(["method", *columns], ignore_index=True),
    )
    described = Run.open(tmp_path / "second").record().methods["theirs"]
    assert described.drives_with == "image"
    assert described.config["exported"]["dataset"]["name"] == "synth"


def test_answers_to_another_split_fail_unit_by_unit(tmp_path: Path) -> None:
    export(tmp_path / "export", holdout=4)
    for episode in (tmp_path / "export").glob("T*/*"):
        shutil.copytree(
            episode / "drive",
            tmp_path / "export/answers" / episode.relative_to(tmp_path / "export"),
        )
    outcome = run(tmp_path / "run", f"external:theirs={tmp_path / 'export/answers'}")
    assert len(outcome.failed) == 4
    assert all("export the protocol again" in error for _, error in outcome.failed)


def test_a_timing_protocol_is_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.toml").write_text(
        'name = "p"\nkind = "timing"\nversion = 1\nsource = "s"\nmethods = []\nT = [1]\n'
    )
    with pytest.raises(ThbenchError, match="measures time"):
        export_from_command_line(
            "my.toml", (), "synth:64", None, None, None, None, None, None, "image", tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()
