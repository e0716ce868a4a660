"""Can anything but the pictures tell where the fake is?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import select
from support.live import served
from support.rater import Rater

from reports.study import stimuli
from reports.study.arrange import arrange_form
from reports.study.folder import Study
from reports.study.schema import trials
from reports.study.stimuli import GAP_PX, compose, read_image, same_history

VOX1 = Path(__file__).parents[3] / ".." / "shared" / "data" / "vox1-sample" / "unzippedFaces"
Floats = NDArray[np.float64]


def guess(features: Floats, labels: NDArray[np.int64], videos: NDArray[np.int64]) -> int:
    """How many labels a guesser gets right that learns from all other test videos: the nearest
    trials vote.
    """
    scaled = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
    distance = ((scaled[:, None] - scaled[None]) ** 2).sum(-1)
    distance[videos[:, None] == videos[None]] = np.inf
    nearest = np.argsort(distance, axis=1)[:, :7]
    votes = np.stack([(labels[nearest] == position).sum(1) for position in range(3)], 1)
    return int((votes.argmax(1) == labels).sum())


def surprise(features: Floats, labels: NDArray[np.int64], videos: NDArray[np.int64]) -> float:
    """How many standard deviations the guesser is above its guesses of shuffled labels.

    Trials of one video are guessed alike, so a binomial count would be too narrow.
    """
    random = np.random.default_rng(0)
    null = [guess(features, random.permutation(labels), videos) for _ in range(200)]
    return float((guess(features, labels, videos) - np.mean(null)) / np.std(null))


def video_number(study: Study, item: int) -> int:
    return sorted({item.video for item in study.design.items}).index(study.design.items[item].video)


def before_the_scan(picture: bytes) -> tuple[list[int], bytes]:
    """The markers of a JPEG, and every byte in front of its compressed pixels."""
    markers, at = [], 2
    while True:
        markers.append(picture[at + 1])
        length = int.from_bytes(picture[at + 2 : at + 4], "big")
        at += 2 + length
        if markers[-1] == 0xDA:
            return markers, picture[:at]


@pytest.mark.slow
def test_a_guesser_who_sees_all_but_the_pixels_is_at_chance(study: Study) -> None:
    """Names, sizes, headers, order and load time of 192 trials that the server sends 24 raters."""
    rows: list[list[float]] = []
    tokens: list[str] = []
    headers, heads = set(), set()
    with served(study) as (url, store):
        for _ in study.design.forms:
            rater = Rater(url)
            state = rater.begin()
            while state["phase"] == "trial":
                trial = state["trial"]
                picture = rater.picture(trial["token"])
                markers, head = before_the_scan(picture.content)
                headers.add(
                    tuple(
                        sorted(
                            (name, value)
                            for name, value in picture.headers.items()
                            if name not in ("date", "content-length")
                        )
                    )
                )
                heads.add(head)
                if not trial["practice"] and not trial["instructed"]:
                    name = trial["token"].encode()
                    rows.append(
                        [
                            len(picture.content),
                            len(picture.content) % 3,
                            picture.elapsed.total_seconds(),
                            trial["number"],
                            trial["number"] % 3,
                            name[0] % 3,
                            name[-1] % 3,
                            sum(name) % 3,
                            len(picture.headers["date"]),
                        ]
                    )
                    tokens.append(trial["token"])
                state = rater.answer(trial["token"], trial["instructed"] or 1).json()
        with store.engine.connect() as connection:
            truth = {
                row.token: (row.arrangement.index("0"), video_number(study, row.item))
                for row in connection.execute(select(trials))
            }
    labels, videos = np.array([truth[token] for token in tokens]).T
    assert len(labels) == 24 * 8
    assert len(headers) == 1
    assert len(heads) == 1
    assert markers == [
        0xE0,
        0xDB,
        0xDB,
        0xC0,
        0xC4,
        0xC4,
        0xC4,
        0xC4,
        0xDA,
    ]  # no EXIF, ICC or comment
    assert surprise(np.array(rows), labels, videos) < 4.5
    seen_fakes_and_sizes = np.c_[
        np.array(rows), labels + np.random.default_rng(0).normal(0, 0.1, len(labels))
    ]
    assert surprise(seen_fakes_and_sizes, labels, videos) > 6  # it would find a leak


@pytest.mark.slow
def test_sizes_of_composites_tell_nothing_where_sizes_of_files_tell_all(study: Study) -> None:
    design = study.design
    sizes, labels, videos, smallest = [], [], [], []
    for form_id in range(len(design.forms)):
        for attempt in range(4):
            for trial in arrange_form(design, form_id, attempt):
                item = design.items[trial.item]
                if item.kind == "main":
                    panels = [
                        read_image(study.panel_file(item.panels[int(role)]))
                        for role in trial.arrangement
                    ]
                    sizes.append([float(len(compose(panels)))])
                    labels.append(trial.arrangement.index("0"))
                    videos.append(video_number(study, trial.item))
                    smallest.append(
                        int(np.argmin([len(cv2.imencode(".jpg", panel)[1]) for panel in panels]))
                    )
    truth = np.array(labels)
    assert len(truth) == 24 * 4 * 6
    assert surprise(np.array(sizes), truth, np.array(videos)) < 4.5
    assert (np.array(smallest) == truth).mean() > 0.9


def test_positions_are_balanced_in_what_raters_get(study: Study) -> None:
    positions = np.array(
        [
            trial.arrangement.index("0")
            for form_id in range(24)
            for attempt in range(3)
            for trial in arrange_form(study.design, form_id, attempt)
            if study.design.items[trial.item].kind == "main"
        ]
    )
    assert np.bincount(positions).tolist() == [144, 144, 144]
    orders = {
        trial.arrangement
        for form_id in range(24)
        for trial in arrange_form(study.design, form_id, 0)
    }
    assert len(orders) == 6


def test_panels_of_a_composite_meet_the_same_grid() -> None:
    panel = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    picture = cv2.imdecode(np.frombuffer(compose([panel] * 3), np.uint8), cv2.IMREAD_COLOR)
    first, *others = (picture[:, left : left + 64] for left in (0, 64 + GAP_PX, 2 * (64 + GAP_PX)))
    assert all(np.array_equal(first, other) for other in others)


def blockiness(image: NDArray[np.uint8]) -> float:
    """Steps across the 8 x 8 grid against steps elsewhere."""
    steps = np.abs(np.diff(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float), axis=1))
    on_grid = np.arange(steps.shape[1]) % 8 == 7
    return float(steps[:, on_grid].mean() / steps[:, ~on_grid].mean())


def colour_detail(image: NDArray[np.uint8]) -> float:
    """Fine against coarse change of colour: JPEG's halved colour planes have little of the fine."""
    colour = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb).astype(float)[..., 1]
    fine = np.abs(2 * colour[:, 1:-1] - colour[:, :-2] - colour[:, 2:]).mean()
    return float(fine / np.abs(colour[:, 2:] - colour[:, :-2]).mean())


