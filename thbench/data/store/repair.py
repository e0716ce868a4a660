"""`thbench data repair`: the damaged files of a prepared store, made anew, and only those."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from thbench.data.open import open_dataset
from thbench.data.prepare.extract import Recipe, prepare_shard
from thbench.data.prepare.finish import videos_of_rows, with_split
from thbench.data.prepare.listing import list_source
from thbench.data.prepare.prepare import grouped
from thbench.data.store.format import DROPPED, PLAN_JSON, VIDEOS, index_file, shard_file
from thbench.data.store.pack import pack_shard, shards_of
from thbench.data.store.places import LocalPlace, Place, is_url, place_of
from thbench.data.store.prepared import is_store, read_info
from thbench.data.store.shards import read_rows, write_index, write_table
from thbench.data.store.verify import Damage, damages
from thbench.errors import ThbenchError
from thbench.files import atomic_path, read_json_object, sha256_file
from thbench.locks import locked
from thbench.records.dataset import DatasetInfo
from thbench.records.decode import decode
from thbench.tables import read_table

# Writes the files of a shard below the folder.
MakeShard = Callable[[int, Path], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Packed:
    """What plan.json says of a store that was packed."""

    name: str
    sha256: str
    videos: int | None
    frames: int | None


def repair(path: Path, source: str, progress: Progress = lambda done, total: None) -> list[str]:
    """Makes the damaged files of the store `path` anew and returns their names.

    source: what the store was prepared from (the folder of frames or videos, or the dataset that
    was packed), or the path or URL of a whole copy of the store. A file is replaced only by one
    with the sha256 that was recorded, so the dataset stays the same one. Raises `ThbenchError`
    where that cannot be had: nothing is changed then, but for files that are mended already.
    """
    place = LocalPlace(path)
    info = read_info(place)
    with locked(path):
        found = list(damages(place, info))
        if not found:
            return []

        copy = _copy(source, info)
        if copy is not None:
            _replace_by_copies(place, info, found, copy, progress)
        else:
            _make_anew(path, info, found, source, progress)
    return [damage.file for damage in found]


def _copy(source: str, info: DatasetInfo) -> Place | None:
    """The place of a copy of this very store, if the source is one."""
    if not (is_url(source) or is_store(Path(source))):
        return None
    place = place_of(source)
    return place if read_info(place).sha256 == info.sha256 else None


def _replace_by_copies(
    place: LocalPlace, info: DatasetInfo, found: Sequence[Damage], copy: Place, progress: Progress
) -> None:
    digests = _digests(info)
    for done, damage in enumerate(found):
        progress(done, len(found))
        if damage.file not in digests:
            raise ThbenchError(f"{place}/{damage.file} {damage.what}: prepare the dataset again")
        with atomic_path(place.path / damage.file) as temporary:
            try:
                temporary.write_bytes(copy.read(damage.file))
            except FileNotFoundError:
                raise ThbenchError(f"{copy}/{damage.file} is missing, too") from None
            if sha256_file(temporary) != digests[damage.file]:
                raise ThbenchError(f"{copy}/{damage.file} is damaged, too: name another copy")
    progress(len(found), len(found))


def _make_anew(
    path: Path, info: DatasetInfo, found: Sequence[Damage], source: str, progress: Progress
) -> None:
    make = _maker(path, info, source)
    digests, damaged = _digests(info), {damage.file for damage in found}
    if DROPPED in damaged or damaged - digests.keys():
        raise ThbenchError(
            f"{path} lacks what only a copy of it holds ({', '.join(sorted(damaged))}): name a "
            "copy, or prepare the dataset again"
        )

    shards = sorted({damage.shard for damage in found if damage.shard is not None})
    for done, shard in enumerate(shards):
        progress(done, len(shards))
        with tempfile.TemporaryDirectory(prefix=".repair.", suffix=".tmp", dir=path) as folder:
            anew = Path(folder)
            make(shard, anew)
            test = frozenset(info.split.get("test_persons", ()))
            write_index(anew / index_file(shard), with_split(read_rows(anew, shard), test))
            for file in damaged & {shard_file(shard), index_file(shard)}:
                _put(anew / file, path / file, digests[file], source)
    progress(len(shards), len(shards))

    if VIDEOS in damaged:
        _write_videos(path, info, digests[VIDEOS])


def _maker(path: Path, info: DatasetInfo, source: str) -> MakeShard:
    if info.made.packed_sha256 is not None:
        return _packer(path, source)

    settings = {key: value for key, value in info.recipe.items() if key != "source"}
    recipe = decode(Recipe, settings, path / "dataset.json", "name a copy of the store")
    return _preparer(info, recipe, source)


def _packer(path: Path, source: str) -> MakeShard:
    plan = read_json_object(path / PLAN_JSON)
    packed = decode(_Packed, plan.get("packed"), path / PLAN_JSON, "name a copy of the store")
    dataset = open_dataset(source)
    if dataset.sha256 != packed.sha256:
        raise ThbenchError(
            f"{source} is not what {path} was packed from: that was {packed.name} with sha256 "
            f"{packed.sha256}"
        )

    shards = shards_of(dataset, packed.videos)
    return lambda shard, out: pack_shard(dataset, out, packed.frames, shard, shards[shard])


def _preparer(info: DatasetInfo, recipe: Recipe, source: str) -> MakeShard:
    from thbench.data.landmarks.load import load_detector

    listing = list_source(recipe.layout, Path(source), recipe.follow_links)
    shards = list(grouped(listing.videos))
    if len(shards) != len(info.shards):
        raise ThbenchError(
            f"{source} gives {len(shards)} shards of videos, {len(info.shards)} were prepared: "
            "videos were added or removed; name the folder as it was, or a copy of the store"
        )

    detector = load_detector(recipe.landmarks)
    if dict(detector.provenance) != dict(info.landmarks):
        raise ThbenchError(
            f"landmarks come from {dict(detector.provenance)} here, they were made with "
            f"{dict(info.landmarks)}: install that, or name a copy of the store"
        )

    def make(shard: int, out: Path) -> None:
        prepare_shard(listing.root, out, shard, shards[shard], recipe, detector)

    return make


def _put(anew: Path, path: Path, sha256: str, source: str) -> None:
    if sha256_file(anew) != sha256:
        raise ThbenchError(
            f"{source} no longer gives {path} byte by byte: it was changed, or programs that read "
            "it were; name a copy of the store, or prepare the dataset again"
        )
    path.parent.mkdir(exist_ok=True)
    os.replace(anew, path)


def _write_videos(path: Path, info: DatasetInfo, sha256: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".repair.", suffix=".tmp", dir=path) as folder:
        anew = Path(folder) / VIDEOS
        write_table(anew, pa.concat_tables(_videos(path, len(info.shards))))
        _put(anew, path / VIDEOS, sha256, str(path))


def _videos(path: Path, shards: int) -> Iterable[pa.Table]:
    for shard in range(shards):
        rows = read_table(path / index_file(shard), "prepare the dataset again")
        yield videos_of_rows(rows, shard)


def _digests(info: DatasetInfo) -> dict[str, str]:
    """The sha256 of each file of the store by its name, as far as it was recorded."""
    digests = dict(info.files)
    for number, shard in enumerate(info.shards):
        digests[shard.file] = shard.sha256
        if shard.rows_sha256:
            digests[index_file(number)] = shard.rows_sha256
    return digests
