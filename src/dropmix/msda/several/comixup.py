"""Co-Mixup. Kim, Choo, Jeong & Song, "Co-Mixup: Saliency Guided Joint Mixup with Supermodular Diversity",
arXiv 2102.03065."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dropmix.msda.draw import Per, check_batch, check_per, draw_log_shares
from dropmix.msda.joint.descent import solve
from dropmix.msda.joint.objective import JointProblem, counts
from dropmix.msda.mix import Mix
from dropmix.msda.puzzle.energy import pool_shares
from dropmix.msda.saliency import ask_saliency


@torch.no_grad()
def comixup(
    x: Tensor,
    saliency: Tensor | Callable[..., Tensor],
    *,
    generator: Generator | None = None,
    alpha: float = 2.0,
    beta: float = 0.32,
    gamma: float = 1.0,
    eta: float = 0.05,
    omega: float = 0.001,
    limit: float = 0.83,
    blocks: int = 4,
    part: int = 20,
    most: int = 6,
    clean: float = 0.0,
    per: Per = "batch",
) -> Mix:
    """Mix all images of a batch jointly: each output shows salient blocks of several, and outputs differ (Co-Mixup).

        labelling = argmin of `dropmix.msda.joint.objective.objective`, cost = -saliency - eta/n log p;
        p ~ Dirichlet(alpha), A = (1 - omega) I + omega distance between saliency peaks; label shares = areas

    Args:
        x: images, (B, C, H, W), any scale. Only the shape is read.
        saliency: importance of each pixel, (B, H, W), >= 0, or a function of x that returns it. All zero counts as
            uniform.
        generator: CPU generator of the prior; None uses torch's global one.
        alpha: Dirichlet parameter of the prior over images, > 0. Official code: 2.0.
        beta: weight of a smooth labelling, >= 0. Official code: 0.32, of 0.16 to 0.48.
        gamma: weight of diversity between outputs, >= 0. Official code: 1.0.
        eta: weight of the prior, >= 0. Official code: 0.05.
        omega: weight of compatibility, in [0, 1]: images whose peaks are far apart share an output. Official code:
            0.001.
        limit: how much of an image other outputs may show at no cost, as a share of the blocks, >= 0. Official code:
            0.83, of 0.81 to 0.86.
        blocks: blocks along each side, 2 to 8, which both sides divide by. Official code: 4.
        part: images that are mixed with each other, at most; the batch is cut into parts of even size, >= 2. Official
            code: 20.
        most: images in one output, at most, >= 2; the blocks of further ones show another of its images.
        clean: weight of the loss on the unmixed images, >= 0; see `input_gradient`. Official code: 1.
        per: not used: the prior is drawn once per part.
    Returns:
        Mix with one record `below` another for each further partner, all with mask (B, 1, H, W), where the saliency
        lies. `lam` of the uppermost is the share of all images but its partner.
    Raises:
        ValueError: shapes that do not fit, saliency that is not finite, options out of range, `clean` with a tensor.
    Source:
        Kim et al. 2021, Sec. 3, as the official code runs it. Differs: another solver, which reaches lower values of
        the objective; no extra cost for outputs that show the same set of images; parts of even size.
    Example:
        >>> mix = comixup(torch.rand(8, 3, 32, 32), torch.rand(8, 32, 32))
        >>> mix.mask.shape
        torch.Size([8, 1, 32, 32])
    """
    check_batch("comixup", x, places=2, most=2)
    check_per(per)
    _check_options(x, beta, gamma, eta, omega, limit, blocks, part, most, clean)
    if len(x) < 2:  # nobody to mix with
        return Mix.identity(len(x))
    cuts = torch.arange(len(x), device="cpu").tensor_split(math.ceil(len(x) / part))
    prior = torch.cat([draw_log_shares(1, len(cut), alpha, generator)[0] for cut in cuts])
    saliency = ask_saliency("comixup", x, saliency, clean=clean).float()
    prior = torch.logaddexp(prior, torch.tensor(math.log(1e-8), device="cpu")).to(x.device, non_blocking=True)
    n = blocks * blocks
    cost = -pool_shares(saliency, blocks).flatten(1).double() - eta / n * prior[:, None]
    peaks = _peaks(saliency)
    chosen, order = [], []
    for size in sorted({len(cut) for cut in cuts}):  # even parts have at most two sizes
        rows = torch.stack([cut for cut in cuts if len(cut) == size]).to(x.device, non_blocking=True)
        affinity = _affinity(peaks.index_select(0, rows.flatten()).view(*rows.shape, 2), omega)
        costs = cost.index_select(0, rows.flatten()).view(*rows.shape, n)
        problem = JointProblem(costs, affinity, blocks, beta / n, gamma / n, limit * n)
        chosen.append(_few(rows, problem.cost, solve(problem), most))
        order.append(rows.flatten())
    kept = max(images.shape[1] for images, _ in chosen)
    images, shares = (
        torch.cat([_padded(pair[k], kept, k == 0) for pair in chosen])[torch.cat(order).argsort()] for k in (0, 1)
    )
    return layered(images, shares.mean(2), shares.view(-1, kept, blocks, blocks), x)


def _peaks(saliency: Tensor) -> Tensor:
    """Where a window of a quarter of each side is most salient, (B, 2), in pixels."""
    height, width = (max(side // 4, 1) for side in saliency.shape[1:])
    rows = F.avg_pool2d(saliency[:, None], (1, width), stride=1)
    pooled = F.avg_pool2d(rows, (height, 1), stride=1)[:, 0]
    place = pooled.flatten(1).argmax(1)
    return torch.stack([place // pooled.shape[2], place % pooled.shape[2]], 1).double()


def _affinity(peaks: Tensor, omega: float) -> Tensor:
    """A, (P, m, m), of peaks (P, m, 2): distances along both axes, scaled to the sum of the identity."""
    distance = (peaks[:, :, None] - peaks[:, None]).abs().sum(3)
    total = distance.sum((1, 2), keepdim=True)
    distance = torch.where(total > 0, distance / total.clamp(min=1) * peaks.shape[1], 0.0)
    return (1 - omega) * torch.eye(peaks.shape[1], dtype=torch.float64, device=peaks.device) + omega * distance


def _few(rows: Tensor, cost: Tensor, labelling: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The images of each output, its own first, (P m, k), and their shares of each block, (P m, k, n)."""
    _, size, blocks, _ = labelling.shape
    used = counts(labelling)
    own = torch.eye(size, dtype=torch.bool, device=used.device)
    ranked = used.masked_fill(own, 2.0 * blocks)  # the own image comes first, shown or not
    count = min(most, size)
    if used.is_cpu:  # elsewhere, reading how many images there are would wait
        count = min(count, int((ranked > 0).sum(2).max()))
    if count < size:
        images = ranked.topk(count, 2).indices
        allowed = torch.zeros_like(used, dtype=torch.bool).scatter_(2, images, True)
        best = torch.where(allowed[..., None], cost[:, None], torch.inf).argmin(2)
        fits = allowed[:, :, None].expand(-1, -1, blocks, -1).gather(3, labelling)
        labelling = torch.where(fits, labelling, best[..., None])
    else:
        images = ranked.argsort(2, descending=True)
    shares = (labelling[:, :, None] == images[..., None, None]).sum(4).float() / 2
    at = rows[:, None].expand(-1, size, -1).gather(2, images)
    return at.flatten(0, 1), shares.flatten(0, 1)


