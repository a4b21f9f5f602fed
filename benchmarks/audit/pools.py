"""Worlds that share nothing with the audit's model: classifiers that are really trained, and heavy-tailed difficulty.

    python benchmarks/audit/pools.py --only "trained" --studies 300

A world is a pool: some hundred models per arm, and per class many times the images of a test set. A study draws its
seeds and test images from the pool, so the truth is known: the mean over all models, on the drawn images or on all. In
worlds named `trained`, a model is a softmax of ridge scores on random features, fitted to its own four fifths of the
training images; classes come in pairs that are easily confused. In the others, images have t-distributed difficulty,
and seeds move the two classes of a pair in opposite directions, some pairs much more than others.

Columns as in `judged`; the protected class is the first.
"""

import argparse
import zlib
from dataclasses import dataclass, replace

import numpy as np
from judged import Study, heading, line, score

MODELS, TIMES = 120, 8
INPUTS, FEATURES = 24, 96


@dataclass(frozen=True)
class World:
    """How a pool is made.

    Args:
        kind: "trained" or "drawn".
        classes: M.
        sizes: smallest and largest class of the test set; log-uniform between.
        apart: distance between classes (trained), or mean difficulty in logits (drawn).
        truth: what the treated arm does: "nothing", "one falls", "all fall", "all gain", "many small", "mixed".
        paired: whether a seed of either arm has the same features and training images (trained), or moves (drawn).
        scatter: sd over seeds of a shift of all classes, in units of the scores' noise or in logits.
        bad: share of the treated arm's models whose training failed.
        pair_seed: sd over seeds of an opposite shift of the two classes of a pair, in drawn worlds.
    """

    kind: str = "trained"
    classes: int = 20
    sizes: tuple[int, int] = (20, 300)
    apart: float = 1.0
    truth: str = "nothing"
    paired: bool = False
    scatter: float = 0.0
    bad: float = 0.0
    pair_seed: float = 0.15


@dataclass(frozen=True)
class Pool:
    """Whether P models per arm are right on I images, (P, I), their mean rates (I,), and a test set's sizes, (M,)."""

    labels: np.ndarray
    right: tuple[np.ndarray, np.ndarray]
    rate: tuple[np.ndarray, np.ndarray]
    sizes: np.ndarray
    paired: bool
    same: bool


def pool(world: World, rng: np.random.Generator) -> Pool:
    """Make a world's pool."""
    low, high = np.log(world.sizes)
    sizes = np.exp(rng.uniform(low, high, world.classes)).round().astype(int)
    labels = np.repeat(np.arange(world.classes), np.maximum(TIMES * sizes, 400))
    right = (trained if world.kind == "trained" else drawn)(world, labels, rng)
    rate = right[0].mean(axis=0), right[1].mean(axis=0)
    return Pool(labels, right, rate, sizes, world.paired, world.truth == "nothing" and not world.bad)


