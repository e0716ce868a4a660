"""Adam for a table of which each step sees a few rows: the rows move as with dense Adam, at a
step's cost.
"""

from __future__ import annotations

from collections.abc import Mapping

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

    @property
    def steps(self) -> Tensor:
        """The number of steps taken, int64 []."""
        (state,) = self.state.values()
        steps: Tensor = state["step"]
        return steps

    def row_state(self) -> dict[str, Tensor]:
        """What is kept of each row, [rows, ...]: with `steps` all that it takes to go on."""
        (state,) = self.state.values()
        return {"second_moment": state["second_moment"], "last_step": state["seen"]}

    def load_rows(self, steps: Tensor, rows: Mapping[str, Tensor]) -> None:
        """Goes on from what `steps` and `row_state` were, of these rows."""
        self.steps.copy_(steps)
        for name, tensor in self.row_state().items():
            if tensor.shape != rows[name].shape:  # copying would repeat one row for all
                raise ValueError(f"{name} has the shape {tuple(rows[name].shape)}")
            tensor.copy_(rows[name])

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
