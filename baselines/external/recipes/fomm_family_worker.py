"""A worker for FOMM and those of its heirs whose demo.py has the same two functions.

Run by the Python of the clone's environment: imports its demo.py, and nothing of ours but
serving.py. The networks are loaded once, at the first head.
"""

import csv
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from serving import serve

SIZE_PX = 256


class Fomm:
    """Absolute motion, which in self-reenactment is what its reconstruction.py does."""

    config, weights, leads = "config/vox-256.yaml", "vox-cpk.pth.tar", False

    def load(self, demo, cpu):
        return demo.load_checkpoints(self.config, self.weights, cpu=cpu)

    def animate(self, demo, source, driving, networks, cpu):
        motion = {"relative": False, "adapt_movement_scale": False}
        return demo.make_animation(source, driving, *networks, **motion, cpu=cpu)


class Tpsmm(Fomm):
    config, weights = "config/vox-256.yaml", "checkpoints/vox.pth.tar"

    def load(self, demo, cpu):
        return demo.load_checkpoints(self.config, self.weights, device(cpu))

    def animate(self, demo, source, driving, networks, cpu):
        return demo.make_animation(source, driving, *networks, device(cpu), mode="standard")


class DaGan(Fomm):
    config, weights = "config/vox-adv-256.yaml", "DaGAN_vox_adv_256.pth.tar"

    def load(self, demo, cpu):
        # What its main block puts into the module before it calls the two functions.
        demo.opt = Namespace(kp_num=15, generator="DepthAwareGenerator")
        demo.depth_encoder = demo.depth.ResnetEncoder(18, False)
        demo.depth_decoder = demo.depth.DepthDecoder(demo.depth_encoder.num_ch_enc, range(4))
        for network, file in (("depth_encoder", "encoder"), ("depth_decoder", "depth")):
            network = getattr(demo, network)
            state = demo.torch.load(f"depth/models/weights_19/{file}.pth", map_location="cpu")
            known = network.state_dict()
            network.load_state_dict({name: state[name] for name in state if name in known})
            network.eval().to(device(cpu))
        return super().load(demo, cpu)

    def animate(self, demo, source, driving, networks, cpu):
        _, _, made, _ = super().animate(demo, source, driving, networks, cpu)
        return made


class FaceVid2Vid(Fomm):
    """Relative motion: the driving frames begin with the shot, which makes it absolute."""

    config, weights, leads = "config/vox-256-spade.yaml", "00000189-checkpoint.pth.tar", True

    def load(self, demo, cpu):
        return demo.load_checkpoints(self.config, self.weights, "spade", cpu=cpu)

    def animate(self, demo, source, driving, networks, cpu):
        common = yaml.full_load(Path(self.config).read_text())["model_params"]["common_params"]
        motion = {"relative": True, "adapt_movement_scale": True}
        jacobian = common["estimate_jacobian"]
        return demo.make_animation(
            source, driving, *networks, **motion, estimate_jacobian=jacobian, cpu=cpu
        )


FAMILY = {"fomm": Fomm, "tpsmm-demo": Tpsmm, "dagan": DaGan, "face-vid2vid": FaceVid2Vid}


class Worker:
    """One-shot: the source is the shot whose landmarks lie nearest to the driving frames'."""

    def __init__(self, repository, name):
        self.repository, self.system = Path(repository), FAMILY[name]()
        self.demo = self.networks = None
        self.cpu = True

    def hello(self, device, size_px, **rest):
        self.cpu, self.size_px = not device.startswith("cuda"), size_px
        return {"drives_with": "image", "notes": ["one-shot: the nearest shot is its source"]}

    def adapt(self, shots, landmarks, **rest):
        if self.networks is None:
            sys.path.insert(0, str(self.repository))
            yaml.load = with_default_loader(yaml.load)
            import demo

            self.demo, self.networks = demo, self.system.load(demo, self.cpu)
        self.shots, self.points = [picture(shot) for shot in shots], read_points(landmarks)
        return {}

    def render(self, drive, landmarks, out, **rest):
        driving = [picture(path) for path in drive]
        source = self.shots[nearest(self.points, read_points(landmarks))]
        led = [source, *driving] if self.system.leads else driving
        made = self.system.animate(self.demo, source, led, self.networks, self.cpu)
        made = made[len(led) - len(driving) :]

        names = [Path(path).name for path in drive]
        for name, pixels in zip(names, made, strict=True):
            image = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
            resized(image, self.size_px).save(Path(out) / name)
        return {"frames": names}


def picture(path):
    """float32 [256, 256, 3] in [0, 1]."""
    return np.asarray(resized(Image.open(path).convert("RGB"), SIZE_PX), np.float32) / 255


def resized(image, size_px):
    if image.width == size_px:
        return image
    method = Image.BOX if image.width > size_px else Image.BICUBIC
    return image.resize((size_px, size_px), method)


def read_points(file):
    """[N, 68, 2]: the rows of a landmark CSV."""
    with open(file, newline="") as opened:
        rows = list(csv.reader(opened))[1:]
    return np.array([[float(value) for value in row[1:]] for row in rows]).reshape(-1, 68, 2)


def nearest(shots, drive):
    distances = np.linalg.norm(shots[:, None] - drive[None], axis=-1).mean(axis=(1, 2))
    return int(distances.argmin())


def with_default_loader(load):
    """yaml.load as it was before PyYAML 6, for code that names no loader."""
    return lambda stream, Loader=yaml.FullLoader: load(stream, Loader)


def device(cpu):
    return "cpu" if cpu else "cuda"


if __name__ == "__main__":
    serve(Worker(*sys.argv[1:3]))
