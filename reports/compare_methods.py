"""How two methods of one run differ: what `thbench compare` prints."""

from __future__ import annotations

import difflib
from pathlib import Path

from reports.results import Results
from thbench.errors import ThbenchError
from thbench.records.coverage import FEW_VIDEOS, videos
from thbench.records.scores import Difference, Metric
from thbench.records.summary import DifferenceRecord


def compare_methods_text(path: Path, a: str, b: str) -> str:
    """Every metric of two methods: paired difference, 95 % interval by video, Holm-corrected p, and
    a verdict.

    A difference that is not over all planned videos stands in parentheses; it and one over few
    videos get no verdict. Raises `ThbenchError` for an unscored run, an unknown method, and for a
    method compared with itself.
    """
    results = Results.open(path)
    for name in (a, b):
        _check_method(name, results)
    if a == b:
        raise ThbenchError(f"{a} is named twice; name two methods of {', '.join(results.methods)}")

    head = (
        f"{a} - {b}, paired by video; p after Holm's correction over all differences of the metric"
    )
    wanted = [record for record in results.summary.differences if {record.a, record.b} == {a, b}]
    lines = [_line(results, record, a) for record in wanted]
    return "\n".join([head, *(lines or ["no metric was computed for both"])])


def _line(results: Results, record: DifferenceRecord, method: str) -> str:
    """One difference, or why there is none, seen from `method`."""
    metric = results.metrics[record.metric]
    key = (record.metric, record.T, record.a, record.b)
    found = [
        difference
        for difference in results.differences
        if (difference.metric, difference.T, difference.a, difference.b) == key
    ]
    told = f"no difference: {record.reason or 'not computed'}"
    if found:
        told = _told(found[0].seen_from(method), metric)

    return f"T={record.T:<3} {metric.label:12} {told}"


def _told(difference: Difference, metric: Metric) -> str:
    """Such as `+0.031 [+0.011, +0.05]  p = 0.004  ours-ft is better`."""
    value = f"{difference.value:+.4g}"
    value = value if difference.coverage.is_whole else f"({value})"

    interval = "[one video or person: no interval]"
    if difference.ci95 is not None:
        low, high = difference.ci95
        interval = f"[{low:+.4g}, {high:+.4g}]" + ("*" if difference.coverage.is_few else "")
    p = "p unknown" if difference.p_holm is None else f"p = {difference.p_holm:.3g}"
    return f"{value} {interval}  {p}  {_verdict(difference, metric)}"


def _verdict(difference: Difference, metric: Metric) -> str:
    covered = difference.coverage
    if not covered.is_whole:
        return f"{covered} only: not ranked"
    if covered.is_few:
        return f"{videos(covered.n_videos)}, fewer than {FEW_VIDEOS}: not ranked"
    if not difference.is_significant or metric.higher_is_better is None:
        return "within noise"
    first_is_better = (difference.value > 0) == metric.higher_is_better
    return f"{difference.a if first_is_better else difference.b} is better"


def _check_method(name: str, results: Results) -> None:
    if name in results.methods:
        return
    near = difflib.get_close_matches(name, results.methods, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(results.methods)}"
    raise ThbenchError(f"{results.path} has no method {name!r}: {hint}")
