"""Meta-learning: which terms reach which networks, and what each step updates."""

from dataclasses import asdict, replace

import pytest
import torch
from support.tiny import TINY, moved, snapshot, trainer

from thbench.config import override
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.paper.config import ours_config
from thbench.paper.losses import discriminator_hinge, feature_matching, match, realism
from thbench.paper.nets.discriminator import VideoEmbeddings
from thbench.training.checkpoints import save_model


def losses_in(values):
    """Names of the losses among what a step logs; diagnostics have a slash."""
    return {name for name in values if "/" not in name}


def test_adversarial_term_reaches_generator_projection_and_embedder():
    training, batches = trainer()
    part = batches[0]
    fake, _ = training._reconstruct(part)
    judged = training.discriminator(
        fake, to_signed(part.target_landmarks), training.videos(part.video)
    )
    realism(judged.score).backward()
    for module in (training.generator.module, training.embedder.module):
        reached = [
            name
            for name, parameter in module.named_parameters()
            if parameter.grad is not None and parameter.grad.abs().sum() > 0
        ]
        assert any("conv" in name for name in reached)
    assert (
        training.generator.module.projection.parametrizations.weight.original.grad.abs().sum() > 0
    )


def test_match_loss_reaches_the_embedder_and_not_w():
    training, batches = trainer()
    part = batches[0]
    _, embeddings = training._reconstruct(part)
    match(embeddings, training.videos(part.video)).backward()
    assert any(parameter.grad is not None for parameter in training.embedder.parameters())
    assert training.videos.table.weight.grad is None


def test_one_step_moves_every_network_and_only_the_drawn_rows_of_w():
    training, batches = trainer()
    part = batches[0]
    before = [
        snapshot(module)
        for module in (training.embedder.module, training.generator.module, training.discriminator)
    ]
    rows = training.videos.table.weight.detach().clone()
    losses = training.step([part])
    for module, old in zip(
        (training.embedder.module, training.generator.module, training.discriminator),
        before,
        strict=True,
    ):
        # Attention's gate starts at 0, so the layers behind it have no gradient in the first step.
        behind_the_gate = {name for name in old if {"query", "key", "value"} & set(name.split("."))}
        assert behind_the_gate
        assert set(old) - moved(module, old) == behind_the_gate
    changed = (training.videos.table.weight != rows).any(dim=1).nonzero()[:, 0].tolist()
    assert changed == sorted(set(part.video.tolist()))
    assert losses_in(losses) == {"cnt", "adv", "fm", "mch", "dsc"}


def hinge_gradients(training, part, fake):
    """D's and W's gradients of eq. 6, by themselves."""
    rows, y = training.videos(part.video), to_signed(part.target_landmarks)
    on_fake = training.discriminator(fake, y, rows).score
    on_real = training.discriminator(to_signed(part.target), y, rows).score
    learning = [*training.discriminator.parameters(), training.videos.table.weight]
    return torch.autograd.grad(discriminator_hinge(on_real, on_fake), learning, allow_unused=True)


def test_the_first_update_leaves_in_the_discriminator_the_gradients_of_its_own_loss_alone():
    training, batches = trainer(replace(TINY, row_start="uniform"))
    training.discriminator.eval()  # or each forward would take a power iteration
    part, before = batches[0], snapshot(training.discriminator)

    _, (fake,) = training._first_update([part], warm_up=False)

    assert not moved(training.discriminator, before)
    expected = hinge_gradients(training, part, fake)
    learning = [*training.discriminator.parameters(), training.videos.table.weight]
    for parameter, gradient in zip(learning, expected, strict=True):
        torch.testing.assert_close(parameter.grad.to_dense(), gradient.to_dense())


