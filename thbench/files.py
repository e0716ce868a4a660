"""Files that are whole or absent, hashes, and paths that stay under their root."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`.

    On success it becomes `path` in one rename, on failure it is removed. Raises `ThbenchError`
    when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    if path.is_dir() or not path.name:
        raise ThbenchError(f"{path} is a folder; name a file")
    # Not by the number of this process: on shared storage another machine may have the same.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # some writers make files that only their owner can read
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise ThbenchError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside `path`.

    On success it becomes `path`, replacing what is there; on failure it is removed. Raises
    `ThbenchError` when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        temporary.chmod(0o777 & ~_umask())
        yield temporary

        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        _put_in_place(temporary, path)
        _flush(path.parent)
    except OSError as error:
        raise ThbenchError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no NaN), indented, keys in the order given, atomically.

    Raises `ThbenchError` as `atomic_path` does, and for text that `read_json` would refuse: half
    characters, which stand for the bytes of file names that are not UTF-8.
    """
    text = json.dumps(value, indent=1, allow_nan=False)
    if "\\ud" in text:
        _refuse_half_characters(path, value)
    write_text(path, f"{text}\n")


def read_text(path: Path) -> str:
    """Reads UTF-8 text.

    Raises `ThbenchError` naming the file when it is missing, a folder, or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ThbenchError(f"{path} is missing") from None
    except UnicodeDecodeError as error:
        raise ThbenchError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ThbenchError(f"{path} cannot be read: {reason or error}") from error


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """The heading of a CSV file in UTF-8, and its rows with the numbers of their lines.

    Cells that a row lacks are None. Raises `ThbenchError` as `read_text` does, and for a file that
    is not CSV.
    """
    lines = read_text(path).removeprefix("\ufeff").splitlines()  # spreadsheets begin with a mark
    reader = csv.DictReader(lines)
    try:
        return list(reader.fieldnames or ()), [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ThbenchError(f"{path} is not CSV: {error}") from None


def read_json(path: Path) -> Any:
    """Reads JSON; raises `ThbenchError` naming the file when it is missing or broken."""
    return parse_json(read_text(path), path)


def read_json_object(path: Path) -> dict[str, Any]:
    """`read_json` for a file that holds an object; raises `ThbenchError` for any other root too."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise ThbenchError(f"{path} holds no JSON object, but {type(value).__name__}")
    return value


def parse_json(text: str, where: Path | str) -> Any:
    """Strict JSON: no NaN, no broken text; raises `ThbenchError` that begins with `where`."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        # An escape may stand for half a character, which nothing can print.
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ThbenchError(f"{where} is not readable JSON: nested too deep") from None
    except ValueError as error:
        raise ThbenchError(f"{where} is not readable JSON: {error}") from None
    return value


def sha256_file(path: Path) -> str:
    """The hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """The hex sha256 of a value's canonical JSON (sorted keys, no spaces, no NaN)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, or `ThbenchError` when a path from a data file would leave its root."""
    # Not Path.resolve, which fails on links that lead in a circle: those fail when they are opened.
    base = Path(os.path.realpath(root))
    try:
        path = Path(os.path.realpath(base / relative))
    except ValueError as error:  # a zero byte
        raise ThbenchError(f"the path {relative!r} is not the name of a file: {error}") from None
    if not path.is_relative_to(base):
        raise ThbenchError(
            f"the path {relative!r} leaves {root}: the file that names it is wrong or hostile"
        )
    return path


def _refuse_half_characters(path: Path, value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 20) : error.end + 20]
        raise ThbenchError(
            f"{path} cannot hold the text {around!a}: it is not UTF-8; rename the file or "
            "folder that it is from"
        ) from None


def _put_in_place(folder: Path, path: Path) -> None:
    """Renames `folder` to `path`, however often another machine puts its own there meanwhile."""
    while True:
        try:
            os.replace(folder, path)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

        aside = folder.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
        with suppress(FileNotFoundError):
            os.replace(path, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
