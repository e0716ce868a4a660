"""The three networks against the paper's counts and the recipe's rules."""

from dataclasses import replace

import pytest
import torch
from support.tiny import TINY
from torch import nn
from torch.nn.utils import parametrize

from thbench.errors import ThbenchError
from thbench.paper.nets.blocks import AdaIN, SelfAttention
from thbench.paper.nets.config import PRESETS, NetConfig, preset
from thbench.paper.nets.discriminator import Discriminator, PersonDiscriminator, VideoEmbeddings
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator

NET = replace(TINY.net, size_px=32, bottleneck_px=8)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", ["paper", "paper-224"])
def test_parameters_are_the_papers_15_38_and_20_million(name):
    with torch.device("meta"):
        config = PRESETS[name]
        assert count(Embedder(config)) == 14_907_265
        assert count(Generator(config)) == 38_073_925
        assert count(Discriminator(config).blocks) == 19_626_881


def test_projection_predicts_13056_adaptive_parameters_at_256():
    with torch.device("meta"):
        assert sum(Generator(NetConfig()).slices) == 13_056


@pytest.mark.parametrize(
    ("size", "down", "generator"), [(256, 6, 4), (224, 6, 4), (128, 5, 3), (64, 4, 2)]
)
def test_block_counts_follow_the_image_size(size, down, generator):
    config = NetConfig(size_px=size, embedding=512)
    assert (config.down_blocks, config.generator_blocks) == (down, generator)


@pytest.mark.parametrize(("size", "position"), [(256, 3), (224, 3), (128, 2)])
def test_attention_follows_the_block_that_is_nearest_to_32_pixels(size, position):
    embedder = None
    with torch.device("meta"):
        embedder = Embedder(NetConfig(size_px=size))
    assert [isinstance(block, SelfAttention) for block in embedder.blocks].index(True) == position


def test_every_convolution_and_linear_layer_is_spectrally_normalised_but_w_is_not():
    for module in (Embedder(NET), Generator(NET), Discriminator(NET)):
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        assert layers
        assert all(parametrize.is_parametrized(layer, "weight") for layer in layers)
    assert not parametrize.is_parametrized(VideoEmbeddings(range(3), 4).table)


def test_spectral_norm_is_one_after_power_iterations():
    embedder = Embedder(NET).train()
    x = torch.rand(1, 3, 32, 32)
    for _ in range(50):
        embedder(x, x)
    for layer in embedder.modules():
        if isinstance(layer, nn.Conv2d):
            sigma = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
            assert sigma.item() == pytest.approx(1, abs=2e-2)


def test_adain_gives_the_asked_mean_and_deviation_bias_first():
    x = torch.randn(2, 3, 16, 16) * 5 + 7
    bias, weight = torch.tensor([[1.0, 2, 3], [4, 5, 6]]), torch.tensor([[0.5, 1, 2], [3, 4, 5]])
    y = AdaIN(3)(x, torch.cat([bias, weight], dim=1))
    torch.testing.assert_close(y.mean(dim=(2, 3)), bias, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y.var(dim=(2, 3), correction=0).sqrt(), weight, atol=1e-3, rtol=1e-3)


def test_a_new_generator_starts_at_plain_normalisation():
    generator = Generator(NET)
    adaptive = generator.project(torch.zeros(1, 16))
    for part, module in zip(
        torch.split(adaptive[0], generator.slices), generator.adaptive, strict=True
    ):
        norms = [module] if isinstance(module, AdaIN) else [module.norm1, module.norm2]
        expected = torch.cat(
            [torch.cat([torch.zeros(norm.channels), torch.ones(norm.channels)]) for norm in norms]
        )
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("upsample", ["end", "middle", "start"])
def test_generator_keeps_the_size_and_range(upsample):
    config = replace(NET, upsample=upsample)
    frames = Generator(config)(torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 16))
    assert frames.shape == (2, 3, 32, 32)
    assert frames.abs().max() <= 1


def test_224_pixels_are_seen_up_to_every_edge_and_end_at_4x4():
    """Dropping the seventh row of 7 x 7 left the last 32 rows and columns .4 of the average."""
    config = NetConfig(size_px=224, channels=8, max_channels=32, embedding=32)
    torch.manual_seed(0)
    frame = (torch.rand(1, 3, 224, 224) * 2 - 1).requires_grad_()
    landmark_image = torch.rand(1, 3, 224, 224) * 2 - 1
    vector = Embedder(config).eval()(frame, landmark_image)
    (gradient,) = torch.autograd.grad((vector * torch.randn(vector.shape)).sum(), frame)

    sensitivity = gradient.abs().sum(dim=(0, 1))
    edges = sensitivity[-32:], sensitivity[:32], sensitivity[:, -32:], sensitivity[:, :32]
    assert all(edge.mean() > 0.7 * sensitivity.mean() for edge in edges)
    features = Discriminator(config).eval().describe(frame.detach(), landmark_image)[1]
    assert features[-1].shape[-2:] == (4, 4)


def test_the_generator_learns_in_bf16_on_a_processor():
    """AdaIN's parameters are bf16 there, while self-attention gives its input as float32."""
    torch.manual_seed(0)
    generator = Generator(NET)
    with torch.autocast("cpu", torch.bfloat16):
        frames = generator(torch.rand(2, 3, 32, 32), torch.rand(2, 16))
    frames.float().sum().backward()
    assert all(p.grad is not None for p in generator.parameters() if p.requires_grad)


def test_score_is_the_projection_of_equation_5():
    discriminator, videos = Discriminator(NET).eval(), VideoEmbeddings(range(5), 16)
    x, y, index = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32), torch.tensor([4, 0, 4])
    vector, features = discriminator.describe(x, y)
    w0, b = discriminator.general.weight[0], discriminator.general.bias
    expected = (vector * (videos.table.weight[index] + w0)).sum(1) + b
    judged = discriminator(x, y, videos(index))
    torch.testing.assert_close(judged.score, expected)
    assert len(judged.features) == len(features) == NET.down_blocks + 1


def test_person_discriminator_starts_where_meta_learning_ended():
    discriminator = Discriminator(NET).eval()
    x, y, e = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), torch.randn(16)
    before = discriminator(x, y, e.expand(2, -1)).score
    person = PersonDiscriminator(discriminator, e).eval()
    torch.testing.assert_close(person(x, y).score, before)
    assert person.w.norm().item() != pytest.approx(1)


def test_video_embeddings_have_sparse_gradients():
    videos = VideoEmbeddings(range(1000), 4)
    videos(torch.tensor([3, 7, 3])).sum().backward()
    gradient = videos.table.weight.grad
    assert gradient.is_sparse
    assert gradient.coalesce().indices().tolist() == [[3, 7]]


def test_unknown_preset_names_the_nearest():
    with pytest.raises(ThbenchError, match="did you mean 'small'"):
        preset("smal")


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ThbenchError, match="not divisible"):
        NetConfig(size_px=250)


@pytest.mark.parametrize("upsample", ["start", "end"])
def test_channels_last_changes_the_layout_and_no_value(upsample):
    torch.manual_seed(0)
    net = replace(preset("small"), channels=8, max_channels=16, embedding=16, upsample=upsample)
    generator = Generator(net).eval().requires_grad_(False)
    y, adaptive = torch.rand(2, 3, 64, 64), torch.rand(2, sum(generator.slices))
    expected = generator.synthesise(y, adaptive)

    last = generator.to(memory_format=torch.channels_last)
    found = last.synthesise(y.to(memory_format=torch.channels_last), adaptive)

    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
