"""What browsers may say, checked field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from reports.study.standing import Response

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,40}")
Device = Mapping[str, float | bool]  # the participant's window; it says nothing of who they are
DEVICE = {
    "width": (1, 100_000),
    "height": (1, 100_000),
    "pixel_ratio": (0.05, 100),
    "zoom": (0.05, 100),
    "scale": (0.01, 100),
}
ANSWER = {"trial", "choice", "response_ms", "input", "blurs"}
ONE_DAY_MS = 24 * 3_600_000
MOST_BLURS = 10_000


class BadRequestError(Exception):
    """A request that no page of ours sends."""


def parse_object(body: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object of a request; raises `BadRequestError`."""
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise BadRequestError("JSON only")

    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequestError("not JSON") from None

    if not isinstance(value, dict):
        raise BadRequestError("not an object")
    return value


def parse_answer(value: dict[str, Any]) -> tuple[str, Response]:
    """The token of a trial and the answer to it, from the fields `ANSWER`; choice is 1, 2 or 3."""
    if value.keys() != ANSWER:
        raise BadRequestError("fields are trial, choice, response_ms, input, blurs")

    token, kind = value["trial"], value["input"]
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise BadRequestError("trial")
    if kind not in ("key", "mouse", "touch"):
        raise BadRequestError("input")

    choice = _number(value["choice"], "choice", 1, 3)
    blurs = _number(value["blurs"], "blurs", 0, MOST_BLURS)
    if choice != int(choice) or blurs != int(blurs):
        raise BadRequestError("whole numbers")

    response_ms = _number(value["response_ms"], "response_ms", 0, ONE_DAY_MS)
    return token, Response(int(choice) - 1, response_ms, kind, int(blurs))


def parse_device(value: dict[str, Any]) -> Device:
    """The window of a participant: the fields of `DEVICE`, and whether it is touched."""
    touch = value.get("touch")
    if value.keys() != {*DEVICE, "touch"} or not isinstance(touch, bool):
        raise BadRequestError("fields are " + ", ".join([*DEVICE, "touch"]))

    numbers = {
        name: round(_number(value[name], name, *limits), 3) for name, limits in DEVICE.items()
    }
    return {**numbers, "touch": touch}


def _number(number: Any, name: str, low: float, high: float) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise BadRequestError(name)
    if not low <= number <= high:
        raise BadRequestError(name)
    return float(number)


def _no_constant(name: str) -> None:
    raise ValueError(name)
