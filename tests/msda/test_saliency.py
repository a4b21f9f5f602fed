"""input_gradient inside wrappers, under autocast and scalers, and the clean loss in any loop."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dropmix import DropMix, input_gradient

from .conftest import images, seeded


class Net(nn.Module):
    """A small classifier that returns its logits in a shape of its own."""

    def __init__(self, shape=lambda logits: logits) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(4 * 14 * 14, 10)
        self.shape = shape

    def forward(self, x):
        return self.shape(self.head(self.body(x)))


def _expected() -> torch.Tensor:
    return input_gradient(Net())(images(6), torch.arange(6))


@pytest.mark.parametrize(
    "shape", [lambda t: (t, 0), lambda t: [t], lambda t: {"logits": t}, lambda t: SimpleNamespace(logits=t, loss=None)]
)
def test_outputs_of_other_libraries(shape):
    assert torch.equal(input_gradient(Net(shape))(images(6), torch.arange(6)), _expected())
    with pytest.raises(ValueError, match=r"expected logits, a tuple that begins with them or \.logits, got str"):
        input_gradient(Net(lambda _: "logits"))(images(6), torch.arange(6))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int16])
def test_ids_of_any_integer_type(dtype):
    assert torch.equal(input_gradient(Net())(images(6), torch.arange(6).to(dtype)), _expected())


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile], ids=["parallel", "compiled"])
def test_the_network_inside_wrappers_is_run(wrap):
    net = Net()
    wrapped = wrap(net)
    wrapped.forward = None  # whoever calls the wrapper fails
    assert torch.equal(input_gradient(wrapped)(images(6), torch.arange(6)), _expected())


def test_a_module_that_compiled_itself_is_not_compiled_again():
    net, calls = Net(), []
    net.compile(backend=lambda graph, _: calls.append(graph) or graph.forward)
    assert torch.equal(input_gradient(net)(images(6), torch.arange(6)), _expected())
    assert not calls


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_reach_the_saliency(dtype):
    with torch.autocast("cpu", dtype):
        assert torch.equal(input_gradient(Net())(images(6), torch.arange(6)), _expected())
        rounded = input_gradient(Net(), autocast=True)(images(6), torch.arange(6))
    assert not torch.equal(rounded, _expected())
    half = images(6).to(dtype)
    assert torch.equal(
        input_gradient(Net())(half, torch.arange(6)), input_gradient(Net())(half.float(), torch.arange(6))
    )


class OwnAutocast(Net):
    """Autocast in the network's own pass, where accelerate puts it too."""

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


