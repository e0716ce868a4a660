"""What a protocol runs on: the dataset that drives heads, and where they are learned from."""

from __future__ import annotations

from protocols.kinds.base import Definition
from thbench.data.dataset import Dataset
from thbench.data.open import open_dataset, open_sources
from thbench.data.photos import HandPicked
from thbench.errors import ThbenchError


def open_data(
    definition: Definition,
    dataset: str | None,
    sources: str | None,
    videos: int | None,
    skip_unusable: bool = False,
) -> tuple[Definition, Dataset, Dataset | None]:
    """Opens what a protocol runs on, and counts its videos: `videos`, or as many as there are
    photographs.

    skip_unusable: leave out photographs that cannot be read or show no face.

    Raises `ThbenchError` when no dataset is named, for sources that the protocol has no use for, or
    of another size.
    """
    if not (dataset or definition.dataset):
        raise ThbenchError(f"protocol {definition.name!r} names no dataset; add --dataset")

    opened = open_dataset(dataset or definition.dataset)
    if sources is None:
        return definition.with_values(videos=videos), opened, None
    if not definition.takes_sources:
        raise ThbenchError(
            f"protocol {definition.name!r} drives every video with itself: it takes no --sources"
        )

    learned = open_sources(sources, opened.size_px, skip_unusable)
    if learned.size_px != opened.size_px:
        raise ThbenchError(
            f"sources are {learned.size_px} pixels large, {opened.name} {opened.size_px}; "
            "prepare them with the same --size"
        )
    photographs = len(learned.videos) if isinstance(learned, HandPicked) else None
    return definition.with_values(videos=videos or photographs), opened, learned
