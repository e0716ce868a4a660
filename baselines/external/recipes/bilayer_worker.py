"""A worker for bilayer-model, run by the Python of its environment; imports nothing of ours."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from serving import serve

EXPERIMENT = "vc2-hq_adrianb_paper_main"


class Bilayer:
    """One shot in, one picture out; the model is loaded at the first head."""

    def __init__(self, repository: str) -> None:
        self.repository, self.wrapper, self.source, self.gpus = Path(repository), None, None, 0

    def hello(self, device, **rest):
        self.gpus = int(device.startswith("cuda"))
        return {"drives_with": "image", "notes": ["sees the driving frame for its landmarks"]}

    def adapt(self, shots, **rest):
        if self.wrapper is None:
            sys.path.insert(0, str(self.repository))
            from infer import InferenceWrapper

            self.wrapper = InferenceWrapper(
                {
                    "project_dir": str(self.repository),
                    "init_experiment_dir": str(self.repository / "runs" / EXPERIMENT),
                    "init_networks": "identity_embedder, texture_generator, keypoints_embedder, "
                    "inference_generator",
                    "init_which_epoch": "2225",
                    "num_gpus": self.gpus,
                    "experiment_name": EXPERIMENT,
                    "which_epoch": "2225",
                    "metrics": "",
                    "enh_apply_masks": False,
                    "inference_mode": True,
                }
            )
        self.source = picture(shots[0])
        return {}

    def render(self, drive, out, **rest):
        names = []
        for path in drive:
            images = {"source_imgs": self.source, "target_imgs": picture(path)}
            made = self.wrapper(images, crop_data=False)["pred_target_imgs"][0, 0]
            pixels = ((made.clamp(-1, 1).cpu().numpy() + 1) * 127.5).round().astype(np.uint8)
            names.append(Path(path).name)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(Path(out) / names[-1])
        return {"frames": names}


def picture(path):
    return np.asarray(Image.open(path).convert("RGB"))


if __name__ == "__main__":
    serve(Bilayer(sys.argv[1]))
