"""Balanced forms: which triplets a rater sees, and where the fake stands.

Both questions are equitable edge colourings of a bipartite multigraph (de Werra 1971): colours can
always be dealt so that at every vertex any two colours differ by at most one edge. With edges =
ratings, vertices = (test video, table row) and colours = forms this is the best balance there is;
with vertices = (form, triplet) and colours = the three positions it balances where the fake stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError

Table = NDArray[np.int64]
POSITIONS = 3


@dataclass(frozen=True)
class RatedTriplet:
    """What the design needs to know of a triplet: its test video, person and table row."""

    video: Hashable
    person: Hashable
    row: Hashable


class Trial(NamedTuple):
    """A triplet in a form; the fake stands at `fake_position` (0, 1, 2) for the first rater who
    takes the form. In design.json it is the pair of the two.
    """

    triplet: int
    fake_position: int


def balanced_forms(
    triplets: Sequence[RatedTriplet], ratings: int, trials_per_form: int, rng: np.random.Generator
) -> list[list[Trial]]:
    """Deals every triplet into exactly `ratings` forms of at most `trials_per_form` trials.

    No test video comes twice in a form, and no person where the numbers allow it; forms differ by
    at most one trial; a table row comes equally often (+-1) in every form; the fake stands equally
    often (+-1) at each position within every form and over the ratings of every triplet.
    """
    if not triplets or ratings < 1 or trials_per_form < 1:
        raise ThbenchError("a study needs at least one triplet, one rating and one trial a form")

    rated = [number for number in range(len(triplets)) for _ in range(ratings)]
    most_a_video = max(Counter(triplet.video for triplet in triplets).values()) * ratings
    most_a_person = max(Counter(triplet.person for triplet in triplets).values()) * ratings
    n_forms = max(-(-len(rated) // trials_per_form), most_a_video)

    by_person = most_a_person <= n_forms
    scenes = [triplets[number].person if by_person else triplets[number].video for number in rated]
    rows = [triplets[number].row for number in rated]
    colours = equitable_colouring(scenes, rows, n_forms, rng)

    forms: list[list[int]] = [[] for _ in range(n_forms)]
    for number, form in zip(rated, rng.permutation(n_forms)[colours], strict=True):
        forms[form].append(number)
    return _with_positions(forms, rng)


def equitable_colouring(
    left: Sequence[Hashable], right: Sequence[Hashable], colours: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Colours the edges (left[i], right[i]), parallel edges allowed, with colours 0..colours-1,
    int64 [edges].

    At every vertex, and over all edges, any two colours differ by at most one.
    """
    left_of = _split_vertices(left, colours, rng)
    right_of = _split_vertices(right, colours, rng)
    left_table = np.full((left_of.max() + 1, colours), -1)  # the edge of each colour at each vertex
    right_table = np.full((right_of.max() + 1, colours), -1)
    graph = _Graph(left_of, right_of, left_table, right_table)

    for edge in rng.permutation(len(left_of)):
        _colour_edge(graph, int(edge), rng)
    _equalise(graph)

    result = np.empty(len(left_of), dtype=np.int64)
    vertices, used = np.nonzero(left_table >= 0)
    result[left_table[vertices, used]] = used
    return result


@dataclass(frozen=True)
class _Graph:
    """Edges by number. left_of, right_of [edges]: the vertices that each joins; left_table,
    right_table [vertices, colours]: the edge of each colour at a vertex, -1 for none.
    """

    left_of: Table
    right_of: Table
    left_table: Table
    right_table: Table

    def end(self, edge: int, from_left: bool) -> tuple[int, Table]:
        """The vertex at the other end of an edge, and the table of its side."""
        if from_left:
            return int(self.right_of[edge]), self.right_table
        return int(self.left_of[edge]), self.left_table

    def paint(self, edge: int, colour: int) -> None:
        """Gives an edge a colour."""
        self.left_table[self.left_of[edge], colour] = edge
        self.right_table[self.right_of[edge], colour] = edge

    def scrape(self, edge: int, colour: int) -> None:
        """Takes a colour off an edge."""
        self.left_table[self.left_of[edge], colour] = -1
        self.right_table[self.right_of[edge], colour] = -1


