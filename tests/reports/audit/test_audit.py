"""The audit from end to end, on few frames, and its page."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner

from cli import thbench
from reports.audit.figure import cell_text
from reports.audit.page import write_audit
from thbench.audit.measure import audit
from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.records.audit import AuditRecord, ReactionRecord
from thbench.records.decode import read_record
from thbench.records.encode import encode, write_record

METRICS = ["ssim", "l1", "black-border", "csim", "fd-heads"]


@pytest.fixture(scope="module")
def record() -> AuditRecord:
    return audit(6, 3, 32, seed=0, metrics=METRICS)


def test_pixels_see_shifts_and_a_black_border_sees_nothing(record: AuditRecord) -> None:
    (part,) = record.parts
    for name in ("ssim", "l1"):
        found = part.reaction(name, "shift")
        assert found.verdict == "sees"
        assert found.monotone
    assert {part.reaction("black-border", name).verdict for name in part.defects} == {"blind"}


def test_what_means_nothing_here_is_left_out_with_its_reason(record: AuditRecord) -> None:
    assert "photographs" in record.parts[0].left_out["csim"]
    assert set(record.parts[0].metrics) == set(METRICS) - {"csim"}


def test_the_same_audit_is_the_same_to_the_last_bit(record: AuditRecord) -> None:
    assert encode(audit(6, 3, 32, seed=0, metrics=METRICS)) == encode(record)


def test_the_page_has_every_metric_and_every_defect(record: AuditRecord, tmp_path: Path) -> None:
    write_record(tmp_path / "metric-audit.json", record)
    assert read_record(tmp_path / "metric-audit.json", AuditRecord, "") == record

    page = write_audit(tmp_path / "metric-audit.json", tmp_path).read_text()
    for label in ("SSIM (`ssim`)", "Black border", "H.264, rate factor", "Frozen mouth", "csim"):
        assert label in page
    assert (tmp_path / "metric-audit-synthetic-heads.png").stat().st_size > 10_000

    twice = write_audit(tmp_path / "metric-audit.json", tmp_path / "again")
    for file in tmp_path.glob("metric-audit*.*g"):
        assert file.read_bytes() == (twice.parent / file.name).read_bytes()


def test_real_frames_by_their_path(tmp_path: Path) -> None:
    dataset = synth(96)  # heads that a detector of real faces finds
    for video in videos_of(dataset, "test")[:15:5]:
        folder = tmp_path / "pictures" / video.person / "clip"
        folder.mkdir(parents=True)
        for position, image in enumerate(dataset.read(video, [0, 10, 20]).images):
            pixels = image.permute(1, 2, 0).numpy()[..., ::-1]
            cv2.imwrite(str(folder / f"{position}.png"), pixels)

    result = CliRunner().invoke(
        thbench,
        ["audit", "--videos", "2", "--frames", "2", "--size", "96", "--metrics", "l1"]
        + ["--real", str(tmp_path / "pictures"), "-o", str(tmp_path / "out"), "--quiet"],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    synthetic, real = read_record(tmp_path / "out" / "metric-audit.json", AuditRecord, "").parts
    assert real.pictures == "photographs"
    assert real.n_videos >= 2
    assert "frozen-eyes" in synthetic.defects
    assert "frozen-eyes" not in real.defects


def test_what_cannot_be_audited_is_told(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="61 asked for; there are 60"):
        audit(61, 2, 32, seed=0, metrics=["l1"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ThbenchError, match="no video and no picture"):
        audit(2, 2, 32, seed=0, metrics=["l1"], real=[tmp_path / "empty"])


def test_cells_say_what_was_found() -> None:
    def cell(**own: object) -> str:
        base = {"metric": "m", "defect": "d", "verdict": "sees", "monotone": True}
        rest: dict[str, object] = {
            "smallest": None,
            "smallest_se": None,
            "at_most": False,
            "effects": [],
        }
        return cell_text(ReactionRecord(**{**base, **rest, **own}))  # type: ignore[arg-type]

    assert cell(smallest=0.5, at_most=True) == "≤ 0.5"
    assert cell(smallest=3.21, monotone=False) == "3.2 ~"
    assert cell(verdict="blind") == "blind"
