"""Fine-tuning as vincent-thevenin's code does it, which is not wholly the paper's section 3.3.

The shots are drawn with replacement in batches of two, Adam has its default moments, and the frames
reach both perceptual networks in [0, 1] without mean or scale. His optimisers are made before psi'
and w' become parameters, so that neither is ever trained: psi' stays P e_NEW, w' stays w_0 + e_NEW.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from baselines.vincent.discriminator import VincentDiscriminator
from baselines.vincent.network import VincentGenerator
from thbench.errors import ThbenchError
from thbench.paper.losses import discriminator_hinge, feature_matching, realism
from thbench.perceptual.content import WEIGHT_VGG19, WEIGHT_VGGFACE, ContentLoss
from thbench.perceptual.vgg import (
    VGG19,
    VGGFACE16,
    Unscaled,
    imagenet_vgg19,
    random_vgg,
    vggface16,
)

# vgg: his two networks, torchvision's VGG19 and VGGFace. random: the same architectures with seeded
# weights, for machines without the files.
Content = Literal["vgg", "random"]


@dataclass(frozen=True)
class FineTuneConfig:
    """40 epochs of as many draws as there are shots; most_steps ends it earlier."""

    epochs: int = 40
    batch: int = 2
    most_steps: int | None = None
    lr_generator: float = 5e-5
    lr_discriminator: float = 2e-4
    discriminator_steps: int = 2
    weight_feature_matching: float = 10.0
    content: Content = "vgg"


def fine_tune(
    generator: VincentGenerator,
    discriminator: VincentDiscriminator,
    embedding: Tensor,
    frames: Tensor,
    landmark_images: Tensor,
    content: ContentLoss,
    config: FineTuneConfig,
    seed: int,
) -> None:
    """Trains both networks, spectrally normalised, in place.

    embedding: e_NEW [512]. frames, landmark_images: [T, 3, S, S] in [0, 1], rows and columns
    swapped. seed draws the shots.
    """
    with torch.no_grad():
        adaptive = generator.project(embedding[None])
        person = discriminator.w_0[:, 0] + embedding
    generator.p.requires_grad_(False)
    discriminator.w_0.requires_grad_(False)
    trained = [parameter for parameter in discriminator.parameters() if parameter.requires_grad]

    optimiser = torch.optim.Adam(
        [parameter for parameter in generator.parameters() if parameter.requires_grad],
        lr=config.lr_generator,
    )
    optimiser_d = torch.optim.Adam(trained, lr=config.lr_discriminator)
    generator.train()
    discriminator.train()

    for shots in _batches(len(frames), config, seed):
        x, y = frames[shots], landmark_images[shots]

        fake = generator(y, adaptive.expand(len(shots), -1))
        with _frozen(trained):
            judged, target = discriminator(fake, y, person), discriminator(x, y, person)
        distance = feature_matching(judged.features, target.features)
        adversarial = realism(judged.score) + config.weight_feature_matching * distance
        _step(optimiser, content(fake, x) + adversarial)

        for _ in range(config.discriminator_steps):
            fake_score = discriminator(fake.detach(), y, person).score
            real_score = discriminator(x, y, person).score
            _step(optimiser_d, discriminator_hinge(real_score, fake_score))


def content_loss(content: Content, device: torch.device) -> ContentLoss:
    """The content loss as he feeds it: frames in [0, 1] go into both networks as they are.

    Raises `ThbenchError` for an unknown name, and when weights of "vgg" are missing, naming the
    file and the command that fetches it.
    """
    if content not in get_args(Content):
        raise ThbenchError(
            f"content = {content!r} is unknown to vincent-ft; known are "
            f"{', '.join(get_args(Content))}"
        )

    if content == "vgg":
        networks = imagenet_vgg19("max"), vggface16("max")
    else:
        networks = random_vgg(VGG19, 0, "max"), random_vgg(VGGFACE16, 1, "max")
    weighted: list[tuple[nn.Module, float]] = [
        (Unscaled(networks[0]), WEIGHT_VGG19),
        (Unscaled(networks[1]), WEIGHT_VGGFACE),
    ]
    return ContentLoss(weighted).to(device)


def _batches(shots: int, config: FineTuneConfig, seed: int) -> list[Tensor]:
    """Which shots each step takes: each draw is any of them, as his data set draws."""
    random = torch.Generator().manual_seed(seed)
    epochs = torch.randint(shots, (config.epochs, shots), generator=random)
    batches = [batch for epoch in epochs for batch in torch.split(epoch, config.batch)]
    return batches[: config.most_steps]


@contextmanager
def _frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """No gradient for these parameters from what is computed meanwhile."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    yield
    for parameter in parameters:
        parameter.requires_grad_(True)


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    torch.autograd.backward(loss)
    optimiser.step()
    optimiser.zero_grad()
