"""AutoMix. Liu et al., "AutoMix: Unveiling the Power of Mixup for Stronger Classifiers", arXiv 2103.13027."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Generator, Tensor, nn

from dropmix.msda.draw import Per, check_batch, check_per, draw_lam, draw_partner
from dropmix.msda.learned.mixer import Mixer
from dropmix.msda.mix import Mix
from dropmix.msda.saliency import ask_saliency


@torch.no_grad()
def automix(
    x: Tensor,
    saliency: Callable[..., Tensor] | Tensor | None = None,
    *,
    y: Tensor | None = None,
    network: nn.Module | None = None,
    mixer: Mixer | None = None,
    generator: Generator | None = None,
    alpha: float = 2.0,
    stage: str | None = None,
    momentum: float = 0.999,
    lr: float = 1e-3,
    area: float = 0.1,
    margin: float = 0.08,
    clean: float = 1.0,
    per: Per = "batch",
) -> Mix:
    """Mix images by masks that a small block has learned to draw from both images' features (AutoMix).

        mask = `MixBlock` of the teacher's features, partner and lam; label share = lam
        then, by draws of its own, the block takes a step that makes the teacher see both classes: `Mixer.learn`

    The teacher is the moving average of the network in training. It moves, and the block learns, once per call.

    Args:
        x: images, (B, C, H, W), float, as the network takes them.
        saliency: function whose pass also trains on the unmixed images, see `input_gradient`; needed if clean > 0. Its
            map is not used.
        y: class ids, (B,), or label shares, (B, K); DropMix gives them. Without them the block does not learn.
        network: convolutional classifier in training; needed. A grid gives its own.
        mixer: what has been learned so far; DropMix keeps it. None begins anew.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        alpha: Beta parameter, > 0. Paper: 2.
        stage: name of the network's module whose output, (B, D, h, w), is the feature map. None takes the last map
            that is larger than the final one, as the paper's third of four stages.
        momentum: of the teacher, in [0, 1]; 1 leaves it as the network was at first. Paper: 0.999.
        lr: learning rate of the block's Adam, >= 0. Official code: 0.001 with AdamW, 0.1 with SGD.
        area: weight of masks whose mean is lam, >= 0. Paper: 0.1.
        margin: a lam this close to 0 or 1 mixes as Mixup does, in [0, 0.5]. Official code: 0.08.
        clean: weight of the loss on the unmixed images, >= 0. Paper: 1.
        per: one lam per "batch", as published, or one per "sample".
    Returns:
        Mix with masks (B, 1, H, W), where x lies.
    Raises:
        ValueError: shapes or a network that do not fit, images that are not float, labels that are no classes, options
            out of range, `clean` without a function `saliency`.
        RuntimeError: in a DataLoader worker.
    Source:
        Liu et al. 2022, Sec. 3. Differs from the official code: the network has one head for both losses; the teacher
        runs in eval mode, its statistics are averaged too, and it follows faster at first; the block reads features of
        unit size and learns by Adam; learning rate, momentum and weight of the area do not change over a run; each
        mask's own mean counts, not the batch's.
    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
        >>> automix(torch.rand(4, 3, 16, 16), network=net, clean=0).mask.shape
        torch.Size([4, 1, 16, 16])
    """
    check_batch("automix", x, places=2, most=2)
    check_per(per)
    _check_options(x, stage, momentum, lr, area, margin, clean)
    mixer = Mixer(network) if mixer is None else mixer
    _ = mixer.network  # refused early if it is none
    if y is not None and not (isinstance(y, Tensor) and (y.ndim == 1 or (y.ndim == 2 and y.is_floating_point()))):
        raise ValueError(
            "automix: expected class ids (B,) or shares (B, K), got masks or boxes. Use cutmix or resizemix."
        )
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    partner, lam = draw_partner(len(x), generator), draw_lam(len(x), alpha, per, generator).expand(len(x))
    trial, trial_lam = draw_partner(len(x), generator), draw_lam(len(x), alpha, per, generator).expand(len(x))
    if clean:
        _train_on_clean(x, saliency, clean)
    there, share, trial, trial_lam = (part.to(x.device, non_blocking=True) for part in (partner, lam, trial, trial_lam))
    kind = x.device.type
    with torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext():
        weight = next((p for p in mixer.follow(momentum).parameters() if p.is_floating_point()), None)
        seen = x.detach() if weight is None else x.detach().to(weight.dtype)
        z = mixer.features(seen, stage, generator)
        assert mixer.block is not None
        mask, plain = mixer.block.masks(z, there, share, x.shape[2:]), share[:, None, None, None]
        usable = mask.isfinite() & (torch.minimum(plain, 1 - plain) > margin)
        if y is not None and lr:
            mixer.learn(seen, y, z, trial, trial_lam, lr=lr, area=area)
    return Mix(partner, lam.contiguous(), mask=torch.where(usable, mask, plain))


def _train_on_clean(x: Tensor, saliency: Callable[..., Tensor] | Tensor | None, clean: float) -> None:
    if saliency is None:
        raise ValueError(
            f"automix: expected saliency=..., whose pass also trains on the unmixed images (clean={clean}), got None. "
            "Pass input_gradient(model), or clean=0."
        )
    ask_saliency("automix", x, saliency, clean=clean)


def _check_options(
    x: Tensor, stage: str | None, momentum: float, lr: float, area: float, margin: float, clean: float
) -> None:
    if not x.is_floating_point():
        raise ValueError(f"automix: expected float images, got {x.dtype}. Convert them, e.g. x.float() / 255.")
    if not (stage is None or isinstance(stage, str)):
        raise ValueError(
            f"automix: expected stage as the name of a module of the network, got {stage!r}. Leave it out."
        )
    for name, value, most in (
        ("momentum", momentum, 1.0),
        ("lr", lr, float("inf")),
        ("area", area, float("inf")),
        ("margin", margin, 0.5),
        ("clean", clean, float("inf")),
    ):
        if not (0 <= value <= most and value != float("inf")):
            bounds = "[0, inf)" if most == float("inf") else f"[0, {most:g}]"
            raise ValueError(f"automix: expected {name} in {bounds}, got {value}. See the method's card.")
