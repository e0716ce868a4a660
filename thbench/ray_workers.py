"""Work that is shared out over a Ray cluster: actors that are set up once and do unit after unit.

Ray places the actors, watches them, and tells which died. What an actor was doing when its process
or its node was lost is done again by another one, so a lost node costs its units only.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import signal
import socket
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import cloudpickle

from thbench import __version__
from thbench.engine import Engine
from thbench.errors import ThbenchError
from thbench.freed_memory import keep_freed_memory
from thbench.worker_process import ONE_THREAD, travelling, use_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOSSES = 3  # of workers by one unit: then it is the unit
_LOCAL_STORE_BYTES = 200 * 2**20  # units and results are small
_ANSWER_S = 10.0
_WAIT_S = 30.0  # until we say what we wait for


def in_cluster(
    set_up: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    workers: int | None,
    engine: Engine,
    folder: Path | None,
) -> Iterator[tuple[Item, Result]]:
    """Does as `thbench.workers.each` on the cluster of `engine`."""
    _connect(engine, workers)
    room = _room(engine)

    with _seen_by_all(folder) as probe:
        # Not pickle, which cannot send what a script defines itself.
        sent: bytes = cloudpickle.dumps(set_up)  # type: ignore[no-untyped-call]
        orders = _Orders(__version__, os.getcwd(), probe, sent)
        crew = _Crew(engine, min(workers or room, len(items)), ray.put(orders))
        try:
            yield from crew.do(items)
        finally:
            crew.dismiss()


@dataclass(frozen=True)
class _Orders:
    """What a worker is told as it begins. probe: a file that it must see."""

    version: str
    folder: str
    probe: Path | None
    set_up: bytes


@dataclass(frozen=True)
class _Fault:
    """An error of the work: on which node, and where in the code."""

    error: Exception
    node: str
    trace: str


@dataclass
class _Unit:
    item: Any
    losses: int = 0


@dataclass
class _Crew:
    """The workers of one piece of work.

    waits: what each worker does, by the reference of its answer; None while it begins. nodes: the
    name of each worker's node, once it has begun.
    """

    engine: Engine
    size: int
    orders: Any
    workers: list[Any] = field(default_factory=list)
    idle: list[Any] = field(default_factory=list)
    waits: dict[Any, tuple[Any, _Unit | None]] = field(default_factory=dict)
    nodes: dict[Any, str] = field(default_factory=dict)
    losses: int = 0  # of workers, as they began

    def do(self, items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        waiting = deque(_Unit(item) for item in items)
        left = len(waiting)

        while left:
            self._hire(min(self.size, left))
            while waiting and self.idle:
                self._give(self.idle.pop(), waiting.popleft())

            answered = self._next()
            worker, unit = self.waits.pop(answered)
            try:
                answer = ray.get(answered)
            except ray.exceptions.RayTaskError as error:  # such as a result that cannot be pickled
                raise RuntimeError(f"on {self.nodes[worker]}: {error.cause}") from error
            except ray.exceptions.RayError as error:
                self._lose(worker, unit, error)
                if unit is not None:
                    waiting.appendleft(unit)
                continue

            if isinstance(answer, _Fault):
                raise _told(answer)
            self.idle.append(worker)
            if unit is None:
                self.nodes[worker] = answer
            else:
                left -= 1
                yield unit.item, answer

    def dismiss(self) -> None:
        """Ends all workers at once, whatever they do."""
        for worker in self.workers:
            ray.kill(worker)

    def _hire(self, size: int) -> None:
        while len(self.workers) < size:
            worker = _actor(self.engine).remote()
            self.workers.append(worker)
            self.waits[worker.begin.remote(self.orders)] = worker, None

    def _give(self, worker: Any, unit: _Unit) -> None:
        self.waits[worker.do.remote(unit.item)] = worker, unit

    def _next(self) -> Any:
        """The reference of the next answer."""
        while True:
            answered, _ = ray.wait(list(self.waits), timeout=_WAIT_S)
            if answered:
                return answered[0]
            if not self.nodes:
                logging.getLogger(__name__).warning(
                    "no worker of the Ray cluster has begun yet: it is slow, or full of other work"
                )

    def _lose(self, worker: Any, unit: _Unit | None, error: Exception) -> None:
        """Strikes a worker off.

        Raises `ThbenchError` where the same unit, or beginning alone, has cost several.
        """
        ray.kill(worker)  # it may only have been out of reach
        self.workers.remove(worker)
        node = self.nodes.pop(worker, "a node")
        if unit is None:
            self.losses += 1
        else:
            unit.losses += 1

        if (unit.losses if unit else self.losses) >= _LOSSES:
            reason = str(error).splitlines()[-1].strip()
            raise ThbenchError(
                f"{_LOSSES} workers were lost {'over one unit' if unit else 'as they began'}, the "
                f"last on {node}, perhaps for lack of memory ({reason}): run the same command "
                "again, with fewer --workers if it happens again; it goes on from here"
            )
        logging.getLogger(__name__).warning(
            "a worker on %s was lost: what it was doing is done again", node
        )


class _Worker:
    """One process of the cluster, with one processor thread."""

    _node = ""
    _set_up = b""
    _work: Callable[[Any], Any] | None = None

    def begin(self, orders: _Orders) -> str | _Fault:
        """Returns the name of this node."""
        self._node = _node_name(ray.get_runtime_context().get_node_id())
        self._set_up = orders.set_up
        keep_freed_memory()
        try:
            _check_place(orders)
        except ThbenchError as error:
            return self._fault(error)
        return self._node

    def do(self, item: Any) -> Any:
        try:
            if self._work is None:
                self._work = pickle.loads(self._set_up)()
                use_threads(1, 1)
            return self._work(item)
        except Exception as error:
            return self._fault(error)

    def _fault(self, error: Exception) -> _Fault:
        return _Fault(travelling(error), self._node, traceback.format_exc())


def _connect(engine: Engine, workers: int | None) -> None:
    """Joins the cluster, or starts one on this machine that ends with this process.

    Ray keeps quiet: nothing is reported to anybody, there is no dashboard and no log on the screen.
    Raises `ThbenchError` when there is no such cluster.
    """
    if ray.is_initialized():
        return
    if engine.address is not None:
        _check_answers(engine.address)

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if engine.address is None:  # a secret of its own; else Ray writes one to the home folder
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    logging.getLogger("ray").setLevel(logging.ERROR)
    join: dict[str, Any] = {"address": engine.address}
    begin: dict[str, Any] = {
        "address": "local",
        "num_cpus": workers,
        "object_store_memory": _LOCAL_STORE_BYTES,
        "include_dashboard": False,
    }
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            configure_logging=False,
            log_to_driver=False,
            **(join if engine.address else begin),
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = engine.address or "this machine"
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ThbenchError(
            f"no Ray cluster at {what} ({first}): start its head with `ray start --head`, join "
            "this machine with `ray start --address`, and set RAY_AUTH_MODE=token where the head "
            "has a token"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)  # Ray takes it for itself


def _check_answers(address: str) -> None:
    """Raises `ThbenchError` where nobody listens: Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S):
            return
    except (OSError, ValueError) as error:
        raise ThbenchError(
            f"no Ray cluster answers at {address} ({error}): write the HOST:PORT that "
            "`ray start --head` prints"
        ) from error


