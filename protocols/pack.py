"""Run folders without frames, in one file: what a leaderboard needs of somebody else's run."""

from __future__ import annotations

import json
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from thbench.errors import ThbenchError
from thbench.files import atomic_path, inside, read_json_object, sha256_file
from thbench.runs import Run, slug

MARK = "pack.json"
FORMAT = 1
_KEPT = ("run.json", "frames.parquet", "summary.json", "timing.json", "study.json")
_KEPT_FOLDERS = ("units", "references", "scores", "features", "elsewhere")
_LARGEST_BYTES, _MOST_FILES = 4 << 30, 1_000_000  # of all that is unpacked
_PART_BYTES = 1 << 20

# All that the standard library raises for damaged archives.
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, NotImplementedError, RuntimeError, ValueError),
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same run gives the same bytes


def pack_run(run: Run, out: Path) -> int:
    """Writes records, scores, features and their hashes to `out`; returns the number of files.

    No frame goes along: those of VoxCeleb are not to be handed on. Raises `ThbenchError` for a run
    that is not scored.
    """
    run.summary_record()
    if out.resolve().is_relative_to(run.path.resolve()):
        raise ThbenchError(f"{out} lies in the run itself; name a file outside it with -o")
    files = sorted(_files(run.path))
    digests = {file.relative_to(run.path).as_posix(): sha256_file(file) for file in files}

    with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        mark = json.dumps({"format": FORMAT, "files": digests}, indent=1)
        _add(archive, MARK, mark.encode())
        for file, name in zip(files, digests, strict=True):
            _add(archive, name, file.read_bytes())
    return len(files)


def unpack_run(file: Path, folder: Path) -> Run:
    """Unpacks what `pack_run` wrote into the new `folder` and checks each file's hash.

    Raises `ThbenchError` for a file that is none, holds other files than it states, or paths that
    leave the folder.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check(file, entries)
            for entry in entries:
                _unpack(archive, entry, inside(folder, entry.filename))
    except _UNREADABLE as error:
        raise ThbenchError(f"{file} is not a packed run ({error}); pack it again") from error

    mark = read_json_object(folder / MARK)
    digests = mark.get("files")
    if mark.get("format") != FORMAT or not isinstance(digests, dict):
        raise ThbenchError(f"{file} is packed in a form that this thbench does not know")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted((there - {MARK}) ^ digests.keys()):
        raise ThbenchError(f"{file}: {name} is not among its files, or not on its list")
    for name, sha256 in digests.items():
        if sha256_file(inside(folder, name)) != sha256:
            raise ThbenchError(f"{file}: {name} is not the file that was packed")
    return Run.open(folder)


def opened_runs(paths: Sequence[Path], unpacked: Path) -> dict[str, Run]:
    """Run folders, and packed runs unpacked below `unpacked`, by name, each verified.

    Raises one `ThbenchError` that names the first fault of a run that is not as it was written.
    """
    from protocols.verify import verify_run

    runs: dict[str, Run] = {}
    for path in paths:
        name = path.resolve().name.removesuffix(".zip")
        if name in runs:
            raise ThbenchError(f"two runs are called {name}; rename one")
        run = Run.open(path) if path.is_dir() else unpack_run(path, unpacked / slug(name))
        _, wrong = verify_run(run)
        if wrong:
            raise ThbenchError(
                f"{path} does not verify ({wrong[0]}); `thbench runs verify` names all faults"
            )
        runs[name] = run
    return runs


def is_packed(run: Run) -> bool:
    """Whether a run came without its frames."""
    return (run.path / MARK).exists()


def _check(file: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raises `ThbenchError` for what `pack_run` never writes."""
    names = [entry.filename for entry in entries]
    if len(names) > _MOST_FILES or sum(entry.file_size for entry in entries) > _LARGEST_BYTES:
        raise ThbenchError(
            f"{file} would unpack to more than any run holds; it is not a packed run"
        )
    if len(set(names)) < len(names):
        raise ThbenchError(f"{file} holds two files of the same name: it is hostile")
    for entry in entries:
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ThbenchError(f"{file} holds a link, {entry.filename!r}: it is hostile")
        if entry.is_dir():
            raise ThbenchError(f"{file} holds a folder, {entry.filename!r}; pack the run again")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(entry) as packed, _writing(path) as unpacked:
        shutil.copyfileobj(packed, unpacked, _PART_BYTES)


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """A new file; raises `ThbenchError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            yield file
    except OSError as error:
        raise ThbenchError(
            f"cannot unpack {path}: {error.strerror or error}; free space where temporary files go"
        ) from error


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _KEPT if (root / name).exists())
    for folder in _KEPT_FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.is_file())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
