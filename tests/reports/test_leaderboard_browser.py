"""The leaderboard in a real browser: sorting, filtering, and a phone's width."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.fake_run import make_run

from reports.leaderboard import write_leaderboard
from reports.results import Results

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_a_board_sorts_filters_and_fits_a_phone(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    runs = {
        "a": make_run(tmp_path / "a", n_videos=8, timing=True, images=False),
        "b": make_run(tmp_path / "b", dataset="Other", T=(1,), n_videos=3, images=False),
    }
    results = {name: Results.open(run) for name, run in runs.items()}
    page_file = write_leaderboard(results, tmp_path / "site")

    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390

        first, second = page.locator("section").all()
        first.get_by_role("button", name="SSIM").click()
        values = [
            float(row.inner_text().split()[0]) for row in first.locator("td:nth-child(5)").all()
        ]
        assert values == sorted(values, reverse=True)

        page.select_option("#shots", "8")
        assert page.locator("#live").inner_text() == "3 rows"
        assert not second.is_visible()  # none of its rows is left
        assert not first.locator("figure").is_visible()  # the plot is of T = 32
        page.select_option("#shots", "32")
        assert first.locator("figure").is_visible()
        assert errors == []
        browser.close()
