"""Being asked to stop (SIGTERM, SIGUSR1): between two steps, by all processes at the same one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch
from lightning.fabric import Fabric

# What clusters send some time before they take a machine away.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


@dataclass
class StopRequest:
    """Whether this process, or another one of its training, was asked to stop."""

    number: int = 0  # of the signal; 0 as long as none has come

    def agreed(self, fabric: Fabric) -> int:
        """The signal that any process has received, the same in all of them; 0 where there is none.

        Every process must call this at the same step.
        """
        if fabric.world_size == 1:
            return self.number

        received = torch.zeros(max(SIGNALS) + 1, device=fabric.device)
        received[self.number] = 1
        anywhere = fabric.all_reduce(received, reduce_op="sum")
        assert isinstance(anywhere, torch.Tensor)
        return int(anywhere.nonzero().max())


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Takes note of the signals until the block ends; the same one may come twice, from a cluster
    and from a launcher.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals are the main thread's
        return

    def note(number: int, frame: FrameType | None) -> None:
        request.number = number

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
