"""Training checkpoints (everything needed to resume bit for bit) and model files (what a method
loads).

A checkpoint is a folder `step-00001000/`. Process 0 writes what all processes share; each process
writes what is its own, and the rows of W of its own videos:

    checkpoint.json                        the step, and the number of processes
    shared.safetensors, shared.json        E and G, their average, their optimiser
    rows0.safetensors, rows0.json          W and its optimiser's moments, of the videos of process 0
    rank0.safetensors, rank0.json          the discriminator of process 0
    rows1.safetensors ...

Each process writes its `rank<r>.json` last: a checkpoint counts when checkpoint.json and all parts
are there. Others are passed over, and removed by process 0. A model file is one safetensors file
with a JSON description in its header.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.files import atomic_path, parse_json, read_json, sha256_file, write_json
from thbench.records.decode import read_record
from thbench.records.encode import write_record

_MARK = "checkpoint.json"
_REMOVE = "remove that folder to go on from the checkpoint before"


@dataclass(frozen=True)
class CheckpointRecord:
    """What `checkpoint.json` holds."""

    format: int
    step: int
    processes: int


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    folder: Path
    step: int
    processes: int


@dataclass(frozen=True)
class Snapshot:
    """A state as it was at one moment: its tensors by name, in host memory, and all the rest."""

    tensors: dict[str, Tensor]
    rest: Any


def snapshot(state: Mapping[str, Any]) -> Snapshot:
    """Copies a state, so that it can be written while the training goes on."""
    tensors: dict[str, Tensor] = {}
    return Snapshot(tensors, _take_tensors(state, "", tensors))


def begin(folder: Path, step: int, processes: int) -> None:
    """Makes the folder of a checkpoint, anew where there is one; for process 0, before any other
    writes its part.
    """
    _remove(folder)
    write_record(folder / _MARK, CheckpointRecord(2, step, processes))


def save_part(folder: Path, part: str, state: Snapshot) -> None:
    """Writes one part ("shared", "rank3", "rows3") of a checkpoint: tensors in safetensors, the
    rest in JSON, which comes last.
    """
    _write(folder / f"{part}.safetensors", state.tensors, None)
    write_json(folder / f"{part}.json", state.rest)


def load_part(folder: Path, part: str) -> Any:
    """Reads what `save_part` wrote; raises `ThbenchError` naming the file when it is missing or
    damaged.
    """
    skeleton, tensors = read_json(folder / f"{part}.json"), _read(folder / f"{part}.safetensors")[0]
    with telling_damage(folder / f"{part}.json"):
        return _put_tensors(skeleton, tensors)


def load_rows(checkpoint: Checkpoint, videos: Sequence[int], first: int) -> dict[str, Tensor]:
    """The rows of these videos, in their order, from the parts of all processes: tensors by name,
    [videos, ...].

    first: the process whose part is read first; others are read as long as videos are missing.
    Raises `ThbenchError` for a part that is damaged, and when the checkpoint lacks a video.
    """
    found: dict[str, Tensor] = {}
    missing = dict(zip(videos, range(len(videos)), strict=True))  # video -> its row here

    for process in sorted(range(checkpoint.processes), key=lambda process: process != first):
        if found and not missing:
            break

        part = load_part(checkpoint.folder, f"rows{process}")
        with telling_damage(checkpoint.folder / f"rows{process}.json"):
            there = {video: row for row, video in enumerate(part["videos"].tolist())}
            taken = [video for video in missing if video in there]
            rows = torch.tensor([there[video] for video in taken], dtype=torch.int64)
            places = torch.tensor([missing.pop(video) for video in taken], dtype=torch.int64)

            for name, tensor in part["rows"].items():
                shape = (len(videos), *tensor.shape[1:])
                whole = found.setdefault(name, torch.zeros(shape, dtype=tensor.dtype))
                whole[places] = tensor[rows]

    if found and missing:
        raise ThbenchError(
            f"{checkpoint.folder} lacks the rows of {len(missing)} training videos, the first is "
            f"number {min(missing)}; {_REMOVE}"
        )
    return found


def step_folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def latest(root: Path) -> Checkpoint | None:
    """The newest whole checkpoint under `root`, or None."""
    whole = _whole(root)
    return whole[-1] if whole else None


def keep_newest(root: Path, keep: int) -> None:
    """Removes half-written checkpoints and all whole ones but the newest `keep`; for process 0,
    while no process writes.
    """
    kept = {checkpoint.folder for checkpoint in _whole(root)[-keep:]}
    for folder in root.glob("step-*"):
        if folder not in kept:
            _remove(folder)


def _remove(folder: Path) -> None:
    """The mark goes first, so that half a folder does not count."""
    (folder / _MARK).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _whole(root: Path) -> list[Checkpoint]:
    """The checkpoints of which all parts are there, oldest first."""
    found = []
    for folder in sorted(root.glob("step-*")):
        if (folder / "COMMIT").exists():
            raise ThbenchError(
                f"{folder} was written by an older version of thbench, and this one cannot go on "
                "from it; finish the training with that version, or start another --out"
            )
        if not (folder / _MARK).exists():
            continue

        record = read_record(folder / _MARK, CheckpointRecord, _REMOVE)
        named = re.fullmatch("step-[0-9]{8,12}", folder.name)
        if not named or folder != step_folder(root, record.step) or record.processes < 1:
            raise ThbenchError(f"{folder / _MARK} is damaged; {_REMOVE}")

        last = ["shared", *(f"rank{process}" for process in range(record.processes))]
        if all((folder / f"{part}.json").exists() for part in last):
            found.append(Checkpoint(folder, record.step, record.processes))
    return found


def save_model(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Writes a model file: tensors by name and a JSON description ("kind", "config", "step", ...)
    in its header.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _write(path, contiguous, {"thbench": json.dumps(description, allow_nan=False, sort_keys=True)})


def load_model(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Reads a model file, or the `model.safetensors` of a training folder: (float32 tensors,
    description, sha256).

    Raises `ThbenchError` when it is missing, damaged, or of another kind ("ours", "x2face",
    "pix2pixhd", ...).
    """
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.exists():
        raise ThbenchError(
            f"no model file at {file}; train one with `thbench train`, or name one with "
            "--checkpoint"
        )
    tensors, description = _read(file)
    if description.get("kind") != kind:
        raise ThbenchError(
            f"{file} holds a model of kind {description.get('kind')!r}, {kind!r} is needed; "
            "name another one with --checkpoint"
        )
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return floats, description, sha256_file(file)


