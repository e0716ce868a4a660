"""Fine-tuning: what moves, what stays, and that it learns the shots."""

from dataclasses import replace

import pytest
import torch
from support.datasets import few_heads
from support.tiny import moved, snapshot, trainer

from thbench.data.landmarks.image import landmark_images
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.paper.finetune import FineTuneConfig, _batches, fine_tune
from thbench.perceptual.content import ContentLoss, ShotTargets, content_networks

CONFIG = FineTuneConfig(epochs=2, lr_generator=1e-3, lr_discriminator=1e-3)


@pytest.fixture(scope="module")
def meta():
    training, batches = trainer()
    for step in range(3):
        training.step([batches[step]])
    return training


@pytest.fixture(scope="module")
def person():
    heads = few_heads()
    frames = heads.read(heads.videos[-1], range(4))
    return to_signed(frames.images), to_signed(landmark_images(frames.landmarks, 64))


def tune(meta, person, config=CONFIG, seed=0):
    x, y = person
    generator, discriminator = meta.generator.module.eval(), meta.discriminator.eval()
    with torch.no_grad():
        embedding = meta.embedder.module.eval()(x, y).mean(0)
    return embedding, fine_tune(
        generator, discriminator, embedding, x, y, meta.content, config, seed
    )


def test_person_parameters_start_at_the_embedders_prediction_and_move(meta, person):
    embedding, still = tune(meta, person, replace(CONFIG, epochs=0))
    with torch.no_grad():
        torch.testing.assert_close(
            still.adaptive, meta.generator.module.eval().project(embedding[None])
        )
        torch.testing.assert_close(
            still.discriminator.w.detach(), meta.discriminator.eval().general.weight[0] + embedding
        )
    _, tuned = tune(meta, person)
    assert not torch.equal(tuned.adaptive, still.adaptive)
    assert not torch.equal(tuned.discriminator.w, still.discriminator.w)
    # b is trained too, but while both hinges are active their gradients cancel in it.
    assert tuned.discriminator.b.requires_grad


def test_projection_and_embedder_do_not_move_but_psi_and_theta_do(meta, person):
    embedder = snapshot(meta.embedder.module)
    before = snapshot(meta.generator.module), snapshot(meta.discriminator)
    _, tuned = tune(meta, person)
    assert not moved(meta.embedder.module, embedder)
    changed = moved(tuned.generator, before[0])
    assert changed
    assert not any(name.startswith("projection") for name in changed)
    assert any(
        name.startswith("blocks") for name in moved(tuned.discriminator.discriminator, before[1])
    )


def test_the_meta_learned_networks_are_copied_not_changed(meta, person):
    before = snapshot(meta.generator.module), snapshot(meta.discriminator)
    tune(meta, person)
    assert not moved(meta.generator.module, before[0])
    assert not moved(meta.discriminator, before[1])


def test_the_same_shots_and_seed_give_the_same_bits(meta, person):
    first, second = tune(meta, person)[1], tune(meta, person)[1]
    assert torch.equal(first.adaptive, second.adaptive)
    for a, b in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_epoch_takes_all_shots_until_the_most_steps():
    random = torch.Generator().manual_seed(0)
    batches = _batches(10, FineTuneConfig(epochs=3, batch=4), random)
    assert [len(batch) for batch in batches] == [4, 4, 2] * 3
    assert torch.cat(batches[3:6]).sort().values.tolist() == list(range(10))
    assert len(_batches(10, FineTuneConfig(epochs=3, batch=4, most_steps=5), random)) == 5


def test_without_the_adversarial_term_the_discriminator_stays(meta, person):
    before = snapshot(meta.discriminator)
    _, tuned = tune(meta, person, replace(CONFIG, adversarial=False))
    assert not moved(tuned.discriminator.discriminator, before)


def test_random_starts_differ_from_the_embedders(meta, person):
    _embedding, still = tune(meta, person, replace(CONFIG, epochs=0))
    _, random = tune(
        meta,
        person,
        replace(CONFIG, epochs=0, generator_start="random", discriminator_start="random"),
    )
    assert (random.adaptive - still.adaptive).abs().mean() > 0.1 * still.adaptive.std()
    w0 = meta.discriminator.eval().general.weight[0]
    assert (random.discriminator.w - w0).abs().max() <= 0.1 + 1e-6


def test_a_random_embedding_start_is_the_projection_of_noise_like_the_embedding(meta, person):
    config = replace(CONFIG, epochs=0, generator_start="random-embedding")
    embedding, still = tune(meta, person, replace(CONFIG, epochs=0))
    _, random = tune(meta, person, config)
    assert (random.adaptive - still.adaptive).abs().max() > 0
    assert torch.equal(random.discriminator.w, still.discriminator.w)

    # P is affine, so what it makes of an embedding gives the embedding back.
    generator = meta.generator.module.eval()
    with torch.no_grad():
        origin = generator.project(torch.zeros(1, len(embedding)))
        matrix = generator.project(torch.eye(len(embedding))) - origin
    noise = torch.linalg.lstsq(matrix.T, (random.adaptive - origin).T).solution[:, 0]
    assert noise.min() >= -1e-4
    assert 0.3 * embedding.mean() < noise.mean() < 3 * embedding.mean()