def _padded(part: Tensor, kept: int, is_image: bool) -> Tensor:
    """The same with more images, of which nothing shows: the own one again."""
    missing = kept - part.shape[1]
    more = part[:, :1].expand(-1, missing, *part.shape[2:])
    return torch.cat([part, more if is_image else torch.zeros_like(more)], 1)


def layered(images: Tensor, shares: Tensor, masks: Tensor, x: Tensor) -> Mix:
    """Return one record on another: each shows a further image where it has a share, and what lies below elsewhere.

    Args:
        images: rows of the images in each output, (B, k), int64, the own one first.
        shares: of their labels, (B, k), float32, of sum 1.
        masks: of their pixels, (B, k, h, w), float32, of sum 1; enlarged to x's size.
        x: images, (B, C, H, W); only the shape is read.
    """
    mix, own = None, images[:, 0]
    for k in range(1, images.shape[1]):
        mask, lam = (_kept(part[:, :k].sum(1), part[:, k]) for part in (masks, shares))
        partner = torch.where(lam.to(own.device, non_blocking=True) < 1, images[:, k], own)
        mix = Mix(partner, lam, mask=F.interpolate(mask[:, None], x.shape[2:]), below=mix)
    return Mix.identity(len(x)) if mix is None else mix


def _kept(below: Tensor, above: Tensor) -> Tensor:
    """Share of what lies below, 1 where nothing is shown yet."""
    total = below + above
    return torch.where(total > 0, below / total.clamp(min=1e-12), 1.0)


def _check_options(
    x: Tensor,
    beta: float,
    gamma: float,
    eta: float,
    omega: float,
    limit: float,
    blocks: int,
    part: int,
    most: int,
    clean: float,
) -> None:
    for name, value, fits, range_ in (
        ("beta", beta, 0 <= beta < math.inf, "[0, inf)"),
        ("gamma", gamma, 0 <= gamma < math.inf, "[0, inf)"),
        ("eta", eta, 0 <= eta < math.inf, "[0, inf)"),
        ("omega", omega, 0 <= omega <= 1, "[0, 1]"),
        ("limit", limit, 0 <= limit < math.inf, "[0, inf)"),
        ("blocks", blocks, 2 <= blocks <= 8, "[2, 8]"),
        ("part", part, part >= 2, "[2, inf)"),
        ("most", most, most >= 2, "[2, inf)"),
        ("clean", clean, 0 <= clean < math.inf, "[0, inf)"),
    ):
        if not fits:
            raise ValueError(f"comixup: expected {name} in {range_}, got {value}. See the docstring.")
    if any(side % blocks for side in x.shape[2:]):
        raise ValueError(
            f"comixup: expected blocks that divide {x.shape[2]} x {x.shape[3]} pixels, got {blocks}. "
            "Pass blocks that do, or resize the images."
        )
