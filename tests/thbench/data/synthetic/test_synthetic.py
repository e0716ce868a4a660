from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thbench.data.dataset import Video, videos_of
from thbench.data.synthetic import Synth, synth
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import FRAMES_PER_SECOND, Motion, sample_trajectory
from thbench.data.synthetic.person import sample_person
from thbench.data.synthetic.raster import rasterise, spread
from thbench.data.synthetic.render import build_cast, build_studio, project, render
from thbench.data.synthetic.scene import sample_scene
from thbench.errors import ThbenchError
from thbench.method import Frames

HEADS = synth(64)
EYES, MOUTH, JAW = slice(36, 48), slice(48, 68), slice(0, 17)


def studio(person: int = 5, size_px: int = 64):
    return build_studio(
        build_cast(sample_person(person), size_px), sample_scene(person, 0, 8.0), size_px
    )


def digest(frames: Frames) -> str:
    return hashlib.sha256(
        frames.images.numpy().tobytes() + frames.landmarks.numpy().tobytes()
    ).hexdigest()


def test_persons_are_400_for_training_and_60_others_for_testing():
    train, test = videos_of(HEADS, "train"), videos_of(HEADS, "test")
    persons = {video.person for video in train}, {video.person for video in test}
    assert [len(side) for side in persons] == [400, 60]
    assert not persons[0] & persons[1]
    for person in ("p000", "p459"):
        assert [video.n_frames for video in HEADS.videos if video.person == person] == [96] * 5


def test_frames_are_what_the_contract_says():
    frames = HEADS.read(HEADS.videos[17], [3, 3, 90])
    assert frames.images.shape == (3, 3, 64, 64)
    assert frames.images.is_contiguous()
    assert torch.equal(frames.images[0], frames.images[1])
    assert not torch.equal(frames.images[0], frames.images[2])
    names = HEADS.frame_names(HEADS.videos[17])
    assert len(set(names)) == 96
    assert names == sorted(names)


def test_no_frames_is_an_empty_read():
    assert len(HEADS.read(HEADS.videos[0], [])) == 0


def test_frames_do_not_depend_on_what_was_read_before():
    video, other = HEADS.videos[1203], HEADS.videos[42]
    first = HEADS.read(video, [10, 20, 30])
    HEADS.read(other, [5])
    pickled: Synth = pickle.loads(pickle.dumps(HEADS))
    again = pickled.read(video, [30, 10])
    assert torch.equal(first.images[[2, 0]], again.images)
    assert torch.equal(first.landmarks[[2, 0]], again.landmarks)


def test_another_process_draws_the_same_bytes():
    code = """
import hashlib
from thbench.data.synthetic import synth
heads = synth(64)
frames = heads.read(heads.videos[2222], [95, 0])
drawn = frames.images.numpy().tobytes() + frames.landmarks.numpy().tobytes()
print(hashlib.sha256(drawn).hexdigest())
"""
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == digest(HEADS.read(HEADS.videos[2222], [95, 0]))


def test_sha256_tells_sizes_apart():
    assert HEADS.sha256 == synth(64).sha256
    assert HEADS.sha256 != synth(96).sha256


@pytest.mark.parametrize("size_px", [0, -64, 5000])
def test_impossible_size_is_refused(size_px):
    with pytest.raises(ThbenchError, match="choose from"):
        synth(size_px)


@pytest.mark.parametrize(
    "video",
    [
        Video("p999", "v0", "test", 96),
        Video("p001", "v9", "train", 96),
        Video("Retta", "x", "test", 96),
        Video("p-01", "v0", "train", 96),
        Video("p000", "v0", "test", 96),
    ],
)
def test_unknown_video_is_refused(video):
    with pytest.raises(ThbenchError, match="no video"):
        HEADS.read(video, [0])


@pytest.mark.parametrize("frame", [-1, 96])
def test_position_outside_the_video_is_refused(frame):
    with pytest.raises(ThbenchError, match="0 to 95"):
        HEADS.read(HEADS.videos[0], [frame])


def test_landmarks_of_every_person_lie_in_the_picture_and_in_order():
    for video in HEADS.videos[::37]:
        for marks in HEADS.read(video, [0, 50]).landmarks.numpy():
            assert (marks[17:] > -3).all()
            assert (marks[17:] < 66).all()
            axis = marks[8] - marks[27]  # from the bridge of the nose to the chin
            down = axis / np.linalg.norm(axis)
            across = np.array([down[1], -down[0]])
            depth = marks @ down
            assert depth[17:27].max() < depth[MOUTH].min()  # brows above the mouth
            assert depth[EYES].mean() < depth[33] < depth[MOUTH].mean() < depth[8]
            assert (marks @ across)[36] < (marks @ across)[
                45
            ]  # the right eye of the person on the left


