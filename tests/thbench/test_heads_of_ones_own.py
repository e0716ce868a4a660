"""From photos to a kept head to a video, on real frames, with their sound and their gaps."""

from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lightning.fabric import Fabric
from PIL import Image
from support.tiny import TINY

from cli import thbench
from thbench.data.landmarks.dlib import DlibLandmarks
from thbench.data.photos import Drive, drive_frames, held, read_photos
from thbench.data.timeline import Timeline
from thbench.data.video import read_video, write_video
from thbench.errors import ThbenchError
from thbench.heads import adapt_head, drive_head, load_head
from thbench.method import Frames, MethodOptions, load_method
from thbench.paper.meta import OursTrainer
from thbench.training.checkpoints import load_model, save_model
from thbench.training.trainer import VideoShare

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PHOTOS = DATA / "vox1-sample" / "unzippedFaces" / "Peter_Capaldi" / "1.6" / "uAgUjSqIj7U"
CLIP = DATA / "vox2-sample" / "mp4" / "id90001" / "clip00000000" / "00001.mp4"
real = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared/data, real frames that are not distributed"
)
QUICK = replace(TINY, fine_tuning_epochs=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model file of a tiny configuration."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    torch.manual_seed(0)
    training = OursTrainer(QUICK, VideoShare.whole(1), Fabric(accelerator="cpu", devices=1))
    save_model(
        path,
        training.model(),
        {
            "kind": "ours",
            "config": asdict(QUICK),
            "step": 0,
            "dataset": {"name": "none", "sha256": ""},
        },
    )
    return path


@pytest.mark.parametrize("method", ["ours-ff", "ours-ft"])
def test_a_kept_head_renders_what_the_fresh_one_does(method, model, tmp_path):
    torch.manual_seed(1)
    shots = Frames(
        torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8), torch.rand(2, 68, 2) * 64
    )
    head = load_method(method, MethodOptions(checkpoint=model, size_px=64)).adapt(shots)
    head.save(tmp_path / "person.safetensors")
    again = load_head(tmp_path / "person.safetensors")
    assert torch.equal(again.render(shots), head.render(shots))
    assert head.render(shots).dtype == torch.uint8


def test_folding_spectral_norm_changes_nothing(model):
    method = load_method("ours-ff", MethodOptions(checkpoint=model, size_px=64))
    y, e = torch.rand(1, 3, 64, 64), torch.randn(1, 16)
    generator = method.model.generator
    adaptive = generator.project(e)
    torch.testing.assert_close(
        method.generator.synthesise(y, adaptive),
        generator.synthesise(y, adaptive),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_checkpoint_of_another_size_is_refused(model):
    with pytest.raises(ThbenchError, match="trained at 64 pixels, these frames have 256"):
        load_method("ours-ff", MethodOptions(checkpoint=model, size_px=256))


def test_a_checkpoint_of_another_preset_is_refused(model, tmp_path):
    tensors, description, _ = load_model(model, "ours")
    description["config"]["net"]["channels"] = 16
    description["config"]["net"]["max_channels"] = 16
    save_model(tmp_path / "m.safetensors", tensors, description)
    with pytest.raises(ThbenchError, match="does not fit this network"):
        load_method("ours-ff", MethodOptions(checkpoint=tmp_path / "m.safetensors", size_px=64))


def test_fine_tuning_a_feed_forward_checkpoint_is_refused(model, tmp_path):
    tensors, description, _ = load_model(model, "ours")
    description["config"]["variant"] = "ff"
    save_model(tmp_path / "m.safetensors", tensors, description)
    load_method("ours-ff", MethodOptions(checkpoint=tmp_path / "m.safetensors", size_px=64))
    with pytest.raises(ThbenchError, match="without the match loss"):
        load_method("ours-ft", MethodOptions(checkpoint=tmp_path / "m.safetensors", size_px=64))


def test_an_unknown_fine_tuning_setting_is_refused(model):
    with pytest.raises(ThbenchError, match="has the unknown key"):
        load_method("ours-ft", MethodOptions(checkpoint=model, size_px=64, settings={"epocs": 3}))


def test_feed_forward_heads_take_no_settings(model):
    with pytest.raises(ThbenchError, match="has no setting epochs; set it for ours-ft"):
        load_method("ours-ff", MethodOptions(checkpoint=model, size_px=64, settings={"epochs": 3}))


def test_an_unknown_perceptual_network_is_refused(model):
    with pytest.raises(ThbenchError, match="content = 'vgg' is unknown; known are caffe"):
        load_method(
            "ours-ft", MethodOptions(checkpoint=model, size_px=64, settings={"content": "vgg"})
        )


def test_the_last_picture_is_held_where_a_frame_has_no_face():
    frames = Frames(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 68, 2))
    rendered = torch.arange(3)
    drive = Drive(frames, [1, 2, 5], Timeline.steady(7, 25))
    assert held(rendered, drive).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_head_files_of_nothing_are_refused(tmp_path, model):
    with pytest.raises(ThbenchError, match="does not exist"):
        load_head(tmp_path / "none.safetensors")
    with pytest.raises(ThbenchError, match="holds no head"):
        load_head(model)


