"""Meta-learning of the paper's method (section 3.2): episodes of K-shot learning train E, G and D
adversarially.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from thbench.data.episodes import Episodes
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.paper.diagnostics import embedding_values, gradient_norm, ours_alarms
from thbench.paper.losses import discriminator_hinge, feature_matching, match, realism
from thbench.paper.nets.config import PRESETS, NetConfig, preset
from thbench.paper.nets.discriminator import Discriminator, VideoEmbeddings
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.paper.row_adam import RowAdam
from thbench.perceptual.content import Content, ContentLoss, content_networks
from thbench.training.alarms import Alarm
from thbench.training.checkpoints import load_model, load_module, prefixed, unprefixed
from thbench.training.plan import Phase

RowStart = Literal["embedding", "uniform"]


@dataclass(frozen=True)
class OursConfig:
    """Everything that decides what a step of meta-learning computes.

    The defaults are the paper's (section 3.4) but for three that it does not have, each with its
    off switch: W's rows start at the embedding (row_start=uniform), after a warm-up that lets E
    tell persons apart (warmup_steps=0), and the model file holds an average of E and G (ema=none),
    as the authors' code does. From rows that start as noise, the match loss pulls e towards 0, and
    e and W do not correlate; the page of open choices has the figures. The length and rate of the
    warm-up are a judgement, not measured at 256 pixels.
    """

    net: NetConfig = field(default_factory=NetConfig)
    start: str | None = None  # a model file whose E, G and D the training starts from
    variant: Literal["ft", "ff"] = "ft"  # ff: no match loss, for feed-forward use only
    shots: int = 8  # K
    batch: int = 48  # episodes per step, over all processes
    lr_generator: float = 5e-5  # of E and G
    lr_discriminator: float = 2e-4
    beta1: float = 0.0  # of Adam for E and G; the authors' code has 0
    discriminator_steps: int = 2  # per generator step, on the same detached fake
    content: Content = "caffe"
    weight_feature_matching: float = 10.0
    weight_match: float = 10.0
    row_start: RowStart = (
        "embedding"  # of W_i: what E makes of the video's first episode, or small noise
    )
    row_scores: Literal["both", "real"] = "both"  # whether W learns from D's score of fakes too
    sync_discriminator: bool = False  # reduce D's gradients too; the paper reduces E's and G's
    shots_min: int | None = (
        None  # K is drawn from shots_min .. shots at each step; None: always shots
    )
    warmup_steps: int = 2000  # first steps of E and G on the content loss alone ...
    warmup_lr: float = 2e-4  # ... at this learning rate
    ema: float | None = 0.999  # decay of the average of E and G that the model file holds
    epochs: int = 75  # when no steps are given; 150 with --variant ff
    # Of few-shot learning with this model; see `FineTuneConfig`.
    fine_tuning_epochs: int = 40
    fine_tuning_batch: int = 8
    fine_tuning_most_steps: int | None = None
    fine_tuning_lr: float | None = None  # of G and D alike; None: those of meta-learning
    fine_tuning_discriminator_steps: int | None = None  # None: as in meta-learning

    @property
    def size_px(self) -> int:
        return self.net.size_px

    def without_fetched_weights(self) -> OursConfig:
        return self if self.content == "heads" else replace(self, content="random")


def ours_config(preset_name: str) -> OursConfig:
    """The configuration of a preset: `paper` and `paper-224` as published, `small` for 64 pixels on
    a CPU.
    """
    config = OursConfig(net=preset(preset_name))
    if preset_name == "small":
        # For one core: episodes of 1 to 8 shots, a long warm-up, since a step without D costs half,
        # and few-shot learning by many small steps, which at this size learn more in a second than
        # a few of 8 shots.
        return replace(
            config,
            shots=8,
            shots_min=1,
            batch=8,
            lr_generator=2e-4,
            beta1=0.5,
            content="heads",
            warmup_steps=18000,
            warmup_lr=1e-3,
            fine_tuning_batch=1,
            fine_tuning_most_steps=100,
            fine_tuning_lr=1e-3,
            fine_tuning_discriminator_steps=1,
        )
    return config


def parameter_counts(preset_name: str) -> dict[str, int]:
    """Trainable parameters as the paper counts them: G with its projection, D's conv part without
    W, w0 and b.
    """
    net = preset(preset_name)
    with torch.device("meta"):
        parts = {
            "embedder": Embedder(net),
            "generator": Generator(net),
            "discriminator": Discriminator(net).blocks,
        }
    return {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in parts.items()
    }


class OursTrainer:
    """E, G, D and W with their optimisers; one `step` is one update of E and G and two of D (see
    training.loop).
    """

    kind: ClassVar[str] = "ours"
    alarms: ClassVar[Sequence[Alarm]] = ours_alarms()
    presets: ClassVar[Sequence[str]] = tuple(PRESETS)
    configure = staticmethod(ours_config)
    parameter_counts = staticmethod(parameter_counts)
    variants: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "ft": {"variant": "ft"},
        "ff": {"variant": "ff", "epochs": "150"},
    }

    def __init__(self, config: OursConfig, videos: int, fabric: Fabric) -> None:
        self.config, self.fabric, self.steps = config, fabric, 0
        self.content = ContentLoss(content_networks(config.content, fabric.device)).to(
            fabric.device
        )
        embedder, generator = Embedder(config.net), Generator(config.net)
        discriminator = Discriminator(config.net)
        if config.start is not None:
            _load_model(Path(config.start), config.net, embedder, generator, discriminator)
        self.average = (
            _Average([embedder, generator], config.ema, fabric.device) if config.ema else None
        )
        self.embedder, self.generator = (
            fabric.setup_module(embedder),
            fabric.setup_module(generator),
        )
        for buffer in [*self.embedder.buffers(), *self.generator.buffers()]:
            buffer.copy_(
                fabric.broadcast(buffer)
            )  # the vectors of spectral normalisation: one network, one norm
        self.optimiser: Any = fabric.setup_optimizers(
            torch.optim.Adam(
                [*self.embedder.parameters(), *self.generator.parameters()],
                lr=config.lr_generator,
                betas=(config.beta1, 0.999),
                eps=1e-5,
            )
        )
        # D and W are each process's own: the paper reduces gradients for E and G only (A.4). But
        # every D starts as one, or each process's match loss would pull E to another space.
        self.discriminator = discriminator.to(fabric.device)
        for tensor in self.discriminator.state_dict().values():
            tensor.copy_(fabric.broadcast(tensor))
        self.videos = VideoEmbeddings(videos, config.net.embedding).to(fabric.device)
        self.optimiser_d = torch.optim.Adam(
            self.discriminator.parameters(),
            lr=config.lr_discriminator,
            betas=(0.0, 0.999),
            eps=1e-5,
        )
        self.optimiser_w = RowAdam(self.videos.table.weight, lr=config.lr_discriminator)

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One update of E and G (eq. 3), then `discriminator_steps` of D (eq. 6) on the same
        detached fakes.

        During warm-up D and W rest, and the content term is all there is.
        """
        warm_up = self.steps < self.config.warmup_steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.warmup_lr if warm_up else self.config.lr_generator
        episodes = self._with_shots_drawn(episodes)
        losses, fakes = self._generator_step(
            episodes, self._content if warm_up else self._generator_losses
        )
        for _ in range(0 if warm_up else self.config.discriminator_steps):
            losses |= self._discriminator_step(episodes, fakes)
        self.steps += 1
        if self.average:
            self.average.update([self.embedder.module, self.generator.module])
        return losses

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
        """E and G (their average where there is one) and D without W: what few-shot learning needs."""
        embedder, generator = self._modules_to_keep()
        return {
            **prefixed("embedder", embedder.state_dict()),
            **prefixed("generator", generator.state_dict()),
            **prefixed("discriminator", self.discriminator.state_dict()),
        }

    def shared_state(self) -> dict[str, Any]:
        average = [module.state_dict() for module in self.average.modules] if self.average else []
        return {
            "embedder": self.embedder.module.state_dict(),
            "generator": self.generator.module.state_dict(),
            "average": average,
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
        }

    def rank_state(self) -> dict[str, Any]:
        return {
            "discriminator": self.discriminator.state_dict(),
            "videos": self.videos.state_dict(),
            "optimiser_d": self.optimiser_d.state_dict(),
            "optimiser_w": self.optimiser_w.state_dict(),
        }

    def load_states(self, shared: Mapping[str, Any], rank: Mapping[str, Any]) -> None:
        self.embedder.module.load_state_dict(shared["embedder"])
        self.generator.module.load_state_dict(shared["generator"])
        if self.average:
            for module, state in zip(self.average.modules, shared["average"], strict=True):
                module.load_state_dict(state)
        self.optimiser.load_state_dict(shared["optimiser"])
        self.steps = shared["steps"]
        for name in ("discriminator", "videos", "optimiser_d", "optimiser_w"):
            getattr(self, name).load_state_dict(rank[name])

    def _generator_step(
        self,
        episodes: list[Episodes],
        objective: Callable[[Tensor, Tensor, Episodes], dict[str, Tensor]],
    ) -> tuple[dict[str, float], list[Tensor]]:
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
            logged.append(
                {name: term.item() for name, term in terms.items()}
                | self._embedding_values(embeddings, part)
            )
        norms = {
            "grad/embedder": gradient_norm(self.embedder),
            "grad/generator": gradient_norm(self.generator),
        }
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.discriminator.requires_grad_(True)
        return {
            name: sum(values[name] for values in logged) / len(logged) for name in logged[0]
        } | norms, fakes

    def _embedding_values(self, embeddings: Tensor, part: Episodes) -> dict[str, float]:
        matched = self.config.variant == "ft" and self.steps >= self.config.warmup_steps
        return embedding_values(embeddings, self.videos(part.video) if matched else None)

    def _content(self, fake: Tensor, embeddings: Tensor, part: Episodes) -> dict[str, Tensor]:
        return {"cnt": self.content(fake, to_signed(part.target))}

    def _generator_losses(
        self, fake: Tensor, embeddings: Tensor, part: Episodes
    ) -> dict[str, Tensor]:
        """The terms of eq. 3 and 4, weighted."""
        real, y = to_signed(part.target), to_signed(part.target_landmarks)
        if self.config.row_start == "embedding":
            self.videos.start_at(part.video, embeddings.detach().mean(dim=1))
        rows = self.videos(part.video).detach()
        judged = self.discriminator(fake, y, rows)
        with torch.no_grad():
            _, real_features = self.discriminator.describe(real, y)
        terms = {
            "cnt": self.content(fake, real),
            "adv": realism(judged.score),
            "fm": self.config.weight_feature_matching
            * feature_matching(judged.features, real_features),
        }
        if self.config.variant == "ft":
            terms["mch"] = self.config.weight_match * match(embeddings, rows)
        return terms

    def _discriminator_step(
        self, episodes: list[Episodes], fakes: list[Tensor]
    ) -> dict[str, float]:
        logged: list[Tensor] = []
        for part, fake in zip(episodes, fakes, strict=True):
            real, y = to_signed(part.target), to_signed(part.target_landmarks)
            with self.fabric.autocast():
                rows = self.videos(part.video)
                fake_rows = rows if self.config.row_scores == "both" else rows.detach()
                judged = self.discriminator(
                    torch.cat([real, fake]), torch.cat([y, y]), torch.cat([rows, fake_rows])
                )
                on_real, on_fake = judged.score.chunk(2)
                loss = discriminator_hinge(on_real, on_fake)
            (loss / len(episodes)).backward()  # type: ignore[no-untyped-call]
            logged.append(torch.stack([loss, on_real.mean(), on_fake.mean()]).detach())
        if self.config.sync_discriminator:
            for parameter in self.discriminator.parameters():
                self.fabric.all_reduce(parameter.grad, reduce_op="mean")  # type: ignore[arg-type]  # in place
        norm = gradient_norm(self.discriminator)
        for optimiser in (self.optimiser_d, self.optimiser_w):
            optimiser.step()
            optimiser.zero_grad()
        values = torch.stack(logged).mean(0).tolist()
        return dict(zip(("dsc", "d/real", "d/fake"), values, strict=True)) | {
            "grad/discriminator": norm
        }

    def _with_shots_drawn(self, episodes: list[Episodes]) -> list[Episodes]:
        """The first K of each episode's shots, with K drawn for this step: the same when it is
        taken again.
        """
        if self.config.shots_min is None:
            return episodes
        shots = int(
            np.random.default_rng(self.steps).integers(self.config.shots_min, self.config.shots + 1)
        )
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
        return (
            self.average.modules if self.average else (self.embedder.module, self.generator.module)
        )


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


