"""Getting pretrained files: by download (`thbench weights fetch NAME`), or from a file at hand.

Nothing is downloaded except by `fetch`.
"""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file
from thbench.weight_registry import WeightFile
from thbench.weights import check, keep_digest

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server tells


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
    """The place of a file that was just checked."""
    keep_digest(weight)
    return weight.path


class _FetchError(Exception):
    """A server that cannot be reached, or that sent other bytes than the registry promises."""


def _download(weight: WeightFile, url: str, progress: Progress) -> None:
    with atomic_path(weight.path) as temporary:
        archive = temporary.with_suffix(".zip")
        try:
            _save(url, archive if weight.in_archive else temporary, progress)
            if weight.in_archive:
                _check_archive(weight, archive)
                _extract(archive, weight.file, temporary)
            fault = check(weight, temporary)
            if fault:
                raise _FetchError(f"what came {fault}")
        finally:
            archive.unlink(missing_ok=True)


def _check_archive(weight: WeightFile, archive: Path) -> None:
    digest = sha256_file(archive)
    if weight.archive_sha256 and digest != weight.archive_sha256:
        raise _FetchError(f"the archive has sha256 {digest}, not {weight.archive_sha256}")


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
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _FetchError(str(reason or error)) from error
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
        raise _FetchError(f"what came is not a zip archive: {error}") from error
