"""Names of the clips that other papers publish, as person and video.

Each clip is a video of its own here: their lists name clips. What follows the person's name is kept
word for word, so that a name in a list is found again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# The groups are the person and the rest; YouTube's identifiers have 11 letters.
_FORMS: Mapping[str, re.Pattern[str]] = {
    "vox-flat": re.compile(r"(id\d+)#(.+#\d+#\d+)"),
    "hdtf": re.compile(r"([A-Za-z0-9]+_.+)_(\d{3})"),
    "vfhq": re.compile(r"Clip\+(.{11}\+P\d+)\+(C\d+\+F\d+-\d+)"),
    "th1kh": re.compile(r"(.{11})_(.+)"),
    "celebv-hq": re.compile(r"(.{11})_(.+)"),
}
CLIP_LAYOUTS = tuple(_FORMS)


def parsed(layout: str, name: str) -> tuple[str, str] | None:
    """(person, video) of a clip's name without suffix; None where it has another form."""
    found = _FORMS[layout].fullmatch(name)
    return (found[1], found[2]) if found else None
