"""Result files of VBench and THEval read into a run: by name, with their hash, in a table of their
own.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from support.fake_run import make_run

from cli import thbench
from protocols.elsewhere.readers import read_theval, read_vbench
from protocols.elsewhere.store import import_scores
from protocols.pack import pack_run, unpack_run
from protocols.runs_text import _elsewhere_lines
from reports.elsewhere import elsewhere_table
from reports.results import Results
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.records.elsewhere import ElsewhereRecord, read_elsewhere
from thbench.runs import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(make_run(tmp_path / "run", methods=("ours-ff",), T=(1,), images=False))


def keys(run: Run) -> list[str]:
    return [video.key for video in run.record().split.videos]


def vbench(path: Path, videos: dict[str, Any], name: str = "subject_consistency") -> Path:
    """As `vbench evaluate` writes it: a number over all, then a path and a number per video."""
    entries = [
        {"video_path": f"/data/out/{video}.mp4", "video_results": value}
        for video, value in videos.items()
    ]
    path.write_text(json.dumps({name: [0.5, entries]}), "utf-8")
    return path


def theval(path: Path, header: str, lines: list[str], summary: str) -> Path:
    path.write_text("\n".join([header, *lines, "", *summary.splitlines(), ""]), "utf-8")
    return path


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(thbench, [str(argument) for argument in arguments])


def complaint(result: Result) -> str:
    """What `main` prints for the error that ended a command."""
    assert isinstance(result.exception, ThbenchError)
    return str(result.exception)


def test_vbench_scores_are_kept_by_video_with_the_files_hash(run: Run, tmp_path: Path) -> None:
    values = {key: 0.9 + index / 100 for index, key in enumerate(keys(run))}
    file = vbench(tmp_path / "x_eval_results.json", values)
    import_scores(run, "vbench", file, None, None, "")
    (record,) = read_elsewhere(run.path)
    column = record.columns["subject_consistency"]
    assert dict(column.values) == values
    assert (record.program, record.method, record.T) == ("vbench", "ours-ff", 1)
    assert (column.file, column.sha256) == (file.name, sha256_file(file))


def test_numbers_of_thbench_stay_what_they_were(run: Run, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run.path.glob("*.*")}
    import_scores(run, "vbench", vbench(tmp_path / "r.json", {keys(run)[0]: 1}), None, None, "")
    assert {path: path.read_bytes() for path in run.path.glob("*.*")} == before


def test_the_table_has_means_over_videos_and_names_the_file(run: Run, tmp_path: Path) -> None:
    values = dict(zip(keys(run), (0.1, 0.4, 0.3, 0.2), strict=True))
    file = vbench(tmp_path / "r.json", values)
    assert asked("runs", "import-scores", "vbench", file, run.path).exit_code == 0
    table = elsewhere_table(Results.open(run.path))
    (row,) = table.blocks[0].groups[0].rows
    cell = row.cells["subject_consistency"]
    assert cell.value == pytest.approx(0.25)
    assert cell.se == pytest.approx(np.std([0.1, 0.4, 0.3, 0.2], ddof=1) / 2)
    shown = asked("report", "elsewhere", run.path)
    assert shown.exit_code == 0
    for part in ("not thbench's", "subject\\_consistency", "0.2500", sha256_file(file), "VBench"):
        assert part in shown.stdout
    (line,) = _elsewhere_lines(run)  # of `thbench runs show`
    assert line == "elsewhere VBench, ours-ff, T = 1: subject_consistency"


def test_part_of_the_videos_is_marked_as_such(run: Run, tmp_path: Path) -> None:
    file = vbench(tmp_path / "r.json", dict.fromkeys(keys(run)[:2], 0.5))
    said = asked("runs", "import-scores", "vbench", file, run.path)
    assert "2 of 4 videos of ours-ff, T = 1" in said.stdout
    cell = elsewhere_table(Results.open(run.path)).blocks[0].groups[0].rows[0].cells
    assert cell["subject_consistency"].is_partial


def test_files_may_be_named_as_folders_of_the_run_are(run: Run, tmp_path: Path) -> None:
    flat = {key.replace("/", "__"): 0.5 for key in keys(run)}
    found = import_scores(run, "vbench", vbench(tmp_path / "r.json", flat), None, None, "")
    assert list(found.columns["subject_consistency"].values) == keys(run)


def test_unknown_videos_are_refused_and_nothing_is_kept(run: Run, tmp_path: Path) -> None:
    file = vbench(tmp_path / "r.json", {keys(run)[0]: 0.5, "stranger": 0.5})
    said = asked("runs", "import-scores", "vbench", file, run.path)
    assert "has 1 videos that" in complaint(said)
    assert "/data/out/stranger.mp4" in complaint(said)
    assert not (run.path / "elsewhere").exists()


def test_two_files_of_one_video_are_refused(run: Run, tmp_path: Path) -> None:
    key = keys(run)[0]
    file = vbench(tmp_path / "r.json", {key: 0.5, key.replace("/", "__"): 0.6})
    with pytest.raises(ThbenchError, match=f"two files of the video {key}"):
        import_scores(run, "vbench", file, None, None, "")


def test_whose_videos_they_are_must_be_said_where_a_run_has_several(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path / "run", methods=("ours-ff", "x2face"), T=(1, 8), images=False))
    file = vbench(tmp_path / "r.json", dict.fromkeys(keys(run), 0.5))
    for options, message in (
        ([], "--method"),
        (["--method", "ours-ff"], "--T"),
        (["--method", "ours-f", "--T", "8"], "did you mean 'ours-ff'"),
        (["--method", "ours-ff", "--T", "9"], "it has 1, 8"),
    ):
        said = asked("runs", "import-scores", "vbench", file, run.path, *options)
        assert message in complaint(said)
    options = ["--method", "x2face", "--T", "8"]
    assert asked("runs", "import-scores", "vbench", file, run.path, *options).exit_code == 0
    assert [(found.method, found.T) for found in read_elsewhere(run.path)] == [("x2face", 8)]


@pytest.mark.parametrize(
    ("header", "line", "metric", "value"),
    [
        ("Video Path,Aesthetic_Score", "{},4.25", "Global aesthetic", 4.25),
        (
            "Video Path,Pitch Smoothness,Yaw Smoothness,Roll Smoothness,Head Motion Dynamics",
            "{},1,2,3,18.5",
            "Head motion dynamics",
            18.5,
        ),
        ("Video Path,Micro-Expression Intensity", "{},0.006", "Eyebrow dynamics", 0.006),
        ("Video Path,Silent MAD", "{},0.02", "Silent lip stability", 0.02),
        ("Video Path,Mean_Difference", "{},0.25", "Lip sync", 0.25),
    ],
)
def test_what_each_script_of_theval_writes_is_read(
    tmp_path: Path, header: str, line: str, metric: str, value: float
) -> None:
    lines = [line.format("/a/p/v.mp4"), line.rsplit(",", 1)[0].format("/a/p/w.mp4") + ",NaN"]
    file = theval(tmp_path / "out.txt", header, lines, "=== Summary ===\nAverage: 1.0")
    assert read_theval(file) == {metric: {"/a/p/v.mp4": value}}


def test_segments_of_a_video_are_averaged_and_commas_in_paths_kept(tmp_path: Path) -> None:
    header = "Video Path,Segment,Start Frame,End Frame,Var_Over_Time"
    lines = ["/a, b/v.mp4,Segment_1,0,500,0.2", "/a, b/v.mp4,Segment_2,500,900,0.4"]
    file = theval(tmp_path / "out.txt", header, lines, "=== Evaluation Summary ===")
    assert read_theval(file)["Lip dynamics"] == {"/a, b/v.mp4": pytest.approx(0.3)}


def test_a_header_of_two_metrics_needs_the_name(run: Run, tmp_path: Path) -> None:
    lines = [f"/x/{key}.mp4,{index}.5" for index, key in enumerate(keys(run))]
    file = theval(tmp_path / "out.txt", "Video Path,Quality_Score", lines, "=== Summary ===")
    said = asked("runs", "import-scores", "theval", file, run.path)
    assert "Mouth quality or Face quality: say which with --metric" in complaint(said)
    for metric in ("Mouth quality", "Face quality"):
        command = ("runs", "import-scores", "theval", file, run.path, "--metric", metric)
        assert asked(*command).exit_code == 0
    (record,) = read_elsewhere(run.path)
    assert list(record.columns) == ["Face quality", "Mouth quality"]


def test_thevals_table_of_models_has_no_videos_and_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gt_metrics.csv"
    file.write_text("Model,Global aesthetic,Lip sync\nGT,4.6842,0.2528\n")
    with pytest.raises(ThbenchError, match="not a file of a THEval metric"):
        read_theval(file)


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1},
        {"a": [0.5]},
        {"a": [0.5, [{"video_path": "v.mp4"}]]},
        {"a": [0.5, [{"video_path": "v.mp4", "video_results": "high"}]]},
        {"a": [0.5, [{"video_path": "v.mp4", "video_results": 1}] * 2]},
        {},
    ],
)
def test_files_of_another_form_are_refused(run: Run, tmp_path: Path, content: object) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ThbenchError, match=r"r\.json"):
        import_scores(run, "vbench", file, None, None, "")


def test_whether_something_moves_is_0_or_1_and_one_dimension_can_be_chosen(tmp_path: Path) -> None:
    content = {
        "dynamic_degree": [0.5, [{"video_path": "v.mp4", "video_results": True}]],
        "aesthetic_quality": [0.5, [{"video_path": "v.mp4", "video_results": 0.6}]],
    }
    file = tmp_path / "r.json"
    file.write_text(json.dumps(content))
    assert read_vbench(file, "dynamic_degree") == {"dynamic_degree": {"v.mp4": 1.0}}
    with pytest.raises(ThbenchError, match="has no imaging_quality; it has dynamic_degree"):
        read_vbench(file, "imaging_quality")


def test_a_packed_run_takes_them_along(run: Run, tmp_path: Path) -> None:
    import_scores(run, "vbench", vbench(tmp_path / "r.json", {keys(run)[0]: 1}), None, None, "")
    pack_run(run, tmp_path / "run.zip")
    assert read_elsewhere(unpack_run(tmp_path / "run.zip", tmp_path / "there").path)


def test_a_damaged_record_is_named(run: Run, tmp_path: Path) -> None:
    import_scores(run, "vbench", vbench(tmp_path / "r.json", {keys(run)[0]: 1}), None, None, "")
    (file,) = run.path.glob("elsewhere/*/*/*.json")
    file.write_text("{}")
    with pytest.raises(ThbenchError, match="import-scores"):
        ElsewhereRecord.read(file)
    assert "import-scores" in complaint(asked("report", "elsewhere", run.path))


def test_scores_of_no_method_of_the_run_are_named(run: Run, tmp_path: Path) -> None:
    import_scores(run, "vbench", vbench(tmp_path / "r.json", {keys(run)[0]: 1}), None, None, "")
    (file,) = run.path.glob("elsewhere/*/*/*.json")
    file.write_text(file.read_text().replace('"ours-ff"', '"another"'))
    assert "'another', which is not a method of the run" in (
        complaint(asked("report", "elsewhere", run.path))
    )


def test_a_video_without_a_name_is_unknown(run: Run, tmp_path: Path) -> None:
    file = vbench(tmp_path / "r.json", {})
    file.write_text(
        json.dumps({"motion": [0.5, [{"video_path": "", "video_results": 1}]]}), "utf-8"
    )
    with pytest.raises(ThbenchError, match="has 1 videos that"):
        import_scores(run, "vbench", file, None, None, "")


def test_a_line_too_long_for_a_table_is_told(tmp_path: Path) -> None:
    for text in ("a" * 200_000, "Video Path,Silent MAD\n" + "a" * 200_000 + ",1\n"):
        (tmp_path / "out.txt").write_text(text)
        with pytest.raises(ThbenchError, match=r"out\.txt, line \d is not a line of a THEval file"):
            read_theval(tmp_path / "out.txt")


def test_a_run_without_such_scores_says_how_to_read_them_in(run: Run) -> None:
    assert "import-scores" in complaint(asked("report", "elsewhere", run.path))


@given(st.text())
def test_any_text_is_read_or_refused(tmp_path_factory: Any, text: str) -> None:
    file = tmp_path_factory.mktemp("theval") / "out.txt"
    file.write_bytes(("Video Path,Silent MAD\n" + text).encode("utf-8", "replace"))
    with suppress(ThbenchError):
        values = read_theval(file)["Silent lip stability"]
        assert all(np.isfinite(value) for value in values.values())
