"""What may stand in a table made from runs, in which order, and with which notes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.fake_run import make_run

from cli import thbench
from reports.ablation import ablation_table
from reports.emit import table_text
from reports.ranking import ranked
from reports.results import Results
from reports.table import TableSpec
from reports.tables import table1
from reports.time_table import table2
from thbench.errors import ThbenchError

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda name="run", **options: make_run(tmp_path / name, **{"images": False, **options})


def _table(*paths: Path, **options: object) -> TableSpec:
    return ranked(table1([Results.open(path) for path in paths], **options))  # type: ignore[arg-type]


def test_rows_follow_the_paper_and_the_floor_closes_each_dataset(make: Make) -> None:
    methods = ("ours-ft", "mine", "ours-ff", "pix2pixhd", "x2face")
    table = _table(
        make(methods=methods, T=(8, 1)),
        make("two", dataset="VoxCeleb2", methods=("ours-ft",), T=(1,)),
    )
    assert [row.label for block, _, row in table.rows() if block.title == "VoxCeleb1"] == [
        f"{name} ({T})"
        for T in (1, 8)
        for name in ("X2Face", "Pix2pixHD", "mine", "Ours-FF", "Ours-FT")
    ] + ["Real vs real"]
    second = [row.label for block, _, row in table.rows() if block.title == "VoxCeleb2"]
    assert second == ["Ours-FT (1)", "Real vs real"]


def test_columns_are_the_papers_plus_computed_stand_ins(make: Make) -> None:
    assert [c.key for c in _table(make()).columns] == ["fid", "ssim", "csim", "csim-dlib", "user"]
    run = make("official", absent={"csim-dlib": "not asked for"})
    assert [c.key for c in _table(run).columns] == ["fid", "ssim", "csim", "user"]
    assert [c.key for c in _table(run, metrics=["akd", "user"]).columns] == ["akd", "user"]
    with pytest.raises(ThbenchError, match=r"no metric named 'psnr'.*it holds akd, csim"):
        _table(run, metrics=["psnr"])


def test_notes_tell_networks_stand_ins_reasons_failures_and_unfair_driving(make: Make) -> None:
    text = table_text(
        [make(failed_units=2)], metrics=["fid", "csim", "csim-dlib", "akd"], format="markdown"
    )
    for note in (
        "FID features: Inception-v3",
        "CSIM-dlib is a stand-in",
        "CSIM not computed: weights missing",
        "Driven with the true frame itself",
        "content loss with random VGG weights",
        "failed units: 2",
        r"AKD failed on 1 of 16 frames \(drop-pairwise\)".replace("\\", ""),
        "Each row: 4 videos, 16 frames",
    ):
        assert note in text, note


def test_user_column_is_a_dash_without_a_study(make: Make) -> None:
    without, with_study = _table(make()), _table(make("s", study=True))
    assert all(
        "user" not in row.cells or row.cells["user"].value is None for _, _, row in without.rows()
    )
    assert next(with_study.rows())[2].cells["user"].value == pytest.approx(0.798)


def test_runs_of_different_protocols_are_refused_without_allow_mixed(make: Make) -> None:
    runs = make(), make("other", protocol="my-own")
    with pytest.raises(ThbenchError, match=r"different protocols.*--allow-mixed"):
        _table(*runs)
    mixed = _table(*runs, allow_mixed=True)
    assert [block.title.split(" (")[0] for block in mixed.blocks] == ["VoxCeleb1", "VoxCeleb1"]
    assert len({block.title for block in mixed.blocks}) == 2


def test_runs_with_other_hold_out_frames_are_refused(make: Make) -> None:
    first, second = make(), make("moved", methods=("mine",))
    info = json.loads((second / "run.json").read_text())
    info["split"]["videos"][0]["holdout"][0] += 1
    (second / "run.json").write_text(json.dumps(info))
    with pytest.raises(ThbenchError, match="different data or hold-out frames"):
        _table(first, second)


def test_runs_on_the_same_frames_merge_and_doubled_labels_are_refused(make: Make) -> None:
    first = make(methods=("x2face",))
    merged = _table(first, make("more", methods=("ours-ft",)))
    assert [row.method for row in merged.blocks[0].groups[0].rows] == ["X2Face", "Ours-FT"]
    with pytest.raises(ThbenchError, match=r"x2face at T = 1 is in .* and "):
        _table(first, make("again", methods=("x2face",)))
    with pytest.raises(ThbenchError, match="given twice"):
        table_text([first, first])


def test_partial_and_unfinished_runs_are_stamped(make: Make) -> None:
    assert _table(make()).stamp == ""
    assert "partial run: 4 videos only" in _table(make("p", partial=True)).stamp
    assert "unfinished run (running): 18 of 36 units" in _table(make("u", status="running")).stamp
    assert r"\textbf{PRELIMINARY" in table_text([make("l", partial=True)])


def test_unscored_runs_and_other_folders_end_in_one_line(make: Make, tmp_path: Path) -> None:
    for path in (make("u", scored=False), tmp_path):
        result = CliRunner().invoke(thbench, ["report", "latex", str(path)])
        assert isinstance(result.exception, ThbenchError)
        assert "\n" not in str(result.exception)


def test_within_noise_uses_the_paired_differences_of_the_run(make: Make) -> None:
    run = make(
        methods=("x2face", "ours-ff"),
        n_videos=6,
        scores=lambda method, T, metric: 50.0 if method == "x2face" else 50.4,
    )
    summary = json.loads((run / "summary.json").read_text())
    for p, best in ((0.01, {"X2Face"}), (0.5, {"X2Face", "Ours-FF"})):
        for difference in summary["differences"]:
            difference["p_holm"] = p
        (run / "summary.json").write_text(json.dumps(summary))
        table = ranked(table1([Results.open(run)]), "within-noise")
        assert {row.method for _, _, row in table.rows() if row.cells["fid"].best} == best


def test_ablation_sets_each_variant_beside_its_paired_difference(make: Make) -> None:
    run = make(
        methods=("no-match", "no-adv", "full"),
        specs={"no-match": "ours-ft", "no-adv": "ours-ft", "full": "ours-ft"},
    )
    table = ablation_table([Results.open(run)], metrics=["ssim"])
    rows = {row.method: row.cells for row in table.blocks[0].groups[0].rows}
    value = {name: cells["ssim"].value for name, cells in rows.items()}
    assert rows["no-adv"]["ssim:delta"].value == pytest.approx(value["no-adv"] - value["full"])
    assert rows["full"]["ssim:delta"].value is None
    with pytest.raises(ThbenchError, match="no variant 'x'"):
        ablation_table([Results.open(run)], reference="x")


def test_times_from_different_hardware_are_not_ranked_together(make: Make) -> None:
    first, second = make(timing=True), make("gpu", methods=("mine",), timing=True)
    timing = json.loads((second / "timing.json").read_text())
    timing["hardware"]["gpus"] = ["NVIDIA H200"]
    (second / "timing.json").write_text(json.dumps(timing))
    runs = [Results.open(first), Results.open(second)]
    with pytest.raises(ThbenchError, match="different hardware"):
        table2(runs)
    titles = [block.title for block in table2(runs, allow_mixed=True).blocks]
    assert titles == [
        "Few-shot learning (AMD EPYC)",
        "Inference (AMD EPYC)",
        "Few-shot learning (NVIDIA H200)",
        "Inference (NVIDIA H200)",
    ]
    with pytest.raises(ThbenchError, match=r"no timing\.json"):
        table2([Results.open(make("untimed"))])


def test_reports_import_no_torch() -> None:
    modules = "reports.emit, reports.figures, reports.plots, reports.html, reports.compare"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_summary_of_another_tool_ends_in_one_line(make: Make) -> None:
    run = make()
    (run / "summary.json").write_text('{"metrics": {}, "rows": [{"method": "x"}]}')
    with pytest.raises(ThbenchError, match="is not a summary of this thbench"):
        _table(run)


def test_the_floor_is_a_row_of_the_ablation_too(make: Make) -> None:
    rows = [row for _, _, row in ablation_table([Results.open(make())]).rows()]
    assert (rows[-1].method, rows[-1].ranked) == ("Real vs real", False)
