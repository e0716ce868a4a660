"""Plots: what is drawn is what the run holds, nothing is cut off, the bytes repeat."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.fake_run import SPECIAL_NAMES, make_run

from reports.agreement_plot import metric_agreement
from reports.plot import Plot
from reports.plots import FORMATS, plots, write_plots
from reports.results import Results
from reports.score_plots import score_by_shots, score_by_time
from reports.style import COLOURS, look, rendered
from reports.svg import inline_svg
from reports.video_plots import paired_differences
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results.open(
        make_run(tmp_path_factory.mktemp("runs") / "run", timing=True, study=True, images=False)
    )


def test_the_plots_of_a_full_run(run: Results) -> None:
    names = {plot.name for plot in plots(run, (), run.times)}
    assert names == {
        f"{kind}-{metric}"
        for kind in ("by-shots", "by-time", "by-video", "differences")
        for metric in ("fid", "ssim", "csim-dlib")
    } - {"by-video-fid"} | {"agreement"}


def test_an_uncomputed_metric_and_an_untimed_run_make_no_empty_plot(run: Results) -> None:
    assert not [plot for plot in plots(run) if "by-time" in plot.name]
    assert not list(plots(run, ["csim"]))[:-1]
    with pytest.raises(ThbenchError, match="no metric named 'x'"):
        list(plots(run, ["x"]))


def test_points_and_intervals_are_the_scores(run: Results) -> None:
    plot = score_by_shots(run, run.metrics["ssim"])
    containers = plot.figure.axes[0].containers
    assert len(containers) == len(run.methods)
    for container, label in zip(containers, run.methods, strict=True):
        scores = [run.row(label, T).scores["ssim"] for T in run.shots]  # type: ignore[union-attr]
        assert np.allclose(container.lines[0].get_ydata(), [score.value for score in scores])
        ends = [segment[:, 1] for segment in container.lines[2][0].get_segments()]
        assert np.allclose(ends, [score.ci95 for score in scores])


def test_time_plot_uses_the_few_shot_medians(run: Results) -> None:
    plot = score_by_time(run, run.metrics["ssim"], run.times)
    assert plot is not None
    drawn = plot.figure.axes[0].containers[1].lines[0].get_xdata()
    assert np.allclose(
        drawn, [t.median_s for t in run.times if (t.method, t.phase) == ("ours-ff", "few-shot")]
    )


def test_agreement_is_spearman_signed_by_direction(tmp_path: Path) -> None:
    # FID falls while SSIM rises: both get better, so they agree; AKD gets worse.
    run = make_run(
        tmp_path / "run",
        T=(1, 8, 32),
        images=False,
        methods=("m",),
        scores=lambda method, T, metric: {"fid": 50.0 - T, "ssim": T / 100, "akd": float(T)}.get(
            metric
        ),
    )
    plot = metric_agreement(Results.open(run))
    assert plot is not None
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    labels = [label.get_text() for label in plot.figure.axes[0].get_yticklabels()]
    assert labels == ["FID", "SSIM", "AKD"]
    assert texts == ["1.00", "1.00", "-1.00", "1.00", "1.00", "-1.00", "-1.00", "-1.00", "1.00"]
    assert (
        metric_agreement(
            Results.open(make_run(tmp_path / "small", T=(1,), methods=("m",), images=False))
        )
        is None
    )


def test_files_repeat_byte_for_byte(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", images=False, methods=("m",), T=(8,))
    first, second = (write_plots(run, tmp_path / name, ["ssim"]) for name in ("a", "b"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert {file.suffix[1:] for file in first} == set(FORMATS)


@pytest.mark.slow
@pytest.mark.parametrize("methods", [SPECIAL_NAMES, [f"method-{i}" for i in range(20)], ("one",)])
def test_nothing_is_cut_off_and_any_name_can_be_drawn(tmp_path: Path, methods: list[str]) -> None:
    run = Results.open(make_run(tmp_path / "run", methods=methods, images=False, timing=True))
    for plot in plots(run, ["ssim"], run.times):
        pixels = np.asarray(Image.open(io.BytesIO(rendered(plot.figure, "png"))).convert("L"))
        inside = pixels[2:-2, 2:-2]
        assert (255 - pixels.astype(int)).sum() == (255 - inside.astype(int)).sum(), (
            plot.name
        )  # the border is white


def test_methods_look_different_by_more_than_colour() -> None:
    looks = [tuple(look(index).values()) for index in range(56)]
    assert len(set(looks)) == 56
    assert len(COLOURS) == len(set(COLOURS)) == 7


def _inlined(run: Results, prefix: str) -> tuple[Plot, ElementTree.Element]:
    plot = next(plots(run, ["ssim"]))
    return plot, ElementTree.fromstring(inline_svg(plot, prefix))


def test_inline_svg_needs_no_style_and_keeps_its_ids_apart(run: Results) -> None:
    (plot, first), (_, second) = _inlined(run, "a"), _inlined(run, "b")
    ids = [[e.attrib["id"] for e in root.iter() if "id" in e.attrib] for root in (first, second)]
    assert not set(ids[0]) & set(ids[1])
    assert len(ids[0]) == len(set(ids[0]))
    for element in first.iter():
        assert "style" not in element.attrib
        assert not element.tag.endswith(("style", "metadata", "script", "image"))
        href = element.attrib.get("href")
        assert href is None or href[1:] in ids[0]
        for value in element.attrib.values():
            assert "url(" not in value or value[len("url(#") : -1] in ids[0]
    told = {element.attrib.get("id"): element.text for element in first}
    assert [told[name] for name in first.attrib["aria-labelledby"].split()] == [
        plot.title,
        plot.text,
    ]


def test_axes_and_intervals_stay_within_the_range_and_few_videos_are_dotted(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", methods=("a", "b"), T=(1, 8), n_videos=2, images=False)
    summary = read_json(path / "summary.json")
    for row in summary["rows"]:
        row["metrics"]["ssim"]["ci95"] = [-3.0, 4.0]
    for difference in summary["differences"]:
        difference["ci95"] = [-7.0, 7.0]
    write_json(path / "summary.json", summary)
    few = Results.open(path)

    plot = score_by_shots(few, few.metrics["ssim"])
    low, high = plot.figure.axes[0].get_ylim()
    assert -1.05 <= low < high <= 1.05
    assert _interval_styles(plot) == {":"}
    assert "Dotted intervals rest on 2 videos: a rough guide." in plot.text
    forest = paired_differences(few, few.metrics["ssim"])
    assert forest is not None
    ends = [
        end
        for axes in forest.figure.axes
        for container in axes.containers
        for segment in container.lines[2][0].get_segments()
        for end in segment[:, 0]
    ]
    assert (min(ends), max(ends)) == (-2, 2)


def test_a_point_that_lost_a_video_is_hollow_and_has_no_say_in_the_agreement(
    tmp_path: Path,
) -> None:
    path = make_run(tmp_path / "run", methods=("a", "b"), T=(1, 8), n_videos=7, images=False)
    frames = pd.read_parquet(path / "frames.parquet")
    frames.loc[(frames["method"] == "a") & (frames["video"] == "vid0"), "ssim"] = np.nan
    frames.to_parquet(path / "frames.parquet")
    lossy = Results.open(path)

    plot = score_by_shots(lossy, lossy.metrics["ssim"])
    assert "Hollow: not over all planned videos" in plot.text
    assert _interval_styles(plot) == {"-"}
    hollow = [line for line in plot.figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [len(line.get_xdata()) for line in hollow] == [2, 0]
    agreement = metric_agreement(lossy)
    assert agreement is not None
    assert "SSIM" not in [label.get_text() for label in agreement.figure.axes[0].get_yticklabels()]


def test_a_frame_without_a_score_counts_by_the_policy_in_the_spread_over_videos(
    tmp_path: Path,
) -> None:
    path = make_run(tmp_path / "run", methods=("a",), T=(1,), n_videos=2, n_holdout=4, images=False)
    summary = read_json(path / "summary.json")
    summary["metrics"]["csim-dlib"]["policy"] = "score-zero"
    write_json(path / "summary.json", summary)
    frames = pd.read_parquet(path / "frames.parquet")
    lost = (frames["method"] == "a") & (frames["video"] == "vid0") & (frames["position"] < 2)
    frames.loc[lost, ["csim-dlib", "akd"]] = np.nan
    frames.to_parquet(path / "frames.parquet")
    kept = frames[(frames["method"] == "a") & (frames["video"] == "vid0") & ~lost]

    means = {
        metric: Results.open(path)
        .per_video(metric)
        .query("method == 'a' and video.str.endswith('vid0')")["value"]
        for metric in ("csim-dlib", "akd")
    }
    assert means["csim-dlib"].item() == pytest.approx(kept["csim-dlib"].sum() / 4)
    assert means["akd"].item() == pytest.approx(kept["akd"].mean())


def _interval_styles(plot: Plot) -> set[str]:
    """ "-" for whole lines, ":" for dotted ones."""
    return {
        "-" if bars.get_linestyle()[0][1] is None else ":"
        for container in plot.figure.axes[0].containers
        for bars in container.lines[2]
    }
