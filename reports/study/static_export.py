"""`thbench study export-static`: a folder that works from disk, for a class or a lab without a
server.

The folder holds pictures with random names and no answer, not even hidden; what the names stand for
is in a key file outside of it. `thbench study import` brings result files and key together.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from reports.study.arrange import ArrangedTrial, arrange_form
from reports.study.folder import Study
from reports.study.pages import client_settings, templates
from reports.study.stimuli import compose, read_panel
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, write_json

FORMAT = 1
SCRIPTS = ("study.css", "study.js", "file.js")
SAME_TIME_S = 1_000_000_000  # every file gets this date, so none tells when it was made


def export_static(study: Study, out: Path, key_file: Path, count: int | None = None) -> int:
    """Writes the folder `out` for the first `count` forms (all by default) and `key_file` beside
    it; returns how many.

    Raises `ThbenchError` when one of them exists, the key would lie inside the folder, or the
    settings do not say who is responsible.
    """
    study.require_responsible()
    if key_file.resolve().is_relative_to(out.resolve()):
        raise ThbenchError(
            f"the key {key_file} would lie in {out}, which is given away; put it elsewhere with --key"
        )
    for path in (out, key_file):
        if path.exists():
            raise ThbenchError(f"{path} is already there; choose another name")
    numbers = range(min(count or len(study.design.forms), len(study.design.forms)))
    export = secrets.token_urlsafe(16)
    arranged = {number: arrange_form(study.design, number, 0) for number in numbers}
    with atomic_folder(out) as folder:
        (folder / "pictures").mkdir()
        (folder / "forms").mkdir()
        for name in SCRIPTS:
            shutil.copyfile(Path(__file__).parent / "static" / name, folder / name)
        (folder / "index.html").write_text(_page(study, export, len(numbers)), encoding="utf-8")
        for number, trials in arranged.items():
            _write_form(study, folder, number, trials)
        for file in folder.rglob("*"):
            os.utime(file, (SAME_TIME_S, SAME_TIME_S))
        write_json(
            key_file,
            {
                "format": FORMAT,
                "design_sha256": study.design_sha256,
                "export": export,
                "forms": {
                    str(number + 1): [
                        {"token": trial.token, "item": trial.item, "arrangement": trial.arrangement}
                        for trial in trials
                    ]
                    for number, trials in arranged.items()
                },
            },
        )
    return len(numbers)


def _page(study: Study, export: str, forms: int) -> str:
    client = client_settings(study) | {
        "export": export,
        "forms": forms,
        "consent": study.settings.consent_version,
    }
    return (
        templates()
        .get_template("static.html")
        .render(
            settings=study.settings, base="", script="file.js", csrf="", notice="", client=client
        )
    )


def _write_form(study: Study, folder: Path, number: int, trials: list[ArrangedTrial]) -> None:
    practice = len(study.design.practice)
    shown: list[dict[str, Any]] = []
    for place, trial in enumerate(trials):
        item = study.design.items[trial.item]
        target = trial.arrangement.index("0") + 1
        shown.append(
            {
                "token": trial.token,
                "practice": item.kind == "practice",
                "number": place - practice,
                "total": len(trials) - practice,
                "instructed": target if item.kind == "attention" else None,
                **({"right": target} if item.kind == "practice" else {}),
            }
        )
        panels = [
            read_panel(study.panel_file(item.panels[int(role)]), study.design.panel_px)
            for role in trial.arrangement
        ]
        (folder / "pictures" / f"{trial.token}.jpg").write_bytes(compose(panels))
    (folder / "forms" / f"{number + 1}.js").write_text(
        f"receiveForm({json.dumps(shown)});\n", encoding="utf-8"
    )
