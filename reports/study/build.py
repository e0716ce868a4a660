"""`thbench study build`: a run becomes a study folder with forms, panels, practice and checks."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from reports.study.folder import Design, Form, Item, Kind, Study, save_design, save_new_keys
from reports.study.forms import RatedTriplet, Trial, balanced_forms
from reports.study.settings import new_settings, save_settings
from reports.study.stimuli import Image, crude_fake, panel_size, read_image, to_panel
from reports.study.triplets import RealFrame, Triplet, real_frames, recording, triplets_of_run
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, sha256_file, sha256_json
from thbench.runs import Run

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
        lines = [
            f"{folder}: {self.forms} forms of {most if fewest == most else f'{fewest} to {most}'} triplets for as "
            f"many people; {self.triplets} triplets in {self.rows} rows, {self.ratings_per_row} ratings a row"
        ]
        if self.repeated_persons:
            lines.append(
                f"a person comes more than once in {self.repeated_persons} forms (a test video never does); "
                f"--trials-per-form {self.longest_without_repeats} would avoid it, with more people"
            )
        lines += [f"failed in the run and not shown: {unit}" for unit in self.failed_units]
        lines.append(
            f"next: fill in controller, contact and retention_date in {folder}/settings.json and read the "
            f"texts, then `thbench study serve {folder}`"
        )
        return "\n".join(lines)


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
    dealt = balanced_forms(
        [RatedTriplet(recording(t.video), t.person, t.row) for t in triplets],
        ratings,
        trials_per_form,
        rng,
    )
    with atomic_folder(out) as folder:
        (folder / "panels").mkdir()
        panels = _Panels(
            Study(folder), panel_size(int(run.info()["dataset"]["size_px"])), source_quality
        )
        items = [_main_item(triplet, panels) for triplet in triplets]
        videos = {recording(t.video) for t in triplets}
        practice, gold, attention = _extra_items(
            items, real_frames(run, leave_out), videos, panels, rng
        )
        forms = tuple(_form(trials, items, gold, attention, rng) for trials in dealt)
        settings = new_settings()
        save_settings(folder / "settings.json", settings)
        save_new_keys(folder / "secrets.json")
        save_design(
            folder / "design.json",
            Design(
                secrets.token_urlsafe(8),
                str(run.path.resolve()),
                sha256_file(run.run_json),
                panels.size_px,
                ratings,
                seed,
                sha256_json(asdict(settings.exclusion)),
                tuple(items),
                tuple(practice),
                forms,
            ),
        )
    return Built(
        len(forms),
        (min(map(len, dealt)), max(map(len, dealt))),
        len(triplets),
        len({t.row for t in triplets}),
        triplets_per_row * ratings,
        sum(_repeats_a_person(trials, triplets) for trials in dealt),
        len(triplets) // max(Counter(triplet.person for triplet in triplets).values()),
        tuple(f"{unit.method}, T = {unit.T}, {unit.video}" for unit in failed),
    )


class _Panels:
    """Writes each picture once and numbers it; numbers say nothing, but they are never sent either."""

    def __init__(self, study: Study, size_px: int, source_quality: int) -> None:
        self.study, self.size_px, self.source_quality = study, size_px, source_quality
        self.numbers: dict[Path, int] = {}
        self.count = 0

    def of_file(self, file: Path) -> int:
        if file not in self.numbers:
            self.numbers[file] = self.of_image(self.panel(file))
        return self.numbers[file]

    def panel(self, file: Path) -> Image:
        return to_panel(read_image(file), self.size_px, self.source_quality)

    def of_image(self, panel: Image) -> int:
        number = self.count
        self.count += 1
        if not cv2.imwrite(str(self.study.panel_file(number)), panel):
            raise ThbenchError(
                f"cannot write {self.study.panel_file(number)}; free space or choose another folder"
            )
        return number


def _main_item(triplet: Triplet, panels: _Panels) -> Item:
    fake, first, second = triplet.files
    return Item(
        "main",
        (panels.of_file(fake), panels.of_file(first), panels.of_file(second)),
        triplet.person,
        triplet.recordings,
        triplet.method,
        triplet.T,
        triplet.video,
        triplet.frame,
    )


def _extra_items(
    items: list[Item],
    frames: Sequence[RealFrame],
    test_videos: set[str],
    panels: _Panels,
    rng: np.random.Generator,
) -> tuple[list[int], list[int], list[int]]:
    """Appends practice, gold and attention items to `items`; returns their numbers."""
    amounts: tuple[tuple[Kind, int], ...] = (
        ("practice", PRACTICE),
        ("gold", POOL),
        ("attention", POOL),
    )
    kinds = [kind for kind, amount in amounts for _ in range(amount)]
    persons = rng.permutation(sorted({frame.person for frame in frames}))
    numbers: dict[Kind, list[int]] = {"practice": [], "gold": [], "attention": []}
    for turn, kind in enumerate(kinds):
        person = str(persons[turn % len(persons)])
        chosen = _three_recordings(
            [frame for frame in frames if frame.person == person], test_videos, rng
        )
        reals = [panels.of_file(frame.file) for frame in chosen]
        target = (
            reals[0]
            if kind == "attention"
            else panels.of_image(crude_fake(panels.panel(chosen[0].file), rng))
        )
        numbers[kind].append(len(items))
        items.append(
            Item(
                kind,
                (target, reals[1], reals[2]),
                person,
                (chosen[0].recording, chosen[1].recording, chosen[2].recording),
            )
        )
    return numbers["practice"], numbers["gold"], numbers["attention"]


def _three_recordings(
    frames: Sequence[RealFrame], test_videos: set[str], rng: np.random.Generator
) -> list[RealFrame]:
    """One frame each of three recordings, those of test videos last.

    A crude fake on a test video's background would teach that this background means fake.
    """
    found = sorted({frame.recording for frame in frames})
    order = sorted(rng.permutation(found), key=lambda name: name in test_videos)
    picks = [[frame for frame in frames if frame.recording == name] for name in order[:3]]
    return [pick[rng.integers(len(pick))] for pick in picks]


def _form(
    trials: Sequence[Trial],
    items: Sequence[Item],
    gold: Sequence[int],
    attention: Sequence[int],
    rng: np.random.Generator,
) -> Form:
    return Form(
        tuple(trials),
        _least_seen(gold, GOLD_PER_FORM, trials, items, rng),
        _least_seen(attention, ATTENTION_PER_FORM, trials, items, rng),
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
    videos = {recording(items[trial.triplet].video) for trial in trials}
    persons = {items[trial.triplet].person for trial in trials}
    order = sorted(
        (int(number) for number in rng.permutation(pool)),
        key=lambda number: (
            len(videos.intersection(items[number].recordings)),
            items[number].person in persons,
        ),
    )
    return tuple(order[:count])


def _repeats_a_person(trials: Iterable[Trial], triplets: Sequence[Triplet]) -> bool:
    return max(Counter(triplets[trial.triplet].person for trial in trials).values()) > 1
