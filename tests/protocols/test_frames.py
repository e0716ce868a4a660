"""Frames in a run folder: PNG in, the same PNG out, and never one that was changed since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from protocols.frames import read_images, write_frames
from thbench.errors import ThbenchError


def pictures(seed: int, frames: int = 3) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 3, 9, 12), dtype=torch.uint8, generator=random)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    names = list(write_frames(tmp_path / "unit", pictures(0)))
    assert torch.equal(read_images(tmp_path / "unit", names), pictures(0))
    assert torch.equal(read_images(tmp_path / "unit", names[1:]), pictures(0)[1:])


def test_a_frame_that_changed_is_read_again(tmp_path: Path) -> None:
    names = list(write_frames(tmp_path / "unit", pictures(0)))
    read_images(tmp_path / "unit", names)
    write_frames(tmp_path / "other", pictures(1))

    os.replace(tmp_path / "other" / names[2], tmp_path / "unit" / names[2])

    expected = torch.cat([pictures(0)[:2], pictures(1)[2:]])
    assert torch.equal(read_images(tmp_path / "unit", names), expected)


def test_a_frame_that_changed_but_for_its_time_is_read_again(tmp_path: Path) -> None:
    """As copies that keep times do it."""
    names = list(write_frames(tmp_path / "unit", pictures(0)))
    read_images(tmp_path / "unit", names)
    write_frames(tmp_path / "other", pictures(1))
    there, here = tmp_path / "other" / names[0], tmp_path / "unit" / names[0]
    before = here.stat()

    here.write_bytes(there.read_bytes())
    os.utime(here, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert torch.equal(read_images(tmp_path / "unit", names)[0], pictures(1)[0])


def test_changing_what_was_read_changes_nothing_for_the_next_reader(tmp_path: Path) -> None:
    names = list(write_frames(tmp_path / "unit", pictures(0)))
    read_images(tmp_path / "unit", names).zero_()
    assert torch.equal(read_images(tmp_path / "unit", names), pictures(0))


def test_a_missing_damaged_or_other_sized_frame_is_named(tmp_path: Path) -> None:
    names = list(write_frames(tmp_path / "unit", pictures(0)))
    write_frames(tmp_path / "large", pictures(0).repeat(1, 1, 2, 2))
    os.replace(tmp_path / "large" / names[0], tmp_path / "unit" / names[2])
    with pytest.raises(ThbenchError, match=r"02\.png is missing, is not a picture"):
        read_images(tmp_path / "unit", names)

    (tmp_path / "unit" / names[1]).write_bytes(b"no picture")
    with pytest.raises(ThbenchError, match=r"01\.png is missing, is not a picture"):
        read_images(tmp_path / "unit", names)

    (tmp_path / "unit" / names[0]).unlink()
    with pytest.raises(ThbenchError, match=r"00\.png is missing, is not a picture"):
        read_images(tmp_path / "unit", names)
