"""SuperMix. Dabouei, Soleymani, Taherkhani & Nasrabadi, "SuperMix: Supervising the Mixing Data Augmentation",
arXiv 2003.05034."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from dropmix.msda.draw import Per, check_batch, check_per, draw_log_shares, draw_partner
from dropmix.msda.maps.network import check_recorded, logits_of, unwrapped
from dropmix.msda.mix import Mix
from dropmix.msda.several.comixup import layered


@torch.no_grad()
def supermix(
    x: Tensor,
    *,
    teacher: nn.Module | None = None,
    generator: Generator | None = None,
    images: int = 2,
    alpha: float = 3.0,
    grid: int = 16,
    sigma: float = 1.0,
    sparsity: float = 25.0,
    steps: int = 10,
    per: Per = "batch",
) -> Mix:
    """Mix images by masks in which a teacher sees all their classes, each by its share (SuperMix).

        m_k = sigmoid(enlarged u_k) / sum over k;  loss = KL(lam || teacher(sum_k m_k x_k)) + sparsity |m (m - 1)|;
        u <- u - (loss / <g, G g>) G g,  g the loss's gradient, G a Gaussian blur; once, and until the teacher's first
        classes are those of the images, or for so many steps

    Args:
        x: images, (B, C, H, W), float, as the teacher takes them.
        teacher: classifier, trained already; needed. It runs in eval mode, and no gradient of its weights is computed.
            A grid gives the network in training.
        generator: CPU generator, the only source of randomness; None uses torch's global one.
        images: number of images in each output, k, >= 2. Official code: 2.
        alpha: Dirichlet parameter of the shares, > 0. Official code: 3.
        grid: cells of a mask along each side, >= 1. Official code: 16.
        sigma: width of the blur, in cells, >= 0; 0 blurs nothing. Official code: 1.
        sparsity: weight of masks that show one image at a place, >= 0. Official code: 25.
        steps: Newton steps, >= 1. Official code: up to 50, until 3 in 10 images are done.
        per: shares once per "batch", or once per "sample", as published.
    Returns:
        Mix with masks (B, 1, H, W), where x lies, and the drawn shares as lam; beyond two images with a record `below`
        for each further one.
    Raises:
        ValueError: shapes that do not fit, images that are not float, options out of range.
    Source:
        Dabouei et al. 2021, Sec. 3, as the official code runs it. Differs: all images are mixed after the last step,
        where the official code throws those away that the teacher does not see right yet; labels are the data's, where
        it has the teacher's.
    Example:
        >>> teacher = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 5))
        >>> supermix(torch.rand(4, 3, 16, 16), teacher=teacher).mask.shape
        torch.Size([4, 1, 16, 16])
    """
    check_batch("supermix", x, places=2, most=2)
    check_per(per)
    if not isinstance(teacher, nn.Module):
        given = None if teacher is None else type(teacher).__name__
        raise ValueError(
            f"supermix: expected teacher=..., a trained classifier (torch.nn.Module), got {given}. Give one, e.g. "
            'DropMix("supermix", num_classes=100, teacher=network).'
        )
    _check_options(x, images, grid, sigma, sparsity, steps)
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    partners = [draw_partner(len(x), generator) for _ in range(images - 1)]
    rows = torch.stack([torch.arange(len(x), device="cpu"), *partners], 1)
    lam = draw_log_shares(1 if per == "batch" else len(x), images, alpha, generator).exp().float().expand(len(x), -1)
    check_recorded(teacher, "supermix")
    with torch.inference_mode(False):  # masks are found by gradients
        seen, chosen, target = (part.clone() if part.is_inference() else part for part in (x, rows, lam))
        chosen, target = (part.to(x.device, non_blocking=True) for part in (chosen, target))
        masks = _masks(seen, chosen, target, teacher, grid, sigma, sparsity, steps)
    return layered(rows, lam, masks, x)


def _masks(
    x: Tensor, rows: Tensor, lam: Tensor, teacher: nn.Module, grid: int, sigma: float, sparsity: float, steps: int
) -> Tensor:
    """Masks of the images in `rows`, (B, k), that sum to 1: (B, k, H, W), float32."""
    count, k = rows.shape
    weight = next((p for p in teacher.parameters() if p.is_floating_point()), None)
    x = x.detach() if weight is None else x.detach().to(weight.dtype)
    chosen = x.index_select(0, rows.flatten()).view(count, k, *x.shape[1:])
    free = torch.zeros(count, k, grid, grid, dtype=torch.float32, device=x.device)
    blur = _blur(grid, sigma).to(x.device, non_blocking=True)
    with _judging(teacher) as network:
        classes = logits_of(network(x)).argmax(1).index_select(0, rows.flatten()).view(count, k)
        for step in range(steps):
            with torch.enable_grad():
                leaf = free.requires_grad_()
                masks = _enlarged(leaf, x)
                logits = logits_of(network((masks[:, :, None].to(x) * chosen).sum(1))).float()
                target = torch.zeros_like(logits).scatter_add_(1, classes, lam)
                loss = F.kl_div(logits.log_softmax(1), target, reduction="none").sum(1)
                loss = loss + sparsity * (masks * (1 - masks)).mean((1, 2, 3))
                (slope,) = torch.autograd.grad(loss.sum(), leaf)
            first = logits.topk(min(k, logits.shape[1]), 1).values[:, -1]
            done = (logits.gather(1, classes).amin(1) >= first) & (step > 0)  # everybody takes the first step
            smooth = blur @ slope @ blur.T
            length = (loss.abs() / ((slope * smooth).sum((1, 2, 3)) + 1e-10)).clamp(1e-4, 2e3).detach()
            change = (length * ~done)[:, None, None, None] * smooth
            free = free.detach() - change.nan_to_num(0.0, 0.0, 0.0)
    return _enlarged(free.detach(), x)


def _enlarged(free: Tensor, x: Tensor) -> Tensor:
    masks = F.interpolate(free, x.shape[2:], mode="bilinear", align_corners=False)
    return F.logsigmoid(masks).softmax(1)  # sigmoid / sum, which no far value makes 0 / 0


def _blur(grid: int, sigma: float) -> Tensor:
    """A Gaussian blur along an axis, (grid, grid), zero outside."""
    if sigma == 0:
        return torch.eye(grid, device="cpu")
    place = torch.arange(grid, dtype=torch.float32, device="cpu")
    weight = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    offsets = torch.arange(-grid, grid + 1, dtype=torch.float32, device="cpu")
    return weight / torch.exp(-(offsets**2) / (2 * sigma**2)).sum()


@contextmanager
def _judging(teacher: nn.Module) -> Iterator[nn.Module]:
    """The teacher inside its wrappers, in eval mode within the context."""
    network = unwrapped(teacher)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield network
    finally:
        for module, training in modes:
            module.training = training


def _check_options(x: Tensor, images: int, grid: int, sigma: float, sparsity: float, steps: int) -> None:
    if not x.is_floating_point():
        raise ValueError(f"supermix: expected float images, got {x.dtype}. Convert them, e.g. x.float() / 255.")
    for name, value, fits, range_ in (
        ("images", images, images >= 2, "[2, inf)"),
        ("grid", grid, grid >= 1, "[1, inf)"),
        ("sigma", sigma, 0 <= sigma < math.inf, "[0, inf)"),
        ("sparsity", sparsity, 0 <= sparsity < math.inf, "[0, inf)"),
        ("steps", steps, steps >= 1, "[1, inf)"),
    ):
        if not fits:
            raise ValueError(f"supermix: expected {name} in {range_}, got {value}. See the docstring.")
