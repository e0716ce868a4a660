"""Run folders without frames, in one file: what a leaderboard needs of somebody else's run."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from thbench.errors import ThbenchError
from thbench.files import atomic_path, inside, read_json_object, sha256_file
from thbench.runs import Run, slug

MARK = "pack.json"
FORMAT = 1
_KEPT = ("run.json", "frames.parquet", "summary.json", "timing.json", "study.json")
_KEPT_FOLDERS = ("units", "references", "scores", "features", "elsewhere")
_LARGEST_BYTES = 4 << 30  # of all that is unpacked
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same run gives the same bytes


def pack_run(run: Run, out: Path) -> int:
    """Writes records, scores, features and their hashes to `out`; returns the number of files.

    No frame goes along: those of VoxCeleb are not to be handed on. Raises `ThbenchError` for a run
    that is not scored.
    """
    run.summary_record()
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
            if sum(entry.file_size for entry in entries) > _LARGEST_BYTES:
                raise ThbenchError(
                    f"{file} would unpack to more than 4 GiB; it is not a packed run"
                )
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise ThbenchError(f"{file} holds a link, {entry.filename!r}: it is hostile")
                path = inside(folder, entry.filename)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError) as error:
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


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _KEPT if (root / name).exists())
    for folder in _KEPT_FOLDERS:
        yield from (path for path in (root / folder).rglob("*") if path.is_file())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
