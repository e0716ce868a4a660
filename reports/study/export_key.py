"""The key of a static export: what the random names in it stand for. It stays with the owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reports.study.arrange import ArrangedTrial
from reports.study.folder import Study
from thbench.errors import ThbenchError
from thbench.files import read_json_object, write_json
from thbench.records.decode import decode

FORMAT = 1


@dataclass(frozen=True)
class ExportKey:
    """The key file. export is the export's random name; forms: the trials of each form that was
    handed out, by its number from 1.
    """

    format: int
    design_sha256: str
    export: str
    forms: Mapping[str, list[ArrangedTrial]]


def save_key(path: Path, key: ExportKey) -> None:
    """Writes the key file."""
    write_json(path, asdict(key))


def load_key(path: Path, study: Study) -> ExportKey:
    """Reads the key of an export of `study`; raises `ThbenchError` for any other file."""
    stored = read_json_object(path)
    if stored.get("format") != FORMAT or stored.get("design_sha256") != study.design_sha256:
        raise ThbenchError(f"{path} is not the key of an export of {study.path}")

    key = decode(ExportKey, stored, path, "restore it: it was written beside the export")
    items = [trial.item for form in key.forms.values() for trial in form]
    if not all(item < len(study.design.items) for item in items):
        raise ThbenchError(f"{path} names an item that {study.path} does not have; restore it")
    return key
