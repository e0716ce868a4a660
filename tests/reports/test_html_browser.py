"""The HTML report in a real browser, opened from disk: sorting, slider, clips, keyboard, phone, no
request leaves.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.fake_run import SPECIAL_NAMES, make_run

from reports.html import write_report

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium-headless-shell or chromium is installed")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=120_000
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser")
    run = make_run(
        root / "run",
        methods=("x2face", "ours-ff", *SPECIAL_NAMES),
        T=(1, 8),
        n_videos=3,
        timing=True,
    )
    return write_report([run], root / "report", rows=2)


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)  # a busy machine is no failure
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"failed {request.url}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(report.parent.as_uri()) or troubles.append(request.url)
        ),
    )
    page.goto(report.as_uri())
    yield page
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    assert not troubles
    page.close()


def _column(page: Any, column: int) -> list[str]:
    cells = page.locator("table.sortable").first.locator(f"tbody tr > :nth-child({column})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_headings_sort_up_and_down_and_the_floor_stays_last(page: Any) -> None:
    head = page.locator("table.sortable").first.locator("th", has_text="FID")
    for direction, sign in (("ascending", 1), ("descending", -1)):
        head.locator("button").click()
        values = [float(text.rstrip("abcdefghijk")) for text in _column(page, 3)]
        assert values[:-1] == sorted(values[:-1], key=lambda value: sign * value)
        assert head.get_attribute("aria-sort") == direction
        assert _column(page, 1)[-1].startswith("Real vs real")
        assert direction in page.locator("#live").inner_text()


def test_sorting_works_from_the_keyboard(page: Any) -> None:
    page.locator("table.sortable").first.locator("th button").nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert _column(page, 2)[:-1] == ["8"] * 9 + ["1"] * 9


def test_slider_uncovers_the_ground_truth_by_keyboard_and_by_drag(page: Any) -> None:
    row = page.locator(".comparison").first
    over = row.locator("figure:not([hidden]) .over").first
    slider = row.locator("input[type=range]")

    def uncovered() -> str:
        return str(over.evaluate("element => getComputedStyle(element).clipPath"))

    assert uncovered() in ("inset(0px 0px 0px 0%)", "inset(0px)")
    slider.focus()
    page.keyboard.press("End")
    assert uncovered() == "inset(0px 0px 0px 100%)"
    box = over.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
    page.mouse.up()
    assert abs(int(slider.input_value()) - 25) <= 1
    assert uncovered() == f"inset(0px 0px 0px {slider.input_value()}%)"


def test_uncovered_half_shows_the_pixels_of_the_ground_truth(page: Any) -> None:
    row = page.locator(".comparison").first
    pair, slider = row.locator("figure:not([hidden]) .pair").first, row.locator("input[type=range]")
    covered = pair.screenshot()
    slider.fill("100")
    uncovered = pair.screenshot()
    pair.locator(".over").evaluate(
        "element => { element.hidden = true; element.style.display = 'none'; }"
    )
    assert _mean_difference(uncovered, pair.screenshot()) < 0.5
    assert _mean_difference(covered, pair.screenshot()) > 2


def test_radio_buttons_choose_T(page: Any) -> None:
    shown = page.locator(".comparison").first.locator("figure[data-shots]:visible")
    assert {card.get_attribute("data-shots") for card in shown.all()} == {"8"}
    page.get_by_role("radio", name="1", exact=True).check()
    assert {card.get_attribute("data-shots") for card in shown.all()} == {"1"}
    assert shown.count() == 9


def test_clips_play_on_demand_and_intervals_show_on_demand(page: Any) -> None:
    button = page.locator("button.play").first
    picture = page.locator(".clips img").first
    assert picture.get_attribute("src").endswith(".png")
    button.click()
    assert picture.get_attribute("src").endswith(".webp")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert picture.get_attribute("src").endswith(".png")
    width = page.locator("table.sortable .width").first
    assert not width.is_visible()
    page.get_by_label("show intervals").first.check()
    assert width.is_visible()
    assert (
        page.locator("td[title]")
        .first.get_attribute("title")
        .endswith("(95 % interval, few videos)")
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen_and_every_picture_loads(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate(
        "document.querySelectorAll('img').forEach(picture => { picture.loading = 'eager'; })"
    )
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    # Not wait_for_function: a second look would need eval, which the page's policy forbids.
    page.evaluate(
        "Promise.all([...document.images].map(picture => picture.decode().catch(() => 0)))"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate("[...document.images].filter(picture => !picture.naturalWidth).length") == 0
    )


def test_the_page_is_whole_without_scripts(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("figure[data-shots]:visible").count() == 2 * 2 * 9
    assert not page.locator(".slider").first.is_visible()
    context.close()


def _mean_difference(first: bytes, second: bytes) -> float:
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in (first, second)]
    size = (min(p.width for p in pictures), min(p.height for p in pictures))
    a, b = (np.asarray(p.crop((0, 0, *size))).astype(float) for p in pictures)
    return float(np.abs(a - b).mean())
