"""Few-shot learning by fine-tuning (section 3.3): a short adversarial training on the T shots of
one person.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from thbench.device import Precision, arithmetic, compiled, laid_out, tensor_cores
from thbench.errors import ThbenchError
from thbench.paper.average import PowerAverage
from thbench.paper.losses import discriminator_hinge, feature_matching, realism
from thbench.paper.nets.discriminator import Discriminator, Judgement, PersonDiscriminator
from thbench.paper.nets.generator import Generator
from thbench.perceptual.content import ContentLoss, ShotTargets


@dataclass(frozen=True)
class FineTuneConfig:
    """40 epochs over the T shots in batches of min(T, 8), with the learning rates of meta-learning.

    most_steps ends it earlier. generator_start, discriminator_start and adversarial are the
    ablations of appendix A.2: where psi' and w' start, and whether L'_ADV is in the objective.
    generator_start: psi' = P e_NEW from the embedder; "random-embedding" puts noise in the place of
    e_NEW, "random" noise in the place of psi' itself.

    average_power: the head is the `PowerAverage` of psi and psi' over the steps (0: each counts the
    same); None: what the last step leaves, as in the paper. Raises `ThbenchError` below 0.

    precision, compiled: for GPUs; bf16 halves the memory, compilation pays from some hundred steps.
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
    average_power: float | None = None
    precision: Precision = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.average_power is not None and not self.average_power >= 0:
            raise ThbenchError(f"average_power = {self.average_power} must be 0 or more")


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
    device = frames.device
    # The starts are read in evaluation mode: reading a normalised weight in training mode would
    # move its norm.
    generator = laid_out(copy.deepcopy(generator), device).eval().requires_grad_(True)
    discriminator = laid_out(copy.deepcopy(discriminator), device).eval().requires_grad_(True)
    generator.projection.requires_grad_(False)
    adaptive = nn.Parameter(_generator_start(generator, embedding, config, random))
    judge = PersonDiscriminator(discriminator, _discriminator_start(embedding, config, random))
    generator.train()
    judge.train()

    # psi' and w' are parameters by now, so the optimisers hold them.
    head = [adaptive, *_trained(generator)]
    optimiser = _adam(head, config.lr_generator)
    optimiser_d = _adam(_trained(judge), config.lr_discriminator)
    power = config.average_power
    average = None if power is None else PowerAverage(head, power)

    synthesise = compiled(generator.synthesise, config.compiled)
    tuning = _Tuning(
        compiled(judge.forward, config.compiled),
        _trained(judge),
        ShotTargets(content, frames),
        content,
        config,
    )

    with tensor_cores():
        for shots in _batches(len(frames), config, random):
            x, y = frames[shots], landmark_images[shots]

            with arithmetic(config.precision, device):
                fake = synthesise(y, adaptive.expand(len(shots), -1)).float()
            torch.autograd.backward(fake, tuning.gradient(fake.detach(), x, y, shots.tolist()))
            optimiser.step()
            optimiser.zero_grad()
            if average:
                average.update()

            if config.adversarial:
                tuning.discriminator_steps(optimiser_d, fake.detach(), x, y)

    if average:
        average.assign()
    return FineTuned(generator, adaptive.detach(), judge)


def _batches(shots: int, config: FineTuneConfig, random: torch.Generator) -> list[Tensor]:
    """Which shots each step takes: every epoch all of them, in an order of its own."""
    epochs = [torch.randperm(shots, generator=random) for _ in range(config.epochs)]
    batches = [batch for epoch in epochs for batch in torch.split(epoch, config.batch)]
    return batches[: config.most_steps]


@dataclass(frozen=True)
class _Tuning:
    """What fake frames of the shots are held against.

    trained: theta, w' and b.
    """

    judge: Callable[[Tensor, Tensor], Judgement]
    trained: Sequence[nn.Parameter]
    targets: ShotTargets
    content: ContentLoss
    config: FineTuneConfig

    def gradient(self, fake: Tensor, real: Tensor, y: Tensor, shots: Sequence[int]) -> Tensor:
        """The gradient of eq. 9, L'_CNT + L'_ADV, with respect to the fake frames [B, 3, S, S];
        there is no match loss in fine-tuning.

        Each loss goes back as far as the frames before the next is computed, so that one graph is
        in memory at a time. The discriminator's own gradients for its first step (eq. 10) are left
        in its parameters: it judges the same frames for both losses, so it judges them once.
        """
        fake = fake.requires_grad_()
        with self._arithmetic(fake):
            loss = self.content.distance(fake, self.targets.of(shots))
        torch.autograd.backward(loss)

        if self.config.adversarial:
            with self._arithmetic(fake):
                on_fake, on_real = self.judge(fake, y), self.judge(real, y)
                distance = feature_matching(on_fake.features, on_real.features)
                loss = realism(on_fake.score) + self.config.weight_feature_matching * distance
            kept = self.config.discriminator_steps > 0
            torch.autograd.backward(loss, inputs=[fake], retain_graph=kept)

            if self.config.discriminator_steps:
                self._learn_to_tell(on_real.score, on_fake.score)

        assert fake.grad is not None
        return fake.grad

    def discriminator_steps(
        self, optimiser: torch.optim.Optimizer, fake: Tensor, real: Tensor, y: Tensor
    ) -> None:
        """Eq. 10 on the same detached fakes; the first step's gradients are there already."""
        for step in range(self.config.discriminator_steps):
            if step:
                with self._arithmetic(fake):
                    judged = self.judge(torch.cat([real, fake]), torch.cat([y, y]))
                    self._learn_to_tell(*judged.score.chunk(2))
            optimiser.step()
            optimiser.zero_grad()

    def _learn_to_tell(self, on_real: Tensor, on_fake: Tensor) -> None:
        loss = discriminator_hinge(on_real, on_fake)
        torch.autograd.backward(loss, inputs=list(self.trained))

    def _arithmetic(self, fake: Tensor) -> AbstractContextManager[object]:
        return arithmetic(self.config.precision, fake.device)


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
    return torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.999), eps=1e-5, fused=True)


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