def _load_model(
    path: Path,
    net: NetConfig,
    embedder: Embedder,
    generator: Generator,
    discriminator: Discriminator,
) -> None:
    """Loads a model file into the networks; raises `ThbenchError` when it is missing or of other
    sizes.
    """
    tensors, description, _ = load_model(path, "ours")
    if (found := NetConfig(**description["config"]["net"])) != net:
        changed = [name for name, value in asdict(net).items() if getattr(found, name) != value]
        raise ThbenchError(
            f"start = {path} has another {', '.join(changed)}; start from a model of this preset"
        )
    for name, module in (
        ("embedder", embedder),
        ("generator", generator),
        ("discriminator", discriminator),
    ):
        load_module(module, unprefixed(name, tensors), str(path))


class _Average:
    """Exponential moving average of modules' parameters; buffers are copied."""

    def __init__(self, modules: list[nn.Module], decay: float, device: torch.device) -> None:
        self.decay = decay
        self.modules = [
            copy.deepcopy(module).requires_grad_(False).to(device) for module in modules
        ]

    def update(self, modules: list[nn.Module]) -> None:
        with torch.no_grad():
            for average, module in zip(self.modules, modules, strict=True):
                torch._foreach_lerp_(
                    list(average.parameters()), list(module.parameters()), 1 - self.decay
                )
                for mine, theirs in zip(average.buffers(), module.buffers(), strict=True):
                    mine.copy_(theirs)
