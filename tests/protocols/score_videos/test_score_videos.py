"""Clips on disk become a run: equal ones score perfectly, damage is measured, misfits are told."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.clips_on_disk import NAMES, real_clip, write_mp4, write_pngs

from cli import thbench
from protocols.score_videos.score import Request, Scored, score_videos
from protocols.verify import verify_run
from thbench.data.clip_files import ClipFile, keep_part
from thbench.errors import ThbenchError
from thbench.runs import Run, Unit

N = 3
FEW = NAMES[:2]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons with one clip each."""
    return write_all(tmp_path_factory.mktemp("real"))


def score(tmp_path: Path, real: Path, methods: Mapping[str, Path], **options: Any) -> Scored:
    options.setdefault("metrics", ("ssim", "l1"))
    return score_videos(Request(real, methods, tmp_path / "run", **options))


def value(scored: Scored, method: str, metric: str) -> float:
    row = next(row for row in scored.outcome.summary.rows if row.method == method)
    found = row.metrics[metric].value
    assert found is not None
    return found


def write_all(folder: Path, change: Any = lambda frames: frames, form: str = "png") -> Path:
    for name in FEW:
        frames = change(real_clip(name, N))
        if form == "png":
            write_pngs(folder / name, frames)
        else:
            write_mp4(folder / f"{name}.mp4", frames)
    return folder


@pytest.mark.slow
def test_damage_is_measured_and_its_absence_too(tmp_path: Path, real: Path) -> None:
    methods = {
        "same": real,
        "coded": write_all(tmp_path / "coded", form="mp4"),
        "shifted": write_all(tmp_path / "shifted", lambda frames: frames.roll(2, -1)),
    }
    scored = score(tmp_path, real, methods)
    assert not scored.outcome.failed
    assert (value(scored, "same", "l1"), value(scored, "same", "ssim")) == (0.0, 1.0)

    coded = np.mean(
        [
            np.abs(
                np.stack(list(ClipFile(methods["coded"] / f"{name}.mp4").read(range(N)))).astype(
                    float
                )
                - real_clip(name, N).permute(0, 2, 3, 1).numpy()
            ).mean()
            / 255
            for name in FEW
        ]
    )
    assert value(scored, "coded", "l1") == pytest.approx(coded, rel=1e-9)
    assert 0 < value(scored, "coded", "l1") < 0.02
    assert value(scored, "shifted", "l1") > value(scored, "coded", "l1")
    assert verify_run(Run.open(tmp_path / "run"))[1] == []


def test_a_person_with_several_clips_has_a_floor_and_triplets(tmp_path: Path) -> None:
    real = tmp_path / "real"
    for name in (NAMES[0], *NAMES[2:]):
        write_pngs(real / name, real_clip(name, N))
    scored = score(tmp_path, real, {"same": real}, metrics=("l1",))
    videos = Run.open(tmp_path / "run").record().split.videos
    floors = {video.key: video.floor_of for video in videos}
    assert floors[NAMES[2]] == NAMES[3]
    assert floors[NAMES[4]] == NAMES[2]
    assert floors[NAMES[0]] is None
    assert [video.others is not None for video in videos] == [False, True, True, True]

    run, unit = Run.open(tmp_path / "run"), Unit("real", 0, NAMES[2])
    assert run.read_unit(unit) is not None
    assert run.read_unit(Unit("real", 0, NAMES[0])) is None
    assert 0 < value(scored, "real", "l1") < 0.5
    assert len(list(run.triplets_folder(NAMES[2]).iterdir())) == 2 * N


def test_a_result_of_another_length_fails_and_says_what_would_work(
    tmp_path: Path, real: Path
) -> None:
    fakes = tmp_path / "fakes"
    shutil.copytree(real, fakes)
    (fakes / NAMES[0] / "0002.png").unlink()

    scored = score(tmp_path, real, {"short": fakes})
    assert [unit.video for unit, _ in scored.outcome.failed] == [NAMES[0]]
    assert "has 2 frames, the true clip 3: --match common" in scored.outcome.failed[0][1]

    scored = score_videos(
        Request(real, {"short": fakes}, tmp_path / "common", ("l1",), match="common")
    )
    assert not scored.outcome.failed
    holdouts = [len(video.holdout) for video in Run.open(tmp_path / "common").record().split.videos]
    assert holdouts == [2, 3]
    assert value(scored, "short", "l1") == 0


def test_another_rate_is_matched_by_time_when_asked(tmp_path: Path, real: Path) -> None:
    """Each frame shown twice as often at twice the rate is the same video."""
    name = NAMES[0]
    frames = real_clip(name, N)
    write_mp4(tmp_path / "real" / f"{name}.mp4", frames, 25)
    write_mp4(tmp_path / "twice" / f"{name}.mp4", frames.repeat_interleave(2, 0), 50)
    write_mp4(tmp_path / "cut" / f"{name}.mp4", frames[:1], 25)

    request = Request(
        tmp_path / "real", {"twice": tmp_path / "twice"}, tmp_path / "run", ("l1",), match="time"
    )
    scored = score_videos(request)
    assert not scored.outcome.failed
    assert value(scored, "twice", "l1") < 0.02
    assert (
        "state another frame rate" in Run.open(tmp_path / "run").record().methods["twice"].notes[1]
    )

    request = Request(
        tmp_path / "real", {"cut": tmp_path / "cut"}, tmp_path / "other", ("l1",), match="time"
    )
    failed = score_videos(request).outcome.failed
    assert "not the same moments" in failed[0][1]


