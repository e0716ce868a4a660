"""The database of a study on SQLite or PostgreSQL: tables, and transactions that are durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from reports.study.folder import Study
from thbench.errors import ThbenchError

READS = "thbench_reads"  # an execution option: the transaction only reads, so SQLite need not lock
metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# A form is free, leased (its assignment may answer until someone else takes it after lease_until)
# or done. Every transaction that changes anything locks the form's row first, so no two can wait
# for each other.
forms = Table(
    "forms",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("assignment_id", Integer),
    Column("lease_until", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("forms_to_give_out", "state", "attempts", "id"),
)

# Who a participant is to a platform is kept apart from answers, as keyed hashes.
participants = Table(
    "participants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("identity_hash", String(64), unique=True),
    Column("session_hash", String(64)),
    Column("receipt", String(40), nullable=False, unique=True),
    Column("consent_version", String(80), nullable=False),
    Column("consented_at", Float, nullable=False),
    Column("state", String(12), nullable=False),  # consented, started, completed, screened, expired
    Column("finished_at", Float),
    Column("device", Text, nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "participant_id",
        String(40),
        ForeignKey("participants.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    Column("form_id", Integer, ForeignKey("forms.id"), nullable=False),
    Column("claimed_at", Float, nullable=False),
)

# order: target panel first. "201" puts the target (0) in the middle. choice is the position 0, 1, 2
# that was chosen.
trials = Table(
    "trials",
    metadata,
    Column("token", String(40), primary_key=True),
    Column(
        "assignment_id", Integer, ForeignKey("assignments.id", ondelete="CASCADE"), nullable=False
    ),
    Column("number", Integer, nullable=False),
    Column("item", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("arrangement", String(3), nullable=False),
    Column("choice", Integer),
    Column("response_ms", Float),
    Column("answered_at", Float),
    Column("input", String(8)),
    Column("blurs", Integer),
    UniqueConstraint("assignment_id", "number"),
    UniqueConstraint("assignment_id", "item"),
)


def open_database(url: str, study: Study, simulated: bool = False) -> Engine:
    """Connects to the study's database, making tables and forms where they are not there yet.

    A database belongs to one design, and holds either people or simulated raters, never both.
    Raises `ThbenchError` when it belongs to another study, cannot be reached, or its driver is
    missing.
    """
    with _told_in_one_line(url):
        engine = _engine(url)
        metadata.create_all(engine)
        _initialise(engine, study, simulated)
        return engine


def open_for_reading(url: str, study: Study) -> Engine:
    """`open_database`, of people or of simulated raters, whichever it holds."""
    with _told_in_one_line(url):
        engine = _engine(url)
        simulated = inspect(engine).has_table("meta") and is_simulated(engine)
        engine.dispose()
    return open_database(url, study, simulated)


def is_simulated(engine: Engine) -> bool:
    """Whether the ratings come from simulated raters."""
    with reading(engine).connect() as connection:
        return bool(
            connection.scalar(select(meta.c.value).where(meta.c.key == "simulated")) == "yes"
        )


def reading(engine: Engine) -> Engine:
    """The same database for transactions that only read, each of them from one state of it."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine.execution_options(**{READS: True})


@contextmanager
def telling_damage(url: str) -> Iterator[None]:
    """Raises `ThbenchError` for a database that cannot be used, or holds what no study writes."""
    with _told_in_one_line(url):
        try:
            yield
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ThbenchError(
                f"the database {_without_password(url)} is damaged: it holds answers that no study "
                f"writes ({error})"
            ) from error


@contextmanager
def _told_in_one_line(url: str) -> Iterator[None]:
    try:
        yield
    except (ArgumentError, ImportError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise ThbenchError(
            f"cannot open the database {_without_password(url)}: {reason}"
        ) from error


def _engine(url: str) -> Engine:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)

    engine = create_engine(url, pool_size=20, max_overflow=20, connect_args={"timeout": 60})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    """WAL with FULL: a committed answer is on the disk. `_begin_sqlite` begins transactions, and
    not the driver.
    """
    connection.isolation_level = None

    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that may write takes the lock at once, so it never fails in the middle."""
    only_reads = connection.get_execution_options().get(READS)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _initialise(engine: Engine, study: Study, simulated: bool) -> None:
    """Fills an empty database; raises `ThbenchError` for one that something else has filled."""
    wanted = {"design": study.design_sha256, "simulated": "yes" if simulated else "no"}

    try:
        with engine.begin() as connection:
            found = _meta(connection)
            if not found:
                _fill(connection, wanted, len(study.design.forms))
                return
    except IntegrityError:  # another process was first
        with engine.connect() as connection:
            found = _meta(connection)

    if found["design"] != wanted["design"]:
        raise ThbenchError(
            f"the database belongs to another study than {study.path}; name another with --db"
        )
    if found["simulated"] != wanted["simulated"]:
        raise ThbenchError(
            "people and simulated raters never share a database; name another with --db"
        )


def _fill(connection: Connection, wanted: Mapping[str, str], n_forms: int) -> None:
    """Notes what the database belongs to, and makes every form free."""
    named = [{"key": key, "value": value} for key, value in wanted.items()]
    connection.execute(insert(meta), named)

    free = {"state": "free", "lease_until": 0.0, "attempts": 0}
    connection.execute(insert(forms), [{"id": number, **free} for number in range(n_forms)])


def _meta(connection: Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(select(meta))}


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"...@{tail}" if at else head + tail
