"""What may be asked of an engine, and what is told where it makes no sense."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

import thbench.engine
from cli import thbench as command_line
from protocols.request import Request, how_to_run, measure
from protocols.run import HowToRun
from thbench.engine import LOCAL, Engine, on_device
from thbench.errors import ThbenchError
from thbench.workers import each

with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is an extra: pip install 'thbench[ray]'"
)


@pytest.mark.parametrize("option", [["--ray-address", "head:6379"], ["--gpu-share", "0.5"]])
@pytest.mark.parametrize(
    "command", [["prepare", "frames", "a", "b"], ["data", "pack", "synth", "a"]]
)
def test_options_of_ray_without_ray_are_wrong_usage(command: list[str], option: list[str]) -> None:
    result = CliRunner().invoke(command_line, [*command, *option])
    assert result.exit_code == 2
    assert "--ray-address and --gpu-share are for --engine ray" in result.output


def test_missing_ray_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thbench.engine, "find_spec", lambda name: None)
    with pytest.raises(ThbenchError, match=r"--engine ray needs Ray: pip install 'thbench\[ray\]'"):
        Engine("ray")


@with_ray
def test_an_address_of_another_kind_and_parts_of_several_gpus_are_told() -> None:
    with pytest.raises(ThbenchError, match="run the command on a machine of the cluster"):
        Engine("ray", "ray://head:10001")
    with pytest.raises(ThbenchError, match=r"--gpu-share 1\.5: write a part of one GPU"):
        Engine("ray", gpu_share=1.5)


@with_ray
def test_a_unit_has_a_gpu_of_its_own_unless_a_share_is_said() -> None:
    assert on_device(Engine("ray"), "cuda").gpu_share == 1
    assert on_device(Engine("ray", gpu_share=0.5), "cuda").gpu_share == 0.5
    assert on_device(Engine("ray"), "cpu").gpu_share == 0
    assert on_device(LOCAL, "cuda:1") == LOCAL

    with pytest.raises(ThbenchError, match="Ray chooses among the GPUs; say --device cuda"):
        on_device(Engine("ray"), "cuda:1")
    with pytest.raises(ThbenchError, match="--gpu-share is for work on a GPU"):
        on_device(Engine("ray", gpu_share=0.5), "cpu")


@with_ray
def test_a_cluster_has_as_many_workers_as_it_has_room_for() -> None:
    assert how_to_run("cpu", None, Engine("ray")) == HowToRun(workers=None, engine=Engine("ray"))


@with_ray
def test_times_are_not_measured_on_a_cluster(tmp_path: Path) -> None:
    how = how_to_run("cpu", None, Engine("ray"))
    with pytest.raises(ThbenchError, match="a timing protocol measures this machine"):
        measure("table2-timing", Request(dataset="synth:64"), tmp_path / "run", how, quiet=True)


@with_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "head:port"])
def test_an_address_where_nobody_answers_is_told_at_once(address: str) -> None:
    with pytest.raises(ThbenchError, match=f"no Ray cluster answers at {address} ") as caught:
        list(each(partial(lambda: int), ["1"], 1, Engine("ray", address)))
    assert "\n" not in str(caught.value)
