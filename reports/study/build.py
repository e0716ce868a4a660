"""`thbench study build`: a run becomes a study folder with forms, panels, practice and checks."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reports.study.design import FORMAT, Design, Form, Item, Kind, save_design
from reports.study.folder import Study
from reports.study.forms import RatedTriplet, Trial, balanced_forms
from reports.study.keys import save_new_keys
from reports.study.panels import Panels
from reports.study.settings import Settings, new_settings, save_settings
from reports.study.stimuli import panel_size
from reports.study.triplets import RealFrame, Triplet, real_frames, recording, triplets_of_run
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, sha256_file, sha256_json
from thbench.runs import Run, Unit

PRACTICE = 3
POOL = 16  # gold items to draw each form's from, and as many attention checks
GOLD_PER_FORM = 2
ATTENTION_PER_FORM = 2


@dataclass(frozen=True)
class Built:
    """What a build made, for the owner to read.

    repeated_persons: forms in which a person comes more than once; longest_without_repeats: the
    trials a form may have for that not to happen.
    """

    forms: int
    trials: tuple[int, int]
    triplets: int
    rows: int
    ratings_per_row: int
    repeated_persons: int
    longest_without_repeats: int
    failed_units: tuple[str, ...]

    def text(self, folder: Path) -> str:
        """What the owner reads after a build."""
        fewest, most = self.trials
        length = str(most) if fewest == most else f"{fewest} to {most}"
        lines = [
            f"{folder}: {self.forms} forms of {length} triplets for as many people; "
            f"{self.triplets} triplets in {self.rows} rows, {self.ratings_per_row} ratings a row"
        ]
        if self.repeated_persons:
            lines.append(
                f"a person comes more than once in {self.repeated_persons} forms (a test video "
                f"never does); --trials-per-form {self.longest_without_repeats} would avoid it, "
                "with more people"
            )

        lines += [f"failed in the run and not shown: {unit}" for unit in self.failed_units]
        lines.append(
            f"next: fill in controller, contact and retention_date in {folder}/settings.json and "
            f"read the texts, then `thbench study serve {folder}`"
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class _Plan:
    """What a study is made of before a picture is written."""

    triplets: Sequence[Triplet]
    failed: Sequence[Unit]
    forms: Sequence[Sequence[Trial]]
    ratings: int
    seed: int


def build_study(
    run: Run,
    out: Path,
    triplets_per_row: int = 320,
    ratings: int = 5,
    seed: int = 0,
    trials_per_form: int = 50,
    leave_out: Sequence[str] = (),
    source_quality: int = 95,
) -> Built:
    """Writes the study folder `out`, whole or not at all; see `reports.study.folder` for what it
    holds.

    source_quality is the JPEG quality in which the run's real frames were stored (`thbench data
    show`). Raises `ThbenchError` when `out` exists, the run is not finished, or persons have fewer
    than three recordings.
    """
    if out.exists():
        raise ThbenchError(
            f"{out} is already there; choose another folder, answers are never overwritten"
        )

    rng = np.random.default_rng(seed)
    triplets, failed = triplets_of_run(run, triplets_per_row, rng, leave_out)
    rated = [RatedTriplet(recording(one.video), one.person, one.row) for one in triplets]
    forms = balanced_forms(rated, ratings, trials_per_form, rng)
    plan = _Plan(triplets, failed, forms, ratings, seed)

    with atomic_folder(out) as folder:
        panels = Panels(Study(folder), panel_size(run.record().dataset.size_px), source_quality)
        settings = new_settings()
        design = _design(run, plan, panels, settings, real_frames(run, leave_out), rng)

        save_settings(folder / "settings.json", settings)
        save_new_keys(folder / "secrets.json")
        save_design(folder / "design.json", design)

    return _built(plan, triplets_per_row)


def _built(plan: _Plan, triplets_per_row: int) -> Built:
    triplets = plan.triplets
    lengths = [len(trials) for trials in plan.forms]
    most_of_a_person = max(Counter(triplet.person for triplet in triplets).values())
    return Built(
        forms=len(plan.forms),
        trials=(min(lengths), max(lengths)),
        triplets=len(triplets),
        rows=len({triplet.row for triplet in triplets}),
        ratings_per_row=triplets_per_row * plan.ratings,
        repeated_persons=sum(_repeats_a_person(trials, triplets) for trials in plan.forms),
        longest_without_repeats=len(triplets) // most_of_a_person,
        failed_units=tuple(f"{unit.method}, T = {unit.T}, {unit.video}" for unit in plan.failed),
    )


def _design(
    run: Run,
    plan: _Plan,
    panels: Panels,
    settings: Settings,
    frames: Sequence[RealFrame],
    rng: np.random.Generator,
) -> Design:
    """Writes the panels, and says what they are."""
    items = [_main_item(triplet, panels) for triplet in plan.triplets]
    videos = {recording(triplet.video) for triplet in plan.triplets}
    extra = _extra_items(len(items), frames, videos, panels, rng)
    items += extra.items

    forms = tuple(_form(trials, items, extra, rng) for trials in plan.forms)
    return Design(
        format=FORMAT,
        study_id=secrets.token_urlsafe(8),
        run=str(run.path.resolve()),
        run_sha256=sha256_file(run.run_json),
        panel_px=panels.size_px,
        ratings=plan.ratings,
        seed=plan.seed,
        exclusion_sha256=sha256_json(asdict(settings.exclusion)),
        items=tuple(items),
        practice=tuple(extra.numbers["practice"]),
        forms=forms,
    )


def _main_item(triplet: Triplet, panels: Panels) -> Item:
    fake, first, second = (panels.of_file(file) for file in triplet.files)
    return Item(
        kind="main",
        panels=(fake, first, second),
        person=triplet.person,
        recordings=triplet.recordings,
        method=triplet.method,
        T=triplet.T,
        video=triplet.video,
        frame=triplet.frame,
    )


@dataclass(frozen=True)
class _Extra:
    """Practice, gold and attention items, and their numbers by kind."""

    items: Sequence[Item]
    numbers: Mapping[Kind, Sequence[int]]


def _extra_items(
    first_number: int,
    frames: Sequence[RealFrame],
    test_videos: set[str],
    panels: Panels,
    rng: np.random.Generator,
) -> _Extra:
    """Makes them from real frames, each of the next person in an order that chance decides."""
    amounts: Mapping[Kind, int] = {"practice": PRACTICE, "gold": POOL, "attention": POOL}
    kinds = [kind for kind, amount in amounts.items() for _ in range(amount)]
    persons = rng.permutation(sorted({frame.person for frame in frames}))

    items: list[Item] = []
    numbers: dict[Kind, list[int]] = {kind: [] for kind in amounts}
    for turn, kind in enumerate(kinds):
        person = str(persons[turn % len(persons)])
        own = [frame for frame in frames if frame.person == person]
        chosen = _three_recordings(own, test_videos, rng)
        numbers[kind].append(first_number + len(items))
        items.append(_extra_item(kind, chosen, panels, rng))

    return _Extra(items, numbers)


def _extra_item(
    kind: Kind, frames: Sequence[RealFrame], panels: Panels, rng: np.random.Generator
) -> Item:
    """An item of three real frames; but for attention, the first becomes a crude fake."""
    first, second, third = frames
    reals = [panels.of_file(frame.file) for frame in frames]
    target = reals[0] if kind == "attention" else panels.of_crude_fake(first.file, rng)
    return Item(
        kind=kind,
        panels=(target, reals[1], reals[2]),
        person=first.person,
        recordings=(first.recording, second.recording, third.recording),
    )


def _three_recordings(
    frames: Sequence[RealFrame], test_videos: set[str], rng: np.random.Generator
) -> list[RealFrame]:
    """One frame each of three recordings, those of test videos last.

    A crude fake on a test video's background would teach that this background means fake.
    """
    found = sorted({frame.recording for frame in frames})
    order = sorted(rng.permutation(found), key=lambda name: name in test_videos)

    choices = [[frame for frame in frames if frame.recording == name] for name in order[:3]]
    return [choice[rng.integers(len(choice))] for choice in choices]


def _form(
    trials: Sequence[Trial], items: Sequence[Item], extra: _Extra, rng: np.random.Generator
) -> Form:
    gold, attention = extra.numbers["gold"], extra.numbers["attention"]
    return Form(
        trials=tuple(trials),
        gold=_least_seen(gold, GOLD_PER_FORM, trials, items, rng),
        attention=_least_seen(attention, ATTENTION_PER_FORM, trials, items, rng),
    )


def _least_seen(
    pool: Sequence[int],
    count: int,
    trials: Sequence[Trial],
    items: Sequence[Item],
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """The items of the pool that share fewest test videos, then persons, with the form; chance
    decides ties.
    """
    shown = [items[trial.triplet] for trial in trials]
    videos = {recording(item.video) for item in shown}
    persons = {item.person for item in shown}

    def shared(number: int) -> tuple[int, bool]:
        item = items[number]
        return len(videos.intersection(item.recordings)), item.person in persons

    shuffled = [int(number) for number in rng.permutation(pool)]
    return tuple(sorted(shuffled, key=shared)[:count])


def _repeats_a_person(trials: Iterable[Trial], triplets: Sequence[Triplet]) -> bool:
    persons = Counter(triplets[trial.triplet].person for trial in trials)
    return max(persons.values()) > 1
