"""Meta-learning of the paper's method (section 3.2): episodes of K-shot learning train E, G and D
adversarially.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from thbench.data.episodes import Episodes
from thbench.images import to_signed
from thbench.paper.average import Average
from thbench.paper.config import OursConfig, ours_config, parameter_counts
from thbench.paper.diagnostics import embedding_values, gradient_norm, ours_alarms
from thbench.paper.losses import discriminator_hinge, feature_matching, match, realism
from thbench.paper.model import load_start
from thbench.paper.nets.config import PRESETS
from thbench.paper.nets.discriminator import Discriminator, VideoEmbeddings
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.paper.row_adam import RowAdam
from thbench.perceptual.content import ContentLoss, content_networks
from thbench.training.alarms import Alarm
from thbench.training.checkpoints import prefixed
from thbench.training.plan import Phase
from thbench.training.trainer import VideoShare

Objective = Callable[[Tensor, Tensor, Episodes], dict[str, Tensor]]
"""(fake frames, embeddings, episodes) -> the weighted terms of what E and G minimise."""


class OursTrainer:
    """E, G, D and W with their optimisers; one `step` is one update of E and G and two of D (see
    training.loop).
    """

    kind: ClassVar[str] = "ours"
    alarms: ClassVar[Sequence[Alarm]] = ours_alarms()
    presets: ClassVar[Sequence[str]] = tuple(PRESETS)
    variants: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "ft": {"variant": "ft"},
        "ff": {"variant": "ff", "epochs": "150"},
    }
    configure = staticmethod(ours_config)
    parameter_counts = staticmethod(parameter_counts)

    def __init__(self, config: OursConfig, videos: VideoShare, fabric: Fabric) -> None:
        self.config, self.fabric, self.steps = config, fabric, 0
        networks = content_networks(config.content, fabric.device)
        self.content = ContentLoss(networks).to(fabric.device)

        embedder, generator = Embedder(config.net), Generator(config.net)
        discriminator = Discriminator(config.net)
        if config.start is not None:
            load_start(Path(config.start), config.net, embedder, generator, discriminator)

        self.average: Average | None = None
        if config.ema:
            self.average = Average([embedder, generator], config.ema, fabric.device)
        self._share(embedder, generator)
        self._keep_for_this_process(discriminator, videos.own)

    def _share(self, embedder: Embedder, generator: Generator) -> None:
        """E and G are one network for all processes."""
        self.embedder = self.fabric.setup_module(embedder)
        self.generator = self.fabric.setup_module(generator)
        # The vectors of spectral normalisation, too: one network has one norm.
        for buffer in [*self.embedder.buffers(), *self.generator.buffers()]:
            buffer.copy_(self.fabric.broadcast(buffer))

        parameters = [*self.embedder.parameters(), *self.generator.parameters()]
        config = self.config
        optimiser = torch.optim.Adam(
            parameters, lr=config.lr_generator, betas=(config.beta1, 0.999), eps=1e-5
        )
        self.optimiser: Any = self.fabric.setup_optimizers(optimiser)

    def _keep_for_this_process(self, discriminator: Discriminator, videos: Sequence[int]) -> None:
        """D and W are each process's own: the paper reduces gradients for E and G only (A.4). But
        every D starts as one, or each process's match loss would pull E to another space.
        """
        device, rate = self.fabric.device, self.config.lr_discriminator
        self.discriminator = discriminator.to(device)
        for tensor in self.discriminator.state_dict().values():
            tensor.copy_(self.fabric.broadcast(tensor))
        self.videos = VideoEmbeddings(videos, self.config.net.embedding).to(device)

        self.optimiser_d = torch.optim.Adam(
            self.discriminator.parameters(), lr=rate, betas=(0.0, 0.999), eps=1e-5
        )
        self.optimiser_w = RowAdam(self.videos.table.weight, lr=rate)

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One update of E and G (eq. 3), then `discriminator_steps` of D (eq. 6) on the same
        detached fakes.

        During warm-up D and W rest, and the content term is all there is.
        """
        config = self.config
        warm_up = self.steps < config.warmup_steps
        for group in self.optimiser.param_groups:
            group["lr"] = config.warmup_lr if warm_up else config.lr_generator

        episodes = self._with_shots_drawn(episodes)
        objective = self._content_term if warm_up else self._generator_terms
        values, fakes = self._generator_step(episodes, objective)
        for _ in range(0 if warm_up else config.discriminator_steps):
            values |= self._discriminator_step(episodes, fakes)

        self.steps += 1
        if self.average:
            self.average.update([self.embedder.module, self.generator.module])
        return values

    def phases(self) -> list[Phase]:
        config, whole = self.config, "all losses, D trains too"
        if not config.warmup_steps:
            return [Phase(1, whole)]
        warm_up = (
            f"warm-up, E and G on the content loss alone at learning rate {config.warmup_lr:g}"
        )
        return [Phase(1, warm_up), Phase(config.warmup_steps + 1, whole)]

    def preview(self, episodes: Episodes) -> Tensor:
        """With E and G as the model file holds them."""
        embedder, generator = self._modules_to_keep()
        # In evaluation mode: looking must not take a power iteration of spectral normalisation.
        was_training = embedder.training, generator.training
        embedder.eval()
        generator.eval()
        with torch.no_grad():
            fake, _ = _reconstruct(embedder, generator, episodes)
        embedder.train(was_training[0])
        generator.train(was_training[1])
        return fake

    def model(self) -> dict[str, Tensor]:
        """What few-shot learning needs: E and G (their average, if there is one); D, not W."""
        embedder, generator = self._modules_to_keep()
        return {
            **prefixed("embedder", embedder.state_dict()),
            **prefixed("generator", generator.state_dict()),
            **prefixed("discriminator", self.discriminator.state_dict()),
        }

    def shared_state(self) -> dict[str, Any]:
        average = [module.state_dict() for module in self.average.modules] if self.average else []
        state = {
            "embedder": self.embedder.module.state_dict(),
            "generator": self.generator.module.state_dict(),
            "average": average,
            "optimiser": self.optimiser.state_dict(),
            "row_steps": self.optimiser_w.steps,
            "steps": self.steps,
        }
        return state | self._discriminator_state() if self.config.sync_discriminator else state

    def rank_state(self) -> dict[str, Any]:
        return {} if self.config.sync_discriminator else self._discriminator_state()

    def row_state(self) -> dict[str, Tensor]:
        """W_i, whether it has been started, and its moments."""
        return {**self.videos.state_dict(), **self.optimiser_w.row_state()}

    def load_states(
        self, shared: Mapping[str, Any], rank: Mapping[str, Any], rows: Mapping[str, Tensor]
    ) -> None:
        self.embedder.module.load_state_dict(shared["embedder"])
        self.generator.module.load_state_dict(shared["generator"])
        if self.average:
            for module, state in zip(self.average.modules, shared["average"], strict=True):
                module.load_state_dict(state)
        self.optimiser.load_state_dict(shared["optimiser"])
        self.steps = shared["steps"]

        mine = shared if self.config.sync_discriminator else rank
        self.discriminator.load_state_dict(mine["discriminator"])
        self.optimiser_d.load_state_dict(mine["optimiser_d"])

        self.videos.load_state_dict({name: rows[name] for name in self.videos.state_dict()})
        self.optimiser_w.load_rows(shared["row_steps"], rows)

    def _discriminator_state(self) -> dict[str, Any]:
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimiser_d": self.optimiser_d.state_dict(),
        }

    def _generator_step(
        self,
        episodes: list[Episodes],
        objective: Objective,
    ) -> tuple[dict[str, float], list[Tensor]]:
        """The values that are logged, and the fakes of each part, detached."""
        self.discriminator.requires_grad_(False)
        fakes, logged = [], []
        for index, part in enumerate(episodes):
            last = index == len(episodes) - 1
            with (
                self.fabric.no_backward_sync(self.embedder, enabled=not last),
                self.fabric.no_backward_sync(self.generator, enabled=not last),
            ):
                fake, embeddings = self._reconstruct(part)
                with self.fabric.autocast():
                    terms = objective(fake, embeddings, part)
                self.fabric.backward(torch.stack(list(terms.values())).sum() / len(episodes))
            fakes.append(fake.detach())
            losses = {name: term.item() for name, term in terms.items()}
            logged.append(losses | self._embedding_values(embeddings, part))

        norms = {
            "grad/embedder": gradient_norm(self.embedder),
            "grad/generator": gradient_norm(self.generator),
        }
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.discriminator.requires_grad_(True)

        means = {name: sum(values[name] for values in logged) / len(logged) for name in logged[0]}
        return means | norms, fakes

    def _embedding_values(self, embeddings: Tensor, part: Episodes) -> dict[str, float]:
        matched = self.config.variant == "ft" and self.steps >= self.config.warmup_steps
        return embedding_values(embeddings, self.videos(part.video) if matched else None)

    def _content_term(self, fake: Tensor, embeddings: Tensor, part: Episodes) -> dict[str, Tensor]:
        return {"cnt": self.content(fake, to_signed(part.target))}

    def _generator_terms(
        self, fake: Tensor, embeddings: Tensor, part: Episodes
    ) -> dict[str, Tensor]:
        """The terms of eq. 3 and 4, weighted."""
        config = self.config
        real, y = to_signed(part.target), to_signed(part.target_landmarks)
        if config.row_start == "embedding":
            self.videos.start_at(part.video, embeddings.detach().mean(dim=1))
        rows = self.videos(part.video).detach()

        judged = self.discriminator(fake, y, rows)
        with torch.no_grad():
            _, real_features = self.discriminator.describe(real, y)

        distance = feature_matching(judged.features, real_features)
        terms = {
            "cnt": self.content(fake, real),
            "adv": realism(judged.score),
            "fm": config.weight_feature_matching * distance,
        }
        if config.variant == "ft":
            terms["mch"] = config.weight_match * match(embeddings, rows)
        return terms

    def _discriminator_step(
        self, episodes: list[Episodes], fakes: list[Tensor]
    ) -> dict[str, float]:
        """One update of D and W (eq. 6); returns what is logged."""
        logged: list[Tensor] = []
        for part, fake in zip(episodes, fakes, strict=True):
            with self.fabric.autocast():
                on_real, on_fake = self._scores(part, fake)
                loss = discriminator_hinge(on_real, on_fake)
            torch.autograd.backward(loss / len(episodes))
            logged.append(torch.stack([loss, on_real.mean(), on_fake.mean()]).detach())

        if self.config.sync_discriminator:
            for parameter in self.discriminator.parameters():
                assert parameter.grad is not None
                self.fabric.all_reduce(parameter.grad, reduce_op="mean")  # in place
        norm = gradient_norm(self.discriminator)
        for optimiser in (self.optimiser_d, self.optimiser_w):
            optimiser.step()
            optimiser.zero_grad()

        loss_value, real_value, fake_value = torch.stack(logged).mean(0).tolist()
        return {
            "dsc": loss_value,
            "d/real": real_value,
            "d/fake": fake_value,
            "grad/discriminator": norm,
        }

    def _scores(self, part: Episodes, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's scores [B] of the true targets and of the fakes, in one forward."""
        real, y = to_signed(part.target), to_signed(part.target_landmarks)
        rows = self.videos(part.video)
        fake_rows = rows if self.config.row_scores == "both" else rows.detach()

        judged = self.discriminator(
            torch.cat([real, fake]), torch.cat([y, y]), torch.cat([rows, fake_rows])
        )
        on_real, on_fake = judged.score.chunk(2)
        return on_real, on_fake

    def _with_shots_drawn(self, episodes: list[Episodes]) -> list[Episodes]:
        """The first K of each episode's shots, with K drawn for this step: the same when it is
        taken again.
        """
        if self.config.shots_min is None:
            return episodes

        random = np.random.default_rng(self.steps)
        shots = int(random.integers(self.config.shots_min, self.config.shots + 1))
        return [
            replace(
                part, shots=part.shots[:, :shots], shot_landmarks=part.shot_landmarks[:, :shots]
            )
            for part in episodes
        ]

    def _reconstruct(self, part: Episodes) -> tuple[Tensor, Tensor]:
        return _reconstruct(self.embedder, self.generator, part)

    def _modules_to_keep(self) -> Sequence[nn.Module]:
        """E and G, or their average where there is one."""
        if self.average:
            return self.average.modules
        return self.embedder.module, self.generator.module


def _reconstruct(
    embedder: nn.Module, generator: nn.Module, part: Episodes
) -> tuple[Tensor, Tensor]:
    """Eq. 1 and 2: the fake target frames [B, 3, S, S] and the K embeddings of each episode [B, K,
    N].
    """
    batch, shots = part.shots.shape[:2]
    # One forward of E on all B * K frames: spectral normalisation takes one power iteration per
    # step.
    embeddings = embedder(
        to_signed(part.shots.flatten(0, 1)), to_signed(part.shot_landmarks.flatten(0, 1))
    )
    embeddings = embeddings.unflatten(0, (batch, shots))
    return generator(to_signed(part.target_landmarks), embeddings.mean(dim=1)), embeddings
