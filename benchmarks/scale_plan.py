"""What VoxCeleb2 in full would take, from measured costs of the smallest pieces of work.

    python benchmarks/scale_plan.py [--costs benchmarks/results/unit_costs.json]

Prints the tables of docs/scale.md. Every figure is a product of measured costs
(`benchmarks/unit_costs.py`), published facts and the assumptions below; the formula stands beside
it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thbench.files import read_json_object
from thbench.records.decode import decode

COSTS = Path(__file__).parent / "results" / "unit_costs.json"
SHOTS = 8
CORES = 512
HOUR_S, DAY_S = 3600, 86_400
TERA = 1e12
DERIVE_S = 2.9  # docs/performance.md: the distance and its jackknife over 50 videos


@dataclass(frozen=True)
class Costs:
    """Seconds are CPU seconds of one thread, operations floating-point ones, for one of each."""

    prepare_frame_s: float
    prepare_sampled_frame_s: float  # of a frame that is kept, when one a second is
    prepare_memory_bytes: float
    prepared_frame_bytes: float
    source_frame_bytes: float
    read_frame_s: float
    step_s: float  # one episode of 8 shots: E and G once, D twice
    step_operations: float
    embed_frame_operations: float
    render_frame_s: float
    render_frame_operations: float
    write_frame_s: float
    generated_frame_bytes: float
    score_frame_s: float  # the sum of the metrics and the features of FID
    score_by_metric_s: dict[str, float]
    prepared_frames: int


@dataclass(frozen=True)
class VoxCeleb2:
    """Published counts of the data set, both parts together; videos of its training part."""

    clips: int = 1_128_246
    hours: int = 2_442
    frames_per_s: int = 25
    training_videos: int = 145_569

    @property
    def frames(self) -> int:
        return self.hours * HOUR_S * self.frames_per_s


@dataclass(frozen=True)
class Card:
    """A GPU: the peak of its data sheet for the arithmetic that training uses."""

    name: str
    peak_operations: float
    dollars_per_hour: float | None


@dataclass(frozen=True)
class Assumptions:
    """What is neither measured nor published: change it here and run the script again.

    utilisation: the share of its peak that a GPU reaches on these networks.
    """

    utilisation: float = 0.35
    core_dollars_per_hour: float = 0.05
    stored_dollars_per_tb_month: float = 23.0
    cards: Sequence[Card] = (
        Card("P40, float32 (the paper's)", 11.8e12, None),
        Card("A100, TF32", 156e12, 1.5),
        Card("H100, TF32", 495e12, 2.5),
    )


@dataclass(frozen=True)
class Paper:
    """Table 2 of the paper, one P40: seconds of learning a head at T = 1, 8, 32 and of a frame."""

    ft_s: tuple[float, ...] = (43.84, 85.48, 258.0)
    ff_s: tuple[float, ...] = (0.061, 0.138, 0.221)
    frame_s: float = 0.139
    epochs: int = 75
    batch: int = 48


@dataclass(frozen=True)
class Protocol:
    """The paper's: 50 videos, 32 frames of each, T = 1, 8, 32; many methods."""

    methods: int = 1_000
    videos: int = 50
    frames: int = 32
    shots: int = 3

    @property
    def units(self) -> int:
        return self.methods * self.shots * self.videos


@dataclass(frozen=True)
class Row:
    what: str
    formula: str
    value: str


DATA, ASSUMED, PAPER, PROTOCOL = VoxCeleb2(), Assumptions(), Paper(), Protocol()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--costs", type=Path, default=COSTS)
    print(plan(read_costs(parser.parse_args().costs)))


def read_costs(path: Path) -> Costs:
    return decode(Costs, read_json_object(path)["costs"], str(path), "run unit_costs.py again")


def plan(costs: Costs) -> str:
    """All tables as Markdown, each under its heading."""
    tables = {
        "Measured": measured(costs),
        "Preparation": preparation(costs),
        "Training, 75 epochs": training(costs),
        "A protocol of 1,000 methods": protocol(costs),
    }
    return "\n\n".join(f"### {title}\n\n{table(rows)}" for title, rows in tables.items())


