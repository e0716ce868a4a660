"""Rows of a table move as with dense Adam, however long ago they were seen."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thbench.paper.row_adam import RowAdam

visits = st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=30)


def after(visits, table, optimiser, sparse):
    for number, rows in enumerate(visits):
        index = torch.tensor(rows, dtype=torch.int64)
        target = torch.sin(torch.arange(3.0) + number)
        if rows or not sparse:
            seen = torch.nn.functional.embedding(index, table, sparse=sparse)
            (((seen - target) ** 2).sum() + (0 if sparse else 0 * table.sum())).backward()
        optimiser.step()
        optimiser.zero_grad()
    return table.detach()


@settings(deadline=None, max_examples=50)
@given(visits)
def test_rows_move_as_with_dense_adam(visits):
    start = torch.linspace(-1, 1, 15).reshape(5, 3)
    dense, rows = (torch.nn.Parameter(start.clone()) for _ in range(2))
    adam = torch.optim.Adam([dense], lr=0.01, betas=(0.0, 0.999), eps=1e-5)
    expected = after(visits, dense, adam, sparse=False)
    torch.testing.assert_close(
        after(visits, rows, RowAdam(rows, lr=0.01), sparse=True), expected, atol=1e-5, rtol=1e-4
    )


def test_a_row_that_was_long_unseen_moves_further_than_with_sparse_adam():
    visits = [[0]] + [[1]] * 2000 + [[0]]
    moved = {}
    for name in ("row", "sparse"):
        table = torch.nn.Parameter(torch.zeros(2, 3))
        optimiser = (
            RowAdam(table, lr=0.01)
            if name == "row"
            else torch.optim.SparseAdam([table], lr=0.01, betas=(0.0, 0.999), eps=1e-5)
        )
        before = after(visits[:-1], table, optimiser, sparse=True)[0].clone()
        moved[name] = (after([[0]], table, optimiser, sparse=True)[0] - before).abs().max().item()
    assert moved["row"] > 1.2 * moved["sparse"]


def test_a_resumed_optimiser_goes_on_exactly():
    visits = [[0, 1], [2], [0], [1, 4], [0, 3]]
    whole, parts = (torch.nn.Parameter(torch.zeros(5, 3)) for _ in range(2))
    expected = after(visits, whole, RowAdam(whole, lr=0.01), sparse=True)
    first = RowAdam(parts, lr=0.01)
    after(visits[:3], parts, first, sparse=True)
    second = RowAdam(parts, lr=0.01)
    second.load_state_dict(first.state_dict())
    targets = visits[3:]
    for number, rows in enumerate(targets, 3):
        seen = torch.nn.functional.embedding(torch.tensor(rows), parts, sparse=True)
        ((seen - torch.sin(torch.arange(3.0) + number)) ** 2).sum().backward()
        second.step()
        second.zero_grad()
    assert torch.equal(parts.detach(), expected)
