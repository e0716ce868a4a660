from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.study_run import write_run

from reports.study.build import build_study
from reports.study.design import load_design, save_design
from reports.study.folder import Study
from reports.study.keys import save_new_keys
from reports.study.triplets import recording, triplets_of_run
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.runs import Run, Unit, UnitResult


@pytest.fixture
def own_run(tmp_path: Path) -> Run:
    """A run to spoil."""
    return write_run(tmp_path / "own", methods=("ours-ff",), T=(1,))


def test_every_triplet_shows_three_recordings_of_one_person(run: Run, study: Study) -> None:
    main = [item for item in study.design.items if item.kind == "main"]
    assert len(main) == 4 * 12
    for item in main:
        assert len({recording(name) for name in item.recordings}) == 3
        assert {name.split("/")[0] for name in item.recordings} == {item.person}
        assert item.recordings[0] == recording(item.video)


def test_every_row_gets_its_triplets_spread_over_all_videos(run: Run) -> None:
    triplets, failed = triplets_of_run(run, 9, np.random.default_rng(0))
    assert not failed
    for row in {triplet.row for triplet in triplets}:
        counts = Counter(triplet.video for triplet in triplets if triplet.row == row)
        assert sum(counts.values()) == 9
        assert len(counts) == 6
        assert max(counts.values()) <= 2
    assert set(Counter(triplet.video for triplet in triplets).values()) == {6}


def test_rows_share_their_scenes_so_that_methods_are_compared_alike(run: Run) -> None:
    triplets, _ = triplets_of_run(run, 12, np.random.default_rng(0))
    scenes = [
        {(t.video, t.frame) for t in triplets if t.row == row} for row in {t.row for t in triplets}
    ]
    assert all(scene == scenes[0] for scene in scenes)


def test_persons_with_two_recordings_are_named(own_run: Run) -> None:
    info = read_json(own_run.run_json)
    info["split"]["videos"][0]["others"][1][1] = info["split"]["videos"][0]["others"][1][0]
    info["split"]["videos"][4]["others"] = None
    write_json(own_run.run_json, info)
    with pytest.raises(ThbenchError, match=r"three different recordings.*id10270, id10272; add"):
        triplets_of_run(own_run, 4, np.random.default_rng(0))
    triplets, _ = triplets_of_run(
        own_run, 4, np.random.default_rng(0), leave_out=["id10270", "id10272"]
    )
    assert {triplet.person for triplet in triplets} == {"id10271"}


def test_two_clips_of_one_recording_are_one_recording(own_run: Run) -> None:
    info = read_json(own_run.run_json)
    first = info["split"]["videos"][0]["others"][0]
    first[1][0] = first[0][0] + "/00002"
    write_json(own_run.run_json, info)
    with pytest.raises(ThbenchError, match="id10270"):
        triplets_of_run(own_run, 4, np.random.default_rng(0))


def test_more_triplets_than_frames_is_one_line(own_run: Run) -> None:
    with pytest.raises(ThbenchError, match="holds 24 generated frames, 25 triplets are asked for"):
        triplets_of_run(own_run, 25, np.random.default_rng(0))


def test_unfinished_runs_are_refused_and_failed_units_counted(own_run: Run) -> None:
    unit = next(own_run.planned())
    own_run.commit_unit(unit, UnitResult("failed", "no face"))
    triplets, failed = triplets_of_run(own_run, 10, np.random.default_rng(0))
    assert failed == [unit]
    assert unit.video not in {triplet.video for triplet in triplets}
    own_run.unit_mark(unit).unlink()
    with pytest.raises(ThbenchError, match="not finished"):
        triplets_of_run(own_run, 10, np.random.default_rng(0))


def test_a_missing_picture_stops_the_build_and_leaves_nothing(own_run: Run, tmp_path: Path) -> None:
    (own_run.unit_folder(Unit("ours-ff", 1, "id10270/vid0")) / "00.png").unlink()
    with pytest.raises(ThbenchError, match=r"00\.png is missing"):
        build_study(own_run, tmp_path / "out" / "study", triplets_per_row=24)
    assert list((tmp_path / "out").iterdir()) == [] if (tmp_path / "out").exists() else True


