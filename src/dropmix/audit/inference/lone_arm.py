"""One arm with one seed: its variance under a supposed change of recall.

One seed shows no flips. What its predictions would flip is read off the other arm, class by class, and carried to the
recall that a supposed change d gives the arm, which both arms' predictions estimate (S seeds of the other, one of it):

    flip(d) = rho r (1 - r),   r = (S (r_other + d) + r_own) / (S + 1)        rho = flip_other / (r_other (1 - r_other))

By r_other + d alone, an arm that did well by luck would also seem to vary less, and a class be called safe too often.

A test supposes the tolerated loss, and the ends of an interval suppose themselves: each end is the change at which a
test would just not reject it, as in Wilson's interval of a proportion.

Source:
    Farrington & Manning 1990, doi 10.1002/sim.4780091208, for rates that are estimated under the tested difference.
    Wilson 1927, doi 10.1080/01621459.1927.10502953, for intervals whose ends have their own variance.
"""

from dataclasses import dataclass

import numpy as np

NEAR = 0.01  # within a point of the other arm's recall, its flips are the arm's: by simulation at the nominal level


@dataclass(frozen=True)
class LoneArm:
    """The arm with one seed, of M classes.

    Args:
        recall: of the other arm, (M,), fractions.
        own: recall of the arm with one seed, (M,), fractions.
        seeds: S, of the other arm.
        trials: predictions behind `recall`, (M,).
        treated: whether the treated arm is the one with one seed.
        rho: flips per possible flip, r (1 - r), (M,).
        other: variance of the other arm's recall over seeds, (M,).
        per_flip: variance of one seed's recall per flip, 1 / n_m + c, (M,).
    """

    recall: np.ndarray
    own: np.ndarray
    seeds: int
    trials: np.ndarray
    treated: bool
    rho: np.ndarray
    other: np.ndarray
    per_flip: np.ndarray

    def variance(self, change: np.ndarray) -> np.ndarray:
        """Variance over seeds of the change of recall, if the true change is `change`, (M,), fractions."""
        moved = np.sign(change) * np.maximum(np.abs(change) - NEAR, 0)
        supposed = self.recall + (moved if self.treated else -moved)
        recall = np.clip((self.seeds * supposed + self.own) / (self.seeds + 1), 0, 1)
        recall = (recall * self.trials + 0.5) / (self.trials + 1)
        return self.other + self.rho * recall * (1 - recall) * self.per_flip


def lone_arm(
    flip: np.ndarray,
    moderated: np.ndarray,
    recalls: np.ndarray,
    own: np.ndarray,
    sizes: np.ndarray,
    counts: np.ndarray,
    excess: np.ndarray | float,
    prior: float,
    treated: bool,
) -> LoneArm:
    """The arm with one seed, from the other arm's seeds.

    Args:
        flip: of the other arm, (M,).
        moderated: the same, drawn towards what the recall predicts, (M,).
        recalls: of the other arm's S seeds, (S, M), S > 1.
        own: recall of the arm with one seed, (M,).
        sizes, counts: examples, and what flips on its own (examples or groups), (M,).
        excess: c, what a seed does to a whole class in units of flip; one or (M,).
        prior: units' worth of what the recall predicts, > 0.
        treated: whether the treated arm is the one with one seed.

    Example:
        >>> n, flip, own = np.full(2, 100), np.array([0.08, 0.01]), np.array([0.8, 0.98])
        >>> arm = lone_arm(flip, flip, np.array([[0.8, 0.98], [0.8, 0.98]]), own, n, n, 0.0, 10.0, True)
        >>> (arm.variance(np.array([-0.2, -0.2])) > arm.variance(np.zeros(2))).tolist()
        [True, True]
    """
    trials = sizes * len(recalls)
    recall = recalls.mean(axis=0)
    smooth = (recall * trials + 0.5) / (trials + 1)
    possible = smooth * (1 - smooth)
    ratio = max(float((flip * sizes).sum()), 1 / len(recalls)) / float((possible * sizes).sum())
    # In units of possible flips: a class whose every prediction was right says nothing of how it would flip.
    weight = prior * float(np.average(possible, weights=sizes))
    rho = (counts * flip + weight * ratio) / (counts * possible + weight)
    per_flip = 1 / sizes + excess
    return LoneArm(recall, own, len(recalls), trials, treated, rho, moderated / len(recalls) * per_flip, per_flip)