def table(rows: Sequence[Row]) -> str:
    lines = [f"| {row.what} | {row.formula} | {row.value} |" for row in rows]
    return "\n".join(["| | how | |", "|---|---|---|", *lines])


def measured(costs: Costs) -> list[Row]:
    one = "CPU s, one thread"
    return [
        Row("prepare a frame, every frame kept", one, f"{costs.prepare_frame_s:.3f} s"),
        Row(
            "prepare a second of video",
            f"{DATA.frames_per_s} frames of it",
            f"{DATA.frames_per_s * costs.prepare_frame_s:.2f} s",
        ),
        Row(
            "prepare a frame, one a second kept",
            f"{one}; all frames are decoded",
            f"{costs.prepare_sampled_frame_s:.3f} s",
        ),
        Row("a prepared frame, JPEG 95", "bytes", kilobytes(costs.prepared_frame_bytes)),
        Row("the same frame in its mp4", "bytes", kilobytes(costs.source_frame_bytes)),
        Row("read a prepared frame", one, milliseconds(costs.read_frame_s)),
        Row(
            f"a training step of one episode, {SHOTS} shots",
            f"{one}; {tera(costs.step_operations)}",
            f"{costs.step_s:.1f} s",
        ),
        Row("embed a frame", tera(costs.embed_frame_operations), "within the step"),
        Row(
            "render a frame",
            f"{one}; {tera(costs.render_frame_operations)}",
            f"{costs.render_frame_s:.2f} s",
        ),
        Row("write a generated frame, PNG", one, milliseconds(costs.write_frame_s)),
        Row("a generated frame, PNG", "bytes", kilobytes(costs.generated_frame_bytes)),
        *(
            Row(f"score a frame: {name}", one, milliseconds(seconds))
            for name, seconds in costs.score_by_metric_s.items()
        ),
        Row("score a frame", "the sum of these", milliseconds(costs.score_frame_s)),
        Row("memory of a process that prepares", "peak", gigabytes(costs.prepare_memory_bytes)),
    ]


def preparation(costs: Costs) -> list[Row]:
    sampled = DATA.hours * HOUR_S
    every_s = DATA.frames * costs.prepare_frame_s
    some_s = sampled * costs.prepare_sampled_frame_s
    every_bytes = DATA.frames * costs.prepared_frame_bytes
    some_bytes = sampled * costs.prepared_frame_bytes
    return [
        Row("frames", f"{DATA.hours:,} h x 3600 x {DATA.frames_per_s}", f"{DATA.frames:,}"),
        *hours("every frame", "frames x cost", every_s),
        Row("disk, every frame", "frames x bytes", terabytes(every_bytes)),
        *hours("one frame a second (`--fps 1`, as the authors)", "frames / 25 x cost", some_s),
        Row("disk, one frame a second", "frames / 25 x bytes", terabytes(some_bytes)),
        Row(
            "disk, frames left in their mp4",
            "frames x bytes in the mp4",
            terabytes(DATA.frames * costs.source_frame_bytes),
        ),
        Row(
            f"memory on {CORES} cores",
            "cores x process",
            terabytes(CORES * costs.prepare_memory_bytes),
        ),
        Row("money, every frame", "core hours x price", dollars(core_dollars(every_s))),
        Row("money, one frame a second", "core hours x price", dollars(core_dollars(some_s))),
        Row("money, every frame kept for a month", "TB x price", dollars(stored(every_bytes))),
    ]


