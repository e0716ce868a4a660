"""What a run records of where and with what it was made."""

from __future__ import annotations

from datetime import UTC, datetime

from thbench.environment import git_commit, hardware, versions
from thbench.records.run import SessionRecord


def this_session(device: str) -> SessionRecord:
    """The versions, hardware and commit of now."""
    return SessionRecord(
        versions=versions(),
        hardware=hardware(),
        device=device,
        git_commit=git_commit(),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