def test_side_by_side_results_are_told_and_cut_when_asked(tmp_path: Path, real: Path) -> None:
    beside = write_all(tmp_path / "beside", lambda x: torch.cat([x.flip(-1), x], -1))
    failed = score(tmp_path, real, {"beside": beside}).outcome.failed
    assert len(failed) == len(FEW)
    assert "--keep left-half or --keep right-half" in failed[0][1]

    request = Request(
        real,
        {"beside": beside},
        tmp_path / "kept",
        ("l1",),
        keeps={"beside": keep_part("right-half")},
    )
    assert value(score_videos(request), "beside", "l1") == 0


def test_larger_results_are_resized_and_said(tmp_path: Path, real: Path) -> None:
    large = write_all(
        tmp_path / "large", lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    )
    scored = score(tmp_path, real, {"large": large})
    assert value(scored, "large", "l1") == 0  # an area average undoes the doubling
    notes = Run.open(tmp_path / "run").record().methods["large"].notes
    assert any("resized to the true frames'" in note for note in notes)


def test_a_shared_crop_cuts_both_sides_alike(tmp_path: Path, real: Path) -> None:
    scored = score(tmp_path, real, {"same": real}, crop="shared", size_px=64)
    assert value(scored, "same", "l1") == 0
    assert Run.open(tmp_path / "run").record().dataset.size_px == 64


def test_identity_is_compared_with_the_first_frame_when_asked(tmp_path: Path, real: Path) -> None:
    """The first frame everywhere: the same face as the reference, and not as the true frames."""
    still = write_all(tmp_path / "still", lambda frames: frames[:1].expand_as(frames))
    by_frame = score(tmp_path, real, {"still": still}, metrics=("csim-dlib",))
    request = Request(real, {"still": still}, tmp_path / "shot", ("csim-dlib",), identity="shots")
    by_shot = score_videos(request)
    assert value(by_shot, "still", "csim-dlib") > value(by_frame, "still", "csim-dlib")
    first = Run.open(tmp_path / "run").record().protocol.sha256
    assert Run.open(tmp_path / "shot").record().protocol.sha256 != first


def test_a_run_goes_on_and_takes_more_methods(tmp_path: Path, real: Path) -> None:
    score(tmp_path, real, {"a": real})
    run = Run.open(tmp_path / "run")
    whole = run.frames_parquet.read_bytes()
    shutil.rmtree(run.unit_folder(Unit("a", 1, NAMES[1])))
    run.unit_mark(Unit("a", 1, NAMES[1])).unlink()
    score(tmp_path, real, {"a": real})
    assert run.frames_parquet.read_bytes() == whole

    score(tmp_path, real, {"b": real})
    assert list(run.record().methods) == ["a", "b"]
    assert verify_run(run)[1] == []
    with pytest.raises(ThbenchError, match="other true clips"):
        score(tmp_path, real, {"a": real}, frames="2")


def test_pairs_may_be_named_in_a_csv(tmp_path: Path, real: Path) -> None:
    shutil.copytree(real / NAMES[0], tmp_path / "fakes" / "out--1")
    table = tmp_path / "pairs.csv"
    table.write_text(f"real,fake,person\n{NAMES[0]},out--1,Ann\n")
    scored = score(tmp_path, real, {"csv": tmp_path / "fakes"}, pairs=table)
    assert value(scored, "csv", "l1") == 0
    assert Run.open(tmp_path / "run").record().split.videos[0].person == "Ann"

    table.write_text(f"real,fake\n{NAMES[0]},../../etc\n")
    with pytest.raises(ThbenchError, match="leaves"):
        score(tmp_path, real, {"csv": tmp_path / "fakes"}, pairs=table)


def test_folders_without_a_common_name_are_told(tmp_path: Path, real: Path) -> None:
    write_pngs(tmp_path / "fakes" / "id90001--drive", real_clip(NAMES[0], 1))
    with pytest.raises(ThbenchError, match=r"no clip in .* has the name of one in .*--pairs"):
        score(tmp_path, real, {"x": tmp_path / "fakes"})


def test_the_command_prints_a_table_and_fails_with_its_units(tmp_path: Path, real: Path) -> None:
    shutil.copytree(real / NAMES[0], tmp_path / "fakes" / NAMES[0])
    (tmp_path / "fakes" / NAMES[1]).mkdir(parents=True)
    (tmp_path / "fakes" / NAMES[1] / "0000.png").write_bytes(b"no picture")
    shutil.copytree(real / NAMES[0], tmp_path / "fakes" / "extra")
    arguments = ["score-videos", str(real), str(tmp_path / "fakes"), "--metrics", "l1", "ssim"]
    told = CliRunner().invoke(
        thbench, [*arguments, "--out", str(tmp_path / "run"), "--workers", "1", "--quiet"]
    )
    assert told.exit_code == 1
    assert "fakes  T=1   n 3    L1 (0; 3 failed, 1 of 2 videos)" in told.output
    assert "1 clips have the name of no true one: extra" in told.output
