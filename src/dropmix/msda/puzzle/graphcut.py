"""Exact minimum of PuzzleMix's labelling energy on a grid, batched, in torch alone."""

from typing import NamedTuple

import torch
from torch import Tensor

# Steps by grid width: enough for the stated exactness on saliency maps of trained networks (benchmarks/msda.py).
_STEPS = {2: 50, 4: 50, 8: 100, 16: 200}
_RESTART_EVERY = 5
_SWEEPS = 2
# On a CPU, where reading values is free: how often to check which problems are proved solved, to which relative gap,
# and how much longer to try for the others.
_LOOK_EVERY = 10
_PROVED = 5e-7
_PATIENCE = 4


def energy(labels: Tensor, theta: Tensor, w_down: Tensor, w_right: Tensor) -> Tensor:
    """Return the energy of a labelling.

        E = sum_p theta[label_p, p] + sum over 4-neighbours w_pq (z_p - z_q)^2,  z = label / (L - 1)

    Args:
        labels: (N, B, B), int64, in [0, L).
        theta: cost of each label, (N, L, B, B), float.
        w_down: weight between a cell and the one below, (N, B - 1, B), >= 0.
        w_right: weight between a cell and its right neighbour, (N, B, B - 1), >= 0.
    Returns:
        (N,), of theta's dtype.
    Example:
        >>> labels = torch.tensor([[[0, 1], [0, 1]]])
        >>> energy(labels, torch.zeros(1, 2, 2, 2), torch.ones(1, 1, 2), torch.ones(1, 2, 1))
        tensor([2.])
    """
    z = labels.to(theta.dtype) / (theta.shape[1] - 1)
    unary = theta.gather(1, labels[:, None]).flatten(1).sum(1)
    down = (w_down * (z[:, 1:] - z[:, :-1]).square()).flatten(1).sum(1)
    right = (w_right * (z[:, :, 1:] - z[:, :, :-1]).square()).flatten(1).sum(1)
    return unary + down + right


@torch.no_grad()
def solve(theta: Tensor, w_down: Tensor, w_right: Tensor, *, steps: int | None = None) -> tuple[Tensor, Tensor]:
    """Minimise `energy` over labellings.

    The pairwise term is convex, so the problem is a minimum cut with S = L - 1 binary layers, label = their sum:

        (j - k)^2 = sum_st |a_s - b_t| + (j^2 - S j) + (k^2 - S k)

    The cut is the sign pattern of argmin_v 1/2 |v|^2 + <d, v> + sum c |v_ps - v_qt|, found on its dual by accelerated
    projected gradient with restarts: batched steps that never wait for the device. On a CPU a problem leaves the batch
    as soon as flow and cut prove each other optimal; elsewhere all take a fixed number of steps. Two sweeps of
    single-cell moves mend what is left.

    Args:
        theta: cost of each label, (N, L, B, B), float, L >= 2. The result is exact if theta is convex in the label. A
            linear cost plus PuzzleMix's prior is convex unless lam is within 1e-3 of 0 or 1.
        w_down: weight between a cell and the one below, (N, B - 1, B), >= 0.
        w_right: weight between a cell and its right neighbour, (N, B, B - 1), >= 0.
        steps: number of steps that every problem takes, wherever it is; None does as said above.
    Returns:
        Labels, (N, B, B), int64, and a lower bound of the least energy, (N,), float64. If the two agree, the
        labelling is proved optimal, up to 1e-13 of the sum of all costs.
    Example:
        >>> theta = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])
        >>> labels, bound = solve(theta, torch.zeros(1, 0, 2), torch.full((1, 1, 1), 0.5))
        >>> labels.tolist(), bound.tolist()
        ([[[1, 0]]], [0.4999...])
    """
    theta, w_down, w_right = theta.float(), w_down.float(), w_right.float()
    if not theta.numel():
        return theta[:, 0].long(), theta.flatten(1).sum(1)
    d, capacity = _cut_problem(theta, w_down, w_right)
    if steps is None and theta.device.type == "cpu" and not torch.compiler.is_compiling():
        flow = _flow_until_proved(d, capacity, theta[:, 0].flatten(1).sum(1), steps_for(theta.shape[-1]))
    else:
        flow = _ascend(_start(d, capacity), steps_for(theta.shape[-1]) if steps is None else steps).y
    # Once more in float64, so that rounding cannot break the bound.
    theta, w_down, w_right = theta.double(), w_down.double(), w_right.double()
    d, capacity = _cut_problem(theta, w_down, w_right)
    q = _reduced_costs(d, flow.double().clamp_(-capacity, capacity))
    labels = _sweep((q < 0).sum(0).movedim(-1, 0), theta, w_down, w_right)
    bound = theta[:, 0].flatten(1).sum(1) + q.clamp(max=0).flatten(0, -2).sum(0)
    # Lowered by more than the rounding of so many sums, so that the bound is never above the energy.
    return labels, bound - 1e-13 * theta.abs().flatten(1).sum(1)


