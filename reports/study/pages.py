"""The templates, and what a page's script is told."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.study.folder import Study
from reports.study.stimuli import GAP_PX


def templates() -> Environment:
    """Every value is escaped, and a value that is missing is an error."""
    return Environment(
        loader=PackageLoader("reports.study"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def client_settings(study: Study) -> dict[str, int | str | bool]:
    """What the page's script needs to know; nothing of the design but the size of its pictures."""
    settings = study.settings
    return {
        "panel": study.design.panel_px,
        "gap": GAP_PX,
        "exposure": settings.exposure_ms,
        "fastest": settings.min_response_ms,
        "width": settings.min_viewport_px,
        "refuse": settings.small_windows == "refuse",
        "question": settings.question,
    }
