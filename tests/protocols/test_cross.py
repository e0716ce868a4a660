"""Cross-reenactment: who drives whom, what is compared with what, and photographs as sources."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from protocols.definition import load_definition, method_entry
from protocols.export import export_from_command_line
from protocols.request import Request, begin_run, resume_run
from protocols.run import HowToRun, RunOptions, run_protocol
from protocols.score import score_run
from protocols.stored_split import read_split, read_split_for
from protocols.verify import verify_run
from reports.drivers import drivers_text, rank_drivers
from reports.emit import table_text
from reports.figures import write_figure
from reports.html import write_report
from reports.results import Results
from thbench.data.dataset import videos_of
from thbench.data.open import open_sources
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.files import write_json
from thbench.method import Frames
from thbench.metrics.base import load_metric
from thbench.metrics.heads_net import measure
from thbench.records.encode import encode, write_record
from thbench.runs import REAL, Run

HEADS = synth(64)
PUPPETS = load_definition("puppeteering").with_values(
    methods=(method_entry("copy-nearest"), method_entry("ours-ff")),
    metrics=("csim-heads", "black-border"),
    videos=2,
    drivers=3,
    holdout=2,
    rank_by="csim-heads",
)
SELFIES = load_definition("selfies").with_values(
    methods=(method_entry("copy-nearest"),), metrics=("csim-heads",), videos=2, holdout=3
)
VOX1 = Path(__file__).parents[2] / ".." / "shared" / "data" / "vox1-sample" / "unzippedFaces"


@pytest.fixture(scope="module")
def puppets(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "puppets"
    run_protocol(PUPPETS, HEADS, out, RunOptions(checkpoints={}, dataset_spec="synth"))
    return Run(out)


def test_other_persons_drive_puppets_and_the_person_drives_selfies():
    for video in PUPPETS.draw(HEADS).videos:
        assert len(set(video.driver_of)) == 3
        assert all(driver.split("/")[0] != video.person for driver in video.driver_of)
    for video in SELFIES.draw(HEADS).videos:
        assert len(video.shots) == len(set(video.shots)) == 16
        assert {driver.split("/")[0] for driver in video.driver_of} == {video.person}
        assert video.key not in video.driver_of


def test_every_source_meets_the_same_drivers_and_frames():
    one, two = PUPPETS.with_values(drivers=20).draw(HEADS).videos
    places = [set(zip(v.driver_of, v.holdout, strict=True)) for v in (one, two)]
    own = {v.person for v in (one, two)}
    shared = [{place for place in p if place[0].split("/")[0] not in own} for p in places]
    assert len(shared[0] & shared[1]) >= 2 * 18


def test_driving_frames_are_those_of_the_drivers_in_order():
    video = PUPPETS.draw(HEADS).videos[0]
    drive = PUPPETS.drive(HEADS, video)
    known = {v.key: v for v in videos_of(HEADS, "test")}
    for index, (driver, frame) in enumerate(zip(video.driver_of, video.holdout, strict=True)):
        assert torch.equal(drive.images[index], HEADS.read(known[driver], [frame]).images[0])


def test_identity_is_compared_with_the_shots_and_pose_with_the_driver(puppets):
    table = Results.open(puppets.path).frames
    copies = table[table.method == "copy-nearest"]
    np.testing.assert_allclose(copies["csim-heads"], 1, atol=1e-5)  # the one shot itself
    video = puppets.record().split.videos[0]
    key = video.key
    known = {v.key: v for v in videos_of(HEADS, "test")}
    shot = measure(HEADS.read(known[key], video.shots).images, "cpu").identity.double()
    driver = measure(
        HEADS.read(known[video.driver_of[0]], [video.holdout[0]]).images, "cpu"
    ).identity.double()
    row = table[
        (table.method == REAL) & (table.person == video.person) & (table.position == 0)
    ].iloc[0]
    assert row["csim-heads"] == pytest.approx(float((shot * driver).sum()), abs=1e-6)
    assert row["driver"] == video.driver_of[0]


@pytest.mark.parametrize("name", ["csim-heads", "csim-dlib"])
def test_identity_against_several_shots_is_the_mean_over_them(name):
    video, other = videos_of(HEADS, "test")[:2]
    shots, generated = HEADS.read(video, [0, 40, 80]), HEADS.read(other, [0, 60])
    metric = load_metric(name)
    together = metric.score_identity(generated, shots)
    apart = np.mean([metric.score_identity(generated, shots[[i]]) for i in range(3)], axis=0)
    np.testing.assert_allclose(together, apart, atol=1e-6)
    same = metric.score(generated.images, Frames(generated.images, generated.landmarks))
    np.testing.assert_allclose(same[np.isfinite(same)], 1, atol=1e-5)


def test_drivers_are_ranked_best_first(puppets):
    ranked = rank_drivers(Results.open(puppets.path))
    frames = Results.open(puppets.path).frames
    for (method, T, source), group in ranked.groupby(["method", "T", "source"]):
        assert list(group["rank"]) == [1, 2, 3]
        assert group["value"].is_monotonic_decreasing
        best = group.iloc[0]
        mine = frames[
            (frames.method == method)
            & (frames["T"] == T)
            & (frames.driver == best.driver)
            & (frames.person + "/" + frames.video == source)
        ]
        assert best.value == pytest.approx(mine["csim-heads"].mean())
    assert drivers_text(puppets.path, top=1, format="csv").count("\n") == 1 + 4
    with pytest.raises(ThbenchError, match="holds"):
        drivers_text(puppets.path, by="ssim")


def test_reports_of_puppets_speak_of_drivers(puppets, tmp_path):
    write_figure(puppets.path, "puppeteering", tmp_path / "figure")
    assert (tmp_path / "figure.png").exists()
    assert "Heads driven by other videos" in table_text([puppets.path], format="markdown")
    page = write_report([puppets.path], tmp_path / "page").read_text()
    assert "<figcaption>Driver</figcaption>" in page
    assert "round truth" not in page


def test_a_run_of_puppets_verifies_and_resumes_to_nothing(puppets):
    assert verify_run(puppets)[1] == []
    before = puppets.frames_parquet.read_bytes()
    run_protocol(PUPPETS, HEADS, puppets.path, RunOptions(checkpoints={}, dataset_spec="synth"))
    assert puppets.frames_parquet.read_bytes() == before


def test_metrics_that_need_a_true_frame_are_refused(puppets, tmp_path):
    with pytest.raises(ThbenchError, match="ssim compares with the true frame"):
        score_run(puppets, ["ssim"])
    with pytest.raises(ThbenchError, match="fd-heads compares"):
        run_protocol(
            PUPPETS.with_values(metrics=("fd-heads",)), HEADS, tmp_path / "run", RunOptions({})
        )
    assert not (tmp_path / "run").exists()


def test_a_split_of_puppets_is_stored_and_checked(tmp_path):
    split = PUPPETS.draw(HEADS)
    write_record(tmp_path / "split.json", split)
    assert read_split(tmp_path / "split.json", HEADS) == split
    raw = encode(split)
    raw["videos"][0]["driver_of"][0] = "p400/none"
    write_json(tmp_path / "split.json", raw)
    with pytest.raises(ThbenchError, match="a driver of"):
        read_split(tmp_path / "split.json", HEADS)


def test_photographs_are_sources_without_preparation(tmp_path):
    if not VOX1.exists():
        pytest.skip("needs ../shared/data/vox1-sample")
    photos = sorted(VOX1.glob("*/1.6/*/*.jpg"))[::90][:3]
    (tmp_path / "photos" / "two").mkdir(parents=True)
    for number, file in enumerate(photos):
        place = tmp_path / "photos" / ("two" if number else "") / f"painting{number}.jpg"
        place.write_bytes(file.read_bytes())
    sources = open_sources(str(tmp_path / "photos"), 64)
    assert [(v.person, v.n_frames) for v in sources.videos] == [("painting0", 1), ("two", 2)]
    assert open_sources(str(tmp_path / "photos"), 64).sha256 == sources.sha256
    definition = PUPPETS.with_values(methods=(method_entry("copy-nearest"),))
    run_protocol(
        definition, HEADS, tmp_path / "run", RunOptions({}, sources=sources, sources_spec="photos")
    )
    record = Run(tmp_path / "run").record()
    assert record.sources.sha256 == sources.sha256
    with pytest.raises(ThbenchError, match="another sources"):
        run_protocol(definition, HEADS, tmp_path / "run", RunOptions({}))


def test_a_photograph_without_a_face_is_named(tmp_path):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "wall.png"), np.full((120, 120, 3), 128, np.uint8))
    with pytest.raises(ThbenchError, match=r"wall\.png: no face found"):
        open_sources(str(tmp_path / "photos"), 64)


def test_unusable_photographs_are_all_named_or_left_out_and_recorded(tmp_path, capsys):
    if not VOX1.exists():
        pytest.skip("needs ../shared/data/vox1-sample")
    photos = tmp_path / "photos"
    (photos / "dave").mkdir(parents=True)
    for number, file in enumerate(sorted(VOX1.glob("*/1.6/*/*.jpg"))[::90][:2]):
        (photos / f"good{number}.jpg").write_bytes(file.read_bytes())
    cv2.imwrite(str(photos / "wall.png"), np.full((120, 120, 3), 128, np.uint8))
    (photos / "dave" / "broken.jpg").write_bytes(b"x")
    (photos / "carol.heic").write_bytes(b"x")

    with pytest.raises(ThbenchError, match=r"3 photos cannot be used(?s:.*)wall\.png: no face"):
        open_sources(str(photos), 64)

    request = Request(
        dataset="synth:64",
        sources=str(photos),
        holdout=2,
        drivers=1,
        T=(1,),
        methods=("copy-nearest",),
        metrics=("csim-heads",),
        rank_by="csim-heads",
        skip_unusable=True,
    )
    assert begin_run("puppeteering", request, tmp_path / "run", HowToRun())
    assert "dave/broken.jpg: damaged" in capsys.readouterr().err

    record = Run(tmp_path / "run").record()
    left_out = {Path(photo.file).name: photo.reason for photo in record.sources.left_out}
    assert set(left_out) == {"wall.png", "broken.jpg", "carol.heic"}
    assert [video.person for video in record.split.videos] == ["good0", "good1"]
    assert resume_run(tmp_path / "run", Request(), HowToRun())


def test_puppets_are_exported_and_their_answers_scored(tmp_path):
    export_from_command_line(
        "puppeteering", (), "synth:64", 2, 2, 3, 0, None, None, "image", tmp_path / "export"
    )
    for episode in (tmp_path / "export").glob("T*/*"):
        shutil.copytree(
            episode / "drive",
            tmp_path / "export/answers" / episode.relative_to(tmp_path / "export"),
        )
    theirs = method_entry(f"external:theirs={tmp_path / 'export/answers'}")
    outcome = run_protocol(
        PUPPETS.with_values(methods=(theirs,)), HEADS, tmp_path / "run", RunOptions({})
    )
    assert not outcome.failed
    real, answers = outcome.summary.rows  # the drivers themselves were the answers
    assert answers.metrics["csim-heads"].value == pytest.approx(real.metrics["csim-heads"].value)


def test_definitions_of_puppets_name_their_drivers():
    with pytest.raises(ThbenchError, match="driven_by"):
        PUPPETS.with_values(driven_by="")
    with pytest.raises(ThbenchError, match="driven_by"):
        load_definition("demo").with_values(driven_by="same-person")


def test_too_few_drivers_are_counted():
    with pytest.raises(ThbenchError, match="50 drivers with 3 asked for; synth has 0"):
        SELFIES.with_values(drivers=50).draw(HEADS)


@pytest.mark.parametrize(
    ("drawn", "asked", "message"),
    [
        (
            PUPPETS,
            SELFIES.with_values(T=(1,), holdout=6),
            "not driven by 1 video, 6 frames of it",
        ),
        (
            PUPPETS,
            SELFIES.with_values(T=(1,), holdout=2, drivers=3),
            "not driven by another video of the person",
        ),
        (
            PUPPETS,
            PUPPETS.with_values(holdout=3, drivers=2),
            "not driven by 2 videos, 3 frames of each",
        ),
        (
            PUPPETS,
            load_definition("demo").with_values(T=(1,), videos=2, holdout=6),
            "is driven by other videos",
        ),
        (
            load_definition("demo").with_values(T=(1,), videos=2, holdout=6),
            PUPPETS,
            "is driven by itself",
        ),
    ],
)
def test_the_split_of_another_protocol_is_refused(tmp_path, drawn, asked, message):
    write_record(tmp_path / "split.json", drawn.draw(HEADS))
    with pytest.raises(ThbenchError, match=message):
        read_split_for(asked, tmp_path / "split.json", HEADS, None)
    assert (
        read_split_for(drawn, tmp_path / "split.json", HEADS, None).videos[1].shots
        == drawn.draw(HEADS).videos[1].shots
    )


def test_interleaved_drivers_keep_the_order_of_the_holdout():
    video = PUPPETS.draw(HEADS).videos[0]
    order = [0, 2, 4, 1, 3, 5]
    mixed = replace(
        video,
        holdout=[video.holdout[i] for i in order],
        driver_of=[video.driver_of[i] for i in order],
    )
    assert torch.equal(
        PUPPETS.drive(HEADS, mixed).images, PUPPETS.drive(HEADS, video).images[order]
    )


def test_heads_are_never_learned_from_training_persons():
    tested = {video.person for video in videos_of(HEADS, "test")}
    assert all(
        video.person in tested for video in PUPPETS.with_values(videos=30).draw(HEADS, HEADS).videos
    )


def test_a_frame_without_a_face_counts_as_zero_in_the_ranking(puppets):
    results = Results.open(puppets.path)
    frames = results.frames.copy()
    first = frames.index[(frames.method == "ours-ff")][0]
    driver, source = (
        frames.loc[first, "driver"],
        f"{frames.loc[first, 'person']}/{frames.loc[first, 'video']}",
    )
    frames.loc[first, "csim-heads"] = np.nan
    results.__dict__["frames"] = frames
    results.__dict__["metrics"] = {
        **results.metrics,
        "csim-heads": replace(results.metrics["csim-heads"], policy="score-zero"),
    }
    ranked = rank_drivers(results)
    row = ranked[
        (ranked.method == "ours-ff") & (ranked.source == source) & (ranked.driver == driver)
    ].iloc[0]
    assert row["n"] == 2
    assert row["value"] == pytest.approx(
        frames[
            (frames.method == "ours-ff")
            & (frames.driver == driver)
            & (frames.person == source.split("/")[0])
        ]["csim-heads"].sum()
        / 2
    )


def test_a_driver_that_lost_frames_comes_after_all_that_lost_none(puppets):
    results = Results.open(puppets.path)
    best = rank_drivers(results).query("method == 'ours-ff' and rank == 1").iloc[0]
    frames = results.frames.copy()
    lost = frames.index[
        (frames.method == "ours-ff")
        & (frames.driver == best.driver)
        & (frames.person + "/" + frames.video == best.source)
    ][0]
    frames.loc[lost, "csim-heads"] = np.nan
    results.__dict__["frames"] = frames
    results.__dict__["metrics"] = {
        **results.metrics,
        "csim-heads": replace(results.metrics["csim-heads"], policy="drop-pairwise"),
    }
    last = (
        rank_drivers(results).query(f"method == 'ours-ff' and source == {best.source!r}").iloc[-1]
    )
    assert (last.driver, last["rank"], last.n, last.n_frames) == (best.driver, 3, 1, 2)


def test_the_page_of_puppets_ranks_the_drivers_of_each_head(puppets, tmp_path):
    page = write_report([puppets.path], tmp_path / "report").read_text()
    assert '<h2 id="run0-drivers">Drivers</h2>' in page
    for _, row in rank_drivers(Results.open(puppets.path)).iterrows():
        assert f"<td>{row.driver}<br>{row.value:.3f}</td>" in page
    assert (tmp_path / "report/tables/run0-drivers.csv").read_text() == drivers_text(
        puppets.path, format="csv"
    )


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (["alice/2020/x.jpg"], "2020: a folder in the folder of a person"),
        (["carol.heic"], "heic is not read"),
        ([], "holds no photo"),
        (["bob.jpg", "bob.png"], "two pictures"),
    ],
)
def test_nobody_is_left_out_of_a_folder_of_photographs_in_silence(tmp_path, layout, message):
    (tmp_path / "photos").mkdir()
    for name in layout:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"x")
    with pytest.raises(ThbenchError, match=message):
        open_sources(str(tmp_path / "photos"), 64)


def test_a_metric_that_ranks_must_be_measured(tmp_path):
    with pytest.raises(ThbenchError, match="not among the metrics"):
        run_protocol(PUPPETS.with_values(rank_by="nme"), HEADS, tmp_path / "run", RunOptions({}))
    with pytest.raises(ThbenchError, match="drivers and rank_by belong"):
        load_definition("demo").with_values(drivers=2)


def test_another_ranking_is_kept_by_a_run_that_goes_on(puppets, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(puppets.path, copy)
    run_protocol(
        PUPPETS.with_values(rank_by="black-border"),
        HEADS,
        copy,
        RunOptions({}, dataset_spec="synth"),
    )
    assert Run(copy).record().protocol.definition["rank_by"] == "black-border"
    assert verify_run(Run(copy))[1] == []


def test_scores_are_not_made_against_damaged_references(puppets, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(puppets.path, copy)
    video = next(Run(copy).planned()).video
    (Run(copy).real_folder(video) / "00.png").write_bytes(b"other")
    with pytest.raises(ThbenchError, match="not the file that was written"):
        score_run(Run(copy), ["csim-heads"])
