from __future__ import annotations

import csv
import json

import pandas as pd
import pytest
from scipy.stats import binomtest

from reports.study.folder import Study
from reports.study.ratings import read_ratings, save_ratings
from reports.study.schema import open_database
from reports.study.score import format_scores, save_scores, score_study
from reports.study.scores import StudyScores, load_results, scores_json
from reports.study.simulate import Population, simulate_study
from reports.study.standing import Agreement, Response
from reports.study.store import Store
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.records.decode import decode
from thbench.runs import Run


class Ticking:
    """A clock that is a second later each time it is asked."""

    now_s = 1_000_000.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def answer_all(store: Store, skill: str = "finds") -> str:
    """One participant goes through a form. skill: "finds" every fake, or takes the "first" picture,
    fast.
    """
    participant = store.agree(Agreement())
    store.start(participant, {})
    while (standing := store.standing(participant)) is not None and standing.trial is not None:
        token = standing.trial.token
        panels = store.picture(participant, token)
        targets = [item.panels[0] for item in store.study.design.items if item.kind != "attention"]
        found = [place for place, panel in enumerate(panels or ()) if panel in targets]
        choice = found[0] if standing.trial.instructed is None else standing.trial.instructed
        response = Response(
            choice if skill == "finds" else 0, 900 if skill == "finds" else 50, "key", 0
        )
        assert store.answer(participant, token, response).outcome == "accepted"
    return participant


def test_perfect_raters_score_one_and_the_column_lands_in_the_run(study: Study, run: Run) -> None:
    engine = open_database(study.default_database, study)
    store = Store(engine, study, Ticking())
    for _ in study.design.forms:
        answer_all(store)
    scores = score_study(study, engine)
    assert [(row.method, row.T) for row in scores.rows] == [
        ("x2face", 1),
        ("x2face", 8),
        ("ours-ff", 1),
        ("ours-ff", 8),
    ]
    for row in scores.rows:
        assert row.value == 1
        assert row.n == 36
        assert row.se is None
        assert row.clopper_pearson95[1] == 1
    save_scores(study, engine, scores, run)
    assert load_results(study.path / "results.json") == scores
    column = read_json(run.study_json)
    assert list(column) == ["study_id", "design_sha256", "forms", "rows"]
    assert list(column["rows"][0]) == ["method", "T", "value", "se", "ci95", "n", "p_one_third"]
    assert "24 of 24 forms finished" in format_scores(scores)


def test_a_rater_who_presses_one_key_is_left_out_of_the_second_table_only(study: Study) -> None:
    write_json(
        study.settings_json,
        {**read_json(study.settings_json), "attention_failures_to_screen_out": 0},
    )
    study = Study.open(study.path)
    engine = open_database(study.default_database, study)
    store = Store(engine, study, Ticking())
    for turn in range(6):
        answer_all(store, "first" if turn == 0 else "finds")
    scores = score_study(study, engine)
    assert scores.exclusion.raters == 1
    assert sum(row.n for row in scores.rows) == 36
    assert sum(row.n for row in scores.after_exclusions) == 30
    assert all(row.value == 1 for row in scores.after_exclusions)
    assert min(row.value for row in scores.rows) < 1


def test_a_rule_changed_after_the_build_shows(study: Study) -> None:
    engine = open_database(study.default_database, study)
    answer_all(Store(engine, study, Ticking()))
    assert score_study(study, engine).exclusion.as_registered
    settings = read_json(study.settings_json)
    settings["exclusion"]["min_gold_correct"] = 2
    write_json(study.settings_json, settings)
    changed = score_study(Study.open(study.path), engine)
    assert not changed.exclusion.as_registered
    assert "CHANGED since the study was built" in format_scores(changed)


