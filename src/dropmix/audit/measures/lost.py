"""Which images a class lost: wrong under the treated arm in most seeds, under the baseline in few."""

from dataclasses import dataclass

import numpy as np

from dropmix.audit.measures.counts import Pair

FEW = 1 / 3
"""Share of the baseline's seeds that may be wrong on an image that is shown as lost."""
MOST = 12
"""Images of a class that are named."""


@dataclass(frozen=True)
class LostImage:
    """An example that the treated arm lost.

    Args:
        id: its `example_id`.
        position: of its class among those audited.
        called: the wrong class that most of the treated arm's seeds predict.
        times: number of seeds that predict it.
        wrong_treated, wrong_baseline: seeds that are wrong on it.
    """

    id: int | str
    position: int
    called: str
    times: int
    wrong_treated: int
    wrong_baseline: int


def lost_images(p: Pair, change: np.ndarray, hurt: np.ndarray, asked: np.ndarray) -> list[LostImage]:
    """The images that classes lost, most clearly first in each class.

    Args:
        p: two arms.
        change: of the recall of the audited classes, (M,).
        hurt, asked: classes that come first, and classes that follow, (M,), bool; only those whose recall fell.
    Returns:
        At most `MOST` per class, classes by their loss; none where examples have no ids, or several labels.
    """
    ids = p.baseline.example_id
    if ids is None or p.baseline.score is not None:  # rows of several labels are no images
        return []
    wrong0, wrong1 = (~p.correct0).sum(axis=0), (~p.correct1).sum(axis=0)
    s0, s1 = p.seeds
    # In whole numbers, so that 1 of 3 is a third.
    lost = (2 * wrong1 > s1) & (wrong0 <= np.floor(FEW * s0 + 1e-9))
    fall = wrong1 * s0 - wrong0 * s1
    images = []
    fell = [i for i in np.argsort(change, kind="stable").tolist() if change[i] < 0]
    for position in [*(i for i in fell if hurt[i]), *(i for i in fell if asked[i] and not hurt[i])]:
        rows = np.flatnonzero(lost & (p.position == position))
        for row in rows[np.argsort(-fall[rows], kind="stable")][:MOST]:
            called = np.bincount(p.treated.pred[~p.correct1[:, row], row])
            name, times = p.names[int(called.argmax())], int(called.max())
            images.append(
                LostImage(ids[row : row + 1].tolist()[0], position, name, times, int(wrong1[row]), int(wrong0[row]))
            )
    return images
