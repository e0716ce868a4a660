"""Figure grids: layout, picking rules, and pixels that are the run's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from support.fake_run import SPECIAL_NAMES, make_run

from cli import thbench
from reports.figures import figure, write_figure
from reports.grid import CELL_PX, FONT_PX, Grid, GridRow, draw
from reports.html import write_report
from reports.picks import PICKS, Frame, Pick, Rule, pick_frames
from reports.pictures import files_of
from reports.results import Results
from reports.style import drawable
from thbench.errors import ThbenchError
from thbench.runs import Unit


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    methods = ("x2face", "ours-ff", "ours-ft")
    return Results.open(
        make_run(tmp_path_factory.mktemp("runs") / "run", methods=methods, n_videos=6, T=(1, 8))
    )


def test_comparison_has_people_by_T_and_the_papers_columns(run: Results) -> None:
    grid = figure(run, "comparison", Rule(rows=2))
    assert grid.columns == ["Source", "Ground truth", "X2Face", "Ours-FF", "Ours-FT"]
    assert [row.label for row in grid.rows] == ["1", "1", "8", "8"]
    assert grid.corner == "T"


def test_ff_vs_ft_keeps_our_variants_only(run: Results, tmp_path: Path) -> None:
    assert figure(run, "ff-vs-ft", Rule(rows=1)).columns[2:] == ["Ours-FF", "Ours-FT"]
    other = make_run(tmp_path / "other", methods=("x2face",), T=(1,))
    with pytest.raises(ThbenchError, match="no feed-forward and fine-tuned pair"):
        figure(Results.open(other), "ff-vs-ft", Rule())


def test_ablation_keeps_the_order_of_the_run_and_T_sweep_turns_T_into_columns(run: Results) -> None:
    assert figure(run, "ablation", Rule(rows=1)).columns[2:] == ["X2Face", "Ours-FF", "Ours-FT"]
    sweep = figure(run, "T-sweep", Rule(rows=2), methods=["ours-ft"])
    assert (sweep.columns[2:], [row.label for row in sweep.rows]) == (
        ["T = 1", "T = 8"],
        ["Ours-FT", "Ours-FT"],
    )


def test_a_cell_holds_the_very_pixels_of_the_run(run: Results) -> None:
    frame = pick_frames(run, Rule(rows=1, seed=3), "ours-ft", 8)[0]
    grid = figure(run, "comparison", Rule(rows=1, seed=3), methods=["ours-ft"], shots=[8])
    stored = [
        files_of(run, run.run.shots_folder(frame.video))[0],
        files_of(run, run.run.real_folder(frame.video))[frame.index],
        files_of(run, run.run.unit_folder(Unit("ours-ft", 8, frame.video)))[frame.index],
    ]
    for cell, file in zip(grid.rows[0].cells, stored, strict=True):
        assert np.array_equal(np.asarray(cell), np.asarray(Image.open(file)))
    drawn = np.asarray(draw(grid))
    zoom = CELL_PX // 64
    enlarged = np.asarray(Image.open(stored[2])).repeat(zoom, 0).repeat(zoom, 1)
    assert np.array_equal(drawn[-enlarged.shape[0] - 4 : -4, -enlarged.shape[1] - 4 : -4], enlarged)


@pytest.mark.parametrize("pick", PICKS)
def test_every_rule_picks_one_frame_of_different_people_and_says_so(
    run: Results, pick: Pick
) -> None:
    rule = Rule(pick, "akd", rows=2, seed=1)
    frames = pick_frames(run, rule, "ours-ft", 8)
    assert len({frame.video.split("/")[0] for frame in frames}) == 2
    caption = figure(run, "comparison", rule).caption
    assert "picked by rule" in caption
    assert pick in caption
    assert all(f"{frame.video} #{frame.index}" in caption for frame in frames)
    assert frames == pick_frames(run, rule, "ours-ft", 8)


def test_best_and_worst_are_the_extremes_of_the_metric_in_its_own_direction(run: Results) -> None:
    frames = run.frames[(run.frames["method"] == "ours-ft") & (run.frames["T"] == 8)]
    for metric, best, worst in (
        ("ssim", frames["ssim"].max(), frames["ssim"].min()),
        ("akd", frames["akd"].min(), frames["akd"].max()),
    ):
        for pick, value in (("best", best), ("worst", worst)):
            frame = pick_frames(run, Rule(pick, metric), "ours-ft", 8)[0]  # type: ignore[arg-type]
            person, video = frame.video.split("/")
            row = frames[(frames["person"] == person) & (frames["video"] == video)].iloc[
                frame.index
            ]
            assert row[metric] == value


def test_seeds_change_random_rows(run: Results) -> None:
    assert len({tuple(pick_frames(run, Rule(rows=2, seed=seed), "", 8)) for seed in range(8)}) > 3


def test_failed_and_unfinished_units_leave_labelled_cells(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", methods=("a", "b"), T=(1,), n_videos=2, failed_units=2, status="running"
    )
    grid = figure(Results.open(run), "comparison", Rule(rows=5))
    assert {cell for row in grid.rows for cell in row.cells if isinstance(cell, str)} == {
        "failed",
        "not done",
    }
    assert draw(grid).width > 4 * CELL_PX
    assert "Unfinished run" in grid.caption


def test_files_are_the_same_bytes_each_time_and_carry_the_caption(
    run: Results, tmp_path: Path
) -> None:
    captions = {
        write_figure(run.path, "comparison", tmp_path / name / "figure", Rule(rows=1))
        for name in ("a", "b")
    }
    for suffix in ("png", "pdf", "tex"):
        first, second = ((tmp_path / name / f"figure.{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second
    assert Image.open(tmp_path / "a" / "figure.png").info["Description"] == captions.pop()


def test_titles_never_leave_their_cells(tmp_path: Path) -> None:
    long = "a very long method name that_cannot_be_broken_anywhere_at_all"
    picture = Image.new("RGB", (64, 64), "red")
    names = [*SPECIAL_NAMES, long]
    grid = Grid("T", names, [GridRow("1", [picture] * len(names))], "caption")
    drawn = np.asarray(draw(grid)).astype(int)
    label_px = drawn.shape[1] - len(names) * (CELL_PX + 4)
    dark = drawn.sum(2) < 300
    gaps = [
        label_px + column * (CELL_PX + 4) + CELL_PX + gap
        for column in range(len(names))
        for gap in range(4)
    ]
    assert not dark[:, gaps].any()
    assert not dark[0].any()
    assert dark[: FONT_PX * 8].any()


def test_what_cannot_be_drawn_is_written_in_latin_letters() -> None:
    assert drawable("λ 方法\n") == "λ FangFa"
    assert drawable("한국 ไทย תל سلام \ue000") == "HanGug aithy tl slm U+E000"
    assert drawable("Ünïcödé Жук") == "Ünïcödé Жук"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "nobody"], "no method 'nobody'"),
        (["--T", "5"], "holds T = 1, 8, not 5"),
        (["--pick", "best", "--metric", "fid"], "not measured per frame"),
        (["--pick", "best", "--metric", "nothing"], "no metric named 'nothing'"),
        (["--pick", "best", "--judge", "nobody"], "nobody has no ssim"),
    ],
)
def test_bad_choices_end_in_one_line(
    run: Results, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = CliRunner().invoke(
        thbench, ["report", "figure", str(run.path), "-o", str(tmp_path / "f"), *arguments]
    )
    assert isinstance(result.exception, ThbenchError)
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_runs_without_pictures_and_broken_pictures_say_so(tmp_path: Path) -> None:
    bare = make_run(tmp_path / "bare", T=(1,), images=False)
    with pytest.raises(ThbenchError, match="lacks picture 0 of the shots"):
        figure(Results.open(bare), "comparison", Rule())
    broken = Results.open(make_run(tmp_path / "broken", T=(1,), n_videos=1))
    for file in broken.run.real_folder(broken.videos[0]).iterdir():
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ThbenchError, match="is not a readable picture"):
        figure(broken, "comparison", Rule())


@pytest.mark.skipif(
    not shutil.which("pdflatex"), reason="pdflatex is not installed (texlive-latex-recommended)"
)
def test_the_float_compiles(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=SPECIAL_NAMES, dataset="a_b & 50%", T=(1,), n_videos=2)
    write_figure(run, "comparison", tmp_path / "grid", Rule("best", rows=1))
    document = (
        "\\documentclass{article}\\usepackage{graphicx}"
        "\\begin{document}\\input{grid.tex}\\end{document}"
    )
    (tmp_path / "page.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-1000:]


def test_worst_picks_frames_that_failed_before_all_others(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=6)
    frames = pd.read_parquet(run / "frames.parquet")
    failed = (frames["method"] == "m") & (frames["video"] == "vid3") & (frames["position"] == 2)
    frames.loc[failed, "akd"] = np.nan
    frames.to_parquet(run / "frames.parquet")
    picked = pick_frames(Results.open(run), Rule("worst", "akd", rows=2), "m", 1)
    assert picked[0] == Frame("id10271/vid3", 2)
    caption = figure(Results.open(run), "comparison", Rule("worst", "akd")).caption
    assert "those that failed and have no score" in caption


@pytest.mark.parametrize("linked", ["real/id10270__vid0/00.png", "real", "m/T1"])
def test_links_inside_a_run_are_not_followed(tmp_path: Path, linked: str) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=1)
    at = next((run / "images").glob(linked.replace("__vid0", "__vid0*")))
    at.rename(tmp_path / "elsewhere")
    at.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ThbenchError, match="is reached through a link"):
        write_report([run], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_run_that_is_itself_reached_through_a_link_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=1)
    (tmp_path / "link").symlink_to(run)
    assert write_report([tmp_path / "link"], tmp_path / "report").is_file()