def trained(world: World, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Train all models on one training set per arm, and predict."""
    m = world.classes
    centre = np.repeat(rng.standard_normal((-(-m // 2), INPUTS)), 2, axis=0)[:m]
    centre = world.apart * (centre + 0.45 * rng.standard_normal((m, INPUTS)))
    shape = 0.5 + rng.gamma(2.0, 0.3, (m, 1))

    def images(of: np.ndarray) -> np.ndarray:
        # One heavy-tailed scale per image: an outlier is hard for every model.
        far = np.sqrt(4 / rng.chisquare(4, (len(of), 1)))
        return (centre[of] + shape[of] * far * rng.standard_normal((len(of), INPUTS)) * 0.7).astype(np.float32)

    count = np.exp(rng.uniform(np.log(20), np.log(80), m)).astype(int)
    of = np.repeat(np.arange(m), count)
    x, test = images(of), images(labels)
    arms = (x, of, 0.0), _treated(world, x, of, images, rng)
    found: tuple[list, list] = [], []
    for _ in range(MODELS):
        state = int(rng.integers(2**60))
        for arm, (rows, classes, mix) in enumerate(arms):
            own = np.random.default_rng([state, 0 if world.paired else arm])
            model = _fit(world, rows, classes, mix, own, arm == 1 and rng.random() < world.bad)
            found[arm].append(model(test) == labels)
    return np.stack(found[0]), np.stack(found[1])


def _treated(world: World, x, of, images, rng) -> tuple[np.ndarray, np.ndarray, float]:
    """The treated arm's training images, their labels, and how much is mixed."""
    m = world.classes
    if world.truth == "one falls":
        lost = (of == 0) & (rng.random(len(of)) < 0.3)
        return x, np.where(lost, 1, of), 0.0
    if world.truth == "many small":
        lost = (of % 4 == 0) & (rng.random(len(of)) < 0.12)
        return x, np.where(lost, (of + 1) % m, of), 0.0
    if world.truth == "all fall":
        keep = rng.random(len(of)) < 0.5
        keep[np.unique(of, return_index=True)[1]] = True
        return x[keep], of[keep], 0.0
    if world.truth == "all gain":
        more = np.repeat(of, 2)
        return np.concatenate([x, images(more)]), np.concatenate([of, more]), 0.0
    return x, of, 1.0 if world.truth == "mixed" else 0.0


def _fit(world: World, x, of, mix: float, rng, bad: bool):
    """One model, from its share of the training images: a function from images to classes."""
    w = (rng.standard_normal((INPUTS, FEATURES)) / np.sqrt(INPUTS)).astype(np.float32)
    b = rng.uniform(-1, 1, FEATURES).astype(np.float32)
    held = rng.permutation(len(of))[: int((0.3 if bad else 0.8) * len(of))]
    rows, target = x[held], np.eye(world.classes, dtype=np.float32)[of[held]]
    if mix:
        lam, other = rng.beta(mix, mix, (len(held), 1)).astype(np.float32), rng.permutation(len(held))
        rows, target = lam * rows + (1 - lam) * rows[other], lam * target + (1 - lam) * target[other]
    noise = world.scatter * abs(rng.standard_normal())

    def features(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.maximum(x @ w + b, 0), x, np.ones((len(x), 1), np.float32)], axis=1)

    f = features(rows)
    beta = np.linalg.solve(f.T @ f + 3.0 * np.eye(f.shape[1], dtype=np.float32), f.T @ target)
    beta = beta + noise * beta.std() * rng.standard_normal(beta.shape).astype(np.float32)
    return lambda x: (features(x) @ beta).argmax(axis=1)