def test_the_first_update_takes_the_gradient_of_the_sum_of_all_terms_for_embedder_and_generator():
    training, batches = trainer(replace(TINY, row_start="uniform"))
    for module in (training.embedder.module, training.generator.module, training.discriminator):
        module.eval()
    part = batches[0]
    real, y = to_signed(part.target), to_signed(part.target_landmarks)
    fake, embeddings = training._reconstruct(part)
    rows = training.videos(part.video).detach()
    judged = training.discriminator(fake, y, rows)
    _, real_features = training.discriminator.describe(real, y)
    loss = training.content(fake, real) + realism(judged.score)
    loss = loss + 10 * feature_matching(judged.features, real_features)
    loss = loss + 10 * match(embeddings, rows)
    learning = [*training.embedder.module.parameters(), *training.generator.module.parameters()]
    expected = torch.autograd.grad(loss, learning, allow_unused=True)

    training.optimiser.zero_grad = lambda: None  # keeps the gradients for the comparison
    training._first_update([part], warm_up=False)

    largest = max(gradient.abs().max() for gradient in expected if gradient is not None)
    for parameter, gradient in zip(learning, expected, strict=True):
        assert gradient is not None
        assert (parameter.grad - gradient).abs().max() < 1e-5 * largest


def test_further_discriminator_steps_leave_generator_and_embedder_alone():
    training, batches = trainer()
    part = batches[0]
    with torch.no_grad():
        fake, _ = training._reconstruct(part)
    before = snapshot(training.generator.module), snapshot(training.embedder.module)
    judge = snapshot(training.discriminator)
    training._judge_again([part], [fake])
    training._update_discriminator()
    assert not moved(training.generator.module, before[0])
    assert not moved(training.embedder.module, before[1])
    assert moved(training.discriminator, judge)


def test_feed_forward_variant_has_no_match_loss():
    training, batches = trainer(replace(TINY, variant="ff"))
    assert "mch" not in training.step([batches[0]])


