"""PuzzleMix's labelling energy minimised by scipy's maximum flow, one problem at a time: slow but exact."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from torch import Tensor

# scipy's capacities are int32, and the flow's value must fit too.
_LARGEST = 2**30


def solve_by_flow(theta: Tensor, w_down: Tensor, w_right: Tensor) -> Tensor:
    """Minimise `graphcut.energy` exactly, up to capacities rounded to 30 bits.

    Label j at cell p is a chain of L - 1 binary nodes, [j > 0], [j > 1], ... with an edge that cannot be cut backwards
    from each node to the one before, so that any cost of the labels is represented, convex or not.

    Args:
        theta: cost of each label, (N, L, B, B), float.
        w_down: (N, B - 1, B), >= 0.
        w_right: (N, B, B - 1), >= 0.
    Returns:
        Labels, (N, B, B), int64.
    Example:
        >>> theta = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])
        >>> solve_by_flow(theta, torch.zeros(1, 0, 2), torch.full((1, 1, 1), 0.5)).tolist()
        [[[1, 0]]]
    """
    problems = zip(theta.double().cpu().numpy(), w_down.double().cpu().numpy(), w_right.double().cpu().numpy())
    return torch.from_numpy(np.stack([_solve_one(*problem) for problem in problems]))


def _solve_one(theta: np.ndarray, w_down: np.ndarray, w_right: np.ndarray) -> np.ndarray:
    layers, cells = len(theta) - 1, theta[0].size
    cell = np.arange(cells).reshape(theta.shape[1:])
    pairs = [(cell[:-1], cell[1:], w_down), (cell[:, :-1], cell[:, 1:], w_right)]
    p = np.concatenate([a.ravel() for a, _, _ in pairs])
    q = np.concatenate([b.ravel() for _, b, _ in pairs])
    w = np.concatenate([c.ravel() for _, _, c in pairs]) / layers**2
    incident = np.bincount(p, w, cells) + np.bincount(q, w, cells)
    j = np.arange(layers + 1)[:, None]
    d = np.diff(theta.reshape(layers + 1, cells) + (j * j - layers * j) * incident, axis=0)
    source, sink = layers * cells, layers * cells + 1
    node = np.arange(layers * cells).reshape(layers, cells)
    tails, heads, capacities = [], [], []

    def connect(tail, head, capacity) -> None:
        for part, value in ((tails, tail), (heads, head), (capacities, capacity)):
            part.append(np.broadcast_to(value, np.broadcast_shapes(*map(np.shape, (tail, head, capacity)))).ravel())

    connect(source, node, np.maximum(-d, 0))  # cut when the node is off the source's side: not labelled
    connect(node, sink, np.maximum(d, 0))
    for a, b in ((p, q), (q, p)):
        connect(node[:, None, a], node[None, :, b], w)
    scale = _LARGEST / max(np.abs(d).sum() + 8 * layers * w.sum(), np.finfo(float).tiny)
    whole = [np.rint(part * scale).astype(np.int64) for part in capacities]
    connect(node[1:], node[:-1], 0.0)
    whole.append(np.full(node[1:].size, _LARGEST))  # [j > s] without [j > s - 1] costs more than everything
    size = layers * cells + 2
    graph = coo_array((np.concatenate(whole), (np.concatenate(tails), np.concatenate(heads))), shape=(size, size))
    graph = graph.tocsr().astype(np.int32)
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    on = np.zeros(size, dtype=np.int64)
    on[reached] = 1
    return on[:source].reshape(layers, *theta.shape[1:]).sum(0)
