"""What a figure rests on: how many of the planned videos, and what may therefore be said of it.

The one place that decides whether a figure may be compared. Tables, plots, comparisons and the
terminal ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from thbench.records.video_key import video_keys

FEW_VIDEOS = 6
"""Below this many videos nothing is called best, and an interval is marked as a rough guide.

The videos are the independent pieces of evidence. With V of them, two methods differ in V signs,
and even when all V agree a sign test gives p = 2 / 2^V: .0625 for five videos, .031 for six. So six
is the smallest number at which a difference can reach 5 % without trust in the shape of a
distribution that nobody can see in five points. Student's interval says the same in its way: its
factor is 12.7 for two videos, 2.8 for five and 2.6 for six, against 2.0 for the paper's fifty.
"""

Cell = tuple[str, int]  # (method, T)


@dataclass(frozen=True)
class Coverage:
    """The number of videos that entered a figure, and how many the run planned."""

    n_videos: int
    n_planned: int

    @property
    def is_whole(self) -> bool:
        """Whether every planned video entered, so that neighbours are over the same people."""
        return self.n_videos >= self.n_planned

    @property
    def is_few(self) -> bool:
        """Whether so few videos entered that no ranking and no interval can be relied on."""
        return self.n_videos < FEW_VIDEOS

    @property
    def may_rank(self) -> bool:
        """Whether the figure may be called better or worse than another, or set in bold."""
        return self.is_whole and not self.is_few

    def __str__(self) -> str:
        """Such as "1 of 2 videos"."""
        return f"{self.n_videos} of {videos(self.n_planned)}"


def coverage(
    frames: pd.DataFrame, policies: Mapping[str, str], n_planned: int
) -> dict[Cell, dict[str, Coverage]]:
    """The coverage of every metric in `policies` (name -> failure policy) by (method, T).

    frames: frames.parquet, one row per (method, T, video, frame) with `error` and a column per
    frame metric. A video counts where its unit succeeded and the metric has a value for one of its
    frames; with "score-zero" every frame has one. A metric without a column scores sets, into which
    every frame of a unit that succeeded goes.
    """
    succeeded = frames[frames["error"] == ""]
    names = video_keys(succeeded)
    found: dict[Cell, dict[str, Coverage]] = {}
    for method, T in frames[["method", "T"]].drop_duplicates().itertuples(index=False):
        mine = (succeeded["method"] == method) & (succeeded["T"] == T)
        found[str(method), int(T)] = {
            name: Coverage(_n_videos(names[mine], succeeded.loc[mine], name, policy), n_planned)
            for name, policy in policies.items()
        }
    return found


def videos(n: int) -> str:
    """Such as "1 video" and "4 videos"."""
    return f"{n} video{'' if n == 1 else 's'}"


def _n_videos(names: pd.Series[str], frames: pd.DataFrame, metric: str, policy: str) -> int:
    if metric not in frames or policy == "score-zero":
        return int(names.nunique())
    return int(names[frames[metric].notna()].nunique())
