"""Checkpoints keep every bit, and only whole ones count."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from thbench.errors import ThbenchError
from thbench.training import checkpoints
from thbench.training.checkpoints import Checkpoint, _put_tensors, _take_tensors

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False),
    st.text(max_size=5),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=3),
    ),
)


@given(trees)
def test_any_tree_survives_json(tree):
    skeleton = json.loads(json.dumps(_take_tensors({"root": tree}, "", {})))
    assert _put_tensors(skeleton, {}) == {"root": tree}


def test_an_optimiser_state_comes_back_exactly(tmp_path):
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters(), betas=(0.0, 0.999))
    layer(torch.rand(4, 3)).sum().backward()
    optimiser.step()
    state = checkpoints.snapshot({"optimiser": optimiser.state_dict()})
    checkpoints.save_part(tmp_path / "step", "shared", state)
    loaded = checkpoints.load_part(tmp_path / "step", "shared")
    fresh = torch.optim.Adam(layer.parameters())
    fresh.load_state_dict(loaded["optimiser"])
    for old, new in zip(optimiser.state.values(), fresh.state.values(), strict=True):
        assert torch.equal(old["exp_avg_sq"], new["exp_avg_sq"])
    assert fresh.param_groups[0]["betas"] == [0.0, 0.999]


def test_a_snapshot_does_not_change_with_what_it_was_taken_of():
    weight = torch.zeros(2)
    state = checkpoints.snapshot({"weight": weight})
    weight += 1
    assert state.tensors["/weight"].tolist() == [0, 0]


def write(root, step, processes, missing=()):
    """A checkpoint, without the parts named in `missing`."""
    folder = checkpoints.step_folder(root, step)
    checkpoints.begin(folder, step, processes)
    for part in {"shared", *(f"rank{process}" for process in range(processes))} - {*missing}:
        checkpoints.save_part(folder, part, checkpoints.snapshot({"step": step}))
    return folder


@pytest.mark.parametrize("missing", ["shared", "rank0", "rank1"])
def test_a_checkpoint_counts_when_every_process_has_written_and_is_removed_else(tmp_path, missing):
    write(tmp_path, 10, 2)
    newest = write(tmp_path, 20, 2)
    write(tmp_path, 30, 2, missing=[missing])
    assert checkpoints.latest(tmp_path) == Checkpoint(newest, 20, 2)

    checkpoints.keep_newest(tmp_path, 1)
    assert [folder.name for folder in tmp_path.iterdir()] == ["step-00000020"]


def test_a_part_that_was_left_behind_does_not_count_for_a_new_checkpoint(tmp_path):
    folder = write(tmp_path, 10, 2, missing=["rank0"])
    checkpoints.begin(folder, 10, 2)
    checkpoints.save_part(folder, "shared", checkpoints.snapshot({}))
    checkpoints.save_part(folder, "rank0", checkpoints.snapshot({}))
    assert checkpoints.latest(tmp_path) is None


def test_a_checkpoint_of_the_older_layout_is_refused_in_one_line(tmp_path):
    folder = checkpoints.step_folder(tmp_path, 1)
    folder.mkdir()
    (folder / "COMMIT").write_text("1\n")
    with pytest.raises(ThbenchError, match="written by an older version of thbench"):
        checkpoints.latest(tmp_path)


def write_rows(root, videos, processes):
    """Rows that tell their video, shared out over processes."""
    folder = write(root, 1, processes)
    for process in range(processes):
        own = torch.tensor(videos[process::processes])
        rows = {"weight": own[:, None] * torch.ones(3), "seen": own % 2 == 0}
        state = checkpoints.snapshot({"videos": own, "rows": rows})
        checkpoints.save_part(folder, f"rows{process}", state)
    return Checkpoint(folder, 1, processes)


@given(
    st.sets(st.integers(0, 50), min_size=6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)
)
def test_rows_of_any_number_of_processes_come_to_any_other(tmp_path_factory, videos, a, b, rank):
    ordered, rank = sorted(videos), rank % b
    checkpoint = write_rows(tmp_path_factory.mktemp("rows"), ordered, a)

    own = ordered[rank::b]
    rows = checkpoints.load_rows(checkpoint, own, first=rank)
    assert rows["weight"].tolist() == [[video] * 3 for video in own]
    assert rows["seen"].tolist() == [video % 2 == 0 for video in own]


def test_a_video_without_a_row_is_told(tmp_path):
    checkpoint = write_rows(tmp_path, [0, 1, 3, 4], 2)
    with pytest.raises(
        ThbenchError, match="lacks the rows of 2 training videos, the first is numb"
    ):
        checkpoints.load_rows(checkpoint, [1, 2, 5], first=0)


def test_a_model_file_keeps_its_description_and_halves_come_back_as_floats(tmp_path):
    file = tmp_path / "model.safetensors"
    checkpoints.save_model(
        file, {"a.w": torch.ones(2, dtype=torch.float16)}, {"kind": "ours", "config": {"x": 1}}
    )
    tensors, description, sha256 = checkpoints.load_model(tmp_path, "ours")
    assert tensors["a.w"].dtype == torch.float32
    assert description["config"] == {"x": 1}
    assert len(sha256) == 64


def test_a_model_of_another_kind_or_none_is_one_clear_line(tmp_path):
    with pytest.raises(ThbenchError, match=r"no model file at .*; train one"):
        checkpoints.load_model(tmp_path / "nothing", "ours")
    checkpoints.save_model(tmp_path / "m.safetensors", {"a": torch.ones(1)}, {"kind": "x2face"})
    with pytest.raises(ThbenchError, match="kind 'x2face', 'ours' is needed"):
        checkpoints.load_model(tmp_path / "m.safetensors", "ours")


def test_a_damaged_model_file_is_named(tmp_path):
    file = tmp_path / "m.safetensors"
    checkpoints.save_model(file, {"a": torch.ones(1000)}, {"kind": "ours"})
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ThbenchError, match=r"m\.safetensors is missing or damaged"):
        checkpoints.load_model(file, "ours")


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "m.safetensors"
    checkpoints.save_model(file, {"a": torch.ones(1)}, {"kind": "ours"})

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(ThbenchError, match=r"No space left on device.*free space"):
        checkpoints.save_model(file, {"a": torch.zeros(1)}, {"kind": "ours"})
    assert checkpoints.load_model(file, "ours")[0]["a"].item() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


def test_weights_of_another_preset_are_one_line(tmp_path):
    with pytest.raises(
        ThbenchError, match=r"file\.st does not fit this network .*another preset"
    ) as caught:
        checkpoints.load_module(
            torch.nn.Linear(2, 2), torch.nn.Linear(3, 2).state_dict(), "file.st"
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    layer = torch.nn.Linear(3, 2)
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    state["weight"][1, 2] = value
    with pytest.raises(ThbenchError, match=r"m\.safetensors is damaged: weight .* not finite"):
        checkpoints.load_module(layer, state, "m.safetensors")