def test_eyes_and_lips_are_painted_where_the_landmarks_say():
    """An independent look at the pixels: between the lips lies the mouth, between the lids a pupil
    and a white.
    """
    person = next(
        number
        for number in range(400)
        if sample_person(number).skin.mean() > 170
        and sample_person(number).glasses == "none"
        and sample_person(number).fringe == 0
    )
    scene = studio(person, 256)
    (opened, marks), (closed, _) = (
        render(scene, Motion(jaw=1.0)),
        render(scene, Motion(jaw=1.0, blink=1.0)),
    )
    shut_mouth, _ = render(scene, Motion())

    def changed(a: np.ndarray, b: np.ndarray, points: np.ndarray) -> float:
        """The mean change in the middle half of the box around some landmarks, in grey levels."""
        middle, half = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)) / 4
        (left, top), (right, bottom) = (middle - half).astype(int), (middle + half).astype(int) + 1
        return float(np.abs(a.astype(float) - b)[top:bottom, left:right].mean())

    for eye in (slice(36, 42), slice(42, 48)):
        assert changed(opened, closed, marks[eye]) > 40
    assert changed(opened, shut_mouth, marks[60:68]) > 40
    assert changed(opened, closed, marks[60:68]) == 0
    assert changed(opened, shut_mouth, marks[17:27]) < 1


def test_a_detector_of_real_faces_finds_the_landmarks_in_the_same_places():
    """An oracle that knows iBUG-68 from photographs alone: mean distance in outer eye distances."""
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    from thbench.data.landmarks.detector import FrameKey
    from thbench.data.landmarks.dlib import DlibLandmarks

    heads, detector, errors = synth(256), DlibLandmarks(), []
    for video in heads.videos[3::460]:
        frames = heads.read(video, [20])
        image, marks = (
            frames.images[0].permute(1, 2, 0).contiguous().numpy(),
            frames.landmarks[0].numpy(),
        )
        for face in detector.detect([image], [FrameKey(video.key)])[0][:1]:
            errors.append(
                np.linalg.norm(face.landmarks - marks, axis=1).mean()
                / np.linalg.norm(marks[36] - marks[45])
            )
    assert len(errors) >= 4
    assert np.mean(errors) < 0.08


def test_landmarks_follow_a_rotation_written_out_by_hand():
    """Far camera, no expression: yaw turns points about the vertical axis through the neck, roll
    turns the picture.
    """
    head = Head(sample_person(7))
    still = Motion(x=0.5, y=0.5, scale=0.3)
    rest = head.landmarks(head.curves(still), still).astype(float)
    for degrees in (-35, 20):
        angle = np.deg2rad(degrees)
        turned, _ = project(rest.astype(np.float32), replace(still, yaw=degrees), 1e6, 100)
        x = rest[:, 0] * np.cos(angle) + (rest[:, 2] + 0.25) * np.sin(angle)
        expected = np.stack([50 + 30 * x - 0.5, 50 - 30 * rest[:, 1] - 0.5], 1)
        np.testing.assert_allclose(turned, expected, atol=2e-3)
        flat, _ = project(rest.astype(np.float32), still, 1e6, 100)
        rolled, _ = project(rest.astype(np.float32), replace(still, roll=degrees), 1e6, 100)
        pivot = np.array([50, 50 + 30 * 0.75]) - 0.5
        turn = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )  # clockwise, y down
        np.testing.assert_allclose(rolled, (flat - pivot) @ turn.T + pivot, atol=2e-3)


def test_turning_shows_parallax_and_foreshortening():
    scene = studio(7)
    ahead, right = (render(scene, Motion(yaw=yaw))[1] for yaw in (0, 30))
    assert (right[30] - ahead[30])[0] > (right[[36, 45]].mean(0) - ahead[[36, 45]].mean(0))[
        0
    ] + 1  # nose leads eyes
    near, far = right[27, 0] - right[0, 0], right[16, 0] - right[27, 0]
    assert far < 0.6 * near  # far cheek narrows
    assert abs((ahead[27, 0] - ahead[0, 0]) - (ahead[16, 0] - ahead[27, 0])) < 0.5
    up, down = (render(scene, Motion(pitch=pitch))[1] for pitch in (20, -20))
    assert up[30, 1] < ahead[30, 1] < down[30, 1]


