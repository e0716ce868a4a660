"""Stand-ins for FOMM and its heirs: demo.py with the functions and signatures of the real ones."""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.external.systems import Recipe

_COMMON = """
import pathlib
def loaded(*files):
    with open("loads", "a") as file:
        file.write("x")
    for file in files:
        open(file).close()
def answer(source, driving):
    assert source.shape == (256, 256, 3) and 0 <= source.min() and source.max() <= 1
    return [source for _ in driving] if pathlib.Path("sources please").exists() else list(driving)
"""
_FOMM = """
def load_checkpoints(config_path, checkpoint_path, cpu=False):
    loaded(config_path, checkpoint_path)
    return "generator", "kp_detector"
def make_animation(source_image, driving_video, generator, kp_detector, relative=True,
                   adapt_movement_scale=True, cpu=False):
    assert (generator, kp_detector, relative, adapt_movement_scale, cpu) == (
        "generator", "kp_detector", False, False, True)
    return answer(source_image, driving_video)
"""
_TPSMM = """
def load_checkpoints(config_path, checkpoint_path, device):
    assert device == "cpu"
    loaded(config_path, checkpoint_path)
    return "inpainting", "kp_detector", "dense_motion", "avd"
def make_animation(source_image, driving_video, inpainting_network, kp_detector,
                   dense_motion_network, avd_network, device, mode="relative"):
    assert (inpainting_network, avd_network, device, mode) == (
        "inpainting", "avd", "cpu", "standard")
    return answer(source_image, driving_video)
"""
_DAGAN = """
import yaml
class Network:
    num_ch_enc = [1]
    def state_dict(self): return {"a": 0}
    def load_state_dict(self, state): assert state == {"a": 1}; self.ready = True
    def eval(self): return self
    def to(self, device): assert device == "cpu"; return self
class depth:
    ResnetEncoder = staticmethod(lambda layers, pretrained: Network())
    DepthDecoder = staticmethod(lambda num_ch_enc, scales: Network())
class torch:
    @staticmethod
    def load(path, map_location): open(path).close(); return {"a": 1, "height": 192}
def load_checkpoints(config_path, checkpoint_path, cpu=False):
    with open(config_path) as f:
        yaml.load(f)
    assert (opt.kp_num, opt.generator) == (15, "DepthAwareGenerator")
    loaded(config_path, checkpoint_path)
    return "generator", "kp_detector"
def make_animation(source_image, driving_video, generator, kp_detector, relative=True,
                   adapt_movement_scale=True, cpu=False):
    assert depth_encoder.ready and depth_decoder.ready and cpu and not relative
    return [], [], answer(source_image, driving_video), []
"""
_FACE_VID2VID = """
import numpy, yaml
def load_checkpoints(config_path, checkpoint_path, gen, cpu=False):
    with open(config_path) as f:
        yaml.load(f)
    assert gen == "spade"
    loaded(config_path, checkpoint_path)
    return "generator", "kp_detector", "he_estimator"
def make_animation(source_image, driving_video, generator, kp_detector, he_estimator, relative=True,
                   adapt_movement_scale=True, estimate_jacobian=True, cpu=False, free_view=False,
                   yaw=0, pitch=0, roll=0):
    assert relative and adapt_movement_scale and not estimate_jacobian and cpu
    assert numpy.array_equal(driving_video[0], source_image)
    return answer(source_image, driving_video)
"""
DEMOS = {
    "fomm": _FOMM,
    "tpsmm-demo": _TPSMM,
    "dagan": _DAGAN,
    "face-vid2vid": _FACE_VID2VID,
}


def clone(folder: Path, name: str, known: Recipe) -> Path:
    """A clone with all files that its recipe asks for, whose demo.py gives the frames back."""
    for file in (*known.files, *known.weight_files):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("model_params: {common_params: {estimate_jacobian: false}}\n")
    (folder / "demo.py").write_text(_COMMON + DEMOS[name])

    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder
