"""Frames made elsewhere: what is exported, what comes back, and what is said if it does not fit."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.random_frames import random_frames

from baselines.external.export import Episode, export_protocol, shots_sha256
from baselines.external.frames import external
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.method import Frames, MethodOptions, load_method

N_DRIVE = 5


def episodes() -> list[Episode]:
    """Two videos, T = 1 and 2, nested shots, the same driving frames for both T."""
    found = []
    for seed, video in enumerate(("anna/one", "ben/a b")):
        shots, drive = random_frames(2, seed=seed), random_frames(N_DRIVE, seed=100 + seed)
        found += [Episode(video, T, shots[:T], drive) for T in (1, 2)]
    return found


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    assert export_protocol(episodes(), tmp_path / "export", {"protocol": {"name": "test"}}) == 4
    return tmp_path / "export"


@pytest.fixture
def answers(exported: Path) -> Path:
    """Answers of a system that mirrors the driving frames."""
    for episode in episodes():
        folder = exported / "answers" / episode.folder
        folder.mkdir(parents=True)
        for file in sorted((exported / episode.folder / "drive").iterdir()):
            Image.fromarray(np.asarray(Image.open(file))[:, ::-1]).save(folder / file.name)
    return exported / "answers"


def refusal(answers: Path) -> str:
    with pytest.raises(ThbenchError) as caught:
        external(MethodOptions(f"mirror={answers}"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_method_gets_its_frames_back_pixel_by_pixel(answers: Path) -> None:
    method = load_method(f"external:mirror={answers}", MethodOptions())
    assert (method.name, method.drives_with) == ("mirror", "image")
    for episode in episodes():
        assert torch.equal(
            method.adapt(episode.shots).render(episode.drive), episode.drive.images.flip(-1)
        )


def test_driving_frames_are_found_in_any_order_and_number(answers: Path) -> None:
    episode = episodes()[1]
    head = external(MethodOptions(f"mirror={answers}")).adapt(episode.shots)
    some = episode.drive[[3, 0, 3]]
    assert torch.equal(head.render(some), some.images.flip(-1))
    assert torch.equal(head.render(some.without_images()), some.images.flip(-1))


def test_the_export_holds_what_the_methods_get(exported: Path) -> None:
    for episode in episodes():
        for name, frames in (("shots", episode.shots), ("drive", episode.drive)):
            files = sorted((exported / episode.folder / name).iterdir())
            images = np.stack([np.asarray(Image.open(file)) for file in files])
            assert np.array_equal(images.transpose(0, 3, 1, 2), frames.images.numpy())
            with open(exported / episode.folder / f"{name}.csv", encoding="utf-8") as file:
                rows = list(csv.reader(file))[1:]
            assert [row[0] for row in rows] == [file.name for file in files]
            landmarks = np.array([row[1:] for row in rows], dtype=np.float32).reshape(-1, 68, 2)
            assert np.array_equal(landmarks, frames.landmarks.numpy())
            assert len(list((exported / episode.folder / f"{name}_landmarks").iterdir())) == len(
                frames
            )


def test_every_exported_file_has_its_checksum(exported: Path) -> None:
    with open(exported / "manifest.csv", encoding="utf-8") as file:
        listed = {row["file"]: row["sha256"] for row in csv.DictReader(file)}
    found = {
        path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()
    }
    assert set(listed) == found - {"README.txt", "manifest.csv", "answers/manifest.json"}
    assert all(sha256_file(exported / name) == sha256 for name, sha256 in listed.items())


def test_driving_frames_can_be_withheld(tmp_path: Path) -> None:
    export_protocol(episodes(), tmp_path / "export", {}, drives_with="landmarks")
    assert not list((tmp_path / "export").rglob("drive"))
    assert len(list((tmp_path / "export").rglob("drive_landmarks"))) == 4
    assert (
        json.loads((tmp_path / "export/answers/manifest.json").read_text())["drives_with"]
        == "landmarks"
    )


def test_an_export_replaces_nothing(exported: Path) -> None:
    with pytest.raises(ThbenchError, match="already exists"):
        export_protocol(episodes(), exported, {})


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    twice = [*episodes(), episodes()[0]]
    with pytest.raises(ThbenchError, match="two episodes are called anna/one, T = 1"):
        export_protocol(twice, tmp_path / "export", {})
    assert list(tmp_path.iterdir()) == []


def test_missing_extra_wrongly_sized_and_corrupt_frames_are_all_named_at_once(
    answers: Path,
) -> None:
    one = next((answers / "T1").glob("anna*"))
    (one / "00.png").unlink()
    (one / "02.png").rename(one / "frame2.png")
    Image.new("RGB", (32, 48)).save(one / "03.png")
    (one / "04.png").write_bytes((one / "04.png").read_bytes()[:-40])
    message = refusal(answers)
    assert message.startswith(f"mirror: of the 20 frames expected in {answers}: ")
    assert f"2 missing (T1/{one.name}/00.png, T1/{one.name}/02.png)" in message
    assert f"1 extra (T1/{one.name}/frame2.png)" in message
    assert f"T1/{one.name}/03.png is 32x48, not 64x64" in message
    assert f"T1/{one.name}/04.png is not a readable PNG" in message
    assert "2 unusable" in message


def test_long_lists_are_counted(answers: Path) -> None:
    shutil.rmtree(next((answers / "T2").glob("ben*")))
    message = refusal(answers)
    assert "5 missing" in message
    assert "..." in message
    assert "04.png" not in message


def test_a_whole_T_may_be_left_out_until_it_is_asked_for(answers: Path) -> None:
    shutil.rmtree(answers / "T2")
    method = external(MethodOptions(f"mirror={answers}"))
    one, two = episodes()[:2]
    assert len(method.adapt(one.shots).render(one.drive)) == N_DRIVE
    with pytest.raises(ThbenchError, match="T = 2 was left out"):
        method.adapt(two.shots)


def test_an_empty_answer_is_refused(exported: Path) -> None:
    assert "holds no frames; 20 frames are expected" in refusal(exported / "answers")


def test_other_shots_and_other_drivers_are_refused(answers: Path) -> None:
    method = external(MethodOptions(f"mirror={answers}"))
    with pytest.raises(ThbenchError, match="knows no episode with these 1 shots"):
        method.adapt(random_frames(1, seed=77))
    with pytest.raises(ThbenchError, match="driving frame 1 is not one of those exported"):
        method.adapt(episodes()[0].shots).render(
            Frames(
                torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
                torch.stack([episodes()[0].drive.landmarks[0], torch.zeros(68, 2)]),
            )
        )


@pytest.mark.parametrize("argument", ["", "mirror", "=folder", "mirror="])
def test_a_malformed_spec_is_refused(argument: str) -> None:
    with pytest.raises(ThbenchError, match="write external:NAME=FOLDER"):
        external(MethodOptions(argument))


def test_the_name_of_the_real_frames_is_taken(answers: Path) -> None:
    with pytest.raises(ThbenchError, match="choose another"):
        external(MethodOptions(f"real={answers}"))


def test_a_manifest_that_leaves_the_folder_is_refused(answers: Path) -> None:
    manifest = json.loads((answers / "manifest.json").read_text())
    manifest["episodes"][0]["frames"][0]["name"] = "../../../../secret.png"
    (answers / "manifest.json").write_text(json.dumps(manifest))
    assert "leaves" in refusal(answers)


@pytest.mark.parametrize(
    "damage",
    [
        "{",
        "[]",
        "{}",
        '{"format": 1, "about": {}, "drives_with": "sound", "episodes": []}',
        '{"format": 1, "about": {}, "drives_with": "image", "episodes": [{}]}',
    ],
)
def test_a_damaged_manifest_is_refused(answers: Path, damage: str) -> None:
    (answers / "manifest.json").write_text(damage)
    assert "manifest" in refusal(answers)


def test_changed_answers_change_the_recorded_sha256(answers: Path) -> None:
    before = external(MethodOptions(f"mirror={answers}")).provenance["checkpoint"]["sha256"]
    file = next((answers / "T1").rglob("03.png"))
    Image.new("RGB", (64, 64)).save(file)
    assert external(MethodOptions(f"mirror={answers}")).provenance["checkpoint"]["sha256"] != before


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_changes_the_name_of_the_shots(position: int, bit: int) -> None:
    shots = random_frames(1, size_px=64, seed=3)
    changed = shots.images.clone()
    flat = changed.view(-1)
    flat[position % len(flat)] ^= 1 << bit
    assert shots_sha256(Frames(changed, shots.landmarks)) != shots_sha256(shots)
