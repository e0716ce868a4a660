"""What the curves and the alarms of a training mean, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One picture: the values `names`, which share an axis."""

    title: str
    text: str
    names: Sequence[str]
    log: bool = False  # the axis


@dataclass(frozen=True)
class Group:
    """Panels that belong together. rest: the prefix of further names, a panel for each."""

    title: str
    panels: Sequence[Panel]
    rest: str | None = None


QUALITY = "held-out/quality"

GROUPS = (
    Group(
        "Held-out persons",
        [
            Panel(
                "Quality",
                "The metrics below together; the model at its maximum is best.safetensors.",
                [QUALITY],
            ),
            Panel(
                "SSIM", "Likeness of the frames to the true ones; 1 is equal.", ["held-out/ssim"]
            ),
            Panel(
                "Identity (CSIM)",
                "Whether it is the same person; 1 is equal.",
                ["held-out/csim-heads", "held-out/csim-dlib", "held-out/csim"],
            ),
            Panel(
                "Landmark error (NME)",
                "How far the landmarks are from those of the true frame; 0 is none.",
                ["held-out/nme"],
            ),
        ],
        rest="held-out/",
    ),
    Group(
        "Losses",
        [
            Panel(
                "Content", "Distance of the frames to the true ones in features of VGG.", ["cnt"]
            ),
            Panel("Realism", "The negative score of D on made frames; G lowers it.", ["adv"]),
            Panel("Feature matching", "Distance to the true frames in features of D.", ["fm"]),
            Panel("Match", "Distance of the embedding e to the row W of its video.", ["mch"]),
            Panel("Discriminator", "Its hinge loss; near 0 it is never wrong.", ["dsc"]),
            Panel("L1", "Absolute distance of the frames to the true ones.", ["l1"]),
        ],
        rest="",
    ),
    Group(
        "Scores of the discriminator",
        [
            Panel(
                "Real and made frames",
                "Where the two lines meet, D cannot tell them apart; far apart, G learns little.",
                ["d/real", "d/fake"],
            )
        ],
        rest="d/",
    ),
    Group(
        "Embedding",
        [
            Panel("Mean of e", "Falling towards 0: the embedding shrinks.", ["embedding/mean"]),
            Panel(
                "Zeros in e",
                "The share of elements that are 0; at 1 e is dead.",
                ["embedding/zeros"],
            ),
            Panel(
                "Between persons",
                "The deviation of e over the episodes of a step; near 0 e tells nobody apart.",
                ["embedding/between"],
            ),
            Panel(
                "Correlation of e and W",
                "Over the episodes of a step; w' = w0 + e means something where it is high.",
                ["embedding/row_correlation"],
            ),
        ],
        rest="embedding/",
    ),
    Group(
        "Driving network",
        [
            Panel(
                "Offset",
                "How far its code is from none; near 0 it drives nothing.",
                ["driver/offset"],
            ),
            Panel(
                "Zeros",
                "The share of its last activations that are 0; at 1 it is dead.",
                ["driver/zeros"],
            ),
        ],
        rest="driver/",
    ),
    Group(
        "Gradients",
        [
            Panel(
                "Norms of the gradients",
                "Of all gradients of a network together.",
                ["grad/embedder", "grad/generator", "grad/discriminator"],
                log=True,
            )
        ],
        rest="grad/",
    ),
    Group(
        "Time",
        [
            Panel(
                "Waiting for data",
                "The share of a step in which frames are waited for; high: raise --workers.",
                ["waiting"],
            ),
            Panel("Seconds of a step", "", ["took_s"], log=True),
        ],
    ),
)

ALARMS = {
    "dead embedding": "Every element of e is 0 for every person: E learns nothing more, and G sees "
    "no person.",
    "shrinking embedding": "e goes to 0, which lowers the match loss without matching anything.",
    "embedding tells no persons apart": "e is nearly the same for all persons: heads look alike.",
    "embedding does not match W": "Few-shot learning starts D at w0 + e, which is then no better "
    "than chance.",
    "discriminator has won": "D is never wrong, so its gradient tells G nothing.",
    "discriminator is blind": "D scores real and made frames alike, above the hinge, where neither "
    "teaches it.",
    "dead driver": "The driving frame no longer changes what is made.",
    "data is slow": "The processor or the GPU waits for frames most of the time.",
}
