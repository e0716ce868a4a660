"""The bundled models on test persons: what must hold of any sound benchmark, at the level that four
videos allow.
"""

import numpy as np
import pytest

from protocols.definition import load_definition
from protocols.run import RunOptions, run_protocol
from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.method import MethodOptions, bundled_model, load_method
from thbench.metrics.base import load_metric
from thbench.metrics.heads import csim_heads
from thbench.runs import REAL

HEADS = synth(64)
DEMO = load_definition("demo").with_values(videos=4)
LEARNED = ("ours-ff", "x2face", "pix2pixhd")


def outcome_of(folder, methods, **values):
    chosen = tuple(method for method in DEMO.methods if method.label in methods)
    definition = DEMO.with_values(methods=chosen, **values)
    return run_protocol(definition, HEADS, folder, RunOptions({}, workers=1))


@pytest.fixture(scope="module")
def one_shot(tmp_path_factory):
    methods = ("ours-ff", "ours-ft", "pix2pixhd", "copy-nearest")
    folder = tmp_path_factory.mktemp("runs") / "one-shot"
    return outcome_of(folder, methods, T=(1,), metrics=("nme",))


def value(outcome, method, T, metric):
    return next(
        row.metrics[metric].value
        for row in outcome.summary.rows
        if (row.method, row.T) == (method, T)
    )


def difference(outcome, metric, a, b, T):
    """score(a) - score(b) with its 95 % interval."""
    for entry in outcome.summary.differences:
        if (entry.metric, entry.T) == (metric, T) and {entry.a, entry.b} == {a, b}:
            sign = 1 if entry.a == a else -1
            return sign * entry.difference, sorted(sign * end for end in entry.ci95)
    raise KeyError((metric, a, b, T))


@pytest.mark.slow
def test_fine_tuning_helps_with_many_shots(tmp_path):
    outcome = outcome_of(
        tmp_path / "run", ("ours-ff", "ours-ft"), T=(32,), metrics=("ssim", "csim-heads"), videos=2
    )
    assert difference(outcome, "ssim", "ours-ft", "ours-ff", 32)[0] > 0
    assert difference(outcome, "csim-heads", "ours-ft", "ours-ff", 32)[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ours-ff", "ours-ft", "pix2pixhd"])
def test_heads_that_landmarks_drive_follow_them_better_than_a_copied_shot(one_shot, method):
    assert difference(one_shot, "nme", method, "copy-nearest", 1)[1][1] < 0


def test_x2face_follows_its_driver():
    """One shot; the frames of another driver are other frames, and further from the true ones."""
    loaded = load_method("x2face", MethodOptions(checkpoint=bundled_model("x2face"), size_px=64))
    video = videos_of(HEADS, "test")[10]
    true = HEADS.read(video, range(0, 96, 8))
    frames = loaded.adapt(true[[6]]).render(true).float()
    error = (frames - true.images).abs().mean()

    assert (frames - frames.roll(1, 0)).abs().mean() > 2
    assert error < 0.9 * (frames.roll(1, 0) - true.images).abs().mean()
    assert error < 0.9 * (true.images[[6]] - true.images.float()).abs().mean()


@pytest.mark.slow
def test_real_frames_from_between_are_nearer_than_what_one_shot_gives(tmp_path):
    """Frames from between the hold-out frames: those of another part show other poses."""
    outcome = outcome_of(
        tmp_path / "run",
        LEARNED,
        holdout_rule="interleaved",
        T=(1,),
        metrics=("fd-heads",),
    )
    real = value(outcome, REAL, 0, "fd-heads")
    assert all(value(outcome, method, 1, "fd-heads") > real for method in LEARNED)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "persons"), [("ours-ff", 4), ("ours-ft", 2)])
def test_shots_of_the_wrong_person_give_a_head_that_is_less_like_the_right_one(method, persons):
    loaded = load_method(method, MethodOptions(checkpoint=bundled_model(method), size_px=64))
    videos = videos_of(HEADS, "test")[::60][:persons]
    heads = [loaded.adapt(HEADS.read(video, [5, 45, 85])) for video in videos]
    right, wrong = [], []
    for index, video in enumerate(videos):
        true = HEADS.read(video, [15, 35, 55, 75])
        right.append(csim_heads().score(heads[index].render(true.without_images()), true).mean())
        wrong.append(
            csim_heads().score(heads[index - 1].render(true.without_images()), true).mean()
        )
    assert all(np.array(right) > np.array(wrong) + 0.1)


@pytest.mark.slow
def test_fine_tuning_from_a_random_generator_start_is_clearly_worse():
    """Appendix A.2."""
    video = videos_of(HEADS, "test")[10]
    true, ssim = HEADS.read(video, [15, 35, 55, 75]), []
    for start in ("embedder", "random"):
        method = load_method(
            "ours-ft",
            MethodOptions(
                checkpoint=bundled_model("ours-ft"),
                size_px=64,
                settings={"generator_start": start},
            ),
        )
        head = method.adapt(HEADS.read(video, range(0, 96, 48)))
        ssim.append(load_metric("ssim").score(head.render(true.without_images()), true).mean())
    assert ssim[0] > ssim[1] + 0.1  # .76 and .59
