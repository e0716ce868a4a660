"""Text from elsewhere cannot steer the terminal that shows it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thbench.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("50 %\r100 %", "50 % 100 %"),
        ("a\x08\x08b\x00c", "a??b?c"),
        ("user\u202egnp.exe", "user?gnp.exe"),
        ("Zakharov – Фёдор 方法", "Zakharov – Фёдор 方法"),
        ("\x1b", ""),
    ],
)
def test_escape_sequences_and_control_characters_go(text, shown):
    assert printable(text, 200) == shown


def test_what_is_too_long_keeps_its_two_ends():
    assert printable("begin" + "x" * 1000 + "end", 20) == "beginxxxx...xxxxxend"


@given(st.text(), st.integers(3, 50))
def test_whatever_comes_is_one_short_line(text, limit):
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(character).startswith("C") for character in shown)