@real
def test_photos_become_a_head_and_a_clip_drives_it_with_its_sound(model, tmp_path):
    with_sound = tmp_path / "clip.mp4"
    _clip_with_sound(with_sound)
    person, out = tmp_path / "person.safetensors", tmp_path / "out.mp4"
    photos = adapted(model, person, PHOTOS)
    assert photos.files == sorted(PHOTOS.iterdir())
    driven = drive_head(
        person, with_sound, out, landmarks="dlib", crop="as-is", fps=25.0, device="cpu"
    )
    assert 0 < driven.with_face <= driven.frames == 12
    with av.open(str(out)) as video:
        assert len(video.streams.audio) == 1
        assert sum(1 for _ in video.decode(video=0)) == 12


@pytest.fixture
def mixed_photos(tmp_path):
    """A folder of one good photo among four that cannot be used."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = sorted(PHOTOS.iterdir())[0]
    (folder / "good.jpg").write_bytes(good.read_bytes())
    Image.fromarray(np.full((256, 256, 3), 128, np.uint8)).save(folder / "wall.png")
    (folder / "half.jpg").write_bytes(good.read_bytes()[:-2000])
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    (folder / "phone.heic").write_bytes(b"x")
    (folder / "licence.txt").write_text("of the photos")
    return folder


REASONS = {
    "wall.png": "no face found",
    "half.jpg": "damaged, or not a picture",
    "broken.jpg": "damaged, or not a picture",
    "phone.heic": ".heic is not read",
}


def adapted(model, out, *images, **options):
    return adapt_head(
        "ours-ff",
        list(images),
        out,
        checkpoint=model,
        landmarks="dlib",
        crop="as-is",
        device="cpu",
        seed=0,
        **{"size_px": None, **options},
    )


@real
def test_every_unusable_photo_is_named_with_its_reason(model, mixed_photos, tmp_path):
    with pytest.raises(ThbenchError, match=r"5 photos cannot be used.*--skip-unusable") as error:
        adapted(model, tmp_path / "p.safetensors", mixed_photos, tmp_path / "none.jpg")
    for name, reason in {**REASONS, "none.jpg": "does not exist"}.items():
        assert any(name in line and reason in line for line in str(error.value).splitlines())
    assert not (tmp_path / "p.safetensors").exists()


@real
def test_a_head_is_made_without_the_unusable_photos_when_asked(model, mixed_photos, tmp_path):
    photos = adapted(model, tmp_path / "p.safetensors", mixed_photos, skip_unusable=True)
    assert [file.name for file in photos.files] == ["good.jpg"]
    assert {photo.file.name for photo in photos.unusable} == set(REASONS)
    assert load_head(tmp_path / "p.safetensors").size_px == 64


@real
def test_no_usable_photo_is_an_error_in_any_case(model, mixed_photos, tmp_path):
    with pytest.raises(ThbenchError, match=r"no photo can be used:\n  .*wall\.png: no face found"):
        adapted(model, tmp_path / "p.safetensors", mixed_photos / "wall.png", skip_unusable=True)


@real
def test_the_command_line_says_which_photos_were_left_out(model, mixed_photos, tmp_path):
    command = [
        "adapt",
        "ours-ff",
        "--checkpoint",
        str(model),
        "--images",
        str(mixed_photos),
        "--landmarks",
        "dlib",
        "-o",
        str(tmp_path / "p.safetensors"),
        "--skip-unusable",
    ]
    result = CliRunner().invoke(thbench, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "a head from 1 photo\n" in result.stdout
    assert all(name in result.stderr for name in REASONS)


@real
def test_a_head_has_the_size_of_its_checkpoint(model, tmp_path):
    adapted(model, tmp_path / "p.safetensors", PHOTOS)
    assert load_head(tmp_path / "p.safetensors").size_px == 64
    with pytest.raises(ThbenchError, match=r"trained at 64 pixels, these .* have 128.*--size 64"):
        adapted(model, tmp_path / "p.safetensors", PHOTOS, size_px=128)


@real
def test_a_driving_folder_names_what_cannot_be_read(mixed_photos):
    with pytest.raises(ThbenchError, match=r"cannot drive a head(?s:.*)broken\.jpg: damaged"):
        drive_frames(mixed_photos, 64, DlibLandmarks(), "as-is")


@real
def test_a_driver_without_a_face_is_refused(tmp_path):
    Image.fromarray(np.full((256, 256, 3), 128, np.uint8)).save(tmp_path / "wall.png")
    assert not read_photos([tmp_path / "wall.png"], 64, DlibLandmarks(), "as-is").files
    with pytest.raises(ThbenchError, match="no face found in any of the 1 frames"):
        drive_frames(tmp_path, 64, DlibLandmarks(), "as-is")


@real
def test_a_driven_video_keeps_the_uneven_times_of_its_driver(model, tmp_path):
    times_s = [0, 0.04, 0.08, 0.12, 0.5, 1.0, 2.0]
    images = torch.from_numpy(np.stack(list(read_video(CLIP, range(7))[0]))).permute(0, 3, 1, 2)
    uneven = Timeline(tuple(round(time * 1000) for time in times_s), 2040, Fraction(1, 1000))
    write_video(tmp_path / "driver.mkv", images, uneven)

    adapted(model, tmp_path / "p.safetensors", PHOTOS)
    driven = drive_head(
        tmp_path / "p.safetensors",
        tmp_path / "driver.mkv",
        tmp_path / "out.mp4",
        landmarks="dlib",
        crop="as-is",
        fps=25.0,
        device="cpu",
    )
    with av.open(str(tmp_path / "out.mp4")) as video:
        written = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
    assert driven.frames == 7
    assert written == pytest.approx(times_s, abs=0.001)


def _clip_with_sound(path: Path) -> None:
    """The first 12 frames of a real clip with half a second of a tone."""
    frames, fps = read_video(CLIP)
    images = torch.from_numpy(np.stack([next(frames) for _ in range(12)])).permute(0, 3, 1, 2)
    tone = path.with_suffix(".tone.mp4")
    with av.open(str(tone), "w") as container:
        picture = container.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 64
        stream = container.add_stream("aac", rate=16000)
        wave = np.sin(np.arange(8000) / 16000 * 2 * np.pi * 440).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 16000
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for packet in [
            *picture.encode(black),
            *picture.encode(None),
            *stream.encode(sound),
            *stream.encode(None),
        ]:
            container.mux(packet)
    write_video(path, images, fps, tone)


@real
def test_a_driver_moves_the_heads_own_face(model, tmp_path):
    shots = read_photos([PHOTOS], 64, DlibLandmarks(), "per-frame").frames
    head = load_method("ours-ff", MethodOptions(checkpoint=model, size_px=64)).adapt(shots[[0]])
    file = tmp_path / "person.safetensors"
    head.save(file)
    assert torch.equal(load_head(file).shots, shots.landmarks[:1])

    frames = tmp_path / "frames"
    frames.mkdir()
    for number, image in enumerate(list(read_video(CLIP)[0])[:20:5]):
        Image.fromarray(image).save(frames / f"{number}.png")
    arguments = ["drive", str(file), "--frames", str(frames), "--landmarks", "dlib", "-o"]
    for name, more in (("plain.mp4", []), ("own.mp4", ["--adapt-landmarks"])):
        ran = CliRunner().invoke(
            thbench, [*arguments, str(tmp_path / name), *more], catch_exceptions=False
        )
        assert ran.exit_code == 0, ran.output
    assert (tmp_path / "plain.mp4").read_bytes() != (tmp_path / "own.mp4").read_bytes()

    head.shots = None  # as in a file of before shots were kept
    head.save(file)
    with pytest.raises(ThbenchError, match="does not know the face shape"):
        drive_head(
            file,
            frames,
            tmp_path / "x.mp4",
            landmarks="dlib",
            crop="per-clip",
            fps=25,
            device="cpu",
            adapt_landmarks=True,
        )
