"""From photos to a kept head to a video, on real frames, with their sound and their gaps."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from thbench.data.dlib_landmarks import DlibLandmarks
from thbench.data.photos import Drive, drive_frames, held, photo_frames
from thbench.data.video import write_video
from thbench.errors import ThbenchError
from thbench.heads import adapt_head, drive_head, load_head
from thbench.method import Frames, MethodOptions, load_method
from thbench.nets.config import NetConfig
from thbench.training.checkpoints import load_model, save_model
from thbench.training.meta import OursTrainer, ours_config

DATA = Path(__file__).parents[2].parent / "shared" / "data"
PHOTOS = DATA / "vox1-sample" / "unzippedFaces" / "Peter_Capaldi" / "1.6" / "uAgUjSqIj7U"
CLIP = DATA / "vox2-sample" / "mp4" / "id90001" / "clip00000000" / "00001.mp4"
real = pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data, real frames that are not distributed")
TINY = replace(ours_config("small"), fine_tuning_epochs=1, net=NetConfig(
    size_px=64, channels=8, max_channels=16, embedding=16, bottleneck_px=16, attention_down_px=16, attention_up_px=16))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model file of a tiny configuration."""
    import dataclasses
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    torch.manual_seed(0)
    training = OursTrainer(TINY, 1, Fabric(accelerator="cpu", devices=1))
    save_model(path, training.model(), {"kind": "ours", "config": dataclasses.asdict(TINY), "step": 0,
                                        "dataset": {"name": "none", "sha256": ""}})
    return path


@pytest.mark.parametrize("method", ["ours-ff", "ours-ft"])
def test_a_kept_head_renders_what_the_fresh_one_does(method, model, tmp_path):
    torch.manual_seed(1)
    shots = Frames(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8), torch.rand(2, 68, 2) * 64)
    head = load_method(method, MethodOptions(checkpoint=model, size_px=64)).adapt(shots)
    head.save(tmp_path / "person.safetensors")
    again = load_head(tmp_path / "person.safetensors")
    assert torch.equal(again.render(shots), head.render(shots))
    assert head.render(shots).dtype == torch.uint8


def test_folding_spectral_norm_changes_nothing(model):
    method = load_method("ours-ff", MethodOptions(checkpoint=model, size_px=64))
    y, e = torch.rand(1, 3, 64, 64), torch.randn(1, 16)
    adaptive = method.generator.project(e)
    torch.testing.assert_close(method.folded.synthesise(y, adaptive), method.generator.synthesise(y, adaptive),
                               atol=1e-5, rtol=1e-5)


def test_a_checkpoint_of_another_size_is_refused(model):
    with pytest.raises(ThbenchError, match="trained at 64 pixels, the dataset has 256"):
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
    with pytest.raises(ThbenchError, match="unknown fine-tuning setting"):
        load_method("ours-ft", MethodOptions(checkpoint=model, size_px=64, settings={"epocs": 3}))


def test_the_last_picture_is_held_where_a_frame_has_no_face():
    frames = Frames(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.zeros(3, 68, 2))
    rendered = torch.arange(3)
    assert held(rendered, Drive(frames, [1, 2, 5], 7, 25.0)).tolist() == [0, 0, 1, 1, 1, 2, 2]


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
    shots = adapt_head("ours-ff", [PHOTOS], person, checkpoint=model, size_px=64, landmarks="dlib", crop="as-is",
                       device="cpu", seed=0)
    assert shots == len(list(PHOTOS.iterdir()))
    rendered, total = drive_head(person, with_sound, out, landmarks="dlib", crop="as-is", fps=25.0, device="cpu")
    assert 0 < rendered <= total == 12
    with av.open(str(out)) as video:
        assert len(video.streams.audio) == 1
        assert sum(1 for _ in video.decode(video=0)) == 12


@real
def test_a_photo_without_a_face_is_named(tmp_path):
    import cv2
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((256, 256, 3), 128, np.uint8))
    with pytest.raises(ThbenchError, match=r"no face found in .*wall\.png"):
        photo_frames([tmp_path / "wall.png"], 64, DlibLandmarks(), "as-is")
    with pytest.raises(ThbenchError, match="no face found in any of the 1 frames"):
        drive_frames(tmp_path, 64, DlibLandmarks(), "as-is")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(ThbenchError, match=r"broken\.jpg is no picture"):
        photo_frames([tmp_path / "broken.jpg"], 64, DlibLandmarks(), "as-is")


def _clip_with_sound(path: Path) -> None:
    """The first 12 frames of a real clip with half a second of a tone."""
    from thbench.data.video import read_video
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
        for packet in [*picture.encode(black), *picture.encode(None), *stream.encode(sound), *stream.encode(None)]:
            container.mux(packet)
    write_video(path, images, fps, tone)
