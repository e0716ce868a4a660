"""Few-shot learning by fine-tuning (section 3.3): a short adversarial training on the T shots of
one person.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from thbench.paper.losses import discriminator_hinge, feature_matching, realism
from thbench.paper.nets.discriminator import Discriminator, PersonDiscriminator
from thbench.paper.nets.generator import Generator
from thbench.perceptual.content import ContentLoss


@dataclass(frozen=True)
class FineTuneConfig:
    """40 epochs over the T shots in batches of min(T, 8), with the learning rates of meta-learning.

    most_steps ends it earlier. The last three are the ablations of appendix A.2: where psi' and w'
    start, and whether L'_ADV is in the objective. generator_start: psi' = P e_NEW from the
    embedder; "random-embedding" puts noise in the place of e_NEW, "random" noise in the place of
    psi' itself.
    """

    epochs: int = 40
    batch: int = 8
    most_steps: int | None = None
    lr_generator: float = 5e-5
    lr_discriminator: float = 2e-4
    discriminator_steps: int = 2
    weight_feature_matching: float = 10.0
    generator_start: Literal["embedder", "random", "random-embedding"] = "embedder"
    discriminator_start: Literal["embedder", "random"] = "embedder"
    adversarial: bool = True


@dataclass(frozen=True)
class FineTuned:
    """psi as a generator of its own, and psi' [1, A]. The discriminator has served its purpose."""

    generator: Generator
    adaptive: Tensor
    discriminator: PersonDiscriminator


def fine_tune(
    generator: Generator,
    discriminator: Discriminator,
    embedding: Tensor,
    frames: Tensor,
    landmark_images: Tensor,
    content: ContentLoss,
    config: FineTuneConfig,
    seed: int,
) -> FineTuned:
    """Minimises eq. 9 over psi, psi' and eq. 10 over theta, w', b; the modules given are copied,
    not changed.

    embedding: e_NEW [N] (eq. 7). frames, landmark_images: [T, 3, S, S] in [-1, 1]. seed orders the
    shots and draws the random starts of the ablations.
    """
    random = torch.Generator().manual_seed(seed)
    # The starts are read in evaluation mode: reading a normalised weight in training mode would
    # move its norm.
    generator = copy.deepcopy(generator).eval().requires_grad_(True)
    discriminator = copy.deepcopy(discriminator).eval().requires_grad_(True)
    generator.projection.requires_grad_(False)
    adaptive = nn.Parameter(_generator_start(generator, embedding, config, random))
    judge = PersonDiscriminator(discriminator, _discriminator_start(embedding, config, random))
    generator.train()
    judge.train()

    # psi' and w' are parameters by now, so the optimisers hold them.
    optimiser = _adam([adaptive, *_trained(generator)], config.lr_generator)
    optimiser_d = _adam(_trained(judge), config.lr_discriminator)

    for shots in _batches(len(frames), config, random):
        x, y = frames[shots], landmark_images[shots]

        fake = generator.synthesise(y, adaptive.expand(len(shots), -1))
        torch.autograd.backward(_generator_loss(fake, x, y, judge, content, config))
        optimiser.step()
        optimiser.zero_grad()

        if config.adversarial:
            _discriminator_steps(
                judge, optimiser_d, fake.detach(), x, y, config.discriminator_steps
            )

    return FineTuned(generator, adaptive.detach(), judge)


def _batches(shots: int, config: FineTuneConfig, random: torch.Generator) -> list[Tensor]:
    """Which shots each step takes: every epoch all of them, in an order of its own."""
    epochs = [torch.randperm(shots, generator=random) for _ in range(config.epochs)]
    batches = [batch for epoch in epochs for batch in torch.split(epoch, config.batch)]
    return batches[: config.most_steps]


def _generator_loss(
    fake: Tensor,
    real: Tensor,
    y: Tensor,
    judge: PersonDiscriminator,
    content: ContentLoss,
    config: FineTuneConfig,
) -> Tensor:
    """Eq. 9: L'_CNT + L'_ADV; there is no match loss in fine-tuning."""
    loss: Tensor = content(fake, real)
    if not config.adversarial:
        return loss

    trained = _trained(judge)
    for parameter in trained:
        parameter.requires_grad_(False)
    judged = judge(fake, y)
    with torch.no_grad():
        target = judge(real, y)
    for parameter in trained:
        parameter.requires_grad_(True)

    distance = feature_matching(judged.features, target.features)
    return loss + realism(judged.score) + config.weight_feature_matching * distance


def _discriminator_steps(
    judge: PersonDiscriminator,
    optimiser: torch.optim.Optimizer,
    fake: Tensor,
    real: Tensor,
    y: Tensor,
    steps: int,
) -> None:
    """Eq. 10 on the same detached fakes."""
    for _ in range(steps):
        judged = judge(torch.cat([real, fake]), torch.cat([y, y]))
        torch.autograd.backward(discriminator_hinge(*judged.score.chunk(2)))
        optimiser.step()
        optimiser.zero_grad()


def _generator_start(
    generator: Generator, embedding: Tensor, config: FineTuneConfig, random: torch.Generator
) -> Tensor:
    """psi' [1, A]: P e_NEW, P of a random embedding, or noise, each as FineTuneConfig says."""
    if config.generator_start == "random-embedding":
        # Embeddings are sums of ReLUs, so none of their values is negative.
        embedding = _noise_like(embedding, random).clamp(min=0)
    with torch.no_grad():
        predicted = generator.project(embedding[None])
    return _noise_like(predicted, random) if config.generator_start == "random" else predicted


def _noise_like(values: Tensor, random: torch.Generator) -> Tensor:
    """Normal noise of the shape, mean and spread of `values`."""
    noise = torch.randn(values.shape, generator=random).to(values.device)
    return values.mean() + values.std() * noise


def _discriminator_start(
    embedding: Tensor, config: FineTuneConfig, random: torch.Generator
) -> Tensor:
    """What takes W_i's place in w' = W_i + w0: e_NEW; in the ablation, a row as W starts."""
    if config.discriminator_start == "embedder":
        return embedding
    return (torch.rand(embedding.shape, generator=random) * 0.2 - 0.1).to(embedding.device)


def _adam(parameters: list[nn.Parameter], rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.999), eps=1e-5)


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
