from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from reports.study.folder import Study
from reports.study.owner import progress
from reports.study.purge import purge_everything, purge_folder, purge_identities, purge_participant
from reports.study.ratings import read_ratings
from reports.study.schema import forms, open_database, participants, trials
from reports.study.standing import Agreement, Response, StudyFullError
from reports.study.store import Store
from thbench.errors import ThbenchError

RIGHT, LATER_S = Response(0, 900, "key", 0), 31 * 60


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(study: Study) -> Engine:
    return open_database(study.default_database, study)


@pytest.fixture
def store(engine: Engine, study: Study, clock: Clock) -> Store:
    return Store(engine, study, clock)


def begin(store: Store, name: str = "") -> str:
    participant = store.agree(Agreement(name, name))
    store.start(participant, {})
    return participant


def answer_some(store: Store, participant: str, count: int = 100) -> int:
    """Answers up to `count` trials, following instructions; returns how many were taken."""
    for done in range(count):
        standing = store.standing(participant)
        assert standing is not None
        if standing.trial is None:
            return done
        choice = standing.trial.instructed or 0
        assert (
            store.answer(participant, standing.trial.token, Response(choice, 900, "key", 0)).outcome
            == "accepted"
        )
    return count


def test_an_abandoned_form_is_given_out_again_whole(
    store: Store, clock: Clock, engine: Engine, study: Study
) -> None:
    leaver = begin(store)
    assert answer_some(store, leaver, 5) == 5
    others = [begin(store) for _ in study.design.forms[1:]]
    with pytest.raises(StudyFullError):
        begin(store)
    clock.now_s += LATER_S
    second = begin(store)
    assert answer_some(store, second) == 13
    standing = store.standing(leaver)
    assert standing is not None
    assert standing.phase == "expired"
    for participant in others:
        answer_some(store, participant)
    ratings = read_ratings(engine, study)
    counts = Counter(ratings.loc[ratings["kind"] == "main", "item"])
    assert set(counts.values()) == {study.design.ratings}


def test_the_second_rater_of_a_form_sees_fakes_elsewhere(
    store: Store, clock: Clock, engine: Engine
) -> None:
    begin(store)
    for _ in store.study.design.forms[1:]:
        begin(store)
    clock.now_s += LATER_S
    begin(store)
    with engine.connect() as connection:
        rows = connection.execute(
            select(trials.c.assignment_id, trials.c.item, trials.c.arrangement).where(
                trials.c.kind == "main"
            )
        ).all()
    by_assignment: dict[int, dict[int, int]] = {}
    for row in rows:
        by_assignment.setdefault(row.assignment_id, {})[row.item] = row.arrangement.index("0")
    newest = by_assignment[max(by_assignment)]
    first = next(
        places
        for number, places in by_assignment.items()
        if places.keys() == newest.keys() and number != max(by_assignment)
    )
    assert all(newest[item] == (place + 1) % 3 for item, place in first.items())


def test_an_answer_after_a_pause_counts_while_nobody_took_the_form(
    store: Store, clock: Clock
) -> None:
    participant = begin(store)
    answer_some(store, participant, 3)
    clock.now_s += 100 * LATER_S
    assert answer_some(store, participant) == 10
    standing = store.standing(participant)
    assert standing is not None
    assert standing.phase == "completed"


def test_a_late_answer_is_gone_when_the_form_went_on(store: Store, clock: Clock) -> None:
    participant = begin(store)
    standing = store.standing(participant)
    assert standing is not None
    assert standing.trial is not None
    for _ in store.study.design.forms[1:]:
        begin(store)
    clock.now_s += LATER_S
    begin(store)
    assert store.answer(participant, standing.trial.token, RIGHT).outcome == "gone"


def test_every_answer_renews_the_lease(store: Store, clock: Clock, study: Study) -> None:
    participant = begin(store)
    for _ in study.design.forms[1:]:
        begin(store)
    for _ in range(4):
        clock.now_s += LATER_S - 120
        answer_some(store, participant, 1)
    clock.now_s += 60
    taken = [begin(store) for _ in study.design.forms[1:]]
    assert len(taken) == len(study.design.forms) - 1
    with pytest.raises(StudyFullError):
        begin(store)
    assert answer_some(store, participant) == 9


def test_starting_twice_gives_one_form(store: Store) -> None:
    participant = begin(store)
    first = store.standing(participant)
    store.start(participant, {})
    assert store.standing(participant) == first


