"""The run folder: what a run writes, how it resumes, and the one place that knows its file names.

    RUN/
      run.json                                what was planned, by whom, with what (see protocols)
      units/<method>/T<k>/<video>.json        commit mark of one unit: status, error, timing, frames
      images/<method>/T<k>/<video>/<nn>.png   generated frames, one per hold-out frame
      images/real/<video>/<nn>.png            the hold-out frames themselves
      images/shots/<video>/<nn>.png           the T_max shots; the first T of them are the T shots
      images/triplets/<video>/<nn>-<1|2>.png  two frames of other videos of the person, if any
      references/<video>.json                 sha256 of the files in the three folders above
      frames.parquet                          one row per (method, T, video, hold-out frame)
      summary.json                            one row per (method, T) with every metric
      timing.json                             (timing protocols only)
      study.json                              (written by `thbench study score`)
      scores/, features/                      what the two tables are made from
      elsewhere/<program>/<method>/T<k>.json  scores that other programs measured

A unit is (method, T, video). Its image folder is renamed into place first and its commit mark last,
so a killed run holds only whole units; running again computes the rest. Wall-clock times live in
run.json, timing.json and the commit marks alone: images, frames.parquet and summary.json are the
same bytes for the same inputs, seed and machine. run.json keeps the sha256 of both tables and of
what they are made from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from thbench.errors import ThbenchError
from thbench.files import inside, read_json_object, sha256_file
from thbench.pictures import Pictures
from thbench.records.decode import read_record
from thbench.records.encode import write_record
from thbench.records.run import FORMAT, RunRecord
from thbench.records.summary import SummaryRecord
from thbench.records.timing import TimingRecord
from thbench.records.unit import References, Unit, UnitRecord, UnitResult, UserColumn

__all__ = ["FORMAT", "REAL", "Run", "Unit", "UnitResult", "nested_shots", "slug"]

REAL = "real"  # the method name of the real-vs-real row; its T is 0
_EDITED = "it was edited, or written by another version of thbench"


@dataclass(frozen=True)
class Run:
    """A run folder; `Run.open` checks that it is one.

    Nothing is cached, so two readers never disagree.
    """

    path: Path

    @staticmethod
    def open(path: Path) -> Run:
        """Raises `ThbenchError` when `path` holds no run or one of a newer format."""
        run = Run(Path(path))
        if not run.run_json.exists():
            raise ThbenchError(
                f"{path} is not a run folder (no run.json); make one with `thbench run-protocol`"
            )
        found = read_json_object(run.run_json).get("format")
        if found != FORMAT:
            raise ThbenchError(
                f"{path}/run.json has format {found!r}, this thbench reads {FORMAT}; update thbench"
            )
        run.record()
        return run

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def frames_parquet(self) -> Path:
        return self.path / "frames.parquet"

    @property
    def summary_json(self) -> Path:
        return self.path / "summary.json"

    @property
    def timing_json(self) -> Path:
        return self.path / "timing.json"

    @property
    def study_json(self) -> Path:
        return self.path / "study.json"

    def record(self) -> RunRecord:
        """run.json; raises `ThbenchError` where it does not hold what it must."""
        return read_record(self.run_json, RunRecord, _EDITED)

    def write(self, record: RunRecord) -> None:
        """Writes run.json."""
        write_record(self.run_json, record)

    def pictures(self) -> Pictures | None:
        """What the run's heads were learned from; None in a run of an older version."""
        record = self.record()
        return (record.sources or record.dataset).pictures

    def summary_record(self) -> SummaryRecord:
        """summary.json.

        Raises `ThbenchError` when the run was never scored, or the file is not the one on record.
        """
        if self.timing_json.exists() and not self.summary_json.exists():
            raise ThbenchError(
                f"{self.path} measured times and holds no scores; its table is `thbench report "
                f"latex {self.path} --table 2`"
            )
        if not self.summary_json.exists():
            raise ThbenchError(
                f"{self.path} is not scored yet; finish it with `thbench run-protocol --resume "
                f"{self.path}` or `thbench score {self.path}`"
            )
        self._refuse_altered(self.summary_json.name)
        return read_record(
            self.summary_json,
            SummaryRecord,
            f"it is not a summary of this thbench: `thbench score {self.path}` writes it again",
        )

    def timing_record(self) -> TimingRecord:
        """timing.json; raises `ThbenchError` where it does not hold what it must."""
        return read_record(
            self.timing_json,
            TimingRecord,
            f"remove it and `thbench run-protocol --resume {self.path}` to time again",
        )

    def users(self) -> UserColumn:
        """study.json: people's success rates; raises `ThbenchError` where it is not that."""
        return read_record(self.study_json, UserColumn, "write it again with `thbench study score`")

    def checked_frames_parquet(self) -> Path:
        """The path of frames.parquet.

        Raises `ThbenchError` when it is missing or not the file on record.
        """
        if not self.frames_parquet.exists():
            raise ThbenchError(
                f"{self.path} has no frames.parquet; score it with `thbench score {self.path}`"
            )

        self._refuse_altered(self.frames_parquet.name)
        return self.frames_parquet

    def scored(self) -> Mapping[str, str]:
        """The record of scoring: the sha256 of each file with numbers, by its path in the run.

        Empty where the run was not scored yet, or by an older thbench, which kept no record.
        """
        return self.record().scored

    def altered_numbers(self) -> list[str]:
        """Names of the files on record whose bytes have changed."""
        return [
            name
            for name, sha256 in self.scored().items()
            if (file := inside(self.path, name)).is_file() and sha256_file(file) != sha256
        ]

    def real_folder(self, video: str) -> Path:
        """The folder of the hold-out frames of a video ("person/video")."""
        return self.path / "images" / REAL / slug(video)

    def shots_folder(self, video: str) -> Path:
        """The folder of the shots of a video, in nested order."""
        return self.path / "images" / "shots" / slug(video)

    def triplets_folder(self, video: str) -> Path:
        """The folder of the frames from two other videos of the same person."""
        return self.path / "images" / "triplets" / slug(video)

    def references_mark(self, video: str) -> Path:
        """The file with the sha256 of every reference file of a video, by folder and name."""
        return self.path / "references" / f"{slug(video)}.json"

    def reference_digests(self, video: str) -> References:
        """The sha256 of every reference file of a video, by folder and name."""
        mark = self.references_mark(video)
        return read_record(mark, References, self._remove(mark)) if mark.exists() else {}

    def altered_references(self, video: str) -> list[str]:
        """Hold-out frames, shots and triplets of a video that are missing or differ from what was
        written.
        """
        files = {
            f"{folder}/{name}": sha256
            for folder, names in self.reference_digests(video).items()
            for name, sha256 in names.items()
        }
        return [name for name, sha256 in files.items() if _is_altered(self.path / name, sha256)]

    def unit_folder(self, unit: Unit) -> Path:
        """The folder of the frames that a unit generated."""
        return self.path / "images" / slug(unit.method) / f"T{unit.T}" / slug(unit.video)

    def unit_mark(self, unit: Unit) -> Path:
        return self.path / "units" / slug(unit.method) / f"T{unit.T}" / f"{slug(unit.video)}.json"

    def read_unit(self, unit: Unit) -> UnitResult | None:
        """The result of a unit, or None when it is still to do."""
        mark = self.unit_mark(unit)
        return read_record(mark, UnitRecord, self._remove(mark)).result if mark.exists() else None

    def commit_unit(self, unit: Unit, result: UnitResult) -> None:
        """Marks a unit as finished; its image folder must already be in place."""
        write_record(self.unit_mark(unit), UnitRecord(unit, result))

    def planned(self) -> Iterator[Unit]:
        """Every unit of the run, method by method, T by T, video by video."""
        record = self.record()

        for method in record.methods:
            for T in record.T:
                for video in record.split.videos:
                    yield Unit(method, T, video.key)

    def _remove(self, mark: Path) -> str:
        return f"remove it and `thbench run-protocol --resume {self.path}`"

    def altered_frames(self, unit: Unit) -> list[str]:
        """Names of the unit's frames whose bytes are missing or differ from its commit mark."""
        result = self.read_unit(unit)
        frames = {} if result is None else result.frames
        folder = self.unit_folder(unit)
        return [name for name, sha256 in frames.items() if _is_altered(folder / name, sha256)]

    def _refuse_altered(self, name: str) -> None:
        expected = self.scored().get(name)
        if expected is not None and sha256_file(self.path / name) != expected:
            raise ThbenchError(
                f"{self.path / name} is not the file that was written (edited or "
                f"damaged, or its scoring was stopped); `thbench score {self.path}` "
                "makes it again from the frames"
            )


def slug(name: str) -> str:
    """A file name for any text: readable, with a hash where the text cannot be kept as it is."""
    flat = name.replace("/", "__")
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", flat)

    is_kept = safe == flat and "__" not in name
    if is_kept and not safe.startswith(".") and len(safe) <= 100:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{safe.lstrip('.')[:90]}-{digest[:8]}"


def nested_shots(shots: Sequence[int], T: int) -> list[int]:
    """The T shots among the ordered T_max shots: a prefix, so T=1 lies inside T=8 inside T=32."""
    if not 1 <= T <= len(shots):
        raise ThbenchError(
            f"T = {T} shots asked for, the split holds {len(shots)}; "
            f"choose T from 1 to {len(shots)}"
        )
    return list(shots[:T])


def _is_altered(file: Path, sha256: str) -> bool:
    """Whether a file is missing or other than it was."""
    return not file.is_file() or sha256_file(file) != sha256