def training(costs: Costs) -> list[Row]:
    episodes = PAPER.epochs * DATA.training_videos
    operations = episodes * costs.step_operations
    rows = [
        Row("episodes", f"{PAPER.epochs} x {DATA.training_videos:,} videos", f"{episodes:,}"),
        Row("steps of 48 episodes", "episodes / 48", f"{episodes / PAPER.batch:,.0f}"),
        Row("operations", "episodes x those of one", f"{operations:.2e}"),
        Row(
            "one thread of a processor",
            "episodes x cost",
            f"{episodes * costs.step_s / DAY_S / 365:,.0f} years",
        ),
    ]

    for card in ASSUMED.cards:
        one_s = operations / (card.peak_operations * ASSUMED.utilisation)
        for cards in (8, 64):
            per_s = episodes / (one_s / cards)
            price = card.dollars_per_hour
            money = "" if price is None else f", {dollars(one_s / HOUR_S * price)}"
            rows.append(
                Row(
                    f"{cards} x {card.name}",
                    "*estimate*: operations / (cards x peak x utilisation)",
                    f"{one_s / cards / HOUR_S:,.1f} h{money}; reads {per_s * (SHOTS + 1):,.0f} "
                    f"frames/s on {per_s * (SHOTS + 1) * costs.read_frame_s:,.1f} cores",
                )
            )
    return rows


def protocol(costs: Costs) -> list[Row]:
    frames = PROTOCOL.units * PROTOCOL.frames
    render_s, score_s = frames * costs.render_frame_s, frames * costs.score_frame_s
    disk = frames * costs.generated_frame_bytes
    heads = PROTOCOL.methods * PROTOCOL.videos
    paper_render_s = frames * PAPER.frame_s
    paper_ft_s, paper_ff_s = heads * sum(PAPER.ft_s), heads * sum(PAPER.ff_s)
    p40 = "the paper's Table 2, one P40"
    return [
        Row("units", "methods x T x videos", f"{PROTOCOL.units:,}"),
        Row("frames", f"units x {PROTOCOL.frames}", f"{frames:,}"),
        *hours("render on processors", "frames x cost", render_s),
        Row("render on GPUs", f"frames x {PAPER.frame_s} s ({p40})", gpu_days(paper_render_s)),
        Row(
            "learn heads, feed-forward",
            f"videos x {sum(PAPER.ff_s):.2f} s ({p40})",
            gpu_days(paper_ff_s),
        ),
        Row(
            "learn heads, fine-tuned",
            f"videos x {sum(PAPER.ft_s):.0f} s ({p40})",
            gpu_days(paper_ft_s),
        ),
        *hours("score on processors", "frames x cost", score_s),
        Row(
            "derive FID and its errors, in one process",
            f"methods x T x {DERIVE_S} s of the page on performance",
            f"{PROTOCOL.methods * PROTOCOL.shots * DERIVE_S / HOUR_S:,.1f} h",
        ),
        Row("disk", "frames x bytes", terabytes(disk)),
        Row("files", "frames + units x 2", f"{frames + 2 * PROTOCOL.units:,}"),
        Row(
            "money, rendering and scoring on processors",
            "core hours x price",
            dollars(core_dollars(render_s + score_s)),
        ),
    ]


def hours(what: str, formula: str, seconds: float) -> list[Row]:
    return [
        Row(
            what,
            f"{formula}; on {CORES} cores divided by them",
            f"{seconds / HOUR_S:,.0f} core hours, "
            f"{seconds / CORES / HOUR_S:,.1f} h on {CORES} cores",
        )
    ]


def core_dollars(seconds: float) -> float:
    return seconds / HOUR_S * ASSUMED.core_dollars_per_hour


def stored(size_bytes: float) -> float:
    return size_bytes / TERA * ASSUMED.stored_dollars_per_tb_month


def gpu_days(seconds: float) -> str:
    return f"{seconds / DAY_S:,.1f} GPU days, {seconds / DAY_S / 64:,.1f} on 64"


def kilobytes(size: float) -> str:
    return f"{size / 1e3:.1f} kB"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def terabytes(size: float) -> str:
    return f"{size / TERA:,.2f} TB"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def tera(operations: float) -> str:
    return f"{operations / TERA:.2f} x 10^12 operations"


def dollars(amount: float) -> str:
    return f"${amount:,.0f}"


if __name__ == "__main__":
    main()
