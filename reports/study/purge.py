"""`thbench study purge`: deletes what participants asked to have deleted, or what is no longer
needed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, delete, select, update

from reports.study.folder import Study
from reports.study.schema import (
    assignments,
    forms,
    open_database,
    participants,
    reading,
    telling_damage,
    trials,
)
from reports.study.store import Store
from thbench.errors import ThbenchError


def purge_participant(store: Store, receipt: str) -> bool:
    """Deletes one participant and their answers by receipt; False when the receipt is unknown."""
    with reading(store.engine).connect() as connection:
        participant = connection.scalar(
            select(participants.c.id).where(participants.c.receipt == receipt)
        )

    found = participant is not None and store.withdraw(participant)
    _sweep(store.engine)
    return found


def purge_identities(engine: Engine) -> int:
    """Deletes the hashed ids and sessions of participants and the sizes of their windows; answers
    and receipts stay. Returns how many participants were changed.
    """
    with engine.begin() as connection:
        changed = connection.execute(
            update(participants).values(identity_hash=None, session_hash=None, device="{}")
        ).rowcount

    _sweep(engine)
    return changed


def purge_everything(engine: Engine) -> int:
    """Deletes every participant and answer and frees every form. Returns how many participants
    there were.
    """
    with engine.begin() as connection:
        connection.execute(update(forms).values(state="free", assignment_id=None, lease_until=0.0))
        connection.execute(delete(trials))
        connection.execute(delete(assignments))
        count = connection.execute(delete(participants)).rowcount

    _sweep(engine)
    return count


def purge_folder(
    folder: Path, db: str | None, receipt: str | None, identities: bool, everything: bool
) -> str:
    """The one purge that is asked for, on a study folder; returns what was done.

    Raises `ThbenchError` when none or several are asked for, or the receipt is unknown.
    """
    if sum((bool(receipt), identities, everything)) != 1:
        raise ThbenchError("say what to delete: --receipt RECEIPT, --identities or --everything")

    study = Study.open(folder)
    url = db or study.default_database
    with telling_damage(url):
        engine = open_database(url, study)
        if identities:
            return f"{purge_identities(engine)} participants are without id now"
        if everything:
            return f"{purge_everything(engine)} participants and their answers are deleted"
        if not purge_participant(Store(engine, study), str(receipt)):
            raise ThbenchError(f"no participant has the receipt {receipt}")

    return "the participant and their answers are deleted; their form will be given out again"


def _sweep(engine: Engine) -> None:
    """Deleted rows leave SQLite's write-ahead log and free pages too (PostgreSQL: autovacuum)."""
    if engine.dialect.name != "sqlite":
        return

    connection = engine.raw_connection()  # VACUUM runs outside of transactions only
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            connection.cursor().execute(statement)
    finally:
        connection.close()
