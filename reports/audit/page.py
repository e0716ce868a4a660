"""docs/metric-audit.md: a page made from audit.json, with its figures beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reports.audit.figure import audit_figure
from reports.audit.findings import findings
from reports.style import rendered
from thbench.files import atomic_path, write_text
from thbench.records.audit import AuditRecord, PartRecord, ReactionRecord
from thbench.records.decode import read_record

NAME = "metric-audit"
_REMEDY = "make it with `thbench audit`"

_METHOD = """\
Every metric is asked about frames with a known defect of known strength, and about the same frames
without it. The difference, paired by video, is the harm. Its standard error is clustered by video
and scaled to 50 videos, those of the paper's protocol; that a video has 32 frames there and fewer
here is left out of account, so the smallest strengths are rather too large. A cell of the tables
has the smallest strength that 50 videos tell from none at 5 % in four of five experiments, with
its jackknife standard error; between two strengths it is interpolated. "≤" stands before the
weakest strength that was tried. "blind": not even the strongest is seen. "rewards": the metric
takes the strongest for *better*. "?": the audit's own videos are too few to say. "~": some
stronger defect costs less than a weaker one."""


def write_audit(source: Path, output: Path) -> Path:
    """Writes metric-audit.md and its figures from an audit.json into `output`; returns the page.

    Raises `ThbenchError` for a file that holds no audit.
    """
    record = read_record(source, AuditRecord, _REMEDY)
    for part in record.parts:
        with atomic_path(output / _figure_name(part)) as temporary:
            temporary.write_bytes(rendered(audit_figure(part), "png"))

    page = output / f"{NAME}.md"
    write_text(page, "\n".join(_lines(record)) + "\n")
    return page


def _lines(record: AuditRecord) -> Iterator[str]:
    yield "# What each metric sees"
    yield ""
    yield "Made by `thbench audit`; the numbers are in `metric-audit.json`."
    yield ""
    yield "## What to know before trusting a table"
    yield ""
    for number, finding in enumerate(findings(record.parts[0]), 1):
        yield f"{number}. {finding}"
    yield ""
    yield "## How it was measured"
    yield ""
    yield _METHOD
    for part in record.parts:
        yield from _part_lines(part)


def _part_lines(part: PartRecord) -> Iterator[str]:
    yield ""
    yield f"## On {part.pictures}"
    yield ""
    yield (
        f"{part.n_videos} videos, {part.n_frames} frames of {part.size_px} pixels. Without a "
        f"defect: {part.base_in_words}."
    )
    yield ""
    yield f"![What each metric sees on {part.pictures}]({_figure_name(part)})"
    yield ""
    heads = [f"{defect.label}, {defect.unit}" for defect in part.defects.values()]
    yield _row(["Metric", "Without", *heads])
    yield _row([":--", *["--:"] * (len(heads) + 1)])
    for name, metric in part.metrics.items():
        cells = [_cell(part.reaction(name, defect)) for defect in part.defects]
        yield _row([f"{metric.label} (`{name}`)", _value(metric.base, metric.base_se), *cells])

    yield ""
    for name, metric in part.metrics.items():
        yield f"- {metric.label}: {_told(part, name)}"
    if part.left_out:
        yield ""
        yield "Not audited here:"
        yield ""
        for name, reason in part.left_out.items():
            yield f"- `{name}`: {reason}"


def _told(part: PartRecord, metric: str) -> str:
    """What a metric reacts to, in words."""
    reactions = {name: part.reaction(metric, name) for name in part.defects}
    groups = {
        "sees": [name for name, found in reactions.items() if found.verdict == "sees"],
        "is blind to": [name for name, found in reactions.items() if found.verdict == "blind"],
        "rewards": [name for name, found in reactions.items() if found.verdict == "rewards"],
        "is not monotone in": [name for name, found in reactions.items() if not found.monotone],
        "leaves open": [name for name, found in reactions.items() if found.verdict == "unclear"],
    }
    said = [
        f"{what} {', '.join(part.defects[name].label.lower() for name in names)}"
        for what, names in groups.items()
        if names
    ]
    return "; ".join(said) + "."


def _cell(found: ReactionRecord) -> str:
    if found.verdict != "sees":
        return "?" if found.verdict == "unclear" else found.verdict
    mark = "" if found.monotone else " ~"
    if found.smallest is None:
        return f"sees{mark}"
    if found.at_most:
        return f"≤ {found.smallest:.3g}{mark}"
    error = "" if found.smallest_se is None else f" ± {found.smallest_se:.2g}"
    return f"{found.smallest:.2g}{error}{mark}"


def _value(value: float | None, se: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" + ("" if se is None else f" ± {se:.2g}")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure_name(part: PartRecord) -> str:
    return f"{NAME}-{part.pictures.replace(' ', '-')}.png"
