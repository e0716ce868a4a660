"""Progress: lines that grow rarer where there is no terminal, and silence when asked for."""

from __future__ import annotations

import pytest

from thbench.progress import Lines, counter, stage, track


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def said_at(step_s: float, total: int) -> list[tuple[float, str]]:
    """When which lines come if each item takes `step_s`."""
    clock = Clock()
    said: list[tuple[float, str]] = []
    lines = Lines("train ours", total, 0, lambda line: said.append((clock.now_s, line)), clock)
    for _ in range(total):
        clock.now_s += step_s
        lines.advance("cnt 1.5")
    return said


def test_lines_come_after_ten_seconds_and_then_ever_more_seldom() -> None:
    times = [at_s for at_s, _ in said_at(1.0, 1000)]
    pauses = [later - before for before, later in zip([0.0, *times[:-2]], times[:-1], strict=True)]

    assert pauses[0] == 10
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60
    assert times[-1] == 1000


def test_a_line_tells_step_losses_rate_and_time_left() -> None:
    (_, first), *_, (_, last) = said_at(0.5, 100)
    assert first == "train ours: 20 of 100, cnt 1.5, 2 per second, 0:00:40 left"
    assert last == "train ours: 100 of 100, cnt 1.5, 2 per second, done"
    assert "4 s each" in said_at(4.0, 10)[0][1]


def test_the_time_left_follows_a_change_of_pace() -> None:
    clock = Clock()
    said: list[str] = []
    lines = Lines("train ours", 100, 0, said.append, clock)
    for item in range(50):
        clock.now_s += 0.25 if item < 40 else 10
        lines.advance("")
    assert said[-1] == "train ours: 49 of 100, 10 s each, 0:08:30 left"


def test_work_that_goes_on_counts_what_was_done_before(capsys: pytest.CaptureFixture[str]) -> None:
    with counter("pack") as count:
        for done in range(7, 11):
            count(done, 10, "shards")
    assert "pack: 10 of 10, shards" in capsys.readouterr().err


def test_without_a_terminal_stderr_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], 3, "generate [x]")) == [1, 2, 3]
    printed = capsys.readouterr()
    assert printed.err.startswith("generate [x]: 3 of 3, ")
    assert printed.err.count("\n") == 1
    assert "\x1b" not in printed.err
    assert printed.out == ""


def test_quiet_says_nothing_but_what_is_said_on_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2, 3], 3, "generate", quiet=True)) == [1, 2, 3]
    assert capsys.readouterr().err == ""
    with stage("train ours", 3, quiet=True) as shown:
        shown.advance("cnt 1.5")
        shown.say("alarm")
    assert capsys.readouterr().err == "alarm\n"
