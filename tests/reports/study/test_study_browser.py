"""The study in a real browser, from consent to code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from support.live import served
from support.study_run import write_run

from reports.study.build import build_study
from reports.study.folder import Study
from reports.study.schema import participants, trials
from reports.study.store import Store
from thbench.files import read_json, write_json
from thbench.runs import Run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium-headless-shell")
if not CHROMIUM.exists():
    pytest.skip("chromium-headless-shell is not installed", allow_module_level=True)
pytestmark = pytest.mark.slow
PRACTICE, LENGTH = 3, 3 + 2 + 2
FASTEST_MS = 60
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "is_mobile": True,
    "has_touch": True,
}

Page = Any
NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def site(quick: Study) -> Iterator[tuple[str, Store]]:
    with served(quick) as (url, store):
        yield url, store


@pytest.fixture
def quick(run: Run, tmp_path: Path) -> Study:
    """Short forms, and answers are taken after 60 ms."""
    build_study(run, tmp_path / "quick", triplets_per_row=12, ratings=1, trials_per_form=3)
    study = Study.open(tmp_path / "quick")
    write_json(
        study.settings_json, {**read_json(study.settings_json), "min_response_ms": FASTEST_MS}
    )
    return Study.open(study.path)


@pytest.fixture
def new_page(browser: Any) -> Iterator[NewPage]:
    """Pages of fresh contexts; a test fails when any of them reports an error or breaks the content
    policy.
    """
    contexts, complaints = [], []

    def make(context: Any = None, **options: Any) -> Page:
        if context is None:
            context = browser.new_context(**options)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # a busy machine is slow, not wrong
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error"
                and "favicon" not in str(message.location)
                and not any(status in message.text for status in ("409", "503"))
                else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def enter(page: Page, url: str) -> None:
    """Consent and instructions, by keyboard."""
    page.goto(url)
    page.wait_for_selector("input:focus")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#begin:not([disabled])")
    page.keyboard.press("Enter")


def wait_for_trial(page: Page, label: str) -> None:
    """Until the round with this label takes answers."""
    page.wait_for_function(
        "label => document.getElementById('count').textContent === label"
        " && document.querySelector('#panels[aria-busy=false]')",
        arg=label,
    )


def asked_for(page: Page) -> int:
    """The position to choose: the instructed one, else 2."""
    text = page.text_content("#question")
    return int(text.rstrip(".").split()[-1]) if "choose picture" in text else 2


def practise(page: Page, act: Callable[[int], None]) -> None:
    for _ in range(PRACTICE):
        wait_for_trial(page, "Practice")
        act(2)
        page.wait_for_selector("#next:not([hidden])")
        assert "computer" in page.text_content("#verdict")
        page.keyboard.press("Enter")


def answer_rounds(page: Page, rounds: range, act: Callable[[int], None]) -> None:
    for number in rounds:
        wait_for_trial(page, f"{number + 1} of {LENGTH}")
        act(asked_for(page))


def state_of(store: Store) -> list[str]:
    with store.engine.connect() as connection:
        return list(connection.scalars(select(participants.c.state)))


def answers(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(select(func.count(trials.c.choice))) or 0)


def test_consent_to_code_by_keyboard_alone(
    site: tuple[str, Store], new_page: NewPage, tmp_path: Path
) -> None:
    url, store = site
    page = new_page(viewport={"width": 1280, "height": 800})
    enter(page, url)

    def press(position: int) -> None:
        page.keyboard.press(str(position))

    practise(page, press)
    answer_rounds(page, range(LENGTH), press)
    page.wait_for_selector("#code")
    assert page.text_content("#code") == store.study.settings.codes.completed
    assert state_of(store) == ["completed"]
    with store.engine.connect() as connection:
        rows = connection.execute(
            select(trials.c.input, trials.c.response_ms, trials.c.blurs)
        ).all()
    assert len(rows) == PRACTICE + LENGTH
    assert {row.input for row in rows} == {"key"}
    assert all(FASTEST_MS <= row.response_ms < 5000 for row in rows)


def test_consent_to_code_by_touch_on_a_phone(new_page: NewPage, tmp_path: Path) -> None:
    build_study(
        write_run(tmp_path / "run", size_px=256, holdout=2, methods=("ours-ff",), T=(1,)),
        tmp_path / "study",
        12,
        ratings=1,
        trials_per_form=3,
    )
    with served(Study.open(tmp_path / "study")) as (url, store):
        take_part_by_touch(new_page(**PHONE), url, store)


def take_part_by_touch(page: Page, url: str, store: Store) -> None:
    page.goto(url)
    page.tap("input[type=checkbox]")
    page.tap("button")
    page.wait_for_selector("#begin")
    assert page.is_visible("#small")
    page.tap("#begin")
    for _ in range(PRACTICE):
        wait_for_trial(page, "Practice")
        page.tap("[data-position='1']")
        page.tap("#next:not([hidden])")

    def tap(position: int) -> None:
        page.tap(f"[data-position='{position}']")

    wait_for_trial(page, f"1 of {LENGTH}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [panel.bounding_box() for panel in page.query_selector_all("canvas")]
    assert all(box["width"] >= 180 and box["y"] + box["height"] <= 844 for box in boxes)
    answer_rounds(page, range(LENGTH), tap)
    page.wait_for_selector("#code")
    with store.engine.connect() as connection:
        assert set(connection.scalars(select(trials.c.input))) == {"touch"}


def test_reload_in_the_middle_goes_on_at_the_same_round(
    site: tuple[str, Store], new_page: NewPage
) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    answer_rounds(page, range(3), lambda position: page.keyboard.press(str(position)))
    wait_for_trial(page, f"4 of {LENGTH}")
    picture = page.evaluate("document.querySelector('canvas').toDataURL()")
    page.reload()
    wait_for_trial(page, f"4 of {LENGTH}")
    assert page.evaluate("document.querySelector('canvas').toDataURL()") == picture
    assert answers(store) == PRACTICE + 3


def test_the_back_button_comes_back_to_the_same_round(
    site: tuple[str, Store], new_page: NewPage
) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    answer_rounds(page, range(2), lambda position: page.keyboard.press(str(position)))
    wait_for_trial(page, f"3 of {LENGTH}")
    page.go_back()
    wait_for_trial(page, f"3 of {LENGTH}")
    page.goto(url)
    wait_for_trial(page, f"3 of {LENGTH}")
    assert len(state_of(store)) == 1
    assert answers(store) == PRACTICE + 2


def test_two_tabs_never_answer_a_round_twice(site: tuple[str, Store], new_page: NewPage) -> None:
    url, store = site
    first = new_page()
    enter(first, url)
    practise(first, lambda position: first.keyboard.press(str(position)))
    wait_for_trial(first, f"1 of {LENGTH}")
    second = new_page(first.context)
    second.goto(url)
    wait_for_trial(second, f"1 of {LENGTH}")
    position = asked_for(first)
    first.keyboard.press(str(position))
    wait_for_trial(first, f"2 of {LENGTH}")
    second.keyboard.press(str(position % 3 + 1))
    second.wait_for_selector("#notice:not([hidden])")
    assert "another window" in second.text_content("#notice")
    wait_for_trial(second, f"2 of {LENGTH}")
    assert answers(store) == PRACTICE + 1


def test_a_double_click_answers_one_round(site: tuple[str, Store], new_page: NewPage) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    for number in range(3):
        wait_for_trial(page, f"{number + 1} of {LENGTH}")
        page.dblclick(f"[data-position='{asked_for(page)}']")
    wait_for_trial(page, f"4 of {LENGTH}")
    assert answers(store) == PRACTICE + 3


def test_who_ignores_instructions_gets_the_other_code(
    site: tuple[str, Store], new_page: NewPage
) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    for number in range(LENGTH):
        page.wait_for_function(
            "label => location.pathname === '/end' || document.getElementById('count').textContent "
            "=== label && document.querySelector('#panels[aria-busy=false]')",
            arg=f"{number + 1} of {LENGTH}",
        )
        if page.url.endswith("/end"):
            break
        checked = "choose picture" in page.text_content("#question")
        page.keyboard.press(str(asked_for(page) % 3 + 1 if checked else 2))
    page.wait_for_selector("#code")
    assert page.text_content("#code") == store.study.settings.codes.screened_out
    assert state_of(store) == ["screened"]


def test_pictures_vanish_after_the_exposure_time(quick: Study, new_page: NewPage) -> None:
    write_json(quick.settings_json, {**read_json(quick.settings_json), "exposure_ms": 300})
    with served(Study.open(quick.path)) as (url, _):
        page = new_page()
        enter(page, url)
        pixels = "canvas.getContext('2d').getImageData(0, 0, 64, 64).data"
        blank = f"canvas => {pixels}.every(value => value === 0)"
        canvas = page.wait_for_selector("canvas")
        page.wait_for_function(f"() => !({blank})(document.querySelector('canvas'))")
        page.wait_for_function(f"() => ({blank})(document.querySelector('canvas'))")
        assert canvas is not None
        wait_for_trial(page, "Practice")
        page.keyboard.press("1")
        page.wait_for_selector("#next:not([hidden])")


def test_withdrawing_deletes_everything_of_a_participant(
    site: tuple[str, Store], new_page: NewPage
) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    wait_for_trial(page, f"1 of {LENGTH}")
    page.click("footer a")
    page.click("button")
    page.wait_for_selector("text=have been deleted")
    assert state_of(store) == []
    assert answers(store) == 0


def test_an_answer_survives_a_lost_connection(site: tuple[str, Store], new_page: NewPage) -> None:
    url, store = site
    page = new_page()
    enter(page, url)
    practise(page, lambda position: page.keyboard.press(str(position)))
    wait_for_trial(page, f"1 of {LENGTH}")
    page.route("**/api/answer", lambda route: route.fulfill(status=503, body="busy"), times=2)
    position = asked_for(page)
    page.keyboard.press(str(position))
    page.wait_for_selector("text=The connection is lost")
    wait_for_trial(page, f"2 of {LENGTH}")
    assert answers(store) == PRACTICE + 1
