"""What a step of meta-learning tells of its health beside the losses, and the alarms over it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thbench.training.alarms import Alarm, Values, logged

DEAD_ZEROS = 0.99  # share of zeros in e
SHRUNK_TO = 0.6  # of the mean of e at the start of the window
SAME_SPREAD = 0.02  # between persons, of the mean of e
UNMATCHED = 0.3  # correlation of e and W
WON = 0.05  # the hinge loss of a discriminator that is never wrong


def embedding_values(embeddings: Tensor, rows: Tensor | None) -> dict[str, float]:
    """embeddings e [B, K, N]; rows W_i [B, N] of their videos, where there is a match loss.

    mean: of e. zeros: the share of its elements that are 0. between: the standard deviation over
    the batch's episodes, averaged over N. row_correlation: of e and W, each less its mean over the
    batch; 0 where either is constant.
    """
    e = embeddings.detach().float()
    episodes = e.mean(dim=1)
    values = {"embedding/mean": e.mean(), "embedding/zeros": (e == 0).float().mean()}
    if len(episodes) > 1:
        values["embedding/between"] = episodes.std(dim=0).mean()
        if rows is not None:
            values["embedding/row_correlation"] = _correlation(episodes, rows.detach().float())
    return {name: value.item() for name, value in values.items()}


def gradient_norm(module: nn.Module) -> float:
    """The length of the gradient of all the module's parameters together."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients).item() if gradients else 0.0


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Of two batches [B, N], each less its mean over B."""
    a, b = (x - x.mean(dim=0) for x in (a, b))
    lengths = a.norm() * b.norm()
    return torch.where(
        lengths > 0, (a * b).sum() / lengths.clamp_min(1e-12), torch.zeros_like(lengths)
    )


def _dead_embedding(recent: Sequence[Values]) -> str | None:
    zeros = logged(recent, "embedding/zeros")
    if zeros is None or min(zeros) < DEAD_ZEROS:
        return None
    return f"{zeros[-1]:.0%} of e is zero, for {len(zeros)} steps"


def _shrinking_embedding(recent: Sequence[Values]) -> str | None:
    means = logged(recent, "embedding/mean")
    if means is None:
        return None
    part = max(1, len(means) // 5)
    before, now = (sum(values) / part for values in (means[:part], means[-part:]))
    if now > SHRUNK_TO * before:
        return None
    return f"the mean of e fell from {before:.3g} to {now:.3g} in {len(means)} steps"


def _same_embedding(recent: Sequence[Values]) -> str | None:
    means, spread = logged(recent, "embedding/mean"), logged(recent, "embedding/between")
    if means is None or spread is None:
        return None
    if any(between > SAME_SPREAD * mean for between, mean in zip(spread, means, strict=True)):
        return None
    return f"e differs by {spread[-1]:.2g} between persons, around a mean of {means[-1]:.2g}"


def _unmatched(recent: Sequence[Values]) -> str | None:
    correlation = logged(recent, "embedding/row_correlation")
    if correlation is None or (mean := sum(correlation) / len(correlation)) > UNMATCHED:
        return None
    return (
        f"e and W correlate by {mean:.2f} over {len(correlation)} steps, so w' = w0 + e_NEW will "
        "mean nothing"
    )


def _discriminator_won(recent: Sequence[Values]) -> str | None:
    losses = logged(recent, "dsc")
    if losses is None or (mean := sum(losses) / len(losses)) > WON:
        return None
    return (
        f"its loss is {mean:.2g} over {len(losses)} steps: it is never wrong, and G learns nothing "
        "from it"
    )


def _discriminator_blind(recent: Sequence[Values]) -> str | None:
    real, fake = logged(recent, "d/real"), logged(recent, "d/fake")
    if real is None or fake is None:
        return None
    gap = sum(r - f for r, f in zip(real, fake, strict=True)) / len(real)
    if gap > 0.02 or min(real) < 1 or min(fake) < 1:
        return None
    return (
        f"it scores real and fake alike ({real[-1]:.3g} and {fake[-1]:.3g}), above the hinge, for "
        f"{len(real)} steps"
    )


def ours_alarms(steps: int = 100) -> tuple[Alarm, ...]:
    """The alarms of meta-learning; steps: how long something must last."""
    return (
        Alarm(
            "dead embedding",
            steps,
            _dead_embedding,
            "lower lr_generator, or weight_match if it is on, and start again from an earlier "
            "checkpoint",
        ),
        Alarm(
            "shrinking embedding",
            steps,
            _shrinking_embedding,
            "the match loss pulls e to 0 when W is noise: set row_start=embedding, or lower "
            "weight_match",
        ),
        Alarm(
            "embedding tells no persons apart",
            steps,
            _same_embedding,
            "check that videos of one person share a row only where they should; lower "
            "lr_generator",
        ),
        Alarm(
            "embedding does not match W",
            steps,
            _unmatched,
            "set row_start=embedding; with it, raise weight_match",
        ),
        Alarm(
            "discriminator has won",
            steps,
            _discriminator_won,
            "set discriminator_steps=1, lower lr_discriminator, or lengthen warmup_steps",
        ),
        Alarm(
            "discriminator is blind",
            steps,
            _discriminator_blind,
            "raise lr_discriminator, or lower the scale of W's start",
        ),
    )
