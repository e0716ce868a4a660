"""A hook of MkDocs: pages that are made from what is kept elsewhere.

Each registered metric gets a page from its card, so that no page says other than the program.
README files and their like are pages too, as they are. Pages of docs/ that mkdocs.yml does not name
are listed under "How to".
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from thbench.metrics.base import ENTRY_POINTS, MetricCard, is_set_metric, load_metric, metric_names
from thbench.metrics.explain import COMPARED, POLICIES

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
BLOCKS = re.compile(r"(<pre.*?</pre>)", re.DOTALL)

KEPT_ELSEWHERE = {
    "study.md": "reports/study/README.md",
    "bundled-models.md": "thbench/assets/models/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages and completes the navigation, which is built after this."""
    navigation: list[Any] = config.nav or []
    written = {page.src_uri for page in files.documentation_pages()}

    pages = {name: (ROOT / source).read_text("utf-8") for name, source in KEPT_ELSEWHERE.items()}
    metrics = metric_pages()
    for name, text in {**pages, **metrics}.items():
        files.append(File.generated(config, name, content=text))

    section(navigation, "Metrics").extend(metrics)
    section(navigation, "How to").extend(sorted(written - named(navigation)))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lets long paths in the text break after a slash, so that tables fit a phone."""
    parts = BLOCKS.split(html)  # every other part is a block of code, which stays as it is
    parts[::2] = [
        CODE.sub(lambda found: found[0].replace("/", "/<wbr>"), text) for text in parts[::2]
    ]
    return "".join(parts)


def metric_pages() -> dict[str, str]:
    """The Markdown of a page for each metric, and of the index of them, which comes first."""
    cards = {name: load_metric(name).card for name in metric_names()}
    pages = {f"metrics/{name}.md": metric_page(name) for name in cards}
    return {"metrics/index.md": index_page(list(cards.values())), **pages}


def index_page(cards: list[MetricCard]) -> str:
    """A table of all metrics."""
    rows = [
        f"| [{card.label}]({card.name}.md) | `{card.name}` | {better(card)} | "
        f"{card.valid_on} | {card.network or '-'}{', a stand-in' * card.stand_in} |"
        for card in cards
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Each page is made from the metric's card: what `thbench explain METRIC` prints, and",
            "what a run keeps. A metric is not computed where its network is missing, or on",
            "pictures on which it means nothing; the cell is empty then and says why.",
            "",
            "| Metric | Name | Better | Valid on | Network |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "How a metric of your own is written: [Your own metric](../own/metric.md).",
            "",
        ]
    )


def metric_page(name: str) -> str:
    """The page of one metric."""
    metric = load_metric(name)
    card = metric.card
    homes = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    over = "all frames of a cell together" if is_set_metric(metric) else "each frame"
    stand_in = ", a stand-in with a column of its own" if card.stand_in else ""

    facts = {
        "Name": f"`{card.name}`",
        "Better": better(card),
        "Range": verbatim(card.value_range) + (f", in {card.unit}" if card.unit else ""),
        "Computed over": f"{over}; errors and intervals come from the videos",
        "Compares": COMPARED[card.compares],
        "Valid on": card.valid_on,
        "Network": verbatim(card.network or "none") + stand_in,
        "On failure": POLICIES[card.policy],
        "Source": verbatim(card.source),
        "Code": f"`{homes[name]}`",
    }
    settings = {key: f"`{value}`" for key, value in card.settings.items()}

    return "\n".join(
        [
            f"# {card.label}",
            "",
            '<div class="formula" markdown>',
            "```text",
            card.formula,
            "```",
            "</div>",
            "",
            *table("Card", facts),
            *(["## Settings", "", *table("Setting", settings)] if settings else []),
            f"Whether it can run on a machine: `thbench explain {card.name}`.",
            "",
        ]
    )


def table(heading: str, facts: dict[str, str]) -> list[str]:
    """A Markdown table of two columns."""
    rows = [f"| {key} | {cell(value)} |" for key, value in facts.items()]
    return [f"| {heading} | |", "|---|---|", *rows, ""]


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def better(card: MetricCard) -> str:
    return "higher" if card.higher_is_better else "lower"


def verbatim(text: str) -> str:
    """The text with what Markdown would take for emphasis or HTML kept as it is."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)


def section(navigation: list[Any], title: str) -> list[Any]:
    """The list of a section of the navigation."""
    found: list[Any] = next(
        part[title] for part in navigation if isinstance(part, dict) and title in part
    )
    return found


def named(navigation: list[Any]) -> set[str]:
    """The pages that are in the navigation."""
    pages: set[str] = set()
    for part in navigation:
        for inner in part.values() if isinstance(part, dict) else [part]:
            pages |= named(inner) if isinstance(inner, list) else {inner}
    return pages