def steps_for(width: int) -> int:
    """How many steps a grid of that width takes where problems are not proved one by one."""
    return next((steps for known, steps in _STEPS.items() if width <= known), 15 * width)


def _cut_problem(theta: Tensor, w_down: Tensor, w_right: Tensor) -> tuple[Tensor, Tensor]:
    """Costs of the binary layers, d (S, B, B, N), and capacities (2, 1, 1, B, B, N), zero at the border. The
    batch comes last, which keeps the innermost loops long at every grid width."""
    layers = theta.shape[1] - 1
    down = torch.nn.functional.pad(w_down, (0, 0, 0, 1))
    right = torch.nn.functional.pad(w_right, (0, 1))
    incident = down + right
    incident[:, 1:] += down[:, :-1]
    incident[:, :, 1:] += right[:, :, :-1]
    j = torch.arange(layers + 1, device=theta.device, dtype=theta.dtype).view(1, -1, 1, 1)
    t = theta + (j * j - layers * j) / layers**2 * incident[:, None]
    d = (t[:, 1:] - t[:, :-1]).movedim(0, -1).contiguous()
    capacity = torch.stack([down, right]).movedim(1, -1).contiguous() / layers**2
    return d, capacity[:, None, None]


class _State(NamedTuple):
    d: Tensor  # (S, B, B, N)
    capacity: Tensor  # (2, 1, 1, B, B, N)
    y: Tensor  # the flow: down and right, tail layer, head layer; (2, S, S, B, B, N)
    z: Tensor  # its extrapolation
    tau: Tensor  # momentum, (N,)

    def keep(self, rows: Tensor) -> "_State":
        return _State(*(part.index_select(-1, rows) for part in self))


def _start(d: Tensor, capacity: Tensor) -> _State:
    y = d.new_zeros((2, len(d), *d.shape))
    return _State(d, capacity, y, y.clone(), d.new_ones(d.shape[-1]))


def _ascend(state: _State, steps: int) -> _State:
    """Steps of accelerated projected gradient on the flow."""
    d, capacity, y, z, tau = state
    rate, floor = 1 / (8 * len(d)), -capacity
    n, g = torch.zeros_like(y), torch.zeros_like(y)
    for step in range(steps):
        q = _reduced_costs(d, z)
        torch.sub(q[:, None, :-1], q[None, :, 1:], out=g[0, :, :, :-1])
        torch.sub(q[:, None, :, :-1], q[None, :, :, 1:], out=g[1, :, :, :, :-1])
        torch.add(z, g, alpha=rate, out=n).clamp_(floor, capacity)
        if step % _RESTART_EVERY == _RESTART_EVERY - 1:
            uphill = (z.sub_(n).mul_(n - y)).flatten(0, -2).sum(0) > 0
            tau = tau.masked_fill(uphill, 1.0)
        following = (1 + (1 + 4 * tau * tau).sqrt()) / 2
        torch.lerp(y, n, 1 + (tau - 1) / following, out=z)
        tau = following
        y, n = n, y
    return _State(d, capacity, y, z, tau)


