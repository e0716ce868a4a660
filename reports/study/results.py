"""`thbench study import`: result files of a static export become ratings like those of the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, update

from reports.study.folder import Study
from reports.study.requests import TOKEN, BadRequestError, parse_answer, parse_device, parse_object
from reports.study.schema import (
    assignments,
    forms,
    open_database,
    participants,
    telling_damage,
    trials,
)
from reports.study.store import Response
from thbench.errors import ThbenchError
from thbench.files import read_json_object
from thbench.records.decode import decode

FORMAT = 1
LARGEST_FILE = 1_000_000


@dataclass(frozen=True)
class Imported:
    """What became of one file; accepted or already there means that its answers are in the
    database.
    """

    file: Path
    accepted: bool
    text: str


@dataclass(frozen=True)
class _Result:
    participant: str
    form: int
    consent_version: str
    consented_at: float
    device: dict[str, float | bool]
    answers: dict[str, Response]


@dataclass(frozen=True)
class _KeyTrial:
    """A trial of a form that was handed out: arrangement has the fake's panel, "0", where it was
    shown.
    """

    token: str
    item: int
    arrangement: str

    def __post_init__(self) -> None:
        """Raises `ValueError` for an arrangement of other panels than three."""
        if sorted(self.arrangement) != ["0", "1", "2"] or self.item < 0:
            raise ValueError(f"arranges {self.arrangement!r} of item {self.item}")


@dataclass(frozen=True)
class _Key:
    """The key that `export-static` writes: the trials of each form, by its number."""

    format: int
    design_sha256: str
    export: str
    forms: dict[str, list[_KeyTrial]]


def import_results(
    study: Study, engine: Engine, key_file: Path, files: Sequence[Path]
) -> list[Imported]:
    """Reads result files; each is taken whole or refused, and a form counts once. Importing again
    changes nothing.
    """
    key = read_json_object(key_file)
    if key.get("format") != FORMAT or key.get("design_sha256") != study.design_sha256:
        raise ThbenchError(f"{key_file} is not the key of an export of {study.path}")
    described = decode(_Key, key, key_file, "restore it: it was written beside the export")
    if any(
        trial.item >= len(study.design.items) for form in described.forms.values() for trial in form
    ):
        raise ThbenchError(f"{key_file} names an item that {study.path} does not have; restore it")
    return [_import(study, engine, key, file) for file in files]


def import_into_folder(
    folder: Path, db: str | None, key_file: Path, files: Sequence[Path]
) -> list[Imported]:
    """`import_results` on a study folder and its database."""
    study = Study.open(folder)
    url = db or study.default_database
    with telling_damage(url):
        return import_results(study, open_database(url, study), key_file, files)


def _import(study: Study, engine: Engine, key: dict[str, Any], file: Path) -> Imported:
    try:
        result = _read(file, key)
    except BadRequestError as error:
        return Imported(file, False, f"refused: {error}")
    placed = key["forms"][str(result.form)]
    failed = sum(
        study.design.items[trial["item"]].kind == "attention"
        and result.answers[trial["token"]].choice != trial["arrangement"].index("0")
        for trial in placed
    )
    allowed = study.settings.attention_failures_to_screen_out
    if 0 < allowed <= failed:
        return Imported(
            file,
            False,
            f"refused: {failed} instructions not followed; give form {result.form} to someone else",
        )
    with engine.begin() as connection:
        known = connection.scalar(
            select(participants.c.id).where(participants.c.id == result.participant)
        )
        if known is not None:
            return Imported(file, True, "already there")
        free = connection.execute(
            update(forms)
            .where(forms.c.id == result.form - 1, forms.c.state == "free")
            .values(state="done", attempts=forms.c.attempts + 1)
        )
        if free.rowcount == 0:
            return Imported(
                file, False, f"refused: form {result.form} was already given to someone else"
            )
        connection.execute(
            insert(participants).values(
                id=result.participant,
                receipt=result.participant,
                consent_version=result.consent_version,
                consented_at=result.consented_at,
                state="completed",
                device=json.dumps(result.device),
            )
        )
        held = connection.execute(
            insert(assignments).values(
                participant_id=result.participant,
                form_id=result.form - 1,
                claimed_at=result.consented_at,
            )
        )
        assert held.inserted_primary_key is not None
        assignment = held.inserted_primary_key[0]
        connection.execute(
            update(forms).where(forms.c.id == result.form - 1).values(assignment_id=assignment)
        )
        connection.execute(
            insert(trials),
            [
                {
                    "token": trial["token"],
                    "assignment_id": assignment,
                    "number": number,
                    "item": trial["item"],
                    "kind": study.design.items[trial["item"]].kind,
                    "arrangement": trial["arrangement"],
                    **_answer_columns(result.answers[trial["token"]]),
                }
                for number, trial in enumerate(placed)
            ],
        )
    return Imported(file, True, f"form {result.form}, {len(placed)} answers")


def _answer_columns(response: Response) -> dict[str, Any]:
    return {
        "choice": response.choice,
        "response_ms": response.response_ms,
        "input": response.input,
        "blurs": response.blurs,
    }


def _read(file: Path, key: dict[str, Any]) -> _Result:
    """A result file is written by a stranger's browser: every field is checked."""
    try:
        data = file.read_bytes() if file.stat().st_size <= LARGEST_FILE else b""
    except OSError as error:
        raise BadRequestError(error.strerror or "not readable") from None
    value = parse_object(data, "application/json")
    if value.keys() != {
        "export",
        "form",
        "participant",
        "consent",
        "consented_at",
        "device",
        "answers",
    }:
        raise BadRequestError("not a result file of this study")
    if value["export"] != key["export"]:
        raise BadRequestError("of another export; name its key with --key")
    placed = key["forms"].get(str(value["form"]))
    participant, when, answers = value["participant"], value["consented_at"], value["answers"]
    if placed is None or not isinstance(participant, str) or not TOKEN.fullmatch(participant):
        raise BadRequestError("form or participant unknown")
    if isinstance(when, bool) or not isinstance(when, (int, float)) or not 0 <= when < 1e11:
        raise BadRequestError("date of consent")
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise BadRequestError("answers")
    if not isinstance(value["device"], dict):
        raise BadRequestError("device")
    given = dict(parse_answer(answer) for answer in answers)
    if len(given) != len(answers) or given.keys() != {trial["token"] for trial in placed}:
        raise BadRequestError("answers are missing, doubled or of another form")
    return _Result(
        participant,
        int(value["form"]),
        str(value["consent"])[:80],
        float(when),
        parse_device(value["device"]),
        given,
    )
