"""Every kind of file that the program reads, and the commands that read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from samples import run_command, train_tiny

Reader = Callable[[], None]  # works in the folder that the specimens were copied to


@dataclass(frozen=True)
class Kind:
    """Damaged is `file` (a glob below the copied folders, of which one is chosen); then `readers`
    run.
    """

    file: str
    readers: Sequence[Reader]
    folders: tuple[str, ...]  # of the material, copied before each damage


def reads(command: str) -> Reader:
    """A command, as it is typed after `thbench`."""
    return partial(run_command, *command.split())


def _resumed() -> None:
    train_tiny(Path("training"), Path("store"), steps=1, resume=True)


CPU = "--device cpu"
ONE_WORKER = f"{CPU} --workers 1"

SHOW = reads("runs show run")
LIST = reads("runs list .")
VERIFY = reads("runs verify run")
SCORE = reads(f"score run --metrics l1 ssim {ONE_WORKER}")
TABLE = reads("report latex run")
PAGE = reads("report html run -o page")
PLOTS = reads("report plots run -o plots --metrics ssim")
FIGURE = reads("report figure run -o figure")
COMPARE = reads("report compare run timed")
AGAINST = reads("compare run copy-nearest copy-nearest")
TIMES = reads("report latex timed --table 2")
VBENCH = reads("runs import-scores vbench given/vbench.json run --T 1")
THEVAL = reads("runs import-scores theval given/theval.txt run --T 2")
ELSEWHERE = reads("report elsewhere run")
USERS = reads("report latex run --metrics ssim user")
SPLIT_OF_RUN = reads("split export run -o out.json")
RESUME = reads(f"run-protocol --resume run {ONE_WORKER}")
RESUME_TIMED = reads(f"run-protocol table2-timing --resume timed {CPU}")

SMALL = "--dataset store --videos 1 --holdout 2"
MEASURED = f"run-protocol --out new --T 1 {SMALL} --metrics l1 {ONE_WORKER} --methods"
NEW_RUN = reads(f"{MEASURED} copy-nearest")
EXTERNAL = reads(f"{MEASURED} external:e=exported/answers")
CHECK_SPLIT = reads("split check given/split.json --dataset store")
STORED_SPLIT = reads(f"{MEASURED} copy-nearest --T 2 --split given/split.json")
PROTOCOL = reads("protocols show given/protocol.toml")
DRAWN = reads(f"split export given/protocol.toml -o out.json --T 1 {SMALL}")
DATA = (
    reads("data show store"),
    reads("data show store --json"),
    reads("data verify store"),
    reads("data sheet store -o sheet.png --videos 3 --per-video 2"),
    reads("data pack store packed"),
)

PREPARED = (
    "--size 64 --crop as-is --landmarks import:sources/landmarks --lossless --test-persons p2 "
    "--workers 1"
)
PREPARE = reads(f"prepare frames sources/frames new {PREPARED}")
PREPARE_ON = reads(f"prepare frames sources/frames begun {PREPARED}")
PREPARE_VIDEOS = reads(
    "prepare videos faces/videos new --size 64 --workers 1 --landmarks dlib --crop per-clip "
    "--test-persons p0"
)

ADAPT = reads(
    "adapt ours-ff --images faces/photos --checkpoint training/model.safetensors --size 64 "
    f"--crop as-is -o new.safetensors {CPU}"
)
PUPPETS = reads(
    "run-protocol puppeteering --sources faces/photos --drivers 1 --T 1 --methods copy-nearest "
    f"--metrics black-border --rank-by black-border --out new {SMALL} {ONE_WORKER}"
)
DRIVE = reads(
    f"drive faces/head.safetensors --video faces/videos/p0/v0.mp4 --crop as-is -o new.mp4 {CPU}"
)
STEPS_OF = reads(
    "train ours --dataset store --out new --preset small --steps-of training --set batch=7 "
    "--devices 2 --quiet"
)
X2FACE = reads(f"{MEASURED} x2face --checkpoint given/x2face_model_forpython3.pth")
FETCH = reads("weights fetch x2face --from given/x2face_model_forpython3.pth")

BOARD = reads("leaderboard given/run.zip -o site")
SCORED = (
    "score-videos faces/videos copy=faces/videos --metrics l1 ssim --landmarks dlib --quiet "
    f"{ONE_WORKER} --out"
)
SCORE_VIDEOS, SCORE_ON = reads(f"{SCORED} new"), reads(f"{SCORED} scored")
SCORE_PAIRS = reads(f"{SCORED} new --pairs given/pairs.csv")
SCORED_CHECKS = (reads("runs verify scored"), reads("report latex scored"), SCORE_ON)

STUDY_SCORE = reads("study score study --run studied")
STUDY_IMPORT = reads(
    "study import study given/answers.json --key given/key.json --db sqlite:///new.db"
)
STUDY_SIMULATE = reads("study simulate study --db sqlite:///new.db")
STUDY_EXPORT = reads("study export-static study -o new")
STUDY_PURGE = reads("study purge study --identities")
STUDY_BUILD = reads("study build studied -o new --triplets-per-row 4 --ratings 1")

RUN = ("run", "store", "timed")
REPORTS = (TABLE, PAGE, PLOTS, FIGURE, COMPARE, AGAINST)
KINDS = (
    Kind("run/run.json", (SHOW, LIST, VERIFY, SCORE, *REPORTS, SPLIT_OF_RUN, RESUME), RUN),
    Kind("run/units/*/*/*.json", (SHOW, VERIFY, SCORE, TABLE, PAGE, FIGURE, RESUME), RUN),
    Kind("run/references/*.json", (VERIFY, SCORE, RESUME), RUN),
    Kind("run/scores/*/*/*.json", (VERIFY, SCORE, RESUME), RUN),
    Kind("run/frames.parquet", (VERIFY, *REPORTS), RUN),
    Kind("run/summary.json", (VERIFY, *REPORTS), RUN),
    Kind("run/images/copy-nearest/T1/*/*.png", (VERIFY, SCORE, FIGURE, PAGE), RUN),
    Kind("run/images/real/*/*.png", (VERIFY, SCORE, FIGURE, PAGE), RUN),
    Kind("run/images/*/*/landmarks.npy", (VERIFY, SCORE), RUN),
    Kind("run/study.json", (USERS, PAGE), RUN),
    Kind("run/.lock", (SCORE, RESUME), RUN),
    Kind("run/elsewhere/*/*/*.json", (ELSEWHERE, SHOW, VBENCH), ("run", "given")),
    Kind("given/vbench.json", (VBENCH,), ("run", "given")),
    Kind("given/theval.txt", (THEVAL,), ("run", "given")),
    Kind("timed/timing.json", (TIMES, RESUME_TIMED), RUN),
    Kind("timed/run.json", (TIMES, RESUME_TIMED, LIST), RUN),
    Kind("given/split.json", (CHECK_SPLIT, STORED_SPLIT), ("given", "store")),
    Kind("given/protocol.toml", (PROTOCOL, DRAWN), ("given", "store")),
    Kind("store/dataset.json", (*DATA, NEW_RUN), ("store",)),
    Kind("store/videos.parquet", (*DATA, NEW_RUN), ("store",)),
    Kind("store/index/*.parquet", (*DATA, NEW_RUN), ("store",)),
    Kind("store/shards/*.tar", (*DATA[2:], NEW_RUN), ("store",)),
    Kind("begun/plan.json", (PREPARE_ON,), ("begun", "sources")),
    Kind("begun/parts/*.parquet", (PREPARE_ON,), ("begun", "sources")),
    Kind("begun/parts/*.json", (PREPARE_ON,), ("begun", "sources")),
    Kind("sources/landmarks/*/*/*", (PREPARE,), ("sources",)),
    Kind("sources/frames/*/*/*.png", (PREPARE,), ("sources",)),
    Kind("training/training.json", (_resumed,), ("training", "store")),
    Kind("training/losses.rank0.jsonl", (_resumed, STEPS_OF), ("training", "store")),
    Kind("training/checkpoints/*/*.json", (_resumed,), ("training", "store")),
    Kind("training/checkpoints/*/*.safetensors", (_resumed,), ("training", "store")),
    Kind("training/model.safetensors", (ADAPT,), ("training", "faces")),
    Kind("given/x2face_model_forpython3.pth", (X2FACE, FETCH), ("given", "store")),
    Kind("faces/photos/*.jpg", (ADAPT, PUPPETS), ("faces", "training", "store")),
    Kind("faces/videos/p0/v0.mp4", (DRIVE, PREPARE_VIDEOS, SCORE_VIDEOS), ("faces",)),
    Kind("faces/head.safetensors", (DRIVE,), ("faces",)),
    Kind("given/run.zip", (BOARD,), ("given",)),
    Kind("given/pairs.csv", (SCORE_PAIRS,), ("given", "faces")),
    Kind("scored/run.json", SCORED_CHECKS, ("scored", "faces")),
    Kind("scored/units/*/*/*.json", SCORED_CHECKS, ("scored", "faces")),
    Kind("scored/images/copy/T1/*/*.png", SCORED_CHECKS, ("scored", "faces")),
    Kind("exported/answers/manifest.json", (EXTERNAL,), ("exported", "store")),
    Kind("exported/answers/*/*/*.png", (EXTERNAL,), ("exported", "store")),
    Kind(
        "study/design.json",
        (STUDY_SCORE, STUDY_IMPORT, STUDY_SIMULATE, STUDY_EXPORT),
        ("study", "studied", "given"),
    ),
    Kind(
        "study/settings.json",
        (STUDY_SCORE, STUDY_SIMULATE, STUDY_EXPORT),
        ("study", "studied", "given"),
    ),
    Kind("study/secrets.json", (STUDY_SIMULATE,), ("study",)),
    Kind("study/study.db", (STUDY_SCORE, STUDY_PURGE), ("study", "studied")),
    Kind("study/panels/*.png", (STUDY_EXPORT,), ("study",)),
    Kind("studied/run.json", (STUDY_BUILD, STUDY_SCORE), ("study", "studied")),
    Kind("given/key.json", (STUDY_IMPORT,), ("study", "given")),
    Kind("given/answers.json", (STUDY_IMPORT,), ("study", "given")),
)
# What would take long with sound files is made to stop right after it has read them.
REFUSED = (X2FACE, STEPS_OF)
