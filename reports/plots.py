"""All plots of one run, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib

from reports.agreement_plot import metric_agreement
from reports.plot import Plot
from reports.preferred import headline
from reports.results import Results, known_metric
from reports.score_plots import score_by_shots, score_by_time
from reports.style import STYLE, rendered
from reports.video_plots import paired_differences, spread_over_videos
from thbench.files import atomic_path
from thbench.records.scores import Metric
from thbench.records.timing import TimeRecord

FORMATS = ("png", "pdf", "svg")


def write_plots(
    path: Path, output: Path, metrics: Sequence[str] = (), times: Path | None = None
) -> list[Path]:
    """Writes every plot that the run holds the data for into the folder `output`, in `FORMATS`;
    returns the files.

    times is the timing run of the same methods, when the run itself was not timed. Raises
    `ThbenchError` for unscored runs and unknown metrics.
    """
    results = Results.open(path)
    timed = results if times is None else Results.open(times)

    files = []
    for plot in plots(results, metrics, timed.times):
        for format in FORMATS:
            file = output / f"{plot.name}.{format}"
            with atomic_path(file) as temporary:
                temporary.write_bytes(rendered(plot.figure, format))
            files.append(file)
    return files


def plots(
    results: Results, metrics: Sequence[str] = (), times: Sequence[TimeRecord] = ()
) -> Iterator[Plot]:
    """All plots of a run, for the given metrics or for FID, SSIM, CSIM and their stand-ins."""
    wanted = [known_metric([results], name) for name in metrics] or headline(results.metrics)

    with matplotlib.rc_context(STYLE):
        for name in wanted:
            if any(row.score(name).value is not None for row in results.rows if row.T):
                yield from _plots_of(results, results.metrics[name], times)

        agreement = metric_agreement(results)
        if agreement is not None:
            yield agreement


def _plots_of(results: Results, metric: Metric, times: Sequence[TimeRecord]) -> Iterator[Plot]:
    drawn = (
        score_by_shots(results, metric),
        score_by_time(results, metric, times),
        spread_over_videos(results, metric),
        paired_differences(results, metric),
    )
    yield from (plot for plot in drawn if plot is not None)
