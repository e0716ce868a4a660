"""The owner's settings of a study: what participants read and the rules they are held to. Edited
before it starts.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from thbench.errors import ThbenchError
from thbench.files import read_json, write_json

Record = TypeVar("Record")
CONSENT = (
    "In this study you will see pictures of people, three at a time, and say which one was made by a computer. "
    "It is research on how lifelike computer-made pictures of talking people are.",
    "Taking part is voluntary. You can stop at any time by closing the page, and have your answers deleted.",
    "We keep your answers, how long each one took, and the size of your window. We do not keep your name or your "
    "network address; an id that a recruiting platform hands us is kept only as a keyed hash.",
)
INSTRUCTIONS = (
    "Each time you see three pictures of the same person. Two are photographs, one was made by a computer.",
    "Choose the one made by a computer: press 1, 2 or 3 on the keyboard, or click or tap the picture.",
    "If you are not sure, make your best guess. There are a few practice rounds first; those tell you the answer.",
)


@dataclass(frozen=True)
class Codes:
    """What a participant hands to the platform, by outcome; return_url takes the code in place of
    {code}.
    """

    completed: str = ""
    screened_out: str = ""
    no_consent: str = ""
    return_url: str = ""


@dataclass(frozen=True)
class Exclusion:
    """The rule, fixed before the study, by which a rater is left out of the second set of results."""

    min_gold_correct: int = 1
    max_attention_failed: int = 0
    min_median_response_ms: int = 300


@dataclass(frozen=True)
class Rates:
    """Requests a second and the burst above it, for one participant and for one network address."""

    session_per_s: float = 10.0
    session_burst: int = 60
    address_per_s: float = 100.0
    address_burst: int = 600
    entries_per_s: float = 1.0  # consents and owner log-ins, by address
    entries_burst: int = 60


@dataclass(frozen=True)
class Settings:
    """settings.json. exposure_ms 0 shows pictures until the answer; lease_minutes counts from the
    last answer.
    """

    title: str = "Which picture was made by a computer?"
    controller: str = ""
    contact: str = ""
    retention_date: str = ""
    consent_version: str = "1"
    consent: tuple[str, ...] = CONSENT
    instructions: tuple[str, ...] = INSTRUCTIONS
    question: str = "Which picture was made by a computer?"
    minutes: int = 10
    exposure_ms: int = 0
    min_response_ms: int = 200
    min_viewport_px: int = 820
    small_windows: Literal["warn", "refuse"] = "warn"
    lease_minutes: float = 30.0
    attention_failures_to_screen_out: int = 2
    participant_parameter: str = "PROLIFIC_PID"
    session_parameter: str = "SESSION_ID"
    codes: Codes = field(default_factory=Codes)
    exclusion: Exclusion = field(default_factory=Exclusion)
    rates: Rates = field(default_factory=Rates)

    @property
    def missing_for_the_public(self) -> list[str]:
        """What a participant has the right to read and the owner has not filled in."""
        return [
            name for name in ("controller", "contact", "retention_date") if not getattr(self, name)
        ]


def new_settings() -> Settings:
    """The defaults with fresh completion codes."""
    code = [secrets.token_hex(4).upper() for _ in range(3)]
    return Settings(codes=Codes(*code))


def save_settings(path: Path, settings: Settings) -> None:
    write_json(path, asdict(settings))


def load_settings(path: Path) -> Settings:
    """Raises `ThbenchError` naming the key that is unknown or of the wrong kind."""
    return _from_json(Settings, read_json(path), str(path))


def _from_json(kind: type[Record], values: Any, where: str) -> Record:
    known = get_type_hints(kind)
    if not isinstance(values, dict) or not values.keys() <= known.keys():
        odd = sorted(values.keys() - known.keys()) if isinstance(values, dict) else [repr(values)]
        raise ThbenchError(
            f"{where} has an unknown setting {', '.join(odd)}; known are {', '.join(known)}"
        )
    default = kind()
    return kind(
        **{
            name: _value(getattr(default, name), value, known[name], f"{where}: {name}")
            for name, value in values.items()
        }
    )


def _value(default: Any, value: Any, kind: Any, where: str) -> Any:
    if is_dataclass(default):
        return _from_json(type(default), value, where)
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
            raise ThbenchError(f"{where} must be a list of texts")
        return tuple(value)
    choices = getattr(kind, "__args__", ())
    if choices and value not in choices:
        raise ThbenchError(f"{where} is {value!r}, must be one of {', '.join(choices)}")
    number = isinstance(default, (int, float))
    fits = isinstance(value, (int, float) if number else str) and not isinstance(value, bool)
    if (
        not fits
        or (number and not 0 <= value < 1e9)
        or (isinstance(default, int) and value != int(value))
    ):
        raise ThbenchError(
            f"{where} is {value!r}, must be {'a number, 0 or more' if number else 'text'}"
        )
    return int(value) if isinstance(default, int) else value