def test_the_head_is_the_average_over_steps_where_it_is_asked_for(meta, person):
    """From the heads that trainings of 1, 2, ... steps leave. With weights that grow as step ** 2,
    that of step k is the integral of s ** 2 from k - 1 to k.
    """
    config = replace(CONFIG, batch=1, epochs=1)
    steps = [tune(meta, person, replace(config, most_steps=most))[1] for most in (1, 2, 3, 4)]
    _, averaged = tune(meta, person, replace(config, average_power=2.0))

    def mean(values):
        weights = [(k**3 - (k - 1) ** 3) / len(values) ** 3 for k in range(1, len(values) + 1)]
        return sum(w * value.double() for w, value in zip(weights, values, strict=True)).float()

    torch.testing.assert_close(averaged.adaptive, mean([one.adaptive for one in steps]))
    for name, parameter in averaged.generator.named_parameters():
        expected = mean([one.generator.get_parameter(name).detach() for one in steps])
        torch.testing.assert_close(parameter.detach(), expected)
    assert not torch.allclose(averaged.adaptive, steps[-1].adaptive)


def test_an_average_of_negative_power_is_refused():
    for power in (-1.0, float("nan")):
        with pytest.raises(ThbenchError, match="average_power"):
            replace(CONFIG, average_power=power)


@pytest.mark.slow
def test_fine_tuning_reproduces_the_shots_better_than_feed_forward(meta, person):
    x, y = person
    errors = []
    for epochs in (0, 30):
        _, tuned = tune(meta, person, replace(CONFIG, epochs=epochs, lr_generator=2e-3))
        with torch.no_grad():
            errors.append(
                (tuned.generator.eval().synthesise(y, tuned.adaptive.expand(4, -1)) - x)
                .abs()
                .mean()
                .item()
            )
    assert errors[1] < 0.7 * errors[0]


def test_bf16_and_compiled_fine_tuning_make_nearly_the_same_head(meta, person):
    """PSNR of at least 45 dB between rendered frames, in a range of 2."""
    config = replace(CONFIG, epochs=1, lr_generator=1e-4)
    _, plain = tune(meta, person, config)
    _, bf16 = tune(meta, person, replace(config, precision="bf16"))
    torch._dynamo.reset()
    with pytest.MonkeyPatch.context() as patch:
        compile_without_a_compiler(patch)
        _, compiled = tune(meta, person, replace(config, compiled=True))

    frames = [rendered(tuned, person) for tuned in (plain, bf16, compiled)]
    assert 45 <= psnr_db(frames[0], frames[1]) < 90  # bf16 was really used
    assert psnr_db(frames[0], frames[2]) >= 90


def compile_without_a_compiler(patch):
    """`torch.compile` as far as the graph of the forward, which PyTorch then runs."""
    whole = torch.compile
    patch.setattr(
        torch,
        "compile",
        lambda function, **how: whole(function, dynamic=False, backend="eager"),
    )


def rendered(tuned, person):
    generator, y = tuned.generator.eval(), person[1]
    with torch.no_grad():
        return generator.synthesise(y, tuned.adaptive.expand(len(y), -1))


def psnr_db(a, b):
    return float(10 * torch.log10(4 / ((a - b) ** 2).mean().clamp_min(1e-20)))


class Counting(torch.nn.Module):
    """A perceptual network that remembers which frames it saw without a graph."""

    def __init__(self):
        super().__init__()
        self.true_frames = []

    def forward(self, frames):
        if not frames.requires_grad:
            self.true_frames += list(frames)
        return [frames, frames[:, :, ::2, ::2]]


def test_the_features_of_each_shot_are_computed_once(meta, person):
    counting = Counting()
    x, y = person
    content = ContentLoss([(counting, 1.0)])
    config = replace(CONFIG, epochs=3, batch=2)
    generator, discriminator = meta.generator.module.eval(), meta.discriminator.eval()

    fine_tune(generator, discriminator, torch.rand(16), x, y, content, config, 0)

    assert len(counting.true_frames) == len(x)


def test_targets_are_the_same_kept_or_made_again(person):
    x, _ = person
    content = ContentLoss(content_networks("heads", torch.device("cpu")))
    kept, made = ShotTargets(content, x), ShotTargets(content, x, room_bytes=0)
    kept.of([0, 1, 2, 3])

    for maps, again in zip(kept.of([2, 0]), made.of([2, 0]), strict=True):
        for a, b in zip(maps, again, strict=True):
            torch.testing.assert_close(a, b)
    assert not made._kept
