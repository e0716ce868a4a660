"""Makes outputs.json: what other libraries' networks say with seeded weights.

    pip install timm transformers cd-fvd
    PYTHONPATH=.:tests python tests/thbench/metrics/reference/make.py

The tests read outputs.json, so that they need none of these packages.
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from support.seeded_networks import EMBEDDING, SMALL, layout, seeded_input, seeded_weights
from torch import Tensor, nn

OUTPUTS = Path(__file__).with_name("outputs.json")


def main() -> None:
    """Writes the file anew."""
    found = {"dinov2": _dinov2(), "clip": _clip(), "i3d": _i3d()}
    OUTPUTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _dinov2() -> dict[str, Any]:
    transformer = import_module("timm.models.vision_transformer").VisionTransformer
    small = transformer(
        img_size=SMALL.image_px,
        patch_size=SMALL.patch_px,
        embed_dim=SMALL.width,
        depth=SMALL.depth,
        num_heads=SMALL.heads,
        init_values=1e-5,
        num_classes=0,
    )
    with torch.device("meta"):
        official = import_module("timm").create_model("vit_large_patch14_dinov2", num_classes=0)
    return _told("timm", small, official, seeded_input(2, 3, 70, 70))


def _clip() -> dict[str, Any]:
    library = import_module("transformers")
    shared = {"patch_size": 14, "hidden_act": "quick_gelu"}
    small = library.CLIPVisionModelWithProjection(
        library.CLIPVisionConfig(
            hidden_size=SMALL.width,
            intermediate_size=4 * SMALL.width,
            num_hidden_layers=SMALL.depth,
            num_attention_heads=SMALL.heads,
            image_size=SMALL.image_px,
            projection_dim=EMBEDDING,
            **shared,
        )
    )
    with torch.device("meta"):
        official = library.CLIPVisionModelWithProjection(
            library.CLIPVisionConfig(
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=24,
                num_attention_heads=16,
                image_size=336,
                projection_dim=768,
                **shared,
            )
        )
    return _told("transformers", small, official, seeded_input(2, 3, 70, 70))


def _i3d() -> dict[str, Any]:
    network = import_module("cdfvd.third_party.i3d.pytorch_i3d").InceptionI3d(400, in_channels=3)
    return _told("cd-fvd", network, network, seeded_input(1, 3, 16, 224, 224).clamp(-1, 1))


def _told(library: str, small: nn.Module, official: nn.Module, x: Tensor) -> dict[str, Any]:
    shapes = {name: value.shape for name, value in small.state_dict().items()}
    small.load_state_dict(seeded_weights(shapes, 0))
    small.eval().double()
    with torch.inference_mode():
        output = small(x.double())
    rows = getattr(output, "image_embeds", output)
    return {
        "made_by": f"{library} {version(library)}",
        "layout": layout(official.state_dict()),
        "output": rows.tolist(),
    }


if __name__ == "__main__":
    main()
