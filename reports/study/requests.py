"""What browsers may say, checked field by field."""

from __future__ import annotations

import json
import re
from typing import Any

from reports.study.store import Response

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,40}")
DEVICE = {
    "width": (1, 100_000),
    "height": (1, 100_000),
    "pixel_ratio": (0.05, 100),
    "zoom": (0.05, 100),
    "scale": (0.01, 100),
}
ONE_HOUR_MS = 3_600_000


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
    """{"trial", "choice" 1-3, "response_ms", "input", "blurs"}, no more and no less."""
    if value.keys() != {"trial", "choice", "response_ms", "input", "blurs"}:
        raise BadRequestError("fields are trial, choice, response_ms, input, blurs")
    token, kind = value["trial"], value["input"]
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise BadRequestError("trial")
    if kind not in ("key", "mouse", "touch"):
        raise BadRequestError("input")
    choice, blurs = _number(value, "choice", 1, 3), _number(value, "blurs", 0, 10_000)
    if choice != int(choice) or blurs != int(blurs):
        raise BadRequestError("whole numbers")
    return token, Response(
        int(choice) - 1, _number(value, "response_ms", 0, ONE_HOUR_MS * 24), kind, int(blurs)
    )


def parse_device(value: dict[str, Any]) -> dict[str, float | bool]:
    """{"width", "height", "pixel_ratio", "zoom", "scale", "touch"}: the window, and nothing that
    tells who it is.
    """
    if value.keys() != {*DEVICE, "touch"} or not isinstance(value["touch"], bool):
        raise BadRequestError("fields are " + ", ".join([*DEVICE, "touch"]))
    return {name: round(_number(value, name, *limits), 3) for name, limits in DEVICE.items()} | {
        "touch": value["touch"]
    }


def _number(value: dict[str, Any], name: str, low: float, high: float) -> float:
    number = value[name]
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, float))
        or not low <= number <= high
    ):
        raise BadRequestError(name)
    return float(number)


def _no_constant(name: str) -> None:
    raise ValueError(name)
