"""Every pretrained file that thbench can use: where it comes from, its sha256 and licence, and
where it is kept.

Nothing is downloaded except by `fetch` (`thbench weights fetch NAME`). A file that another tool has
already put into its own cache (torch hub, insightface) is found there.

Where nobody published the whole sha256 of a file, that of the first one fetched is kept in
`kept_digests()`: a file that comes later, or that is changed here, must have the same bytes.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from thbench.errors import ThbenchError
from thbench.files import atomic_path, read_json, sha256_file, write_json
from thbench.nearest import hint

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server tells


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
        return (
            f"sha256 {self.sha256}"
            if len(self.sha256) == 64
            else f"sha256 beginning with {self.sha256}"
        )


def cache_folder() -> Path:
    """$THBENCH_CACHE, else ~/.cache/thbench."""
    return Path(os.environ.get("THBENCH_CACHE") or Path.home() / ".cache" / "thbench")


def torch_hub() -> Path:
    """The folder where torch.hub keeps checkpoints: under $TORCH_HOME, else ~/.cache/torch."""
    home = (
        os.environ.get("TORCH_HOME")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    )
    return Path(home) / "hub" / "checkpoints"


def weight_file(name: str) -> WeightFile:
    """Looks a file up in the registry. Raises `ThbenchError` for an unknown name, with the nearest
    known one.
    """
    if name not in WEIGHTS:
        near = hint(name, WEIGHTS, "known files:")
        raise ThbenchError(f"no weight file named {name!r}: {near}")
    return WEIGHTS[name]


def weight_path(name: str) -> Path:
    """The path of a pretrained file that is here and whole.

    Raises `ThbenchError` when it is missing (with file, URL, sha256 and the command that fetches
    it) or altered.
    """
    weight = weight_file(name)
    path = find(weight)
    if path is None:
        # No path here: this line goes into summary.json, which is the same on every machine.
        raise ThbenchError(
            f"{weight.file} is missing ({weight.enables}): run `thbench weights fetch {name}` "
            f"({weight.urls[0]}, {weight.digest_text})"
        )
    fault = check(weight, path)
    if fault:
        raise ThbenchError(f"{path} {fault}: delete it and run `thbench weights fetch {name}`")
    return path


def first_weight_path(*names: str) -> Path:
    """The path of the first of several interchangeable files that is here; the error is about the
    first of them.
    """
    here = [name for name in names if find(weight_file(name))]
    return weight_path((here or list(names))[0])


def missing(name: str) -> str | None:
    """Why `weight_path(name)` would fail, in one line; None when it would not."""
    try:
        weight_path(name)
    except ThbenchError as error:
        return str(error)
    return None


def weight_sha256(name: str) -> str:
    """The digest of the file that is here: what a run records."""
    return _digest(weight_path(name))


def kept_digests() -> Path:
    """The file with the sha256, by name, of files whose publishers tell none or only its start."""
    return cache_folder() / "weights" / "sha256.json"


def find(weight: WeightFile) -> Path | None:
    """Where the file lies: in its own place, torch hub's folder, or where another tool keeps it."""
    places = [
        weight.path,
        torch_hub() / weight.file,
        *(Path.home() / other for other in weight.elsewhere),
    ]
    return next((place for place in places if place.is_file()), None)


def check(weight: WeightFile, path: Path) -> str | None:
    """What is wrong with the bytes at `path`, None when they agree with everything that is known of
    the file.
    """
    size = path.stat().st_size
    if weight.size_bytes is not None and size != weight.size_bytes:
        return f"holds {size:,} bytes, not {weight.size_bytes:,}"
    digest = _digest(path)
    if not digest.startswith(weight.sha256):
        return f"has sha256 {digest}, not {weight.sha256}"

    kept = _kept_digest(weight)
    if kept and digest != kept:
        return (
            f"has sha256 {digest}, not {kept} as when it was first fetched (remove its line "
            f"from {kept_digests()} if the publisher has replaced it)"
        )
    return None


def verify(weight: WeightFile) -> str:
    """One line on the file that is here. Raises `ThbenchError` when it is missing or holds other
    bytes.
    """
    path = weight_path(weight.name)
    if len(weight.sha256) == 64:
        return f"{path} is whole: sha256 {weight.sha256}"
    if _kept_digest(weight):
        return f"{path} is as it was first fetched: sha256 {_digest(path)}"
    return f"{path} has sha256 {_digest(path)}, of which {weight.sha256 or 'nothing'} is published"