def test_accumulated_micro_batches_give_the_gradient_of_the_whole_batch():
    whole, batches = trainer(replace(TINY, ema=None))
    parts, _ = trainer(replace(TINY, ema=None))
    for training in (
        whole,
        parts,
    ):  # one power iteration per forward would differ between one and two forwards
        for module in (training.embedder.module, training.generator.module, training.discriminator):
            module.eval()
    episodes = batches[0]
    first, second = whole.step([episodes]), parts.step(episodes.split(2))
    for name in losses_in(first):
        assert first[name] == pytest.approx(second[name], rel=2e-2, abs=2e-2)
    for a, b in zip(whole.generator.parameters(), parts.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


def test_average_follows_the_parameters_and_copies_buffers():
    training, batches = trainer()
    start = [parameter.detach().clone() for parameter in training.average.modules[1].parameters()]
    training.step([batches[0]])
    pairs = zip(
        start,
        training.average.modules[1].parameters(),
        training.generator.module.parameters(),
        strict=True,
    )
    for old, average, new in pairs:
        torch.testing.assert_close(average, 0.9 * old + 0.1 * new)
    for average, buffer in zip(
        training.average.modules[1].buffers(), training.generator.module.buffers(), strict=True
    ):
        assert torch.equal(average, buffer)


def test_a_preview_changes_nothing():
    training, batches = trainer()
    before = {name: value.clone() for name, value in training.embedder.module.state_dict().items()}
    training.preview(batches[0])
    assert all(
        torch.equal(value, before[name])
        for name, value in training.embedder.module.state_dict().items()
    )
    assert training.embedder.module.training


@pytest.mark.slow
def test_losses_fall_on_a_few_heads():
    training, batches = trainer(replace(TINY, batch=4))
    content = [training.step([batches[step]])["cnt"] for step in range(40)]
    assert sum(content[-5:]) < 0.85 * sum(content[:5])


def test_warm_up_trains_e_and_g_on_content_alone():
    training, batches = trainer(replace(TINY, warmup_steps=2, warmup_lr=5e-4))
    before = (
        snapshot(training.discriminator),
        snapshot(training.videos),
        snapshot(training.embedder.module),
    )
    assert losses_in(training.step([batches[0]])) == {"cnt"}
    assert training.optimiser.param_groups[0]["lr"] == 5e-4
    training.step([batches[1]])
    assert not moved(training.discriminator, before[0])
    assert not moved(training.videos, before[1])
    assert moved(training.embedder.module, before[2])
    assert losses_in(training.step([batches[2]])) == {"cnt", "adv", "fm", "mch", "dsc"}
    assert training.optimiser.param_groups[0]["lr"] == TINY.lr_generator
    assert moved(training.discriminator, before[0])


def test_warm_up_goes_on_where_it_stopped():
    training, batches = trainer(replace(TINY, warmup_steps=2))
    training.step([batches[0]])
    again, _ = trainer(replace(TINY, warmup_steps=2))
    again.load_states(training.shared_state(), training.rank_state(), training.row_state())
    assert losses_in(again.step([batches[1]])) == {"cnt"}
    assert "dsc" in again.step([batches[2]])


def test_a_row_starts_at_its_videos_embedding_and_matches_it():
    training, batches = trainer(replace(TINY, batch=3, lr_generator=1e-4))
    for step in range(30):
        values = training.step([batches[step]])
    # Noise as a start gave a correlation of 0, and e shrank towards it.
    assert values["embedding/row_correlation"] > 0.8

    uniform, _ = trainer(replace(TINY, batch=3, row_start="uniform"))
    rows = uniform.videos.table.weight.detach().clone()
    uniform._first_update([batches[0]], warm_up=False)
    assert torch.equal(uniform.videos.table.weight, rows)


def test_a_row_is_started_once():
    videos = VideoEmbeddings(range(4), 2)
    videos.start_at(torch.tensor([1, 2]), torch.ones(2, 2))
    videos.start_at(torch.tensor([2, 3]), torch.full((2, 2), 5.0))
    assert videos.table.weight[1:].tolist() == [[1, 1], [1, 1], [5, 5]]


def test_a_process_holds_the_rows_of_its_own_videos_only():
    videos = VideoEmbeddings([1, 4, 7], 2)
    videos.start_at(torch.tensor([7, 1]), torch.tensor([[7.0, 7], [1, 1]]))
    assert len(videos.table.weight) == 3
    assert videos(torch.tensor([1, 7, 7])).tolist() == [[1, 1], [7, 7], [7, 7]]
    with pytest.raises(IndexError):
        videos(torch.tensor([2]))


def test_rows_go_on_with_their_moments():
    first, batches = trainer()
    again, _ = trainer(seed=1)
    first.step([batches[0]])
    again.load_states(first.shared_state(), first.rank_state(), first.row_state())
    first.step([batches[1]])
    again.step([batches[1]])
    for name, tensor in first.row_state().items():
        assert torch.equal(tensor, again.row_state()[name])


def test_the_number_of_shots_is_drawn_for_each_step_and_again_when_it_is_taken_again():
    training, batches = trainer(replace(TINY, shots=4, shots_min=1))
    drawn = []
    for training.steps in range(20):
        (part,) = training._with_shots_drawn([batches[0]])
        drawn.append(part.shots.shape[1])
    assert set(drawn) == {1, 2, 3, 4}
    training.steps = 7
    assert training._with_shots_drawn([batches[0]])[0].shots.shape[1] == drawn[7]


def test_training_starts_from_a_model_file(tmp_path):
    first, batches = trainer()
    first.step([batches[0]])
    file = tmp_path / "model.safetensors"
    save_model(file, first.model(), {"kind": "ours", "config": asdict(TINY)})

    second, _ = trainer(replace(TINY, start=str(file)), seed=1)
    averaged = first.average.modules[1].state_dict()
    assert all(
        torch.equal(value, averaged[name])
        for name, value in second.generator.module.state_dict().items()
    )
    assert not moved(second.discriminator, snapshot(first.discriminator))

    wider = replace(TINY, start=str(file), net=replace(TINY.net, bottleneck_blocks=2))
    with pytest.raises(
        ThbenchError, match=r"has another bottleneck_blocks; start from a model of this preset"
    ):
        trainer(wider)


def test_the_departures_from_the_paper_have_an_off_switch():
    config = override(
        ours_config("paper"), {"row_start": "uniform", "warmup_steps": "0", "ema": "none"}
    )
    assert (config.row_start, config.warmup_steps, config.ema) == ("uniform", 0, None)
    assert (config.discriminator_steps, config.lr_generator, config.lr_discriminator) == (
        2,
        5e-5,
        2e-4,
    )
    small = ours_config("small")
    assert (small.discriminator_steps, small.lr_discriminator) == (2, 2e-4)