def drawn(world: World, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw right and wrong from scores: the image's difficulty, its class, the seed's shift, and chance."""
    m = world.classes
    level = world.apart + 0.6 * rng.standard_normal(m)
    wide = np.exp(0.4 * rng.standard_normal(m)) * 1.5
    hard = level[labels] + wide[labels] * rng.standard_t(2.5, len(labels))
    own = np.zeros(m)
    if world.truth == "one falls":
        own = np.where(np.arange(m) == 0, -1.0, 0.15)
    elif world.truth == "many small":
        own = np.where(np.arange(m) % 4 == 0, -0.3, 0.0)
    elif world.truth in ("all fall", "all gain"):
        own = np.full(m, -0.4 if world.truth == "all fall" else 0.4)
    elif world.truth == "mixed":
        own = 0.35 * rng.standard_normal(m)
    changed = world.truth != "nothing"
    # Some images change a lot, most hardly at all.
    touched = changed * 0.5 * rng.standard_t(3, len(labels))
    pair = world.pair_seed * np.exp(0.8 * rng.standard_normal(-(-m // 2)))
    found: tuple[list, list] = [], []
    for _ in range(MODELS):
        shared = _moves(world, m, pair, rng)
        for arm in (0, 1):
            moves = shared if world.paired else _moves(world, m, pair, rng)
            moves = moves - 1.5 * (arm == 1 and rng.random() < world.bad)
            score = hard + moves[labels] + arm * (own[labels] + touched)
            found[arm].append(score + rng.logistic(0, 0.5, len(labels)) > 0)
    return np.stack(found[0]), np.stack(found[1])


def _moves(world: World, m: int, pair: np.ndarray, rng) -> np.ndarray:
    """One seed's shift of every class, (M,): against its neighbour, and all together."""
    against = pair * rng.standard_normal(len(pair))
    return np.stack([against, -against], axis=1).ravel()[:m] + world.scatter * rng.standard_normal()


def study(p: Pool, seeds: tuple[int, int], rng: np.random.Generator) -> Study:
    """Draw seeds and test images from a pool."""
    m = len(p.sizes)
    ends = np.cumsum(np.bincount(p.labels))
    starts = np.concatenate([[0], ends[:-1]])
    at = np.concatenate([rng.choice(np.arange(a, b), n, replace=False) for a, b, n in zip(starts, ends, p.sizes)])
    first, second = (rng.permutation(MODELS)[:s] for s in seeds)
    shared = None
    if p.paired:
        second = np.concatenate([first, np.setdiff1d(np.arange(MODELS), first)])[: seeds[1]]
        shared = (np.arange(min(seeds)),) * 2
    labels, right0, right1 = p.labels[at], p.right[0][np.ix_(first, at)], p.right[1][np.ix_(second, at)]

    def change(of: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return np.bincount(of, after - before, m) / np.bincount(of, minlength=m)

    if max(seeds) == 1:  # the question is then of these two models
        fixed = population = change(p.labels, p.right[0][first[0]] * 1.0, p.right[1][second[0]] * 1.0)
    elif p.same:
        fixed = population = np.zeros(m)
    else:
        fixed, population = change(labels, p.rate[0][at], p.rate[1][at]), change(p.labels, *p.rate)
    return Study(labels, right0, right1, fixed, population, shared)


SEEDS = ((3, 3), (5, 5), (2, 2), (1, 1), (3, 1), (1, 3), (5, 1))
T, D = World(), World("drawn", apart=3.0)
WORLDS = {
    "trained, 88 %, nothing": replace(T, apart=1.2),
    "trained, 88 %, one falls": replace(T, apart=1.2, truth="one falls"),
    "trained, 88 %, all fall": replace(T, apart=1.2, truth="all fall"),
    "trained, 88 %, mixed": replace(T, apart=1.2, truth="mixed"),
    "trained, 88 %, all gain, paired": replace(T, apart=1.2, truth="all gain", paired=True),
    "trained, 88 %, nothing, seeds scatter": replace(T, apart=1.2, scatter=0.5),
    "trained, 88 %, nothing, a bad seed in 6": replace(T, apart=1.2, bad=1 / 6),
    "trained, 95 %, nothing": replace(T, apart=1.8),
    "trained, 95 %, many small": replace(T, apart=1.8, truth="many small"),
    "trained, 95 %, mixed, paired": replace(T, apart=1.8, truth="mixed", paired=True),
    "trained, 98 %, nothing": replace(T, apart=2.6),
    "trained, 98 %, one falls": replace(T, apart=2.6, truth="one falls"),
    "trained, 95 %, 2 classes": replace(T, apart=1.8, classes=2, truth="mixed"),
    "trained, 95 %, 8 classes of 8 to 3000": replace(T, apart=1.8, classes=8, sizes=(8, 3000), truth="mixed"),
    "trained, 95 %, 20 classes of 8 to 40": replace(T, apart=1.8, sizes=(8, 40), truth="one falls"),
    "drawn, nothing": D,
    "drawn, one falls": replace(D, truth="one falls"),
    "drawn, mixed": replace(D, truth="mixed"),
    "drawn, all gain, paired": replace(D, truth="all gain", paired=True),
    "drawn, many small, pairs swing": replace(D, truth="many small", pair_seed=0.4),
    "drawn, all fall, seeds scatter": replace(D, truth="all fall", scatter=0.3),
    "drawn, 98 %, one falls": replace(D, apart=6.0, truth="one falls"),
    "drawn, 98 %, mixed, 8 to 40": replace(D, apart=6.0, truth="mixed", sizes=(8, 40)),
    "100 classes, trained, 88 %, nothing": replace(T, apart=1.5, classes=100, sizes=(20, 100)),
    "100 classes, trained, 88 %, mixed": replace(T, apart=1.5, classes=100, sizes=(20, 100), truth="mixed"),
    "100 classes, drawn, pairs swing, mixed": replace(D, classes=100, sizes=(20, 100), pair_seed=0.4, truth="mixed"),
    "100 classes, drawn, nothing, seeds scatter": replace(D, classes=100, sizes=(20, 100), scatter=0.3),
    "1000 classes, drawn, nothing, pairs swing": replace(D, classes=1000, sizes=(50, 50), pair_seed=0.4),
    "1000 classes, drawn, mixed": replace(D, classes=1000, sizes=(50, 50), truth="mixed"),
}


def main() -> None:
    """Parse the command line, and print a row per world and design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="worlds whose name starts with this text")
    parser.add_argument("--pools", type=int, default=6)
    parser.add_argument("--fresh", type=int, default=0, help="another number draws other pools and studies")
    parser.add_argument("--studies", type=int, default=50, help="of each pool and design; a tenth with 1000 classes")
    args = parser.parse_args()
    print(heading())
    for name, world in WORLDS.items():
        if name.startswith(args.only):
            many = max(args.studies // (10 if world.classes == 1000 else 1), 1)
            start = zlib.crc32(name.encode()) + args.fresh
            pools = [pool(world, np.random.default_rng([start, i])) for i in range(args.pools)]
            for seeds in SEEDS:
                draws = [
                    score(study(p, seeds, np.random.default_rng([start, i, j, *seeds])), 0)
                    for i, p in enumerate(pools)
                    for j in range(many)
                ]
                print(line(f"{name}, {seeds[0]} v {seeds[1]}", draws), flush=True)


if __name__ == "__main__":
    main()
