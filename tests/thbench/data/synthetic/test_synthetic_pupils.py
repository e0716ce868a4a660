"""The pupils of synthetic heads against the irises that are seen in the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic import synth
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import sample_person
from thbench.data.synthetic.render import Studio, build_cast, build_studio, pupils, render
from thbench.data.synthetic.scene import sample_scene

SIZE_PX = 512


def studio(person: int) -> Studio:
    plain = replace(sample_person(person), glasses="none", iris=np.array([60.0, 140.0, 60.0]))
    return build_studio(build_cast(plain, SIZE_PX), sample_scene(person, 0, 4.0), SIZE_PX)


def seen(made: Studio, motion: Motion) -> NDArray[np.float64]:
    """Where the black of each pupil is seen: [2, 2]. Two renderings that differ in the colour of
    the iris alone differ on the iris alone, and its middle is what is asked for.
    """
    person = replace(made.cast.person, iris=np.array([60.0, 60.0, 140.0]))
    other = replace(made, cast=replace(made.cast, person=person))
    first, second = (render(each, motion)[0].astype(int) for each in (made, other))

    y, x = np.nonzero(np.abs(first - second).sum(-1) > 40)
    middle = render(made, motion)[1][27, 0]  # the bridge of the nose
    sides = [(x < middle), (x >= middle)]
    # The middle of the extremes: the glint and the lids take away from one side of the disc.
    return np.array(
        [
            [(x[side].min() + x[side].max()) / 2, (y[side].min() + y[side].max()) / 2]
            for side in sides
        ]
    )


def test_pupils_lie_in_the_middle_of_the_irises_that_are_painted():
    for person in (3, 8, 21):
        made = studio(person)
        for motion in (
            Motion(gaze_x=-0.9, brows=1.0),
            Motion(gaze_x=0.0, yaw=20, brows=1.0),
            Motion(gaze_x=0.8, yaw=-15, pitch=8, roll=10, brows=1.0),
        ):
            found, true = seen(made, motion), pupils(made, motion)
            # A thousandth of the picture and a half, across; lids cut the disc above and below.
            assert np.abs(found - true)[:, 0].max() < 1.5 + SIZE_PX / 1000
            assert np.abs(found - true)[:, 1].max() < SIZE_PX / 100


def test_a_pupil_follows_the_gaze_and_lids_hide_it():
    made = studio(5)
    left, right = (pupils(made, Motion(gaze_x=gaze)) for gaze in (-1.0, 1.0))
    assert (right[:, 0] - left[:, 0] > 0.02 * SIZE_PX).all()
    assert np.isnan(pupils(made, Motion(blink=1.0))).all()
    assert np.isfinite(pupils(made, Motion(blink=0.2))).all()


def test_the_dataset_gives_the_pupils_of_its_frames():
    small, large = synth(64), synth(256)
    video = small.videos[7]
    frames = list(range(0, 96, 5))
    eyes = small.read(video, frames).pupils
    assert eyes is not None
    assert eyes.shape == (len(frames), 2, 2)
    open_eyes = np.isfinite(eyes.numpy()).all(axis=(1, 2))
    assert 0.5 < open_eyes.mean() <= 1

    again = large.read(video, frames).pupils
    assert again is not None
    expected = (again + 0.5) / 4 - 0.5
    assert np.allclose(eyes, expected, atol=1e-3, equal_nan=True)