def _split_vertices(ends: Sequence[Hashable], size: int, rng: np.random.Generator) -> Table:
    """Splits vertices into parts of at most `size` edges: a proper colouring of the parts is an
    equitable one.
    """
    numbers: dict[tuple[Hashable, int], int] = {}
    seen: Counter[Hashable] = Counter()
    parts = np.empty(len(ends), dtype=np.int64)

    for edge in rng.permutation(len(ends)):
        vertex = ends[edge]
        parts[edge] = numbers.setdefault((vertex, seen[vertex] // size), len(numbers))
        seen[vertex] += 1

    return parts


def _colour_edge(graph: _Graph, edge: int, rng: np.random.Generator) -> None:
    """König's step: a colour free at both ends, made free by flipping an alternating path where
    there is none.
    """
    left, right = graph.left_of[edge], graph.right_of[edge]
    free_left, free_right = graph.left_table[left] < 0, graph.right_table[right] < 0

    both = np.flatnonzero(free_left & free_right)
    if both.size:
        graph.paint(edge, int(rng.choice(both)))
        return

    here = int(rng.choice(np.flatnonzero(free_left)))
    there = int(rng.choice(np.flatnonzero(free_right)))
    _flip(graph, _path(graph, int(right), False, here, there), here, there)
    graph.paint(edge, here)


def _path(graph: _Graph, vertex: int, at_left: bool, first: int, second: int) -> list[int]:
    """The edges of the path that starts at `vertex` with colour `first` and alternates with
    `second`.
    """
    path: list[int] = []
    table = graph.left_table if at_left else graph.right_table
    colour = first

    while (edge := int(table[vertex, colour])) >= 0:
        path.append(edge)
        vertex, table = graph.end(edge, at_left)
        at_left = not at_left
        colour = second if colour == first else first

    return path


def _flip(graph: _Graph, path: list[int], first: int, second: int) -> None:
    """Swaps the two colours along a path that begins with `first`."""
    colours = [first if step % 2 == 0 else second for step in range(len(path))]

    for edge, colour in zip(path, colours, strict=True):
        graph.scrape(edge, colour)

    for edge, colour in zip(path, colours, strict=True):
        graph.paint(edge, second if colour == first else first)


def _equalise(graph: _Graph) -> None:
    """Evens out the colours over all edges by flipping paths that hold one edge more of the
    frequent colour.
    """
    sizes = np.count_nonzero(graph.left_table >= 0, axis=0)

    while sizes.max() - sizes.min() > 1:
        often, seldom = int(sizes.argmax()), int(sizes.argmin())
        _flip(graph, _surplus_path(graph, often, seldom), often, seldom)
        sizes[often] -= 1
        sizes[seldom] += 1


def _surplus_path(graph: _Graph, often: int, seldom: int) -> list[int]:
    """A path that begins and ends with the colour that is used more often."""
    for at_left, table in ((True, graph.left_table), (False, graph.right_table)):
        for vertex in np.flatnonzero((table[:, often] >= 0) & (table[:, seldom] < 0)):
            path = _path(graph, int(vertex), at_left, often, seldom)
            if len(path) % 2:
                return path

    raise AssertionError("two colours of unequal size always leave a path with a surplus")


def _with_positions(forms: list[list[int]], rng: np.random.Generator) -> list[list[Trial]]:
    """Adds where the fake stands, as even as can be in every form and for every triplet."""
    form_of = [form for form, triplets in enumerate(forms) for _ in triplets]
    triplet_of = [triplet for triplets in forms for triplet in triplets]

    positions = iter(equitable_colouring(form_of, triplet_of, POSITIONS, rng))
    return [[Trial(triplet, int(next(positions))) for triplet in triplets] for triplets in forms]
