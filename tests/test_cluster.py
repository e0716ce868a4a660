"""A Ray cluster of three nodes, some of which are killed: nothing is lost, done twice or other."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support import worker_tasks
from support.datasets import short_videos
from support.prepared_samples import make_frames, recipe
from support.processes import is_running

from protocols.definition import load_definition, method_entry
from protocols.run import RunOptions, run_protocol
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.engine import Engine
from thbench.errors import ThbenchError
from thbench.runs import Run
from thbench.workers import each

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'thbench[ray]'")
TESTS = Path(__file__).parent
STORE_BYTES = 80 * 2**20
SOON = {  # a lost node is noticed in half a second
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 100,
    "health_check_failure_threshold": 5,
    "health_check_timeout_ms": 1000,
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@dataclass
class ThreeNodes:
    """A head and two nodes with one processor each."""

    cluster: Any
    engine: Engine
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def complete(self) -> None:
        """Puts nodes in the place of those that were lost."""
        while len(self.cluster.worker_nodes) < 2:
            self.cluster.add_node(
                num_cpus=1, object_store_memory=STORE_BYTES, node_name=f"node-{next(self.numbers)}"
            )

    def lose_one(self) -> None:
        """Kills a node and all that works there, as a loss of power does."""
        self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)


@pytest.fixture(scope="module")
def three() -> Iterator[ThreeNodes]:
    from ray._raylet import Config  # type: ignore[attr-defined]
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")  # else Ray would write one to the home folder
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
        Config.initialize("")  # Ray read the environment when it was imported
        cluster = Cluster()
        try:
            cluster.add_node(
                num_cpus=1,
                object_store_memory=STORE_BYTES,
                node_name="head",
                include_dashboard=False,
                _system_config=SOON,
            )
            nodes = ThreeNodes(cluster, Engine("ray", cluster.address))
            nodes.complete()
            yield nodes
        finally:
            ray.shutdown()
            cluster.shutdown()


def losing_a_node_after(done: int, nodes: ThreeNodes, items: Iterable[Any]) -> Iterator[Any]:
    for number, item in enumerate(items, 1):
        if number == done:
            nodes.lose_one()
        yield item


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte that must repeat: not commit marks and run.json, which hold times."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "run.json" and "units" not in file.parts
    }


def test_units_of_a_lost_node_are_done_again_and_no_others(
    three: ThreeNodes, tmp_path: Path
) -> None:
    three.complete()
    work = each(partial(worker_tasks.noting, tmp_path), range(24), None, three.engine, tmp_path)
    with closing(work):
        done = list(losing_a_node_after(5, three, work))

    assert sorted(done) == [(number, number * number) for number in range(24)]
    times = [len(list(tmp_path.glob(f"{number}-*"))) for number in range(24)]
    assert set(times) <= {1, 2}
    assert sum(times) <= 24 + 1
    workers = {file.name.split("-")[1] for file in tmp_path.iterdir()}
    assert len(workers) <= 3  # no node had room for a second; a slow one may never get its first


def test_a_worker_that_is_killed_is_replaced_and_one_unit_may_not_kill_many(
    three: ThreeNodes, tmp_path: Path
) -> None:
    work = partial(worker_tasks.noting, tmp_path)
    assert dict(each(work, [1, 100], 1, three.engine)) == {1: 1, 100: 100 * 100}

    with pytest.raises(
        ThbenchError, match=r"3 workers were lost over one unit, the last on .*with fewer --workers"
    ) as caught:
        list(each(work, [200], 1, three.engine))
    assert "\n" not in str(caught.value)
    assert len(list(tmp_path.glob("200-*"))) == 3


def test_an_error_of_the_work_names_the_node_and_is_not_tried_again(
    three: ThreeNodes, tmp_path: Path
) -> None:
    with pytest.raises(ThbenchError, match=r"^item -1 is wrong \(on (head|node-\d+)\)$"):
        list(each(partial(worker_tasks.noting, tmp_path), [-1], 1, three.engine))
    assert len(list(tmp_path.iterdir())) == 1

    with pytest.raises(RuntimeError, match=r"on (head|node-\d+): TwoArgumentsError: lost at sea"):
        list(each(partial(worker_tasks.failing, "odd"), [2], 1, three.engine))


def test_a_worker_has_one_processor_thread_and_works_where_the_command_does(
    three: ThreeNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (_, found), *_ = each(worker_tasks.threads, [1], 1, three.engine)
    assert found == (1, 1, "1")

    assert list(each(partial(worker_tasks.noting, Path()), [3], 1, three.engine)) == [(3, 9)]
    assert len(list(tmp_path.glob("3-*"))) == 1


def test_a_preparation_that_loses_a_node_makes_the_same_store(
    three: ThreeNodes, tmp_path: Path
) -> None:
    three.complete()
    make_frames(tmp_path, persons=8)
    source, how = tmp_path / "frames", recipe(tmp_path)
    prepare(source, tmp_path / "local", how, SplitRule())

    lost = []

    def lose(done: int, total: int, frames: int) -> None:
        if done == 3:
            three.lose_one()
            lost.append(total - done)

    out = tmp_path / "cluster"
    assert prepare(source, out, how, SplitRule(), None, progress=lose, engine=three.engine)
    assert lost == [13]
    assert contents(out) == contents(tmp_path / "local")


def test_a_run_that_loses_a_node_twice_makes_the_same_frames_and_scores(
    three: ThreeNodes, tmp_path: Path
) -> None:
    three.complete()
    definition = load_definition("self-reenactment").with_values(
        methods=(method_entry("copy-nearest"),), T=(1, 4), videos=3, holdout=3, metrics=("ssim",)
    )
    local, out = tmp_path / "local", tmp_path / "cluster"
    run_protocol(definition, short_videos(), local, RunOptions({}))

    stages = []

    def lose(items: Iterable[Any], total: int, title: str) -> Iterable[Any]:
        stages.append(title)
        three.complete()
        return losing_a_node_after(2, three, items) if total > 2 else items

    options = RunOptions({}, workers=None, engine=three.engine)
    outcome = run_protocol(definition, short_videos(), out, options, lose)

    assert outcome.failed == []
    assert stages[:2] == ["generate", "score frames"]
    assert contents(out) == contents(local)
    assert [unit for unit in Run(out).planned() if Run(out).read_unit(unit).status != "done"] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_ends_leaves_nothing_on_the_cluster(
    number: int, three: ThreeNodes, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, worker_tasks.__file__, str(tmp_path), three.cluster.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    while len(list(tmp_path.iterdir())) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, number)
    told, _ = process.communicate(timeout=50)

    assert process.returncode == (9 if number == signal.SIGINT else -number)
    assert told == b""
    deadline = time.monotonic() + 30
    while any(is_running(int(file.name)) for file in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
