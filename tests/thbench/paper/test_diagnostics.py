"""Each fault raises its alarm, planted in a short training; a sound training raises none."""

from dataclasses import replace

import pytest
import torch
from support.tiny import TINY, trainer

from thbench.paper.diagnostics import embedding_values, gradient_norm, ours_alarms
from thbench.training.alarms import Watchman

STEPS = 12


def alarms_in(config, before_training=lambda training: None, steps=25, lasting=STEPS):
    training, batches = trainer(replace(config, batch=3, shots=1))
    before_training(training)
    watchman = Watchman(ours_alarms(lasting))
    lines = [
        line for step in range(steps) for line in watchman.after(training.step([batches[step]]))
    ]
    return {line.partition(":")[0] for line in lines}, lines


def test_a_sound_training_raises_none():
    assert alarms_in(replace(TINY, lr_generator=2e-4)) == (set(), [])


def test_rows_that_start_as_noise_raise_the_alarms_of_the_match_loss():
    names, lines = alarms_in(
        replace(TINY, row_start="uniform", weight_match=200.0, lr_generator=2e-3)
    )
    assert "embedding does not match W" in names
    assert "shrinking embedding" in names
    assert any("row_start=embedding" in line for line in lines)


def test_a_dead_embedding_is_named():
    def kill(training):
        with torch.no_grad():
            last = training.embedder.module.blocks[-1]
            for layer in (last.conv2, last.skip):
                layer.bias.fill_(-100)

    names, lines = alarms_in(TINY, kill)
    assert "dead embedding" in names
    assert any("100% of e is zero" in line for line in lines)


def test_a_discriminator_that_is_never_wrong_is_named():
    config = replace(TINY, lr_discriminator=5e-3, discriminator_steps=10, lr_generator=0.0)
    names, lines = alarms_in(config, steps=14, lasting=2)
    assert "discriminator has won" in names
    assert any("discriminator_steps=1" in line for line in lines)


def test_a_discriminator_that_sees_no_difference_is_named():
    def blind(training):
        with torch.no_grad():
            training.discriminator.blocks[-1].conv2.bias.fill_(-1e6)
            training.discriminator.general.bias.fill_(5)

    names, lines = alarms_in(replace(TINY, lr_discriminator=1e-9), blind, steps=13)
    assert "discriminator is blind" in names
    assert any("it scores real and fake alike (5 and 5)" in line for line in lines)
    assert any("raise lr_discriminator" in line for line in lines)


def test_one_embedding_for_all_is_named():
    def one_for_all(training):
        with torch.no_grad():
            training.embedder.module.blocks[-1].conv2.bias.fill_(1000)

    assert (
        "embedding tells no persons apart"
        in alarms_in(replace(TINY, lr_generator=0.0), one_for_all)[0]
    )


def test_embedding_values_against_numpy():
    e = torch.tensor([[[0.0, 1.0], [0.0, 3.0]], [[4.0, 0.0], [0.0, 0.0]]])
    rows = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    values = embedding_values(e, rows)
    assert values["embedding/mean"] == pytest.approx(1.0)
    assert values["embedding/zeros"] == pytest.approx(5 / 8)
    assert values["embedding/between"] == pytest.approx(2**0.5)
    assert values["embedding/row_correlation"] == pytest.approx(1.0)
    assert embedding_values(e, -rows)["embedding/row_correlation"] == pytest.approx(-1.0)
    assert "embedding/row_correlation" not in embedding_values(e, None)


def test_the_gradient_norm_is_that_of_all_parameters_together():
    layer = torch.nn.Linear(2, 1)
    assert gradient_norm(layer) == 0
    (3 * layer.weight[0, 0] + 4 * layer.bias[0]).backward()
    assert gradient_norm(layer) == pytest.approx(5.0)
