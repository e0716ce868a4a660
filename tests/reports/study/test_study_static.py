from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.study.folder import Study
from reports.study.owner import progress
from reports.study.ratings import read_ratings
from reports.study.results import import_results
from reports.study.schema import open_database
from reports.study.static_export import export_static
from reports.study.store import Store
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def study(study: Study) -> Study:
    """A study that says who is responsible for it."""
    named = {
        "controller": "A laboratory",
        "contact": "study@example.org",
        "retention_date": "2030-01-01",
    }
    write_json(study.settings_json, {**read_json(study.settings_json), **named})
    return Study.open(study.path)


@pytest.fixture
def exported(study: Study, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of three forms, and its key."""
    folder, key = tmp_path / "class", tmp_path / "class-key.json"
    assert export_static(study, folder, key, 3) == 3
    return folder, key


def result(
    key_file: Path, form: int = 1, choice: Callable[[str], int] = lambda arrangement: 0
) -> dict[str, Any]:
    """What the page saves; choice gives a position 0, 1, 2 from the arrangement."""
    key = read_json(key_file)
    return {
        "export": key["export"],
        "form": form,
        "participant": f"{form:032x}",
        "consent": "1",
        "consented_at": 1_700_000_000,
        "device": {
            "width": 1,
            "height": 1,
            "pixel_ratio": 1,
            "zoom": 1,
            "scale": 1,
            "touch": False,
        },
        "answers": [
            {
                "trial": trial["token"],
                "choice": choice(trial["arrangement"]) + 1,
                "response_ms": 800,
                "input": "key",
                "blurs": 0,
            }
            for trial in key["forms"][str(form)]
        ],
    }


def perfect(arrangement: str) -> int:
    return arrangement.index("0")


def test_nothing_in_the_folder_contains_the_key(study: Study, exported: tuple[Path, Path]) -> None:
    folder, key_file = exported
    key = read_json(key_file)
    files = [file for file in folder.rglob("*") if file.is_file()]
    text = b"".join(
        file.read_bytes() + str(file.relative_to(folder)).encode()
        for file in files
        if file.suffix != ".jpg"
    ).decode()
    hidden = (
        {item.method for item in study.design.items}
        | {item.person for item in study.design.items}
        | {item.video for item in study.design.items}
        | {"gold", "arrangement", study.keys.cookie, study.settings.codes.completed}
    )
    for secret in hidden - {""}:
        assert secret not in text
    for number, trials in key["forms"].items():
        shown = json.loads(
            (folder / "forms" / f"{number}.js").read_text()[len("receiveForm(") : -len(");\n")]
        )
        assert [trial["token"] for trial in shown] == [trial["token"] for trial in trials]
        kinds = [study.design.items[trial["item"]].kind for trial in trials]
        assert [("right" in trial) for trial in shown] == [kind == "practice" for kind in kinds]
        assert {
            tuple(sorted(trial))
            for trial, kind in zip(shown, kinds, strict=True)
            if kind in ("main", "gold")
        } == {("instructed", "number", "practice", "token", "total")}
        assert all(
            trial["instructed"] is None
            for trial, kind in zip(shown, kinds, strict=True)
            if kind != "attention"
        )


def test_files_tell_nothing_by_date_or_name(exported: tuple[Path, Path]) -> None:
    pictures = list((exported[0] / "pictures").iterdir())
    assert len(pictures) == 3 * (6 + 2 + 2 + 3)
    assert len({file.stat().st_mtime for file in exported[0].rglob("*") if file.is_file()}) == 1
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}\.jpg", file.name) for file in pictures)


def test_the_key_never_lies_in_the_folder(
    study: Study, exported: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ThbenchError, match="given away"):
        export_static(study, tmp_path / "out", tmp_path / "out" / "key.json")
    assert not (tmp_path / "out").exists()
    for out, key in ((exported[0], tmp_path / "k.json"), (tmp_path / "new", exported[1])):
        with pytest.raises(ThbenchError, match="already there"):
            export_static(study, out, key)


@pytest.mark.parametrize("missing", ["controller", "contact", "retention_date"])
def test_a_folder_for_participants_says_who_is_responsible(
    study: Study, tmp_path: Path, missing: str
) -> None:
    write_json(study.settings_json, {**read_json(study.settings_json), missing: ""})

    with pytest.raises(ThbenchError, match=f"fill in {missing} in "):
        export_static(Study.open(study.path), tmp_path / "class", tmp_path / "key.json", 1)

    assert not (tmp_path / "class").exists()
    assert not (tmp_path / "key.json").exists()


def test_answers_come_home_once(study: Study, exported: tuple[Path, Path], tmp_path: Path) -> None:
    engine = open_database(study.default_database, study)
    for form in (1, 2):
        (tmp_path / f"{form}.json").write_text(json.dumps(result(exported[1], form, perfect)))
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    assert all(done.accepted for done in import_results(study, engine, exported[1], files))
    again = import_results(study, engine, exported[1], files)
    assert [done.text for done in again] == ["already there"] * 2
    told = progress(Store(engine, study))  # an export has no times of its answers
    assert (told.done, told.median_minutes) == (2, None)
    ratings = read_ratings(engine, study)
    assert len(ratings) == 2 * 10
    assert set(ratings["form"]) == {0, 1}
    assert ratings["correct"].all()
    assert {int(item) for item in ratings.loc[ratings["kind"] == "main", "item"]} == {
        trial.triplet for form in study.design.forms[:2] for trial in form.trials
    }


def test_a_form_counts_for_one_person(
    study: Study, exported: tuple[Path, Path], tmp_path: Path
) -> None:
    engine = open_database(study.default_database, study)
    first = result(exported[1], 1, perfect)
    for name, participant in (("a", "a" * 22), ("b", "b" * 22)):
        (tmp_path / f"{name}.json").write_text(json.dumps({**first, "participant": participant}))
    done = import_results(study, engine, exported[1], [tmp_path / "a.json", tmp_path / "b.json"])
    assert [one.accepted for one in done] == [True, False]
    assert "already given to someone else" in done[1].text
    assert read_ratings(engine, study)["rater"].nunique() == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("device"),
        lambda value: value.update(export="other"),
        lambda value: value.update(form=9),
        lambda value: value.update(participant="<script>"),
        lambda value: value.update(consented_at="now"),
        lambda value: value["answers"].pop(),
        lambda value: value["answers"].append(value["answers"][0]),
        lambda value: value["answers"][0].update(trial="A" * 22),
        lambda value: value["answers"][0].update(choice=4),
        lambda value: value.update(answers=[1, 2]),
        lambda value: value.update(answers="all"),
        lambda value: value.update(device=[]),
        lambda value: value.update(more=1),
    ],
)
def test_spoilt_results_are_refused_whole(
    study: Study, exported: tuple[Path, Path], tmp_path: Path, change: Change
) -> None:
    engine = open_database(study.default_database, study)
    value = result(exported[1], 1, perfect)
    change(value)
    (tmp_path / "x.json").write_text(json.dumps(value))
    (tmp_path / "y.json").write_text("[" * 100_000)
    (tmp_path / "z.json").write_bytes(b"{" + b" " * 2_000_000 + b"}")
    done = import_results(
        study,
        engine,
        exported[1],
        [tmp_path / f"{name}.json" for name in "xyz"] + [tmp_path / "no"],
    )
    assert [one.accepted for one in done] == [False] * 4
    assert all(one.text.startswith("refused: ") for one in done)
    assert read_ratings(engine, study).empty


def test_who_ignores_instructions_is_not_counted(
    study: Study, exported: tuple[Path, Path], tmp_path: Path
) -> None:
    engine = open_database(study.default_database, study)
    (tmp_path / "x.json").write_text(
        json.dumps(result(exported[1], 1, lambda arrangement: (arrangement.index("0") + 1) % 3))
    )
    done = import_results(study, engine, exported[1], [tmp_path / "x.json"])
    assert "2 instructions not followed; give form 1 to someone else" in done[0].text
    assert read_ratings(engine, study).empty


def test_the_key_of_another_study_is_refused(
    study: Study, exported: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text(json.dumps({**read_json(exported[1]), "design_sha256": "0"}))
    with pytest.raises(ThbenchError, match="not the key"):
        import_results(
            study, open_database(study.default_database, study), tmp_path / "key.json", []
        )


@pytest.mark.slow
def test_the_folder_works_from_disk_and_after_a_reload(
    study: Study,
    exported: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("chromium-headless-shell is not installed")
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)  # a busy machine is slow, not wrong
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{(exported[0] / 'index.html').as_uri()}?form=2")
        page.check("#agree")
        page.click("#enter")
        page.click("#begin")
        for number in range(13):
            if number == 6:
                page.reload()
                page.fill("#form", "2")
                page.check("#agree")
                page.click("#enter")
            label = "Practice" if number < 3 else f"{number - 2} of 10"
            page.wait_for_function(
                "label => document.getElementById('count').textContent === label"
                " && document.querySelector('#panels[aria-busy=false]')",
                arg=label,
            )
            question = page.text_content("#question")
            page.keyboard.press(
                question.rstrip(".").split()[-1] if "choose picture" in question else "3"
            )
            if number < 3:
                page.click("#next")
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "saved.json")
        browser.close()
    assert complaints == []
    engine = open_database(study.default_database, study)
    done = import_results(study, engine, exported[1], [tmp_path / "saved.json"])
    assert [one.text for one in done] == ["form 2, 13 answers"]
    ratings = read_ratings(engine, study)
    assert set(ratings.loc[ratings["kind"] != "attention", "position"]) == {2}
