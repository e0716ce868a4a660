"""`thbench study import`: result files of a static export become ratings like the server's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select, update

from reports.study.arrange import ArrangedTrial
from reports.study.export_key import ExportKey, load_key
from reports.study.folder import Study
from reports.study.requests import (
    TOKEN,
    BadRequestError,
    Device,
    parse_answer,
    parse_device,
    parse_object,
)
from reports.study.schema import (
    assignments,
    forms,
    open_database,
    participants,
    telling_damage,
    trials,
)
from reports.study.standing import Response

LARGEST_FILE = 1_000_000
LATEST_S = 1e11
LONGEST_CONSENT = 80
FIELDS = {"export", "form", "participant", "consent", "consented_at", "device", "answers"}


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
    """A result file. form is its number from 1, placed its trials as the key has them; answers by
    the token of their trial.
    """

    participant: str
    form: int
    consent_version: str
    consented_at: float
    device: Device
    placed: Sequence[ArrangedTrial]
    answers: Mapping[str, Response]

    @property
    def form_id(self) -> int:
        """The form's number in the design, from 0."""
        return self.form - 1


def import_into_folder(
    folder: Path, db: str | None, key_file: Path, files: Sequence[Path]
) -> list[Imported]:
    """`import_results` on a study folder and its database."""
    study = Study.open(folder)
    url = db or study.default_database
    with telling_damage(url):
        return import_results(study, open_database(url, study), key_file, files)


def import_results(
    study: Study, engine: Engine, key_file: Path, files: Sequence[Path]
) -> list[Imported]:
    """Reads result files; each is taken whole or refused, and a form counts once. Importing again
    changes nothing.
    """
    key = load_key(key_file, study)
    return [_import(study, engine, key, file) for file in files]


def _import(study: Study, engine: Engine, key: ExportKey, file: Path) -> Imported:
    try:
        result = _read(file, key)
    except BadRequestError as error:
        return Imported(file, False, f"refused: {error}")

    failed = _instructions_not_followed(study, result)
    if 0 < study.settings.attention_failures_to_screen_out <= failed:
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
        if not _takes_form(connection, result):
            return Imported(
                file, False, f"refused: form {result.form} was already given to someone else"
            )
        _insert(connection, study, result)

    return Imported(file, True, f"form {result.form}, {len(result.placed)} answers")


def _instructions_not_followed(study: Study, result: _Result) -> int:
    checks = [
        trial for trial in result.placed if study.design.items[trial.item].kind == "attention"
    ]
    return sum(result.answers[trial.token].choice != trial.target for trial in checks)


def _takes_form(connection: Connection, result: _Result) -> bool:
    """Marks the form as done; False when someone else has it."""
    taken = connection.execute(
        update(forms)
        .where(forms.c.id == result.form_id, forms.c.state == "free")
        .values(state="done", attempts=forms.c.attempts + 1)
    )
    return taken.rowcount > 0


def _insert(connection: Connection, study: Study, result: _Result) -> None:
    """Writes the participant, their assignment and all of their answers."""
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
            form_id=result.form_id,
            claimed_at=result.consented_at,
        )
    )
    assert held.inserted_primary_key is not None
    assignment = held.inserted_primary_key[0]
    connection.execute(
        update(forms).where(forms.c.id == result.form_id).values(assignment_id=assignment)
    )
    connection.execute(
        insert(trials),
        [
            _trial_row(study, assignment, number, trial, result.answers[trial.token])
            for number, trial in enumerate(result.placed)
        ],
    )


def _trial_row(
    study: Study, assignment: int, number: int, trial: ArrangedTrial, response: Response
) -> dict[str, object]:
    return {
        "token": trial.token,
        "assignment_id": assignment,
        "number": number,
        "item": trial.item,
        "kind": study.design.items[trial.item].kind,
        "arrangement": trial.arrangement,
        "choice": response.choice,
        "response_ms": response.response_ms,
        "input": response.input,
        "blurs": response.blurs,
    }


def _read(file: Path, key: ExportKey) -> _Result:
    """A result file is written by a stranger's browser: every field is checked."""
    try:
        data = file.read_bytes() if file.stat().st_size <= LARGEST_FILE else b""
    except OSError as error:
        raise BadRequestError(error.strerror or "not readable") from None

    value = parse_object(data, "application/json")
    if value.keys() != FIELDS:
        raise BadRequestError("not a result file of this study")
    if value["export"] != key.export:
        raise BadRequestError("of another export; name its key with --key")

    participant, form = value["participant"], str(value["form"])
    if form not in key.forms or not isinstance(participant, str):
        raise BadRequestError("form or participant unknown")
    if not TOKEN.fullmatch(participant):
        raise BadRequestError("form or participant unknown")

    consented_at = value["consented_at"]
    if isinstance(consented_at, bool) or not isinstance(consented_at, (int, float)):
        raise BadRequestError("date of consent")
    if not 0 <= consented_at < LATEST_S:
        raise BadRequestError("date of consent")

    if not isinstance(value["device"], dict):
        raise BadRequestError("device")

    return _Result(
        participant=participant,
        form=int(form),
        consent_version=str(value["consent"])[:LONGEST_CONSENT],
        consented_at=float(consented_at),
        device=parse_device(value["device"]),
        placed=key.forms[form],
        answers=_answers(value["answers"], key.forms[form]),
    )


def _answers(value: object, placed: Sequence[ArrangedTrial]) -> dict[str, Response]:
    """One answer to each of the trials; raises `BadRequestError` for any others."""
    if not isinstance(value, list) or not all(isinstance(answer, dict) for answer in value):
        raise BadRequestError("answers")

    answers = dict(parse_answer(answer) for answer in value)
    if len(answers) != len(value) or answers.keys() != {trial.token for trial in placed}:
        raise BadRequestError("answers are missing, doubled or of another form")
    return answers