def test_autocast_inside_the_network_does_not_reach_the_saliency_but_all_else():
    net = OwnAutocast()
    assert torch.equal(input_gradient(net)(images(6), torch.arange(6)), _expected())
    assert net(images(6)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
    assert not any(module._forward_pre_hooks for module in net.modules())
    accelerate = pytest.importorskip("accelerate")
    # The state is one for the whole process, and a Trainer of another test may have set it.
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    prepared = accelerate.Accelerator(mixed_precision="bf16", cpu=True).prepare(Net())
    assert torch.equal(input_gradient(prepared)(images(6), torch.arange(6)), _expected())
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


def test_a_scale_keeps_small_gradients_of_half_precision_weights():
    net, x, y = Net().eval().to(torch.float16), 1e-3 * images(6), torch.arange(6)
    nn.init.normal_(net.head.weight, std=1e-4)
    with torch.no_grad():
        plain, scaled = input_gradient(net)(x, y), input_gradient(net, scale=1024.0)(x, y)
        exact = input_gradient(net.float())(x.half().float(), y)
    assert (plain - exact).norm() > 2 * (scaled - exact).norm()


def _clean_run(net: Net, *, accumulate: int = 1, scaler=None, before: bool = True, scale=None, none: bool = True):
    """Gradients of a step with clean loss, over `accumulate` batches, in the loop that the options describe."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    given = (scaler.get_scale if scaler else 1 / accumulate) if scale is None else scale
    gradient = input_gradient(net, scale=given)
    augment = DropMix("puzzlemix", num_classes=10, clean=1.0, block_counts=[4], seed=0)
    if before:
        optimizer.zero_grad(set_to_none=none)
    for part in range(accumulate):
        rows = slice(8 * part // accumulate, 8 * (part + 1) // accumulate)
        x, shares = augment(images(8)[rows], torch.arange(8)[rows], saliency=gradient)
        if not before:
            optimizer.zero_grad(set_to_none=none)
        loss = F.cross_entropy(net(x), shares) / accumulate
        (scaler.scale(loss) if scaler else loss).backward()
    if scaler:
        scaler.unscale_(optimizer)
    return [p.grad.clone() for p in net.parameters() if p.grad is not None]


def _assert_close(first, second):
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_clean_gradient_under_a_scaler_is_that_without():
    _assert_close(_clean_run(Net()), _clean_run(Net(), scaler=torch.amp.GradScaler("cpu")))  # pyright: ignore
    with pytest.raises(RuntimeError, match=r"say input_gradient\(model, scale=scaler\.get_scale\)"):
        _clean_run(Net(), scaler=torch.amp.GradScaler("cpu"), scale=1.0)  # pyright: ignore
    with pytest.raises(RuntimeError, match=r"say input_gradient\(model, scale=scaler\.get_scale\)"):
        _clean_run(Net(), scaler=torch.amp.GradScaler("cpu", init_scale=512.0), scale=1.0)  # pyright: ignore


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_a_loss_that_is_not_scaled_raises_nothing_even_where_the_clean_one_is_tiny(factor):
    net, x, y = Net(), images(8), torch.arange(8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(200):  # the network knows the clean images, but not the mixed ones
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    augment = DropMix("puzzlemix", num_classes=10, clean=1.0, block_counts=[4], seed=0)
    gradient = input_gradient(net)
    for _ in range(4):
        optimizer.zero_grad()
        mixed, shares = augment(x, y, saliency=gradient)
        (factor * F.cross_entropy(net(mixed), shares)).backward()


def test_accumulated_clean_gradients_are_means_over_all_batches():
    net = Net().eval()  # no batch statistics, which differ between batches of 4 and of 8
    net.train = lambda mode=True: net  # pyright: ignore
    found = _clean_run(net, accumulate=2)
    x, y = images(8), torch.arange(8)
    net.zero_grad()
    augment = DropMix("puzzlemix", num_classes=10, block_counts=[4], seed=0)
    for rows in (slice(0, 4), slice(4, 8)):
        mixed, shares = augment(x[rows], y[rows], saliency=input_gradient(net))
        (F.cross_entropy(net(mixed), shares) / 2 + F.cross_entropy(net(x[rows]), y[rows]) / 2).backward()
    _assert_close(found, [p.grad for p in net.parameters()])


@pytest.mark.parametrize("none", [True, False])
def test_zero_grad_after_mixing_is_seen(none):
    with pytest.raises(RuntimeError, match="zero_grad\\(\\) before they are mixed, not after"):
        _clean_run(Net(), before=False, none=none)
    _clean_run(Net(), none=none)


def test_a_compiled_step_is_one_graph_and_equals_the_eager_one():
    counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
    for method in ("cutmix", "puzzlemix"):
        torch._dynamo.reset()
        counter.clear()
        net, x, y = Net(), images(8), torch.arange(8)
        saliency = input_gradient(net)
        augment = DropMix(method, 0.3, num_classes=10, seed=0)  # pyright: ignore
        twin = DropMix(method, 0.3, num_classes=10, seed=0)  # pyright: ignore

        def step(x, y, augment=augment, saliency=saliency, net=net):
            x, y = augment(x, y, saliency=saliency)
            return F.cross_entropy(net(x), y)

        compiled = torch.compile(step, backend=counter)
        for _ in range(6):
            state = {key: value.clone() for key, value in net.state_dict().items()}
            found = compiled(x, y)
            net.load_state_dict(state)
            torch.testing.assert_close(found, step(x, y, augment=twin))
        assert counter.frame_count == 1
    assert augment.draw(x, y, saliency=lambda x, _: x.mean(1), generator=seeded()).lam.shape == (8,)


def test_gradients_before_a_clean_pass_are_refused_unless_the_scale_is_said():
    def before(net: Net, keep: bool) -> Net:
        F.cross_entropy(net(images(6)), torch.arange(6)).backward()
        if not keep:
            net.zero_grad(set_to_none=False)
        return net

    with pytest.raises(RuntimeError, match=r"zero_grad.*scale=1 / n"):
        input_gradient(before(Net(), True))(images(6), torch.arange(6), clean=1.0)
    for saliency in (input_gradient(before(Net(), True), scale=1), input_gradient(before(Net(), False))):
        assert saliency(images(6), torch.arange(6), clean=1.0).isfinite().all()


def test_saliency_under_inference_mode_and_with_frozen_weights():
    net = Net()
    with torch.inference_mode():
        found = input_gradient(net)(images(6).clone(), torch.arange(6).clone())
    assert torch.equal(found, _expected())
    assert torch.equal(input_gradient(Net().requires_grad_(False))(images(6), torch.arange(6)), _expected())


@pytest.mark.parametrize("shape", [torch.Tensor.detach, lambda t: torch.zeros_like(t, requires_grad=True)])
@pytest.mark.parametrize("clean", [0.0, 1.0])
def test_a_network_that_stops_gradients_is_told(shape, clean):
    with pytest.raises(RuntimeError, match="gradients reach the images"):
        input_gradient(Net(shape))(images(6), torch.arange(6), clean=clean)


@pytest.mark.parametrize("made", ["whole", "statistics alone"])
@pytest.mark.parametrize("clean", [0.0, 1.0])
def test_a_network_made_in_inference_mode_is_told(made, clean):
    net = Net()
    with torch.inference_mode():
        if made == "whole":
            net = Net()
        else:
            net.body[1] = nn.BatchNorm2d(4, affine=False)
    with pytest.raises(RuntimeError, match=r"expected a network made outside torch\.inference_mode\(\)"):
        input_gradient(net)(images(6), torch.arange(6), clean=clean)