def fetch(weight: WeightFile, progress: Progress = lambda done, total: None) -> Path:
    """Downloads a file to its place, whole and checked, or not at all. A file that is already here
    is kept.

    Tries the URLs in order; raises `ThbenchError` with every reason when none serves the right
    bytes.
    """
    if weight.path.is_file() and not check(weight, weight.path):
        return _kept(weight)
    faults = []
    for url in weight.urls:
        try:
            _download(weight, url, progress)
            return _kept(weight)
        except _FetchError as error:
            faults.append(f"{url}: {error}")
    raise ThbenchError(
        f"{weight.file} could not be fetched ({'; '.join(faults)}): get it by other means "
        f"({weight.digest_text}) and run `thbench weights fetch {weight.name} --from FILE`"
    )


def adopt(weight: WeightFile, file: Path) -> Path:
    """Copies a file that the user already has to its place. Raises `ThbenchError` when it holds
    other bytes.
    """
    if not file.is_file():
        raise ThbenchError(f"{file} does not exist: name the file that holds {weight.file}")
    fault = check(weight, file)
    if fault:
        raise ThbenchError(f"{file} {fault}: it is not {weight.file}")
    with atomic_path(weight.path) as temporary:
        shutil.copyfile(file, temporary)
    return _kept(weight)


def _kept(weight: WeightFile) -> Path:
    """The place of a file that was just checked; a digest that nobody published is kept first."""
    if len(weight.sha256) < 64 and not _kept_digest(weight):
        write_json(kept_digests(), {**_read_digests(), weight.name: _digest(weight.path)})
    return weight.path


def _kept_digest(weight: WeightFile) -> str:
    """The sha256 of the first such file that was fetched, or ""; a published one needs none."""
    return "" if len(weight.sha256) == 64 else _read_digests().get(weight.name, "")


def _read_digests() -> dict[str, str]:
    if not kept_digests().exists():
        return {}

    digests = read_json(kept_digests())
    if not isinstance(digests, dict) or {type(digest) for digest in digests.values()} - {str}:
        raise ThbenchError(
            f"{kept_digests()} is damaged; restore it, or remove it to trust what is fetched next"
        )
    return digests


class _FetchError(Exception):
    """A server that cannot be reached, or that sent other bytes than the registry promises."""


def _download(weight: WeightFile, url: str, progress: Progress) -> None:
    with atomic_path(weight.path) as temporary:
        archive = temporary.with_suffix(".zip")
        try:
            _save(url, archive if weight.in_archive else temporary, progress)
            if weight.in_archive:
                if weight.archive_sha256 and sha256_file(archive) != weight.archive_sha256:
                    raise _FetchError(
                        f"the archive has sha256 {sha256_file(archive)}, not "
                        f"{weight.archive_sha256}"
                    )
                _extract(archive, weight.file, temporary)
            fault = check(weight, temporary)
            if fault:
                raise _FetchError(f"what came {fault}")
        finally:
            archive.unlink(missing_ok=True)


def _save(url: str, path: Path, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "thbench"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response, open(path, "wb") as file:
            if url.startswith("https:") and not response.geturl().startswith("https:"):
                raise _FetchError(
                    f"the server leads to {response.geturl()}, which is not encrypted"
                )
            length = response.headers.get("Content-Length")
            total, done = (int(length) if length else None), 0
            while chunk := response.read(1 << 20):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        raise _FetchError(str(getattr(error, "reason", None) or error)) from error
    if total is not None and done != total:
        raise _FetchError(f"the connection ended after {done:,} of {total:,} bytes")


def _extract(archive: Path, file: str, target: Path) -> None:
    """Writes the member called `file`, in whatever folder of the archive it lies, to `target`."""
    try:
        with zipfile.ZipFile(archive) as members:
            found = [name for name in members.namelist() if PurePosixPath(name).name == file]
            if not found:
                raise _FetchError(f"the archive holds no {file}")
            with members.open(found[0]) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
    except zipfile.BadZipFile as error:
        raise _FetchError(f"what came is no zip archive: {error}") from error


def _digest(path: Path) -> str:
    status = path.stat()
    return _digest_of_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest_of_version(path: Path, size_bytes: int, modified_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
                "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
            ),
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            95_628_359,
            "Apache-2.0 (TensorFlow, pytorch-fid)",
            "FID and KID",
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
