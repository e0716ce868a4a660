"""The leaderboard: ties share a rank, only like is compared, and the page shows its evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_run import make_run

from reports.leaderboard import boards, write_leaderboard
from reports.ranks import Entrant, borda, ranks
from reports.results import Results
from thbench.errors import ThbenchError

LINKS = {"a": ("a.json", ""), "b": ("b.json", ""), "c": ("c.json", "")}


def entrants(results: Results, T: int = 1) -> list[Entrant]:
    return [Entrant(results, method, T) for method in results.methods]


def test_methods_of_equal_scores_share_a_rank_and_half_the_points(tmp_path: Path) -> None:
    same = make_run(tmp_path / "a", n_videos=8, scores=lambda method, T, metric: 0.5)
    results = Results.open(same)
    metric = results.metrics["ssim"]
    assert ranks(entrants(results), metric) == [1, 1, 1]
    assert borda(entrants(results), [metric]) == [0.5, 0.5, 0.5]


def test_a_run_that_is_better_beyond_its_errors_ranks_first(tmp_path: Path) -> None:
    a = Results.open(make_run(tmp_path / "a", methods=("x",), n_videos=8))
    b = Results.open(make_run(tmp_path / "b", methods=("y",), n_videos=8, shift=0.5))
    pair = [Entrant(a, "x", 1), Entrant(b, "y", 1)]
    ssim = a.metrics["ssim"]
    x, y = (entrant.score("ssim") for entrant in pair)
    assert x is not None
    assert y is not None
    better_is_y = (y.value or 0) > (x.value or 0)
    assert ranks(pair, ssim) == ([2, 1] if better_is_y else [1, 2])
    assert sorted(borda(pair, [ssim])) == [0, 1]  # type: ignore[type-var]


def test_few_videos_are_not_ranked(tmp_path: Path) -> None:
    results = Results.open(make_run(tmp_path / "a", n_videos=3))
    assert ranks(entrants(results), results.metrics["ssim"]) == [None] * 3
    assert borda(entrants(results), [results.metrics["ssim"]]) == [None] * 3


def test_only_runs_of_the_same_frames_share_a_board(tmp_path: Path) -> None:
    runs = {
        "a": Results.open(make_run(tmp_path / "a", n_videos=8)),
        "b": Results.open(make_run(tmp_path / "b", methods=("other",), n_videos=8)),
        "c": Results.open(make_run(tmp_path / "c", dataset="VoxCeleb2", n_videos=8)),
    }
    found = boards(runs, LINKS)
    assert [sorted({line.run for line in board.lines}) for board in found] == [["a", "b"], ["c"]]
    assert [line.borda for line in found[0].lines if line.T == 1] == sorted(
        (line.borda or 0 for line in found[0].lines if line.T == 1), reverse=True
    )


@pytest.mark.slow
def test_the_page_stands_alone_and_escapes_what_it_is_told(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    run = make_run(tmp_path / "run", methods=(name, "y"), n_videos=8, timing=True, images=False)
    page = write_leaderboard({"mine": Results.open(run)}, tmp_path / "site")
    text = page.read_text()
    assert name not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "http" not in text.replace("http-equiv", "")
    assert (tmp_path / "site" / "runs" / "mine" / "run.json").exists()
    assert "Borda against seconds" in text

    write_leaderboard({"mine": Results.open(run)}, tmp_path / "site")  # replaces its own
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ThbenchError, match="is not a leaderboard"):
        write_leaderboard({"mine": Results.open(run)}, tmp_path / "other")


def test_a_file_is_not_taken_for_the_folder_of_a_page(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("kept")
    with pytest.raises(ThbenchError, match="is not a leaderboard"):
        write_leaderboard({}, tmp_path / "site")
    assert (tmp_path / "site").read_text() == "kept"
