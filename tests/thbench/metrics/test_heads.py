from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics import heads, heads_net
from thbench.metrics.base import load_metric
from thbench.metrics.heads import csim_heads, fd_heads
from thbench.metrics.heads_net import ASSET, EXPRESSION, load_heads_net, measure

HEADS = synth(64)
PERSONS = 15


@pytest.fixture(scope="module")
def unseen():
    """Three frames of two videos of test persons: [persons, 2 videos] of Frames."""
    videos = videos_of(HEADS, "test")
    return [
        [HEADS.read(videos[5 * person + video], [5, 40, 80]) for video in range(2)]
        for person in range(PERSONS)
    ]


def test_network_is_small_and_in_half_precision():
    assert ASSET.stat().st_size < 2e6


def test_same_frames_score_one_and_another_person_less(unseen):
    metric = csim_heads()
    frames = unseen[0][0]
    np.testing.assert_allclose(metric.score(frames.images, frames), 1, atol=1e-6)
    other = np.concatenate(
        [metric.score(unseen[(n + 1) % PERSONS][0].images, unseen[n][0]) for n in range(PERSONS)]
    )
    same = np.concatenate([metric.score(unseen[n][1].images, unseen[n][0]) for n in range(PERSONS)])
    assert same.mean() > other.mean() + 0.25
    assert np.median(same) > np.quantile(other, 0.9)


def test_identity_holds_when_the_head_turns(unseen):
    """Frames of one video at different poses, against other persons at the same pose."""
    vectors = torch.stack([measure(videos[0].images).identity for videos in unseen])
    within = (vectors[:, 0] * vectors[:, 1]).sum(-1)
    across = vectors[:, 0] @ vectors[:, 1].T
    assert within.mean() > across[~torch.eye(PERSONS, dtype=torch.bool)].mean() + 0.4


def test_pose_and_the_jaw_are_measured(unseen):
    videos = videos_of(HEADS, "test")
    motions = [
        motion
        for person in range(PERSONS)
        for video in range(2)
        for motion in HEADS.truth(videos[5 * person + video], [5, 40, 80])[2]
    ]
    seen = measure(torch.cat([frames.images for videos in unseen for frames in videos]))
    true = np.array([(motion.yaw, motion.pitch, motion.roll) for motion in motions])
    assert (np.abs(seen.pose.numpy() - true).mean(0) < 5).all()
    jaw = seen.expression[:, EXPRESSION.index("jaw")].numpy()
    assert np.corrcoef(jaw, [motion.jaw for motion in motions])[0, 1] > 0.5


def test_distance_grows_with_damage_and_is_zero_for_equal_sets(unseen):
    metric = fd_heads()
    true = torch.cat([frames.images for videos in unseen for frames in videos])
    names = np.repeat([f"p{n}" for n in range(PERSONS)], 6)
    features = metric.features(true)
    assert features.shape == (len(true), 160)
    assert metric.estimate(features, features, names, names).value == pytest.approx(0, abs=1e-6)

    def distance(images: torch.Tensor) -> float:
        return metric.estimate(metric.features(images), features, names, names).value

    slight, strong = (
        F.avg_pool2d(true.float(), size, 1, size // 2, count_include_pad=False)
        .round()
        .to(torch.uint8)
        for size in (3, 7)
    )
    assert 0 < distance(slight) < distance(strong)


def test_a_frame_scores_the_same_alone_and_among_others(unseen):
    images = torch.cat([frames.images for videos in unseen for frames in videos])
    alone, among = measure(images[70:71]), measure(images)
    assert torch.equal(alone.identity[0], among.identity[70])
    assert torch.equal(alone.texture[0], among.texture[70])


def test_larger_frames_are_measured_at_64_pixels(unseen):
    images = unseen[2][0].images
    larger = F.interpolate(images.float(), scale_factor=2, mode="nearest").to(torch.uint8)
    assert torch.allclose(measure(images).identity, measure(larger).identity, atol=1e-5)


def test_no_frames_give_no_rows():
    seen = measure(torch.zeros(0, 3, 64, 64, dtype=torch.uint8))
    assert seen.identity.shape == (0, 128)
    assert seen.texture.shape == (0, 160)


def test_each_frame_is_looked_at_once_for_both_metrics(unseen, monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        heads_net, "measure", lambda images, device: looked_at.extend(images) or measure(images)
    )
    heads._cache.cache_clear()
    frames, other = unseen[3][0], unseen[4][0]

    csim_heads().score(other.images, frames)
    fd_heads().features(other.images)
    fd_heads().features(frames.images)

    assert len(looked_at) == len(frames.images) + len(other.images)


def test_metrics_of_no_frames_are_empty():
    none = Frames(torch.zeros(0, 3, 64, 64, dtype=torch.uint8), torch.zeros(0, 68, 2))
    assert csim_heads().score(none.images, none).shape == (0,)
    assert fd_heads().features(none.images).shape == (0, 160)


def test_no_column_is_called_fid_or_csim():
    for metric in (csim_heads(), fd_heads()):
        assert metric.card.stand_in
        assert "heads" in metric.card.label
        assert metric.card.network is not None
        assert metric.unavailable() is None
    assert load_metric("csim-heads").card.name == "csim-heads"
    assert load_metric("fd-heads").card.name == "fd-heads"


def test_feature_key_changes_with_the_weights():
    assert len(fd_heads().feature_spec()["weights"]) == 64


def test_another_file_is_refused_in_one_line(tmp_path):
    with pytest.raises(ThbenchError, match="heads-net") as caught:
        load_heads_net(tmp_path / "none.safetensors")
    assert "\n" not in str(caught.value)
    with pytest.raises(ThbenchError, match="heads-net") as caught:
        load_heads_net(ASSET.with_name("heads_vgg.safetensors"))
    assert "\n" not in str(caught.value)
