"""The device that a command works on."""

import pytest
import torch

from thbench.device import arithmetic, chosen_device, compiled, laid_out, tensor_cores
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


def test_tensor_cores_are_used_inside_alone():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    with tensor_cores():
        found = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    assert found == ("high", True)
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)


def test_bf16_is_for_products_alone():
    layer, x = torch.nn.Linear(4, 4), torch.rand(2, 4)
    with arithmetic("bf16", torch.device("cpu")):
        assert layer(x).dtype == torch.bfloat16
    with arithmetic("float32", torch.device("cpu")):
        assert layer(x).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_a_processor_keeps_its_layout_and_functions():
    network = torch.nn.Conv2d(3, 8, 3)
    assert laid_out(network, torch.device("cpu")) is network
    assert network.weight.is_contiguous()
    assert compiled(abs, on=False) is abs