def _room(engine: Engine) -> int:
    """How many workers the nodes hold."""
    share = engine.gpu_share
    nodes = [node["Resources"] for node in _nodes() if node["Alive"]]
    room = sum(
        min(int(has.get("CPU", 0)), int(has.get("GPU", 0) / share + 1e-6) if share else sys.maxsize)
        for has in nodes
    )
    if not room:
        gpu = f" and {share:g} of a GPU" if share else ""
        raise ThbenchError(
            f"none of the {len(nodes)} nodes of the Ray cluster has one processor{gpu} for a unit: "
            "start nodes with more, or ask for less with --gpu-share"
        )
    return room


@contextmanager
def _seen_by_all(folder: Path | None) -> Iterator[Path | None]:
    """Yields a file in the folder that other machines must see where this one does."""
    if folder is None:
        yield None
        return

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".probe-", suffix=".tmp", dir=folder) as probe:
        yield Path(probe.name).resolve()


def _actor(engine: Engine) -> Any:
    return ray.remote(_Worker).options(
        num_cpus=1,
        num_gpus=engine.gpu_share,
        runtime_env={"env_vars": ONE_THREAD},
    )


def _check_place(orders: _Orders) -> None:
    """Raises `ThbenchError` where this node is not fit for the work."""
    if orders.version != __version__:
        raise ThbenchError(
            f"thbench {__version__} is installed, the command is of thbench {orders.version}: "
            "install the same everywhere"
        )
    if orders.probe is not None and not orders.probe.exists():
        raise ThbenchError(
            f"{orders.probe.parent} is not the folder that the command sees: keep it on storage "
            "that all nodes have under this path"
        )
    try:
        os.chdir(orders.folder)  # paths may be relative to it
    except OSError as error:
        raise ThbenchError(
            f"{orders.folder} cannot be opened ({error.strerror}): run the command in a folder "
            "that all nodes have"
        ) from error


def _told(fault: _Fault) -> Exception:
    """An error as it is raised here: with the name of the node."""
    if isinstance(fault.error, ThbenchError):
        return ThbenchError(f"{fault.error} (on {fault.node})")

    told = RuntimeError(f"{type(fault.error).__name__} on {fault.node}: {fault.error}")
    told.add_note(fault.trace)
    return told


def _node_name(node_id: str) -> str:
    """The name that `ray start --node-name` gave, else that of the machine."""
    for node in _nodes():
        if node["NodeID"] == node_id:
            named = node["NodeName"] != node["NodeManagerAddress"]
            return str(node["NodeName"] if named else node["NodeManagerHostname"])
    return node_id


def _nodes() -> list[dict[str, Any]]:
    return ray.nodes()  # type: ignore[no-untyped-call, no-any-return]
