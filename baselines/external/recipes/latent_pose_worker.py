"""A worker for latent-pose-reenactment: fine-tunes by its train.py, drives by its drive.py."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from serving import serve

LARGEST_BATCH = 8


class LatentPose:
    """A head is a checkpoint, fine-tuned on all shots, in a folder that goes with this process."""

    def __init__(self, repository: str) -> None:
        self.repository = Path(repository)
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name)

    def hello(self, size_px, **rest):
        if size_px != 256:
            raise ValueError(f"frames of {size_px} pixels; latent-pose knows 256")
        return {"drives_with": "image", "notes": ["fine-tuned on the shots"]}

    def adapt(self, shots, **rest):
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        for index, shot in enumerate(shots):
            image = Image.open(shot).convert("RGB")
            save(image, self.folder / "data/images-cropped/head/shots" / f"{index:05d}.jpg")
            whole = Image.new("L", image.size, 255)  # all of the picture is the person
            save(whole, self.folder / "data/segmentation-cropped/head/shots" / f"{index:05d}.png")

        batch = min(len(shots), LARGEST_BATCH)
        iterations = 125 if len(shots) == 1 else 230
        per_epoch = max(len(shots) // batch, 1)
        self.run(
            "train.py",
            *("--config", "finetuning-base", "--train_split_path", "head/shots"),
            *("--checkpoint_path", str(self.repository / "latent-pose-release.pth")),
            *("--data_root", str(self.folder / "data"), "--batch_size", str(batch)),
            *("--num_epochs", str(-(-iterations // per_epoch))),
            *("--experiments_dir", str(self.folder / "out"), "--experiment_name", "head"),
        )
        return {}

    def render(self, drive, out, **rest):
        shutil.rmtree(self.folder / "data/images-cropped/drive", ignore_errors=True)
        for index, path in enumerate(drive):
            frame = self.folder / "data/images-cropped/drive/frames" / f"{index:05d}.jpg"
            save(Image.open(path).convert("RGB"), frame)
        checkpoint = max((self.folder / "out/head/checkpoints").glob("*.pth"))
        self.run(
            *("drive.py", str(checkpoint), str(self.folder / "data")),
            *("--images_paths", "drive/frames", "--destination", str(self.folder)),
        )
        return {"frames": self.right_halves(next(self.folder.glob("*.mp4")), Path(out))}

    def right_halves(self, video, out):
        import cv2  # of its environment

        reader, names = cv2.VideoCapture(str(video)), []
        while True:
            there, frame = reader.read()
            if not there:
                break
            names.append(f"{len(names):02d}.png")
            cv2.imwrite(str(out / names[-1]), frame[:, frame.shape[1] // 2 :])
        video.unlink()
        return names

    def run(self, *words):
        done = subprocess.run(
            [sys.executable, *words], cwd=self.repository, capture_output=True, text=True
        )
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        if done.returncode:
            raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr[-300:]}")


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=97)


if __name__ == "__main__":
    serve(LatentPose(sys.argv[1]))
