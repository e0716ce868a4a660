"""Adam for a table of which each step sees a few rows: the rows move as with dense Adam, at a
step's cost.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RowAdam(torch.optim.Optimizer):
    """Equal to `torch.optim.Adam` with beta1 = 0 on one table [rows, N] with sparse gradients.

    With beta1 = 0 dense Adam leaves a row without a gradient where it is, but its second moment
    decays. Here that decay is made up for when the row is seen again: `beta2 ** (steps since)`.
    `SparseAdam` leaves it out, so that rows which are seen once in thousands of steps hardly move.
    """

    def __init__(self, table: Tensor, lr: float, beta2: float = 0.999, eps: float = 1e-5) -> None:
        super().__init__([table], {"lr": lr, "beta2": beta2, "eps": eps})
        self.state[table] = {
            "step": torch.zeros((), dtype=torch.int64, device=table.device),
            # In the table's dtype, to which loading a state casts it anyway: exact for 16 million
            # steps.
            "seen": torch.zeros(len(table), dtype=table.dtype, device=table.device),
            "second_moment": torch.zeros_like(table),
        }

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Moves the rows that have a gradient."""
        (group,) = self.param_groups
        (table,) = group["params"]
        state, beta2 = self.state[table], group["beta2"]
        state["step"] += 1
        if table.grad is None:
            return

        gradient = table.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()

        decay = beta2 ** (state["step"] - state["seen"][rows])[:, None]
        moment: Tensor = state["second_moment"][rows] * decay + (1 - beta2) * values**2
        state["second_moment"][rows] = moment
        state["seen"][rows] = state["step"].to(table.dtype)

        unbiased = moment / (1 - beta2 ** state["step"])
        table[rows] -= group["lr"] * values / (unbiased.sqrt() + group["eps"])