def test_ear_comes_out_on_the_side_that_turns_to_the_viewer():
    """With hair that leaves ears free, the pixels behind jaw landmark 0 turn from backdrop or hair
    into skin.
    """
    person = next(
        number
        for number in range(400)
        if sample_person(number).hair == "buzz"
        and sample_person(number).glasses == "none"
        and sample_person(number).skin.mean() > 150
    )
    scene = studio(person, 128)

    def skin_behind_jaw(yaw: float) -> int:
        image, marks = render(scene, Motion(yaw=yaw))
        x, y = marks[0].round().astype(int)
        patch = image[y - 6 : y + 10, max(x - 18, 0) : max(x - 3, 1)].reshape(-1, 3).astype(float)
        skin = sample_person(person).skin
        return int(
            (
                np.abs(patch / np.maximum(patch.sum(1, keepdims=True), 1) - skin / skin.sum()).max(
                    1
                )
                < 0.03
            ).sum()
        )

    assert skin_behind_jaw(35) > skin_behind_jaw(0) + 20


def test_expressions_move_their_own_landmarks_only():
    head = Head(sample_person(11))

    def marks(**motion: float) -> np.ndarray:
        state = Motion(**motion)
        return head.landmarks(head.curves(state), state)

    rest = marks()
    moved = {
        name: np.linalg.norm(marks(**{name: 1.0}) - rest, axis=1)
        for name in ("blink", "brows", "jaw", "gaze_x")
    }
    assert moved["blink"][[37, 38, 43, 44]].min() > 0.03
    assert moved["blink"][np.r_[0:36, 48:68]].max() == 0
    assert moved["brows"][17:27].min() > 0.03
    assert moved["jaw"][8] > 0.08
    assert moved["jaw"][np.r_[17:48]].max() == 0
    assert moved["gaze_x"].max() == 0
    blinked = marks(blink=1.0)
    opening = (blinked[37] - blinked[41])[1], (rest[37] - rest[41])[1]
    assert opening[0] < 0.25 * opening[1]


def test_sizes_show_the_same_picture():
    """The landmarks at 256 are those at 64 under the half-pixel rule, and pixels averaged down
    agree.
    """
    video = HEADS.videos[1501]
    small, large = HEADS.read(video, [12, 70]), synth(256).read(video, [12, 70])
    assert torch.allclose((small.landmarks + 0.5) * 4 - 0.5, large.landmarks, atol=1e-3)
    shrunk = torch.nn.functional.avg_pool2d(large.images.float(), 4)
    assert (shrunk - small.images.float()).abs().mean() < 5


def test_motion_is_smooth_and_not_still():
    for video in HEADS.videos[3::230]:
        marks = HEADS.read(video, range(40)).landmarks
        steps = (marks[1:] - marks[:-1]).norm(dim=-1)
        assert steps.max() < 6.5  # a tenth of the picture a frame, 12.5 a second
        assert (marks - marks.mean(0)).norm(dim=-1).mean() > 0.7


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 95))
def test_any_motion_stays_in_its_ranges(seed, frame):
    motion = sample_trajectory(np.random.default_rng(seed), 96 / FRAMES_PER_SECOND).at(frame)
    assert abs(motion.yaw) <= 48
    assert abs(motion.pitch) <= 26
    assert abs(motion.roll) <= 25
    assert 0 <= motion.blink <= 1
    assert 0 <= motion.smile <= 1
    assert 0 <= motion.jaw <= 1.2
    assert 0.2 < motion.scale < 0.4


def test_persons_differ_more_than_videos_of_a_person():
    """Faces compared at one pose, light and backdrop: who it is shows in the pixels."""
    scene = sample_scene(0, 0, 8.0)
    faces = np.stack(
        [
            render(build_studio(build_cast(sample_person(n), 64), scene, 64), Motion())[0][
                12:44, 16:48
            ]
            for n in range(24)
        ]
    ).astype(float)
    apart = [np.abs(a - b).mean() for i, a in enumerate(faces) for b in faces[:i]]
    assert min(apart) > 4
    assert np.median(apart) > 20


