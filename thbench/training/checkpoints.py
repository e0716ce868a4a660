"""Training checkpoints (everything needed to resume bit for bit) and model files (what a method
loads).

A checkpoint is a folder `step-00001000/`: `shared.safetensors` + `shared.json` written by rank 0,
one `rank<r>.safetensors` + `rank<r>.json` per process, and `COMMIT` last. Folders without COMMIT
are ignored and removed. A model file is one safetensors file with a JSON description in its header.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.files import (
    atomic_path,
    parse_json,
    read_json,
    read_text,
    sha256_file,
    write_json,
    write_text,
)

COMMIT = "COMMIT"


def save_part(folder: Path, part: str, state: Mapping[str, Any]) -> None:
    """Writes one part ("shared" or "rank3") of a checkpoint: tensors in safetensors, the rest in
    JSON.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _take_tensors(state, "", tensors)
    _write(folder / f"{part}.safetensors", tensors, None)
    write_json(folder / f"{part}.json", skeleton)


def load_part(folder: Path, part: str) -> Any:
    """Reads what `save_part` wrote; raises `ThbenchError` naming the file when it is missing or
    damaged.
    """
    skeleton, tensors = read_json(folder / f"{part}.json"), _read(folder / f"{part}.safetensors")[0]
    with telling_damage(folder / f"{part}.json"):
        return _put_tensors(skeleton, tensors)


def commit(folder: Path, ranks: int) -> None:
    """Marks a checkpoint as whole; called by rank 0 when every process has written its part."""
    write_text(folder / COMMIT, f"{ranks}\n")


def step_folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def latest(root: Path, ranks: int) -> tuple[Path, int] | None:
    """The newest whole checkpoint under `root` and its step, or None.

    Raises `ThbenchError` when it was written by another number of processes: each keeps its own
    discriminator.
    """
    whole = sorted(folder for folder in root.glob("step-*") if (folder / COMMIT).exists())
    if not whole:
        return None

    mark, name = read_text(whole[-1] / COMMIT).strip(), whole[-1].name
    if not re.fullmatch("[0-9]{1,6}", mark) or not re.fullmatch("step-[0-9]{8,12}", name):
        raise ThbenchError(
            f"{whole[-1] / COMMIT} is damaged; remove that folder to go on from the checkpoint "
            "before"
        )
    written_by = int(mark)
    if written_by != ranks:
        raise ThbenchError(
            f"{whole[-1]} was written by {written_by} processes, this is {ranks}: each process "
            f"keeps its own discriminator; resume with {written_by}"
        )
    return whole[-1], int(name.removeprefix("step-"))


def keep_newest(root: Path, keep: int) -> None:
    """Removes half-written checkpoints and all whole ones but the newest `keep`."""
    whole = sorted(folder for folder in root.glob("step-*") if (folder / COMMIT).exists())
    for folder in root.glob("step-*"):
        if folder not in whole[-keep:]:
            shutil.rmtree(folder)


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
        tensors[path] = value.detach().cpu().clone().contiguous()
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
