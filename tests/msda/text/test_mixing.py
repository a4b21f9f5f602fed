"""Mixing of texts against loops over tokens."""

import numpy as np
import pytest
import torch

from dropmix import DropMix
from dropmix.msda import TEXT_METHODS
from dropmix.msda.methods.manifoldmix import mix_hidden
from dropmix.msda.mix import mix_images, mix_labels
from dropmix.msda.text.gradient import token_gradient
from dropmix.msda.text.hidden import senmixup, wordmixup
from dropmix.msda.text.span import spancutmix
from dropmix.msda.text.ssmix import best_span, ssmix
from dropmix.text.networks import build_text


def texts(count: int = 7, seed: int = 0, longest: int = 12, padding: str = "right") -> torch.Tensor:
    """Tokens that encode text and place: text i has 100 i + place + 1, and 0 around it."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(padding != "both", longest + 1, count)  # "both": empty texts too
    x = torch.zeros(count, 1, 1, longest, dtype=torch.int64)
    for i, length in enumerate(lengths):
        start = {"right": 0, "left": longest - length, "both": rng.integers(longest - length + 1)}[padding]
        x[i, 0, 0, start : start + length] = 100 * i + torch.arange(start + 1, start + length + 1)
    return x


def tokens_of(x: torch.Tensor) -> list[list[int]]:
    return [[token for token in row if token] for row in x[:, 0, 0].tolist()]


def check_labels(x: torch.Tensor, mix) -> None:
    """lam is the own text's share of the tokens in the result; none of these is padding."""
    mixed = mix_images(x, mix)
    shares = mix_labels(torch.arange(len(x)), mix, len(x))
    for i, (before, after) in enumerate(zip(tokens_of(x), tokens_of(mixed), strict=True)):
        assert len(after) == len(before)
        assert ((mixed[i] == 0) == (x[i] == 0)).all()
        counted = torch.zeros(len(x))
        for token in after:
            counted[token // 100] += 1 / len(after)
        counted[i] += not after  # an empty text keeps its label
        torch.testing.assert_close(shares[i], counted)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("padding", ["right", "left", "both"])
@pytest.mark.parametrize("seed", range(10))
def test_a_span_lies_at_the_same_place_in_both_and_labels_count_tokens(seed, padding, per):
    x = texts(seed=seed, padding=padding)
    mix = spancutmix(x, generator=torch.Generator().manual_seed(seed), per=per)
    check_labels(x, mix)
    for i, row in enumerate(tokens_of(mix_images(x, mix))):
        assert [token % 100 for token in row] == [token % 100 for token in tokens_of(x)[i]]  # places stay
        assert {token // 100 for token in row} <= {i, int(mix.partner[i])}


def test_mean_share_of_spans_follows_lam():
    x = torch.ones(4000, 1, 1, 20, dtype=torch.int64)
    mix = spancutmix(x, generator=torch.Generator().manual_seed(0), per="sample")
    assert float(mix.lam.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(mix.lam.var()) == pytest.approx(1 / 12, abs=0.005)  # of Beta(1, 1)


@pytest.mark.parametrize("padding", ["right", "left", "both"])
@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_ssmix_moves_the_most_salient_span_onto_the_least(seed, ratio, padding):
    x = texts(seed=seed, padding=padding)
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.rand(len(x), 1, 12, generator=generator) * (x[:, 0] != 0)
    mix = ssmix(x, saliency, generator=generator, ratio=ratio)
    check_labels(x, mix)
    mixed = tokens_of(mix_images(x, mix))
    weights = [saliency[i, 0][x[i, 0, 0] != 0].double().tolist() for i in range(len(x))]
    for i, row in enumerate(tokens_of(x)):
        j = int(mix.partner[i])
        other = tokens_of(x)[j]
        width = min(max(1, int(np.floor(ratio * len(row)))), len(other), len(row))

        def sums(k, width=width):
            return [round(sum(weights[k][s : s + width]), 9) for s in range(len(weights[k]) - width + 1)]

        least, most = int(np.argmin(sums(i))), int(np.argmax(sums(j)))
        assert mixed[i] == row[:least] + other[most : most + width] + row[least + width :]


@pytest.mark.parametrize("method", ["spancutmix", "ssmix"])
def test_zeros_between_tokens_are_refused(method):
    ids = torch.tensor([[3, 0, 4, 1, 1], [5, 6, 1, 1, 1]])  # padding is 1, and 0 a word
    draw = lambda x: DropMix(method, num_classes=2, seed=0).draw(  # noqa: E731
        x, torch.arange(2), saliency=lambda x, y: torch.rand(len(x), 1, x.shape[-1])
    )
    with pytest.raises(ValueError, match=r"got one between tokens.* mix \(ids \+ 1\) \* mask"):
        draw(ids[:, None, None])
    assert draw(((ids + 1) * (ids != 1))[:, None, None]).lam.shape == (2,)


def test_best_span_equals_a_loop():
    rng = np.random.default_rng(0)
    for _ in range(50):
        sizes, length = rng.random((1, 9)), int(rng.integers(1, 10))
        width = int(rng.integers(1, length + 1))
        sums = [sizes[0, s : s + width].sum() for s in range(length - width + 1)]
        assert best_span(sizes, np.array([0]), np.array([length]), np.array([width]))[0] == int(np.argmax(sums))


def test_wordmixup_blends_embeddings_and_senmixup_the_sentence():
    torch.manual_seed(0)
    net, x = build_text("textcnn", 4, 1300).eval(), texts()
    embed, encoder, head = net.stages
    for draw in (wordmixup, senmixup):
        mix = draw(x, generator=torch.Generator().manual_seed(3), per="sample")
        with mix_hidden([net, encoder, head], mix):
            out = net(x)
        h = embed(x.flatten(1))
        rows = []
        for i, j in enumerate(mix.partner.tolist()):
            lam = mix.lam[i]
            if draw is wordmixup:
                rows.append(head(encoder((lam * h[i] + (1 - lam) * h[j])[None]))[0])
            else:
                rows.append(head(lam * encoder(h[i][None]) + (1 - lam) * encoder(h[j][None]))[0])
        torch.testing.assert_close(out, torch.stack(rows))


@pytest.mark.parametrize("network", ["textcnn", "transformer"])
def test_the_gradient_of_tokens_is_that_of_their_embeddings(network):
    torch.manual_seed(0)
    net, x, y = build_text(network, 3, 1300), texts(), torch.arange(7) % 3
    found = token_gradient(net, net.stages[0])(x, y)
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    net.eval()
    h = net.stages[0](x.flatten(1)).detach().requires_grad_()
    torch.nn.functional.cross_entropy(net.stages[2](net.stages[1](h)), y).backward()
    expected = h.grad.square().mean(2).sqrt() * (x.flatten(1) != 0)
    torch.testing.assert_close(found[:, 0], expected)
    assert (found[:, 0][x.flatten(1) == 0] == 0).all()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("network", ["textcnn", "transformer"])
def test_ssmix_finds_its_spans_where_no_gradients_are_recorded(network, mode):
    torch.manual_seed(0)
    net, x, y = build_text(network, 3, 1300), texts(), torch.arange(7) % 3
    augment, saliency = DropMix("ssmix", num_classes=3, seed=0), token_gradient(net, net.stages[0])
    expected, shares = augment(x, y, saliency=saliency, step=1)
    with mode():
        found, same = augment(texts(), y.clone(), saliency=saliency, step=1)
    assert torch.equal(found, expected)
    assert torch.equal(same, shares)
    assert not torch.equal(found, x)
    assert net.training


@pytest.mark.parametrize("unit", ["batch", "sample", "count"])
@pytest.mark.parametrize("method", TEXT_METHODS)
def test_every_unit_leaves_dropped_texts_as_they_are(method, unit):
    x, y = texts(16), torch.arange(16)
    augment = DropMix(method, rate=0.5, num_classes=16, unit=unit)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        mix = augment.draw(x, y, saliency=lambda x, y: torch.ones(len(x), 1, x.shape[-1]), generator=generator)
        kept = mix.partner == torch.arange(16)
        if unit == "count":
            assert kept.sum() >= 8
        if mix.layer is None:
            assert (mix_images(x, mix)[kept] == x[kept]).all()
        torch.testing.assert_close(mix_labels(y, mix, 16)[kept], torch.eye(16)[kept])


@pytest.mark.parametrize("method", ["spancutmix", "ssmix"])
def test_images_are_refused(method):
    with pytest.raises(ValueError, match="token ids"):
        DropMix(method).draw(torch.rand(2, 3, 8, 8), torch.arange(2), saliency=lambda x, y: x.mean(1))
