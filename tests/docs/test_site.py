"""The documentation as a site: it builds without a warning, works from disk and fetches nothing."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from support.pages import ROOT

from thbench.metrics.base import load_metric, metric_names

# What a browser loads by itself, as opposed to links that a reader follows.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=["']?(https?:|//)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon))[^>]*href=["']?(https?:|//)""",
    re.IGNORECASE,
)
LOADED_BY_STYLE = re.compile(r"""@import|url\(["']?(https?:|//)""", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder))
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return folder


@pytest.mark.slow
def test_nothing_is_fetched(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    assert [page.name for page in pages if LOADED.search(page.read_text("utf-8"))] == []

    styles = sorted(site.rglob("*.css"))
    assert [file.name for file in styles if LOADED_BY_STYLE.search(file.read_text("utf-8"))] == []

    drawn_by_a_fetched_script = [
        page.name for page in pages if 'class="mermaid"' in page.read_text()
    ]
    assert drawn_by_a_fetched_script == []


def test_what_would_be_fetched_is_noticed() -> None:
    assert LOADED.search('<script src="https://example.org/a.js">')
    assert LOADED.search('<link href="//example.org/a.css" rel="stylesheet">')
    assert LOADED.search("<link rel=preconnect href=https://example.org>")
    assert not LOADED.search('<a href="https://example.org">')


@pytest.mark.slow
def test_the_search_of_a_page_from_disk_has_its_script_and_index(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")
    assert 'src="assets/iframe-worker.js"' in home
    assert (site / "assets" / "iframe-worker.js").exists()
    assert (site / "search" / "search_index.js").exists()


@pytest.mark.slow
def test_each_metric_has_a_page_made_from_its_card(site: Path) -> None:
    for name in metric_names():
        card = load_metric(name).card
        page = (site / "metrics" / f"{name}.html").read_text("utf-8")
        words = [card.label, card.source, *(str(value) for value in card.settings.values())]
        plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
        for word in words:
            escaped = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            assert re.sub(r"\s+", " ", escaped) in plain, (name, word)


@pytest.mark.slow
def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")
    pages = {file.relative_to(site).as_posix() for file in site.rglob("*.html")} - {"404.html"}
    missing = [page for page in pages if f'href="{page}"' not in home]
    assert missing == []


@pytest.mark.slow
def test_paths_break_in_tables_and_not_in_blocks_of_code(site: Path) -> None:
    page = (site / "study.html").read_text("utf-8")
    blocks = re.findall(r"<pre.*?</pre>", page, re.DOTALL)
    assert any("http://127.0.0.1" in block for block in blocks)
    assert [block for block in blocks if "<wbr>" in block] == []
    assert "thbench/<wbr>paper/<wbr>losses.py" in (site / "paper-map.html").read_text("utf-8")
