"""The owner's settings of a study: what participants read and the rules they are held to."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from thbench.files import write_json
from thbench.records.decode import read_record

LARGEST = 1e9  # of any number
CONSENT = (
    "In this study you will see pictures of people, three at a time, and say which one was made "
    "by a computer. It is research on how lifelike computer-made pictures of talking people are.",
    "Taking part is voluntary. You can stop at any time by closing the page, and have your answers "
    "deleted.",
    "We keep your answers, how long each one took, and the size of your window. We do not keep "
    "your name or your network address; an id that a recruiting platform hands us is kept only as "
    "a keyed hash.",
)
INSTRUCTIONS = (
    "Each time you see three pictures of the same person. Two are photographs, one was made by a "
    "computer.",
    "Choose the one made by a computer: press 1, 2 or 3 on the keyboard, or click or tap the "
    "picture.",
    "If you are not sure, make your best guess. There are a few practice rounds first; those tell "
    "you the answer.",
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
    """The rule, fixed before the study, that leaves a rater out of the second set of results."""

    min_gold_correct: int = 1
    max_attention_failed: int = 0
    min_median_response_ms: int = 300

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number below 0."""
        _refuse_odd_numbers(self)


@dataclass(frozen=True)
class Rates:
    """Requests a second and the burst above it, for one participant and for one network address."""

    session_per_s: float = 10.0
    session_burst: int = 60
    address_per_s: float = 100.0
    address_burst: int = 600
    entries_per_s: float = 1.0  # consents and owner log-ins, by address
    entries_burst: int = 60

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number below 0."""
        _refuse_odd_numbers(self)


@dataclass(frozen=True)
class Settings:
    """settings.json, edited before the study starts; what it does not name keeps its default.

    exposure_ms 0 shows pictures until the answer; lease_minutes counts from the last answer.
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

    def __post_init__(self) -> None:
        """Raises `ValueError` for a number below 0."""
        _refuse_odd_numbers(self)

    @property
    def missing_for_the_public(self) -> list[str]:
        """What a participant has the right to read and the owner has not filled in."""
        needed = {
            "controller": self.controller,
            "contact": self.contact,
            "retention_date": self.retention_date,
        }
        return [name for name, text in needed.items() if not text]


def new_settings() -> Settings:
    """The defaults with fresh completion codes."""
    completed, screened_out, no_consent = (secrets.token_hex(4).upper() for _ in range(3))
    return Settings(codes=Codes(completed, screened_out, no_consent))


def save_settings(path: Path, settings: Settings) -> None:
    """Writes settings.json."""
    write_json(path, asdict(settings))


def load_settings(path: Path) -> Settings:
    """Raises `ThbenchError` naming the setting that is unknown or of the wrong kind."""
    return read_record(path, Settings, "correct it in the file")


def _refuse_odd_numbers(settings: Any) -> None:
    """Raises `ValueError` for a number that no setting takes."""
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if isinstance(value, (int, float)) and not 0 <= value < LARGEST:
            raise ValueError(f"has {setting.name} = {value!r}, must be from 0 to {LARGEST:g}")
