"""secrets.json: what cookies, participants' ids and the owner's page are protected by."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from thbench.records.decode import read_record

KEY_BYTES = 32
ONLY_THE_OWNER = 0o600


@dataclass(frozen=True)
class Keys:
    """cookie signs what browsers hold, identity hashes the ids of platforms, owner opens the
    owner's page.
    """

    cookie: str
    identity: str
    owner: str


def load_keys(path: Path) -> Keys:
    """Reads secrets.json; raises `ThbenchError` where it does not hold what it must."""
    return read_record(path, Keys, "restore it: without it cookies and ids are void")


def save_new_keys(path: Path) -> None:
    """Random keys in a new file that nobody but its owner could read at any time."""
    cookie, identity, owner = (secrets.token_urlsafe(KEY_BYTES) for _ in range(3))
    text = json.dumps(asdict(Keys(cookie, identity, owner)), indent=1) + "\n"

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_THE_OWNER)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
