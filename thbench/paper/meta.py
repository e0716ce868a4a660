"""Meta-learning of the paper's method (section 3.2): episodes of K-shot learning train E, G and D
adversarially.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from thbench.data.episodes import Episodes
from thbench.device import laid_out
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
        self.content = laid_out(ContentLoss(networks), fabric.device)

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
        device = self.fabric.device
        self.embedder = self.fabric.setup_module(laid_out(embedder, device))
        self.generator = self.fabric.setup_module(laid_out(generator, device))
        # The vectors of spectral normalisation, too: one network has one norm.
        for buffer in [*self.embedder.buffers(), *self.generator.buffers()]:
            buffer.copy_(self.fabric.broadcast(buffer))

        parameters = [*self.embedder.parameters(), *self.generator.parameters()]
        config = self.config
        optimiser = torch.optim.Adam(
            parameters, lr=config.lr_generator, betas=(config.beta1, 0.999), eps=1e-5, fused=True
        )
        self.optimiser: Any = self.fabric.setup_optimizers(optimiser)

    def _keep_for_this_process(self, discriminator: Discriminator, videos: Sequence[int]) -> None:
        """D and W are each process's own: the paper reduces gradients for E and G only (A.4). But
        every D starts as one, or each process's match loss would pull E to another space.
        """
        device, rate = self.fabric.device, self.config.lr_discriminator
        self.discriminator = laid_out(discriminator, device)
        for tensor in self.discriminator.state_dict().values():
            tensor.copy_(self.fabric.broadcast(tensor))
        self.videos = VideoEmbeddings(videos, self.config.net.embedding).to(device)

        self.optimiser_d = torch.optim.Adam(
            self.discriminator.parameters(), lr=rate, betas=(0.0, 0.999), eps=1e-5, fused=True
        )
        self.optimiser_w = RowAdam(self.videos.table.weight, lr=rate)

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One update of E and G (eq. 3) and `discriminator_steps` of D (eq. 6) on the same fakes.

        D judges the fakes once for both: its first update asks for no other fakes than E's and G's.

        During warm-up D and W rest, and the content term is all there is.
        """
        config = self.config
        warm_up = self.steps < config.warmup_steps
        for group in self.optimiser.param_groups:
            group["lr"] = config.warmup_lr if warm_up else config.lr_generator

        episodes = self._with_shots_drawn(episodes)
        values, fakes = self._first_update(episodes, warm_up)
        for number in range(0 if warm_up else config.discriminator_steps):
            if number:
                values |= self._judge_again(episodes, fakes)
            values |= self._update_discriminator()

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

    def _first_update(
        self, episodes: list[Episodes], warm_up: bool
    ) -> tuple[dict[str, float], list[Tensor]]:
        """One update of E and G; D's gradients of its first update are left in its parameters.

        Returns the values that are logged, and the fakes of each part, detached.
        """
        fakes, logged = [], []
        for index, part in enumerate(episodes):
            last = index == len(episodes) - 1
            with (
                self.fabric.no_backward_sync(self.embedder, enabled=not last),
                self.fabric.no_backward_sync(self.generator, enabled=not last),
            ):
                fake, embeddings = self._reconstruct(part)
                terms = self._take_gradients(fake, embeddings, part, warm_up, 1 / len(episodes))
            fakes.append(fake.detach())
            names, values = list(terms), torch.stack(list(terms.values())).tolist()
            diagnostics = self._embedding_values(embeddings, part)
            logged.append(dict(zip(names, values, strict=True)) | diagnostics)

        norms = {
            "grad/embedder": gradient_norm(self.embedder),
            "grad/generator": gradient_norm(self.generator),
        }
        self.optimiser.step()
        self.optimiser.zero_grad()

        means = {name: sum(values[name] for values in logged) / len(logged) for name in logged[0]}
        return means | norms, fakes

    def _embedding_values(self, embeddings: Tensor, part: Episodes) -> dict[str, float]:
        matched = self.config.variant == "ft" and self.steps >= self.config.warmup_steps
        return embedding_values(embeddings, self.videos(part.video) if matched else None)

    def _take_gradients(
        self, fake: Tensor, embeddings: Tensor, part: Episodes, warm_up: bool, share: float
    ) -> dict[str, Tensor]:
        """The gradients of a part that is `share` of the batch; returns the weighted terms.

        Each loss goes back as far as the fake frames before the next is computed, so that the graph
        of one of the fixed and judging networks is in memory at a time.
        """
        seen = fake.detach().requires_grad_()
        terms = self._content_term(seen, part, share)
        rest = embeddings.new_zeros(())
        if not warm_up:
            rows = self._rows(part, embeddings)
            terms |= self._adversarial_terms(seen, part, rows, share)
            if self.config.variant == "ft":
                terms["mch"] = self.config.weight_match * match(embeddings, rows)
                rest = terms["mch"]

        assert seen.grad is not None
        # Its gradient with respect to the fake frames is what the losses left in `seen`.
        self.fabric.backward((fake * seen.grad).sum() + rest * share)
        return {name: term.detach() for name, term in terms.items()}

    def _rows(self, part: Episodes, embeddings: Tensor) -> Tensor:
        """W_i [B, N] of the part's videos."""
        if self.config.row_start == "embedding":
            self.videos.start_at(part.video, embeddings.detach().mean(dim=1))
        rows: Tensor = self.videos(part.video)
        return rows

    def _content_term(self, seen: Tensor, part: Episodes, share: float) -> dict[str, Tensor]:
        with self.fabric.autocast():
            term = self.content(seen, to_signed(part.target))
        torch.autograd.backward(term * share)
        return {"cnt": term}

    def _adversarial_terms(
        self, seen: Tensor, part: Episodes, rows: Tensor, share: float
    ) -> dict[str, Tensor]:
        """L_ADV (eq. 4), back to the fake frames; and, from the same judgement, L_DSC (eq. 6), back
        to D and W.
        """
        real, y = to_signed(part.target), to_signed(part.target_landmarks)
        with self.fabric.autocast():
            on_fake = self.discriminator(seen, y, self._rows_of_fakes(rows))
            on_real = self.discriminator(real, y, rows)
            distance = feature_matching(on_fake.features, on_real.features)
            terms = {
                "adv": realism(on_fake.score),
                "fm": self.config.weight_feature_matching * distance,
            }
        loss = torch.stack(list(terms.values())).sum() * share
        torch.autograd.backward(loss, inputs=[seen], retain_graph=True)

        if self.config.discriminator_steps:
            terms |= self._hinge(on_real.score, on_fake.score, share)
        return terms

    def _rows_of_fakes(self, rows: Tensor) -> Tensor:
        return rows if self.config.row_scores == "both" else rows.detach()

    def _hinge(self, on_real: Tensor, on_fake: Tensor, share: float) -> dict[str, Tensor]:
        """Leaves the gradients of L_DSC (eq. 6) in D and W."""
        loss = discriminator_hinge(on_real, on_fake)
        learning = [*self.discriminator.parameters(), *self.videos.parameters()]
        torch.autograd.backward(loss * share, inputs=learning)
        return {"dsc": loss, "d/real": on_real.mean(), "d/fake": on_fake.mean()}

    def _judge_again(self, episodes: list[Episodes], fakes: list[Tensor]) -> dict[str, float]:
        """The gradients of a further update of D and W on the same fakes."""
        logged = []
        for part, fake in zip(episodes, fakes, strict=True):
            real, y = to_signed(part.target), to_signed(part.target_landmarks)
            rows = self.videos(part.video)
            both_rows = torch.cat([rows, self._rows_of_fakes(rows)])
            with self.fabric.autocast():
                judged = self.discriminator(torch.cat([real, fake]), torch.cat([y, y]), both_rows)
            on_real, on_fake = judged.score.chunk(2)
            terms = self._hinge(on_real, on_fake, 1 / len(episodes))
            logged.append(torch.stack(list(terms.values())).detach())

        return dict(zip(terms, torch.stack(logged).mean(0).tolist(), strict=True))

    def _update_discriminator(self) -> dict[str, float]:
        """One update of D and W by the gradients that are there."""
        if self.config.sync_discriminator:
            for parameter in self.discriminator.parameters():
                assert parameter.grad is not None
                self.fabric.all_reduce(parameter.grad, reduce_op="mean")  # in place
        norm = gradient_norm(self.discriminator)
        for optimiser in (self.optimiser_d, self.optimiser_w):
            optimiser.step()
            optimiser.zero_grad()
        return {"grad/discriminator": norm}

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