@pytest.mark.slow
def test_simulated_skill_is_recovered_and_never_reaches_a_run(study: Study, run: Run) -> None:
    engine = open_database(f"sqlite:///{study.path / 'simulated.db'}", study, simulated=True)
    done = simulate_study(
        study, engine, Population({"": 0.4, "x2face": 1.0}, 0.0, 0.0, 0.0, dropout=0.3), seed=1
    )
    assert done.raters - done.dropped_out == len(study.design.forms)
    assert done.dropped_out > 0
    scores = score_study(study, engine)
    assert scores.simulated
    by_method = {(row.method, row.T): row for row in scores.rows}
    assert by_method["x2face", 1].value == 1
    found = sum(by_method["ours-ff", T].value * by_method["ours-ff", T].n for T in (1, 8))
    assert binomtest(round(found), 72, 0.4).pvalue > 0.01
    with pytest.raises(ThbenchError, match="simulated"):
        save_scores(study, engine, scores, run)
    with pytest.raises(ThbenchError, match="never share a database"):
        open_database(f"sqlite:///{study.path / 'simulated.db'}", study)


def test_answers_of_unfinished_forms_do_not_count(study: Study) -> None:
    engine = open_database(study.default_database, study)
    store = Store(engine, study, Ticking())
    answer_all(store)
    participant = store.agree(Agreement())
    store.start(participant, {})
    for _ in range(5):
        standing = store.standing(participant)
        assert standing is not None
        assert standing.trial is not None
        store.answer(participant, standing.trial.token, Response(0, 900, "key", 0))
    assert read_ratings(engine, study)["rater"].nunique() == 1


def test_nothing_finished_is_one_line(study: Study) -> None:
    with pytest.raises(ThbenchError, match="no finished form yet"):
        score_study(study, open_database(study.default_database, study))


def test_scores_go_only_into_the_run_they_came_from(
    study: Study,
    run: Run,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = tmp_path_factory.mktemp("other") / "run"
    other.mkdir()
    write_json(other / "run.json", {**read_json(run.run_json), "T": [1]})
    engine = open_database(study.default_database, study)
    answer_all(Store(engine, study, Ticking()))
    with pytest.raises(ThbenchError, match="not the run"):
        save_scores(study, engine, score_study(study, engine), Run.open(other))


def test_text_that_a_spreadsheet_would_run_is_quoted(study: Study) -> None:
    table = pd.DataFrame(
        {"method": ["=HYPERLINK(1)", "+1", "@x", "-a", "fine"], "T": [1, 2, 3, 4, 5]}
    )
    save_ratings(study.path / "x.csv", table)
    with open(study.path / "x.csv", newline="") as file:
        assert [row["method"] for row in csv.DictReader(file)] == [
            "'=HYPERLINK(1)",
            "'+1",
            "'@x",
            "'-a",
            "fine",
        ]


def test_scores_are_strict_json(study: Study) -> None:
    engine = open_database(study.default_database, study)
    answer_all(Store(engine, study, Ticking()))
    scores = score_study(study, engine)
    told = json.loads(scores_json(scores))
    assert decode(StudyScores, told, "scores", "mend it") == scores


def test_the_server_times_answers_beside_the_page(study: Study) -> None:
    engine = open_database(study.default_database, study)
    honest, clock = Ticking(), Ticking()
    answer_all(Store(engine, study, honest))

    hurried = Store(engine, study, lambda: clock.now_s)  # claims 900 ms, takes none
    answer_all(hurried)

    ratings = read_ratings(engine, study)
    slow, fast = (own for _, own in ratings.groupby("rater"))
    assert (slow["server_ms"] >= slow["response_ms"]).all()
    assert (slow["server_ms"] <= 3000).all()
    assert (fast["response_ms"] == 900).all()
    assert (fast["server_ms"] == 0).all()
    assert not slow["excluded"].any()
    assert fast["excluded"].all()


def test_a_clock_set_back_leaves_a_gap_in_the_servers_times_and_excludes_nobody(
    study: Study,
) -> None:
    engine = open_database(study.default_database, study)
    now_s = iter(range(10_000_000, 0, -1))
    answer_all(Store(engine, study, lambda: float(next(now_s))))

    ratings = read_ratings(engine, study)
    assert len(ratings) > 0
    assert ratings["server_ms"].isna().all()
    assert not ratings["excluded"].any()
