"""Alarms ring once for each time that something goes wrong, and only on what was logged."""

from thbench.training.alarms import Alarm, Watchman, logged


def low(recent):
    values = logged(recent, "height")
    return f"height below 1 for {len(values)} steps" if values and max(values) < 1 else None


def lines(heights, steps=3):
    watchman = Watchman([Alarm("low", steps, low, "lift it")])
    return [line for height in heights for line in watchman.after({"height": height})]


def test_an_alarm_waits_for_its_steps_and_says_what_helps():
    assert lines([0, 0]) == []
    assert lines([0, 0, 0]) == ["low: height below 1 for 3 steps; lift it"]


def test_an_alarm_that_goes_on_is_said_once_and_again_after_quiet():
    assert len(lines([0] * 10)) == 1
    assert len(lines([0, 0, 0, 2, 0, 0, 0])) == 2


def test_a_step_that_logs_nothing_of_it_sets_nothing_off():
    watchman = Watchman([Alarm("low", 2, low, "lift it")])
    assert [
        watchman.after(values) for values in ({"height": 0.0}, {"cnt": 1.0}, {"height": 0.0})
    ] == [[], [], []]
