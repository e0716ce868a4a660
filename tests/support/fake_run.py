"""Run folders for the tests of reports/: the real format, plausible numbers, and no network."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from support.fake_scores import METRICS, Scores, plausible, write_scores
from support.run_record import drawn_video, method_record, protocol_record, run_record
from thbench.files import sha256_file, sha256_json, write_json
from thbench.records.run import DatasetRecord, Kind, MethodRecord, Status
from thbench.records.split import DrawnVideo
from thbench.records.timing import TimeRecord
from thbench.records.unit import UserColumn, UserRow
from thbench.runs import Run, Unit, UnitResult

VOX1 = Path(__file__).parents[2] / ".." / "shared" / "data" / "vox1-sample" / "unzippedFaces"
SPECIAL_NAMES = (
    "a_b & c%",
    "$x^2$ #1 ~{tilde}",
    "back\\slash <script>alert(1)</script>",
    '[quote "q" | pipe]',
    "=HYPERLINK(1)",
    "Ünïcödé λ 方法",
    "*star* `tick` --dash",
)


def make_run(
    path: Path,
    *,
    methods: Sequence[str] = ("x2face", "ours-ff", "ours-ft"),
    dataset: str = "VoxCeleb1",
    T: Sequence[int] = (1, 8, 32),
    n_videos: int = 4,
    n_holdout: int = 4,
    size_px: int = 64,
    seed: int = 0,
    protocol: str = "table1",
    kind: Kind = "self-reenactment",
    specs: Mapping[str, str] | None = None,
    scores: Scores | None = None,
    status: Status = "complete",
    scored: bool = True,
    partial: bool = False,
    failed_units: int = 0,
    absent: Mapping[str, str] | None = None,
    timing: bool = False,
    study: bool = False,
    images: bool = True,
    shift: float = 0.0,
) -> Path:
    """Writes a run folder.

    absent maps metrics to the reason why they were not computed. shift moves every score.
    """
    path.mkdir(parents=True, exist_ok=True)
    if absent is None:
        absent = {"csim": "weights missing: w.onnx (https://example.org/a.zip, sha256 00)"}

    split = [_video(index, n_holdout, max(T)) for index in range(n_videos)]
    definition = {"name": protocol, "kind": kind, "holdout": n_holdout, "metrics": list(METRICS)}
    record = run_record(
        {label: _method((specs or {}).get(label, label)) for label in methods},
        split,
        T=T,
        dataset=_dataset(dataset, n_videos, size_px),
        protocol=protocol_record(protocol, kind, sha256_json(definition), definition),
        metrics=list(METRICS),
        seed=seed,
    )
    run = Run(path)
    run.write(replace(record, status=status, partial=partial))

    failed = _write_units(run, failed_units, status, images, size_px)
    if scored:
        write_scores(run, failed, absent, scores or plausible(seed, shift))
    if timing:
        hardware = {"processor": "AMD EPYC", "cores": 2, "gpus": []}
        _write_timing(run, hardware, _plausible_times(methods, T))
    if study:
        _write_study(run, methods, T)
    return path


def paper_run(
    path: Path,
    dataset: str,
    values: Mapping[tuple[str, int], Mapping[str, float]],
    times: Mapping[tuple[str, int | None], float] | None = None,
) -> Path:
    """A run without images and with the given scores: {(method, T): {"fid": ..., "user": ...}}."""
    methods = list(dict.fromkeys(method for method, _ in values))
    shots = sorted({T for _, T in values})
    make_run(
        path,
        methods=methods,
        dataset=dataset,
        T=shots,
        images=False,
        n_videos=50,
        n_holdout=1,
        absent={"csim-dlib": "", "akd": ""},
        scores=lambda method, T, metric: values.get((method, T), {}).get(metric),
    )
    run = Run.open(path)
    users = [
        UserRow(method, T, row["user"], se=None, ci95=None, n=1600)
        for (method, T), row in values.items()
    ]
    write_json(run.study_json, asdict(UserColumn(rows=users)))

    if times:
        rows = [
            TimeRecord(
                method=method,
                T=T,
                phase="few-shot" if T else "inference",
                median_s=time_s,
                iqr_s=None,
                n=100,
            )
            for (method, T), time_s in times.items()
        ]
        _write_timing(run, {"processor": "Intel Xeon", "gpus": ["NVIDIA P40"]}, rows)
    return path


def _video(index: int, n_holdout: int, n_shots: int) -> DrawnVideo:
    """Two videos of each person; a hold-out frame follows every shot."""
    shots = [3 * place for place in range(n_shots)]
    holdout = [3 * place + 1 for place in range(n_holdout)]
    return drawn_video(f"id{10270 + index // 2}", f"vid{index}", shots, holdout)


def _dataset(label: str, n_videos: int, size_px: int) -> DatasetRecord:
    name, sha256 = label.lower(), sha256_json([label, n_videos])
    return DatasetRecord(name, sha256, size_px, label, spec=name)


def _method(spec: str) -> MethodRecord:
    notes = ["content loss with random VGG weights"] if spec == "ours-ft" else []
    return method_record(spec, f"models/{spec}", notes)


def _write_units(run: Run, failed_units: int, status: str, images: bool, size_px: int) -> set[Unit]:
    """Commits the units, the first of them as failed; an unfinished run has half of them."""
    split = run.record().split
    pictures = dict(
        zip(
            (video.key for video in split.videos),
            _pictures(len(split.videos), size_px),
            strict=True,
        )
    )
    if images:
        for video in split.videos:
            own = pictures[video.key]
            _save(run.real_folder(video.key), [_moved(own, i) for i in range(split.holdout)])
            _save(run.shots_folder(video.key), [_moved(own, -i) for i in range(split.shots)])

    units = list(run.planned())
    if status != "complete":
        units = units[: len(units) // 2]

    failed = set(units[:failed_units])
    for unit in units:
        if unit in failed:
            error = "ValueError: no face <b>found</b> & lost"
            run.commit_unit(unit, UnitResult("failed", error))
            continue
        folder = run.unit_folder(unit)
        if images:
            blur = 2.5 / (1 + np.log2(unit.T)) + zlib.crc32(unit.method.encode()) % 3
            made = pictures[unit.video].filter(ImageFilter.GaussianBlur(float(blur)))
            _save(folder, [_moved(made, i) for i in range(split.holdout)])
        frames = {file.name: sha256_file(file) for file in sorted(folder.glob("*.png"))}
        run.commit_unit(unit, UnitResult("done", frames=frames, timing={"adapt_s": 1.0}))
    return failed


def _pictures(n: int, size_px: int) -> list[Image.Image]:
    files = sorted(VOX1.rglob("*.jpg"))
    if files:
        return [
            Image.open(files[(index * 37) % len(files)]).convert("RGB").resize((size_px, size_px))
            for index in range(n)
        ]

    ramp = np.linspace(0, 255, size_px)
    both, across = np.add.outer(ramp, ramp) / 2, np.tile(ramp, (size_px, 1))
    planes = [(both, across, np.full_like(both, 255 * index / n)) for index in range(n)]
    return [Image.fromarray(np.stack(three, -1).astype(np.uint8)) for three in planes]


def _moved(picture: Image.Image, step: int) -> Image.Image:
    return picture.rotate(2 * step)


def _save(folder: Path, pictures: Sequence[Image.Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        picture.save(folder / f"{index:02d}.png")


def _write_study(run: Run, methods: Sequence[str], T: Sequence[int]) -> None:
    """Success rates that fall from method to method, and with T."""
    rows = []
    for place, method in enumerate(methods):
        for shots in T:
            value = 0.8 - 0.1 * place - 0.002 * shots
            ends = (value - 0.04, value + 0.04)
            rows.append(UserRow(method, shots, value, 0.02, ends, n=1600, p_one_third=0.001))

    write_json(run.study_json, asdict(UserColumn(rows=rows)))


def _write_timing(run: Run, hardware: Mapping[str, Any], rows: Iterable[TimeRecord]) -> None:
    write_json(run.timing_json, {"hardware": hardware, "rows": [asdict(row) for row in rows]})


def _plausible_times(methods: Sequence[str], T: Sequence[int]) -> list[TimeRecord]:
    rows = []
    for place, method in enumerate(methods):
        tuned_s = 0.0 if method.endswith("ff") else 3.0 * (place + 1)
        rows += [_few_shot_time(method, shots, tuned_s * shots**0.5) for shots in T]
        rows.append(
            TimeRecord(
                method=method,
                T=None,
                phase="inference",
                median_s=0.03 + 0.05 * place,
                iqr_s=0.001,
                n=100,
                parts={"embedding_s": None, "fine_tuning_s": None, "data_s": None},
                memory_peak_mb=400.0,
            )
        )
    return rows


def _few_shot_time(method: str, T: int, fine_tuning_s: float) -> TimeRecord:
    embedding_s = 0.05 + 0.004 * T
    return TimeRecord(
        method=method,
        T=T,
        phase="few-shot",
        median_s=embedding_s + fine_tuning_s,
        iqr_s=0.02,
        n=100,
        parts={"embedding_s": embedding_s, "data_s": 0.01, "fine_tuning_s": fine_tuning_s},
        memory_peak_mb=812.0,
        note="random weights",
    )
