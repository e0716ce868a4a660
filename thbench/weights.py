"""Pretrained files that are here: found, checked, and told how to get where they are missing.

A file that another tool has already put into its own cache (torch hub, insightface) is found there.

Where nobody published the whole sha256 of a file, that of the first one fetched is kept in
`kept_digests()`: a file that comes later, or that is changed here, must have the same bytes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.nearest import hint
from thbench.weight_registry import WEIGHTS, WeightFile, cache_folder, torch_hub


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
    """The first of several interchangeable files that is here; an error is about the first."""
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
    """Where the file lies: in its own place, in torch hub's, or where another tool keeps it."""
    places = [
        weight.path,
        torch_hub() / weight.file,
        *(Path.home() / other for other in weight.elsewhere),
    ]
    return next((place for place in places if place.is_file()), None)


def check(weight: WeightFile, path: Path) -> str | None:
    """What is wrong with the bytes at `path`; None when all that is known of them fits."""
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


def keep_digest(weight: WeightFile) -> None:
    """Writes the sha256 of a file in its place to `kept_digests`, if nobody published it and it is
    the first.
    """
    if len(weight.sha256) < 64 and not _kept_digest(weight):
        write_json(kept_digests(), {**_read_digests(), weight.name: _digest(weight.path)})


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


def _digest(path: Path) -> str:
    status = path.stat()
    return _digest_of_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest_of_version(path: Path, size_bytes: int, modified_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