def _flow_until_proved(d: Tensor, capacity: Tensor, base: Tensor, steps: int) -> Tensor:
    """The flow of each problem when its bound meets its cut; solved problems leave the batch."""
    state = _start(d, capacity)
    flow, left = torch.empty_like(state.y), torch.arange(d.shape[-1])
    for _ in range(0, _PATIENCE * steps, _LOOK_EVERY):
        state = _ascend(state, _LOOK_EVERY)
        cut, bound = _cut_and_bound(state)
        solved = cut - bound <= _PROVED * (base[left] + cut).abs()
        if solved.any():
            flow[..., left[solved]] = state.y[..., solved]
            rows = (~solved).nonzero()[:, 0]
            left, state = left[rows], state.keep(rows)
            if not len(left):
                return flow
    flow[..., left] = state.y
    return flow


def _cut_and_bound(state: _State) -> tuple[Tensor, Tensor]:
    """Values of the flow's sign pattern as a cut, and of the flow, (N,); the cut is minimal if they agree."""
    q = _reduced_costs(state.d, state.y)
    on, layers = q < 0, len(q)
    j = on.sum(0, dtype=q.dtype)
    down, right = state.capacity[:, 0, 0]
    crossing = (down[:-1] * _pairs(j[:-1], j[1:], layers)).flatten(0, -2).sum(0)
    crossing += (right[:, :-1] * _pairs(j[:, :-1], j[:, 1:], layers)).flatten(0, -2).sum(0)
    return (state.d * on).flatten(0, -2).sum(0) + crossing, q.clamp(max=0).flatten(0, -2).sum(0)


def _pairs(j: Tensor, k: Tensor, layers: int) -> Tensor:
    """sum_st |a_s - b_t| of binary layers with sums j and k."""
    return layers * (j + k) - 2 * j * k


def _reduced_costs(d: Tensor, flow: Tensor) -> Tensor:
    """d minus the outflow plus the inflow of each cell and layer."""
    # One reduced dimension at a time: torch's sum over two that are not neighbours is thirty times slower.
    outflow, inflow = flow.sum(2), flow.sum(1)
    q = d - outflow[0]
    q -= outflow[1]
    q[:, 1:] += inflow[0, :, :-1]
    q[:, :, 1:] += inflow[1, :, :, :-1]
    return q


def _sweep(labels: Tensor, theta: Tensor, w_down: Tensor, w_right: Tensor) -> Tensor:
    """Move each cell to its best label given its neighbours, red cells and black ones in turn."""
    last = theta.shape[1] - 1
    rows = torch.arange(theta.shape[-2], device=theta.device)[:, None]
    columns = torch.arange(theta.shape[-1], device=theta.device)
    red = (rows + columns) % 2 == 0
    incident = _neighbour_sum(torch.ones_like(theta[:, 0]), w_down, w_right)
    for colour in (red, ~red) * _SWEEPS:
        pull = _neighbour_sum(labels / last, w_down, w_right)
        least, best = theta[:, 0], torch.zeros_like(labels)
        for j in range(1, last + 1):
            cost = theta[:, j] + (j / last) ** 2 * incident - 2 * j / last * pull
            best = torch.where(cost < least, j, best)
            least = torch.minimum(cost, least)
        labels = torch.where(colour, best, labels)
    return labels


def _neighbour_sum(z: Tensor, w_down: Tensor, w_right: Tensor) -> Tensor:
    """sum over neighbours q of w_pq z_q, (N, B, B)."""
    total = torch.zeros_like(z)
    total[:, :-1] += w_down * z[:, 1:]
    total[:, 1:] += w_down * z[:, :-1]
    total[:, :, :-1] += w_right * z[:, :, 1:]
    total[:, :, 1:] += w_right * z[:, :, :-1]
    return total
