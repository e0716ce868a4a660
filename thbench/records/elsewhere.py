"""Scores that another program measured on the videos of a run, as they were read into it.

RUN/elsewhere/<program>/<method>/T<k>.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from thbench.records.decode import read_record
from thbench.records.encode import write_record

Program = Literal["vbench", "theval"]
PROGRAMS: Mapping[Program, str] = {"vbench": "VBench", "theval": "THEval"}

_REMEDY = "remove it and read the result file in again with `thbench runs import-scores`"


@dataclass(frozen=True)
class ColumnRecord:
    """One column: the value of each video ("person/video") that has one, as the file has it.

    file, sha256: the result file's name and digest.
    """

    file: str
    sha256: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class ElsewhereRecord:
    """All columns that one program measured on one method and T."""

    program: Program
    method: str
    T: int
    columns: Mapping[str, ColumnRecord]

    @staticmethod
    def read(file: Path) -> ElsewhereRecord:
        """Raises `ThbenchError` naming the file when it does not hold such scores."""
        return read_record(file, ElsewhereRecord, _REMEDY)

    def write(self, file: Path) -> None:
        """Writes the columns by name."""
        columns = {name: self.columns[name] for name in sorted(self.columns)}
        write_record(file, replace(self, columns=columns))


def read_elsewhere(run: Path) -> list[ElsewhereRecord]:
    """All that was read into the run folder, by program, method and T."""
    files = sorted((run / "elsewhere").glob("*/*/T*.json"))
    records = [ElsewhereRecord.read(file) for file in files]
    return sorted(records, key=lambda found: (found.program, found.method, found.T))
