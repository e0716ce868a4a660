"""Sample pictures: the frames as they are, and a word beside each row."""

from __future__ import annotations

import torch

from thbench.training.samples import EPISODES, sample_grid


def test_rows_are_labelled_and_frames_are_untouched() -> None:
    size_px, episodes = 32, EPISODES + 2
    rows = {
        name: torch.randint(0, 256, (episodes, 3, size_px, size_px), dtype=torch.uint8)
        for name in ("shot", "made", "target")
    }
    grid = sample_grid(rows, "ours, step 12")
    expected = torch.cat(
        [torch.cat([*images[:EPISODES]], dim=2) for images in rows.values()], dim=1
    )

    frames = grid[:, -3 * size_px :, -EPISODES * size_px :]
    assert torch.equal(frames, expected)

    margin = grid[:, -3 * size_px :, : -EPISODES * size_px]
    for row in margin.chunk(3, dim=1):
        assert (row < 100).any()  # a word
        assert (row == 255).all(dim=0).any(dim=0).sum() > 0
    assert not torch.equal(*margin.chunk(3, dim=1)[:2])
    assert (grid[:, : -3 * size_px] < 100).any()  # the title