def read_description(path: Path) -> dict[str, Any]:
    """The description in a model file's header; raises `ThbenchError` if there is no such file."""
    if not path.is_file():
        raise ThbenchError(f"{path} does not exist or is not a file")
    return _read(path)[1]


@contextmanager
def telling_damage(file: Path) -> Iterator[None]:
    """What is built from the contents of `file` fails in many ways when they are damaged: one line
    tells it.

    Raises `ThbenchError` that names the file.
    """
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise ThbenchError(
            f"{file} is damaged, or was made by another version of thbench "
            f"({type(error).__name__}: {reason}); restore or remove it"
        ) from error


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """{"a": t} -> {"prefix.a": t}: several modules in one model file."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of `prefixed`: only the names under the prefix, without it."""
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def load_module(module: torch.nn.Module, state: Mapping[str, Tensor], file: str) -> None:
    """Strictly loads a state dict of finite values.

    Raises `ThbenchError`, one line that names the file, for another preset or version and for
    weights that are NaN or infinite.
    """
    try:
        module.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        first = " ".join(str(error).split("\n")[1:2]).strip()[:200]
        raise ThbenchError(
            f"{file} does not fit this network ({first}); it was made with another preset or "
            "version"
        ) from error

    check_finite(state, file)


def check_finite(tensors: Mapping[str, Tensor], file: str) -> None:
    """Raises `ThbenchError` naming the tensor of a model file that holds NaN or infinite values."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ThbenchError(
                f"{file} is damaged: {name} holds values that are not finite (NaN or infinite); "
                "restore the file, or name a checkpoint from before its training diverged"
            )


def _write(file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> None:
    try:
        with atomic_path(file) as temporary:
            save_file(tensors, temporary, metadata)
    except SafetensorError as error:  # how this library reports a full disk
        raise ThbenchError(
            f"cannot write {file}: {error}; free space or choose another folder"
        ) from error


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    except (
        OSError,
        SafetensorError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
        MemoryError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ThbenchError(
            f"{file} is missing or damaged ({reason}); restore or remove it"
        ) from error
    description = parse_json(metadata.get("thbench", "{}"), f"the description in {file}")
    if not isinstance(description, dict):
        raise ThbenchError(
            f"{file} is damaged (its description is not an object); restore or remove it"
        )
    return tensors, description


def _take_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Replaces tensors by {"$tensor": name} and non-string keys by item lists, so that JSON can
    hold the rest.
    """
    if isinstance(value, Tensor):
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": path}
    if isinstance(value, Mapping):
        return {
            "$items": [
                [key, _take_tensors(item, f"{path}/{key}", tensors)] for key, item in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        return [_take_tensors(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    return value


def _put_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "$tensor" in value:
            return tensors[value["$tensor"]]
        return {key: _put_tensors(item, tensors) for key, item in value["$items"]}
    if isinstance(value, list):
        return [_put_tensors(item, tensors) for item in value]
    return value