def auc(a: list[float], b: list[float]) -> float:
    first, second = np.array(a)[:, None], np.array(b)[None]
    return float((first > second).mean() + (first == second).mean() / 2)


@pytest.mark.slow
@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("detector", [blockiness, colour_detail])
def test_a_stored_frame_cannot_be_told_from_a_fresh_one(
    quality: int,
    detector: Callable[[NDArray[np.uint8]], float],
) -> None:
    """The same frames, stored as JPEG and not: without an equal history a detector tells them
    apart.
    """
    files = sorted(VOX1.rglob("*.jpg"))[::4]
    if not files:
        pytest.skip("the real sample frames are not here")
    fresh = [
        cv2.resize(read_image(file)[:96, :96], (128, 128), interpolation=cv2.INTER_AREA)
        for file in files
    ]
    stored = [
        cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
        for image in fresh
    ]

    def sent(image: NDArray[np.uint8]) -> float:
        picture = cv2.imdecode(np.frombuffer(compose([image] * 3), np.uint8), cv2.IMREAD_COLOR)
        return detector(picture[:, :128])

    equal = auc(
        [sent(same_history(image, quality)) for image in stored],
        [sent(same_history(image, quality)) for image in fresh],
    )
    assert equal == pytest.approx(0.5, abs=0.04)
    if quality < stimuli.QUALITY:
        assert (
            abs(auc([sent(image) for image in stored], [sent(image) for image in fresh]) - 0.5)
            > 0.1
        )
