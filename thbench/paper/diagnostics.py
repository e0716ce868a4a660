"""Diagnostics of meta-learning, logged at each step beside the losses, and alarms on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thbench.training.alarms import Alarm, Values, logged

# The limits at which the alarms go off; e is an embedding.
DEAD_ZEROS = 0.99  # the share of zeros in e, at least
SHRUNK_TO = 0.6  # the mean of e as a share of what it was at the start of the window, at most
SAME_SPREAD = 0.02  # the deviation of e between persons as a share of its mean, at most
UNMATCHED = 0.3  # the correlation of e and W, at most
WON = 0.05  # the hinge loss of the discriminator, at most: it is hardly ever wrong
BLIND_GAP = 0.02  # the mean score of real frames less that of fake frames, at most


def embedding_values(embeddings: Tensor, rows: Tensor | None) -> dict[str, float]:
    """Diagnostics of the embeddings e [B, K, N] of a batch's shots.

    rows: W_i [B, N] of their videos, None without a match loss.

    "embedding/mean": the mean of e.
    "embedding/zeros": the share of elements of e that are 0.
    "embedding/between": the standard deviation over the episodes of the batch, averaged over N.
    "embedding/row_correlation": between e and W, both centred over the batch; 0 where one of them
        is constant.
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
    """The Euclidean norm of all gradients of the module together; 0 where it has none."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    if not gradients:
        return 0.0
    return torch.nn.utils.get_total_norm(gradients).item()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """The correlation of two batches [B, N], both centred over B; 0 where one is constant."""
    a = a - a.mean(dim=0)
    b = b - b.mean(dim=0)

    lengths = a.norm() * b.norm()
    correlation = (a * b).sum() / lengths.clamp_min(1e-12)
    return torch.where(lengths > 0, correlation, torch.zeros_like(lengths))


def _dead_embedding(recent: Sequence[Values]) -> str | None:
    zeros = logged(recent, "embedding/zeros")
    if zeros is None or min(zeros) < DEAD_ZEROS:
        return None
    return f"{zeros[-1]:.0%} of e is zero, for {len(zeros)} steps"


def _shrinking_embedding(recent: Sequence[Values]) -> str | None:
    means = logged(recent, "embedding/mean")
    if means is None:
        return None

    fifth = max(1, len(means) // 5)
    before = sum(means[:fifth]) / fifth
    now = sum(means[-fifth:]) / fifth
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
    correlations = logged(recent, "embedding/row_correlation")
    if correlations is None:
        return None

    mean = sum(correlations) / len(correlations)
    if mean > UNMATCHED:
        return None
    return (
        f"e and W correlate by {mean:.2f} over {len(correlations)} steps, so w' = w0 + e_NEW will "
        "mean nothing"
    )


def _discriminator_won(recent: Sequence[Values]) -> str | None:
    losses = logged(recent, "dsc")
    if losses is None:
        return None

    mean = sum(losses) / len(losses)
    if mean > WON:
        return None
    return (
        f"its loss is {mean:.2g} over {len(losses)} steps: it is never wrong, and G learns nothing "
        "from it"
    )


def _discriminator_blind(recent: Sequence[Values]) -> str | None:
    real, fake = logged(recent, "d/real"), logged(recent, "d/fake")
    if real is None or fake is None:
        return None

    gaps = [on_real - on_fake for on_real, on_fake in zip(real, fake, strict=True)]
    if sum(gaps) / len(gaps) > BLIND_GAP:
        return None

    # Scores of 1 and more are above the hinge, where real frames teach nothing.
    if min(real) < 1 or min(fake) < 1:
        return None
    return (
        f"it scores real and fake alike ({real[-1]:.3g} and {fake[-1]:.3g}), above the hinge, for "
        f"{len(real)} steps"
    )


def ours_alarms(steps: int = 100) -> tuple[Alarm, ...]:
    """The alarms of meta-learning. steps: for how many steps each looks before it goes off."""
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
