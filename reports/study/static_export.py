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

from reports.study.arrange import ArrangedTrial, arrange_form
from reports.study.export_key import FORMAT, ExportKey, save_key
from reports.study.folder import Study
from reports.study.pages import client_settings, templates
from reports.study.stimuli import compose, read_panel
from thbench.errors import ThbenchError
from thbench.files import atomic_folder

SCRIPTS = ("study.css", "study.js", "file.js")
SAME_TIME_S = 1_000_000_000  # every file gets this date, so none tells when it was made


def export_static(study: Study, out: Path, key_file: Path, count: int | None = None) -> int:
    """Writes the folder `out` for the first `count` forms (all by default) and `key_file` beside
    it; returns how many.

    Raises `ThbenchError` when one of them exists, the key would lie inside the folder, or the
    settings do not say who is responsible.
    """
    study.require_responsible()
    _refuse_unsafe_places(out, key_file)
    n_forms = min(count or len(study.design.forms), len(study.design.forms))
    export = secrets.token_urlsafe(16)
    arranged = {number: arrange_form(study.design, number, 0) for number in range(n_forms)}

    with atomic_folder(out) as folder:
        _write_page(study, folder, export, n_forms)
        for number, trials in arranged.items():
            _write_form(study, folder, number, trials)
        for file in folder.rglob("*"):
            os.utime(file, (SAME_TIME_S, SAME_TIME_S))

        handed_out = {str(number + 1): trials for number, trials in arranged.items()}
        save_key(key_file, ExportKey(FORMAT, study.design_sha256, export, handed_out))

    return n_forms


def _refuse_unsafe_places(out: Path, key_file: Path) -> None:
    if key_file.resolve().is_relative_to(out.resolve()):
        raise ThbenchError(
            f"the key {key_file} would lie in {out}, which is given away; "
            "put it elsewhere with --key"
        )

    for path in (out, key_file):
        if path.exists():
            raise ThbenchError(f"{path} is already there; choose another name")


def _write_page(study: Study, folder: Path, export: str, n_forms: int) -> None:
    """Writes the page with its scripts, and empty folders for forms and pictures."""
    (folder / "pictures").mkdir()
    (folder / "forms").mkdir()
    for name in SCRIPTS:
        shutil.copyfile(Path(__file__).parent / "static" / name, folder / name)

    page = templates().get_template("static.html")
    text = page.render(
        settings=study.settings,
        base="",
        script="file.js",
        csrf="",
        notice="",
        client={
            **client_settings(study),
            "export": export,
            "forms": n_forms,
            "consent": study.settings.consent_version,
        },
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def _write_form(study: Study, folder: Path, number: int, trials: list[ArrangedTrial]) -> None:
    """Writes the pictures of a form, and what its page is told of each trial."""
    n_practice = len(study.design.practice)
    shown = []
    for place, trial in enumerate(trials):
        shown.append(_told(study, trial, place - n_practice, len(trials) - n_practice))
        (folder / "pictures" / f"{trial.token}.jpg").write_bytes(_picture(study, trial))

    (folder / "forms" / f"{number + 1}.js").write_text(
        f"receiveForm({json.dumps(shown)});\n", encoding="utf-8"
    )


def _told(study: Study, trial: ArrangedTrial, number: int, total: int) -> dict[str, object]:
    """What the page may know of a trial: where the fake stands in practice only, and where to point
    in an attention check.
    """
    kind = study.design.items[trial.item].kind
    position = trial.target + 1
    told: dict[str, object] = {
        "token": trial.token,
        "practice": kind == "practice",
        "number": number,
        "total": total,
        "instructed": position if kind == "attention" else None,
    }
    if kind == "practice":
        told["right"] = position
    return told


def _picture(study: Study, trial: ArrangedTrial) -> bytes:
    panels = study.design.items[trial.item].panels
    files = [study.panel_file(panels[int(role)]) for role in trial.arrangement]
    return compose([read_panel(file, study.design.panel_px) for file in files])