def test_withdrawing_frees_the_form_even_when_it_was_done(
    store: Store, engine: Engine, study: Study
) -> None:
    participant = begin(store)
    answer_some(store, participant)
    assert progress(store).done == 1
    assert store.withdraw(participant)
    assert progress(store).done == 0
    assert progress(store).free == len(study.design.forms)
    assert not store.withdraw(participant)
    assert read_ratings(engine, study).empty


def test_progress_counts_what_is_there(store: Store, clock: Clock, study: Study) -> None:
    answer_some(store, begin(store))
    begin(store)
    clock.now_s += LATER_S
    begin(store)
    seen = progress(store)
    assert (seen.done, seen.in_work, seen.waiting, seen.free) == (
        1,
        1,
        1,
        len(study.design.forms) - 3,
    )
    assert sum(row[2] for row in seen.rows) == 6
    assert seen.participants == {"completed": 1, "started": 2}


@pytest.mark.slow
def test_raters_who_come_at_once_never_share_a_form_or_lose_an_answer(
    store: Store,
    engine: Engine,
    study: Study,
) -> None:
    failures: list[BaseException] = []

    def rate() -> None:
        try:
            while True:
                answer_some(store, begin(store))
        except StudyFullError:
            return
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=rate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ratings = read_ratings(engine, study)
    counts = Counter(ratings.loc[ratings["kind"] == "main", "item"])
    assert len(counts) == 48
    assert set(counts.values()) == {study.design.ratings}
    assert not ratings.duplicated(["rater", "item"]).any()


def test_the_same_answer_from_many_at_once_is_taken_once(store: Store) -> None:
    participant = begin(store)
    standing = store.standing(participant)
    assert standing is not None
    assert standing.trial is not None
    token, outcomes = standing.trial.token, []

    def send(choice: int) -> None:
        outcomes.append(
            (choice, store.answer(participant, token, Response(choice, 900, "key", 0)).outcome)
        )

    threads = [threading.Thread(target=send, args=(number % 3,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = next(choice for choice, outcome in outcomes if outcome == "accepted")
    assert sorted(outcomes) == sorted(
        [(winner, "accepted")]
        + [(winner, "repeated")] * 2
        + [(choice, "conflict") for choice in range(3) for _ in range(3) if choice != winner]
    )


def test_identities_can_be_forgotten_and_leave_no_trace_on_the_disk(
    store: Store, engine: Engine
) -> None:
    participant = begin(store, "5f1e")
    with engine.connect() as connection:
        hashed = connection.scalar(select(participants.c.identity_hash))
    assert hashed is not None
    assert purge_identities(engine) == 1
    answer_some(store, participant)
    engine.dispose()
    assert all(
        hashed.encode() not in file.read_bytes() for file in store.study.path.glob("study.db*")
    )


def test_a_participant_is_deleted_by_receipt_and_all_on_demand(
    store: Store, engine: Engine
) -> None:
    first, second = begin(store), begin(store)
    answer_some(store, first)
    assert purge_participant(store, store.receipt(first))
    assert not purge_participant(store, "unknown")
    assert store.standing(first) is None
    assert store.standing(second) is not None
    assert purge_everything(engine) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(trials)) == 0
        assert set(connection.scalars(select(forms.c.state))) == {"free"}


def test_a_purge_says_what_it_deletes(study: Study, engine: Engine) -> None:
    for wanted in ((None, False, False), ("x", True, False), (None, True, True)):
        with pytest.raises(ThbenchError, match="say what to delete"):
            purge_folder(study.path, None, *wanted)
    with pytest.raises(ThbenchError, match="no participant has the receipt"):
        purge_folder(study.path, None, "x", False, False)


def test_a_database_belongs_to_one_study(study: Study, engine: Engine, tmp_path: Path) -> None:
    text = study.design_json.read_text()
    study.design_json.write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ThbenchError, match="another study"):
        open_database(study.default_database, Study.open(study.path))


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite:////no/such/folder/x.db",
        "postgresql://u:secret@127.0.0.1:1/x",
        "mysql://u:secret@h/x",
    ],
)
def test_an_unreachable_database_is_one_line_without_its_password(study: Study, url: str) -> None:
    with pytest.raises(ThbenchError, match="cannot open the database") as caught:
        open_database(url, study)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