def test_a_study_is_never_overwritten(run: Run, study: Study) -> None:
    with pytest.raises(ThbenchError, match="already there"):
        build_study(run, study.path)


def test_the_same_seed_gives_the_same_design_but_its_own_secrets(run: Run, tmp_path: Path) -> None:
    studies = []
    for name in ("a", "b"):
        build_study(run, tmp_path / name, triplets_per_row=12, ratings=3)
        studies.append(Study.open(tmp_path / name))
    first, second = (read_json(study.design_json) for study in studies)
    assert first.pop("study_id") != second.pop("study_id")
    assert first == second
    assert studies[0].keys != studies[1].keys
    assert studies[0].settings.codes != studies[1].settings.codes


def test_secrets_are_readable_by_their_owner_only(study: Study) -> None:
    assert stat.S_IMODE(study.secrets_json.stat().st_mode) == 0o600


def test_practice_gold_and_checks_are_apart_from_what_counts(study: Study) -> None:
    design = study.design
    main = {trial.triplet for form in design.forms for trial in form.trials}
    gold = {item for form in design.forms for item in form.gold}
    attention = {item for form in design.forms for item in form.attention}
    sets = [main, gold, attention, set(design.practice)]
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert [{design.items[item].kind for item in group} for group in sets] == [
        {"main"},
        {"gold"},
        {"attention"},
        {"practice"},
    ]
    assert all(len(form.gold) == len(form.attention) == 2 for form in design.forms)


def test_crude_fakes_do_not_teach_a_test_background(run: Run, study: Study) -> None:
    tests = {recording(unit.video) for unit in run.planned()}
    fakes = [item.recordings[0] for item in study.design.items if item.kind in ("practice", "gold")]
    assert not tests.intersection(fakes)


def test_a_setting_that_is_not_known_is_named(study: Study) -> None:
    settings = read_json(study.settings_json)
    for change, message in (
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"minutes": "ten"}, "minutes is 'ten'"),
        ({"small_windows": "maybe"}, "small_windows is 'maybe', not one of 'warn', 'refuse'"),
        ({"exclusion": {"gold": 1}}, "exclusion has the unknown key 'gold'"),
        ({"consent": "yes"}, "consent is 'yes', not a list"),
        ({"consentt": []}, r"did you mean 'consent'\?"),
        ({"rates": {"session_burst": -1}}, "rates has session_burst = -1, must be from 0 to 1e"),
        ({"exposure_ms": 2e9}, "exposure_ms is 2000000000.0, not a whole number"),
    ):
        write_json(study.settings_json, {**settings, **change})
        with pytest.raises(ThbenchError, match=message):
            _ = Study.open(study.path).settings


def test_a_trial_is_a_pair_in_the_file_and_a_design_comes_back_as_it_was(study: Study) -> None:
    stored = read_json(study.design_json)
    assert list(stored)[:2] == ["format", "study_id"]
    assert all(
        len(trial) == 2 and 0 <= trial[1] < 3
        for form in stored["forms"]
        for trial in form["trials"]
    )
    before = study.design_json.read_bytes()
    save_design(study.design_json, load_design(study.design_json))
    assert study.design_json.read_bytes() == before

    stored["forms"][0]["trials"][0] = [0, 3]
    write_json(study.design_json, stored)
    with pytest.raises(ThbenchError, match="a fake at none of three positions; it is never edited"):
        load_design(study.design_json)


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="not a study folder"):
        Study.open(tmp_path)


def test_nothing_of_the_study_imports_torch() -> None:
    code = (
        "import pkgutil, sys, importlib, reports.study as s\n"
        "for m in pkgutil.walk_packages(s.__path__, 'reports.study.'):\n"
        "    importlib.import_module(m.name)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_keys_are_never_readable_by_others_not_even_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, modes = os.fsync, []

    def look_then_flush(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", look_then_flush)
    before = os.umask(0)
    try:
        save_new_keys(tmp_path / "secrets.json")
    finally:
        os.umask(before)

    assert set(modes) == {0o600}
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert set(read_json(tmp_path / "secrets.json")) == {"cookie", "identity", "owner"}
