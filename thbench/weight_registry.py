"""Every pretrained file that thbench can use: its source, sha256, licence and place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WeightFile:
    """One pretrained file.

    sha256 is the whole digest, its published start where only that is known, or "" where nobody
    published one. `archive_sha256` is set where the URL serves a zip that holds the file.
    `elsewhere` are paths under the user's home where other tools keep it. With in_torch_home it
    must lie in torch hub's folder, where its library looks for it.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int | None
    licence: str
    enables: str
    in_torch_home: bool = False
    in_archive: bool = False
    archive_sha256: str = ""
    elsewhere: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where `fetch` puts it."""
        return (torch_hub() if self.in_torch_home else cache_folder() / "weights") / self.file

    @property
    def digest_text(self) -> str:
        """The sha256 as messages print it, saying so where it is not wholly known."""
        if not self.sha256:
            return "sha256 not published"
        whole = len(self.sha256) == 64
        return f"sha256 {self.sha256}" if whole else f"sha256 beginning with {self.sha256}"


def cache_folder() -> Path:
    """$THBENCH_CACHE, else ~/.cache/thbench."""
    return Path(os.environ.get("THBENCH_CACHE") or Path.home() / ".cache" / "thbench")


def torch_hub() -> Path:
    """The folder where torch.hub keeps checkpoints: under $TORCH_HOME, else ~/.cache/torch."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("TORCH_HOME") or caches / "torch")
    return home / "hub" / "checkpoints"


_NON_COMMERCIAL = "non-commercial research only (insightface)"
_FACE_ALIGNMENT = "BSD-3 code; trained on 300-W(-LP), non-commercial"
_FAN = "https://www.adrianbulat.com/downloads/python-fan"

WEIGHTS: dict[str, WeightFile] = {
    weight.name: weight
    for weight in (
        WeightFile(
            "vgg19-caffe",
            "vgg19-d01eb7cb.pth",
            (
                "https://web.eecs.umich.edu/~justincj/models/vgg19-d01eb7cb.pth",
                "https://s3-us-west-2.amazonaws.com/jcjohns-models/vgg19-d01eb7cb.pth",
            ),
            # Of a public mirror's copy; the eight digits in the file's name are not the start of
            # its sha256.
            "dd893d447ece014ad32d71b8d32b1e0b5c09b912a2866990c286fdeebd368d74",
            574_679_411,
            "CC BY 4.0 (Simonyan and Zisserman)",
            "content loss of the paper, VGG19 term",
        ),
        WeightFile(
            "vgg19-caffe-pystiche",
            "vgg19-74e45263.pth",
            ("https://download.pystiche.org/models/vgg19-74e45263.pth",),
            "74e45263",
            None,
            "CC BY 4.0 (Simonyan and Zisserman)",
            "content loss of the paper, VGG19 term, instead of vgg19-caffe",
        ),
        WeightFile(
            "vggface16",
            "vgg_face_dag.pth",
            ("https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/vgg_face_dag.pth",),
            # Of a public mirror's copy.
            "f070b241e3faf17a08c78f8700d334413230bac5de7fbcfd01b3cf05ce10de1a",
            580_015_466,
            "non-commercial research only (Parkhi, Vedaldi, Zisserman)",
            "content loss of the paper, VGGFace term",
        ),
        WeightFile(
            "vgg19-imagenet",
            "vgg19-dcbb9e9d.pth",
            ("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",),
            "dcbb9e9d",
            None,
            "BSD-3 code (torchvision); trained on ImageNet",
            "perceptual loss of Pix2pixHD",
        ),
        WeightFile(
            "fid-inception",
            "pt_inception-2015-12-05-6726825d.pth",
            (
                "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                "pt_inception-2015-12-05-6726825d.pth",
            ),
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            95_628_359,
            "Apache-2.0 (TensorFlow, pytorch-fid)",
            "FID and KID",
        ),
        WeightFile(
            "dinov2-vitl14",
            "dinov2_vitl14_pretrain.pth",
            ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",),
            "",
            None,
            "Apache-2.0 (Meta)",
            "FD and KID over DINOv2",
        ),
        WeightFile(
            "clip-vitl14-336",
            "clip-vit-large-patch14-336.bin",
            (
                "https://huggingface.co/openai/clip-vit-large-patch14-336/resolve/main/"
                "pytorch_model.bin",
            ),
            "",
            None,
            "MIT code (OpenAI); made for research, says its model card",
            "CMMD and KID over CLIP",
        ),
        WeightFile(
            "i3d-kinetics400",
            "i3d_pretrained_400.pt",
            (
                "https://github.com/songweige/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
                "https://huggingface.co/spaces/LanguageBind/Open-Sora-Plan-v1.0.0/resolve/main/"
                "opensora/eval/fvd/videogpt/i3d_pretrained_400.pt",
            ),
            "",
            None,
            "Apache-2.0 (DeepMind); trained on Kinetics-400",
            "FVD",
        ),
        WeightFile(
            "mediapipe-face",
            "face_landmarker.task",
            (
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/"
                "float16/1/face_landmarker.task",
            ),
            "",
            None,
            "Apache-2.0 (Google)",
            "AED and APD by MediaPipe",
        ),
        WeightFile(
            "arcface-buffalo-l",
            "w600k_r50.onnx",
            (
                "https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip",
                "https://github.com/deepinsight/insightface/releases/download/model-zoo/buffalo_l.zip",
            ),
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            174_383_860,
            _NON_COMMERCIAL,
            "CSIM and identity error",
            in_archive=True,
            archive_sha256="80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
            elsewhere=(".insightface/models/buffalo_l/w600k_r50.onnx",),
        ),
        WeightFile(
            "alexnet-imagenet",
            "alexnet-owt-7be5be79.pth",
            ("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",),
            "7be5be79",
            None,
            "BSD-3 code (torchvision); trained on ImageNet",
            "LPIPS",
        ),
        WeightFile(
            "fan-2d",
            "2DFAN4-11f355bf06.pth.tar",
            (f"{_FAN}/2DFAN4-11f355bf06.pth.tar",),
            "",
            None,
            _FACE_ALIGNMENT,
            "landmarks by face-alignment",
            in_torch_home=True,
        ),
        WeightFile(
            "fan-3d",
            "3DFAN4-7835d9f11d.pth.tar",
            (f"{_FAN}/3DFAN4-7835d9f11d.pth.tar",),
            "",
            None,
            _FACE_ALIGNMENT,
            "landmarks by face-alignment, projected from 3D",
            in_torch_home=True,
        ),
        WeightFile(
            "s3fd",
            "s3fd-619a316812.pth",
            (f"{_FAN}/s3fd-619a316812.pth",),
            "",
            None,
            _FACE_ALIGNMENT,
            "face boxes for face-alignment",
            in_torch_home=True,
        ),
        WeightFile(
            "x2face",
            "x2face_model_forpython3.pth",
            (
                "https://www.robots.ox.ac.uk/~vgg/research/unsup_learn_watch_faces/"
                "release_x2face_eccv_withpy3.zip",
            ),
            "",
            None,
            "MIT code; trained on VoxCeleb1",
            "X2Face with its authors' weights",
            in_archive=True,
        ),
    )
}
