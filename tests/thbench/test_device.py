"""The device that a command works on."""

import pytest

from thbench.device import chosen_device
from thbench.errors import ThbenchError


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert chosen_device("auto") == "cuda"
    assert chosen_device("cuda:1") == "cuda:1"

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert chosen_device("auto") == "cpu"
    assert chosen_device("cpu") == "cpu"
    with pytest.raises(ThbenchError, match="no CUDA GPU is usable here; say --device cpu"):
        chosen_device("cuda")
