"""A run folder as the first version wrote it still opens, and its records hold all that its files
say.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from protocols.stored_scores import UnitScores
from thbench.errors import ThbenchError
from thbench.files import write_json
from thbench.records.decode import read_record
from thbench.records.run import RunRecord
from thbench.records.summary import SummaryRecord
from thbench.records.timing import TimingRecord
from thbench.records.unit import References, UnitRecord
from thbench.runs import REAL, Run, Unit
from thbench.tables import read_table

OLD = Path(__file__).parent / "format-1"


def test_it_opens_and_its_units_are_read():
    run = Run.open(OLD)
    assert list(run.planned()) == [Unit("copy-nearest", T, "p2/v2") for T in (1, 2)]
    for unit in [Unit(REAL, 0, "p2/v2"), *run.planned()]:
        result = run.read_unit(unit)
        assert result is not None
        assert list(result.frames) == ["00.png", "01.png"]
    assert len(read_table(run.frames_parquet, "")) == 6


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("run.json", RunRecord),
        ("summary.json", SummaryRecord),
        ("timing.json", TimingRecord),
        ("units/copy-nearest/T1/p2__v2.json", UnitRecord),
        ("references/p2__v2.json", References),
        ("scores/copy-nearest/T1/p2__v2.json", UnitScores),
    ],
)
def test_a_record_holds_all_that_its_file_says(file, kind):
    stored = json.loads((OLD / file).read_text(encoding="utf-8"))
    record = read_record(OLD / file, kind, "")
    held = json.loads(json.dumps(record if isinstance(record, dict) else asdict(record)))
    assert _as_far_as(stored, held) == stored


def _as_far_as(stored, held):
    """`held` without the keys that files had not yet when `stored` was written."""
    if isinstance(stored, dict):
        return {key: _as_far_as(value, held[key]) for key, value in stored.items() if key in held}
    if isinstance(stored, list):
        assert len(stored) == len(held)
        return [_as_far_as(*pair) for pair in zip(stored, held, strict=True)]
    return held


def test_an_edited_run_is_told_by_file_and_place(tmp_path):
    info = json.loads((OLD / "run.json").read_text(encoding="utf-8"))
    info["split"]["videos"][0]["shots"] = "x"
    write_json(tmp_path / "run.json", info)
    with pytest.raises(
        ThbenchError, match=r"run\.json: split\.videos\[0\]\.shots is 'x', not a list; "
    ):
        Run.open(tmp_path)
