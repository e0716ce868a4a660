"""How far a long command is, on stderr: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 60.0


@dataclass(frozen=True)
class Stage:
    """One stage of a command.

    Call `advance` when one more item is done, with what else there is to say (losses, frames) or
    ""; `say` prints a line of its own.
    """

    advance: Callable[[str], None]
    say: Callable[[str], None]


@contextmanager
def stage(title: str, total: int, done: int = 0, quiet: bool = False) -> Iterator[Stage]:
    """Shows how `total` items are done, of which `done` were before.

    Quiet shows only what is said.
    """
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    if quiet:
        yield Stage(lambda text: None, console.print)
    elif console.is_interactive:
        with _bar(console, title, total, done) as advance:
            yield Stage(advance, console.print)
    else:
        yield Stage(Lines(title, total, done, say=console.print).advance, console.print)


def track(items: Iterable[Item], total: int, title: str, quiet: bool = False) -> Iterator[Item]:
    """Yields `items` and shows how many of `total` have been used."""
    with stage(title, total, quiet=quiet) as shown:
        for item in items:
            yield item
            shown.advance("")


@contextmanager
def counter(title: str, quiet: bool = False) -> Iterator[Callable[[int, int, str], None]]:
    """For work that counts itself: yields what to call with (done, total, text).

    Call it once before the first item is done, and after each. text is what else there is to say.
    """
    with ExitStack() as stack:
        shown: Stage | None = None

        def count(done: int, total: int, text: str) -> None:
            nonlocal shown
            if shown is None:
                shown = stack.enter_context(stage(title, total, done, quiet))
            else:
                shown.advance(text)

        yield count


class Lines:
    """A line after 10 s, then ever more seldom, at last once a minute, and one at the end.

    The rate and the time left come from the items since the last line: they change with the work.
    """

    def __init__(
        self,
        title: str,
        total: int,
        done: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._total, self._done = title, total, done
        self._clock, self._say = clock, say
        self._pause_s = _FIRST_PAUSE_S
        self._said_s, self._said_done = clock(), done

    def advance(self, text: str) -> None:
        self._done += 1
        since_s = self._clock() - self._said_s

        if since_s < self._pause_s and self._done < self._total:
            return

        rate = (self._done - self._said_done) / max(since_s, 1e-9)
        left = timedelta(seconds=round((self._total - self._done) / rate))
        parts = [
            f"{self._title}: {self._done} of {self._total}",
            text,
            _rate(rate),
            f"{left} left" if self._done < self._total else "done",
        ]
        self._say(", ".join(filter(None, parts)))

        self._said_s, self._said_done = self._clock(), self._done
        self._pause_s = min(self._pause_s * 1.5, _LONGEST_PAUSE_S)


def _rate(per_s: float) -> str:
    return f"{per_s:.3g} per second" if per_s >= 1 else f"{1 / per_s:.3g} s each"


@contextmanager
def _bar(console: Console, title: str, total: int, done: int) -> Iterator[Callable[[str], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as bar:
        task = bar.add_task(title, total=total, completed=done, text="")
        yield lambda text: bar.update(task, advance=1, text=text)
