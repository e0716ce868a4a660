"""How the command line in a spec is split into words."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from baselines.external.settings import split_words
from thbench.errors import ThbenchError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prog -s {source}", ["prog", "-s", "{source}"]),
        ("'prog -s {source}'", ["prog", "-s", "{source}"]),  # no shell has taken the quotes off
        ("""'"a b/prog" -s "c d"'""", ["a b/prog", "-s", "c d"]),
        (r"a\ b/prog", ["a b/prog"]),
        (r"~/a\ b/prog", ["~/a b/prog"]),
        ("prog", ["prog"]),
        ("", []),
        ("''", []),
    ],
)
def test_quotes_are_taken_off_once_from_words_and_once_from_the_line(
    line: str, words: list[str]
) -> None:
    assert split_words("video:x", line, "usage") == words


def test_a_quoted_program_in_a_folder_with_a_space_stays_one_word(tmp_path: Path) -> None:
    program = tmp_path / "my programs" / "serve it"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert split_words("worker:x", shlex.quote(str(program)), "usage") == [str(program)]


def test_an_open_quote_is_told_with_its_place() -> None:
    with pytest.raises(ThbenchError, match="worker:x: No closing quotation; usage"):
        split_words("worker:x", "'prog", "usage")