def test_videos_of_a_person_differ_in_scene_and_share_the_look():
    videos = [video for video in HEADS.videos if video.person == "p123"]
    truths = [HEADS.truth(video, [0]) for video in videos]
    assert len({truth[0].seed for truth in truths}) == 1
    assert len({tuple(truth[1].light.tolist()) for truth in truths}) == 5
    corners = torch.stack(
        [HEADS.read(video, [0]).images[0, :, :6, :6].float().mean((1, 2)) for video in videos]
    )
    assert (corners[:, None] - corners[None]).abs().sum(-1).max() > 20


def test_every_style_can_be_drawn():
    """All hair, beards, glasses, clothes and backdrops that can be sampled, at an odd size."""
    seen: set[str] = set()
    for number in range(90):
        person, scene = sample_person(number), sample_scene(number, 0, 8.0)
        kinds = {
            person.hair,
            f"beard {person.beard}",
            f"glasses {person.glasses}",
            scene.style,
            scene.backdrop,
        }
        if kinds - seen:
            image, marks = render(
                build_studio(build_cast(person, 37), scene, 37), scene.trajectory.at(0)
            )
            assert image.shape == (37, 37, 3)
            assert np.isfinite(marks).all()
            seen |= kinds
    assert len(seen) == 9 + 5 + 4 + 7 + 6


def surface_of(points, depth, corners, double_sided):
    """The visible samples of a grid of 16, and the triangles seen there."""
    surface = rasterise(points, depth, corners, double_sided, 16)
    return surface.samples, surface.triangles


def test_rasteriser_fills_shared_edges_without_cracks_and_keeps_the_nearest():
    """Against a per-pixel point-in-polygon oracle: a square of two triangles, and a nearer triangle
    over it.
    """
    points = np.array(
        [(2.3, 2.1), (2.3, 12.7), (13.2, 2.1), (13.2, 12.7), (5, 4), (5, 9), (10, 4)], np.float32
    )
    depth = np.array([0, 0, 0, 0, 1, 1, 1], np.float32)
    corners = np.array([(0, 1, 2), (2, 1, 3), (4, 5, 6)]).T
    samples, triangles = surface_of(points, depth, corners, np.zeros(3, bool))
    flat = np.full(256, -1)
    flat[samples] = triangles
    picture = flat.reshape(16, 16)
    assert (picture[3:13, 3:14] >= 0).all()
    assert (picture >= 0).sum() == 10 * 11
    for y in range(16):
        for x in range(16):
            if x >= 5 and y >= 4 and (x - 5) / 5 + (y - 4) / 5 <= 1:
                assert picture[y, x] == 2
    assert len(samples) == len(set(samples.tolist()))


def test_back_faces_show_on_double_sided_triangles_only():
    points = np.array([(2, 2), (12, 2), (2, 12)], np.float32)
    corners, depth = np.array([[0], [1], [2]]), np.zeros(3, np.float32)
    assert len(surface_of(points, depth, corners, np.array([False]))[0]) == 0
    assert len(surface_of(points, depth, corners, np.array([True]))[0]) > 40


def test_of_equally_near_triangles_the_last_is_seen():
    points = np.array([(2, 2), (2, 12), (12, 2)], np.float32)
    corners = np.array([(0, 1, 2), (0, 1, 2)]).T
    samples, triangles = surface_of(points, np.zeros(3, np.float32), corners, np.zeros(2, bool))
    assert len(samples) > 40
    assert set(triangles.tolist()) == {1}


def test_values_spread_over_a_triangle_follow_the_position():
    """Values that are the corners' positions give back the position of every sample."""
    points = np.array([(1.5, 0.5), (3.25, 14.5), (13.75, 6)], np.float32)
    corners = np.array([[0], [1], [2]])
    surface = rasterise(points, np.zeros(3, np.float32), corners, np.zeros(1, bool), 16)
    wanted = np.stack([surface.samples % 16, surface.samples // 16], 1)
    assert len(wanted) > 60
    assert np.abs(spread(points, corners, surface) - wanted).max() < 1e-2


def test_frames_are_drawn_where_no_folder_for_machine_code_can_be_written(tmp_path):
    """As in a read-only installation without a home: compiled anew, the same pixels."""
    heads = synth(33)
    wanted = hashlib.sha256(heads.read(heads.videos[7], [3]).images.numpy().tobytes()).hexdigest()
    script = (
        "import hashlib, numba.core.caching as caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from thbench.data.synthetic import synth\n"
        "heads = synth(33)\n"
        "pixels = heads.read(heads.videos[7], [3]).images.numpy()\n"
        "print(hashlib.sha256(pixels.tobytes()).hexdigest())\n"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert printed.stdout.strip() == wanted, printed.stderr
