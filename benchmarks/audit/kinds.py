"""The audit's decisions and intervals on studies whose classes mix several kinds of pictures.

    python benchmarks/audit/kinds.py --only "20 classes" --studies 200

The audit shares no assumption with this model. An example is right if a normal latent score is above 0. Each class
holds five kinds of examples in unequal shares. Each kind has its own difficulty, seed effect and treatment effect, so
examples of one kind rise and fall together. A seed also moves every class by a t-distributed amount with three degrees
of freedom, whose scale differs between classes by a factor of two or three, and moves all classes together. Classes
have 8 to 300 examples. True changes are known: integrals over seeds, and over examples too.

The audit's tests are called as the audit calls them, without the rest of an audit; the first study of each row is also
checked against the whole audit.
"""

import argparse

import numpy as np
from judged import TOLERANCE, Study, heading, line, score
from scipy.special import ndtr, stdtrit

from dropmix.audit import audit_predictions

KINDS = 5
NODES = stdtrit(3, (np.arange(15) + 0.5) / 15)  # of what a seed does to a class
KIND_SEED, EVERY_CLASS = 0.25, 0.05  # sd over seeds, on the latent scale
NAMED = 0  # the one protected class
SEEDS = ((3, 3), (5, 5), (10, 10), (1, 3), (3, 1), (1, 5), (5, 1), (1, 1))
RECALLS = (0.78, 0.95)
TRUTHS = {
    "nothing changed": lambda rng, m: np.zeros(m),
    "protected -6, rest +1": lambda rng, m: np.where(np.arange(m) == NAMED, -0.06, 0.01),
    "mean +1, sd 3": lambda rng, m: rng.normal(0.01, 0.03, m),
}
CLASSES = (20, 100, 1000)


def draw(
    rng: np.random.Generator,
    wished: np.ndarray,
    seeds: tuple[int, int],
    recall: float,
    size: int | np.ndarray | None = None,
) -> Study:
    """Draw one study whose classes change by `wished` over all examples, as far as their recalls allow.

    Args:
        wished: changes of recall, (M,), fractions.
        seeds: S0, S1.
        recall: of the baseline, mean over classes.
        size: examples of each class, one number or (M,); 8 to 300 if None.
    """
    m = len(wished)
    n = np.exp(rng.uniform(np.log(8), np.log(300), m)).round().astype(int) if size is None else np.broadcast_to(size, m)
    labels = np.repeat(np.arange(m), n)
    share = rng.dirichlet(np.full(KINDS, 2.0), m)
    spread = rng.uniform(1.0, 3.0, m)
    kind_mean = 0.4 * spread[:, None] * rng.standard_normal((m, KINDS))
    class_seed = 0.07 * np.exp(0.6 * rng.standard_normal(m))
    changed = np.any(wished != 0)
    kind_moved = 0.15 * rng.standard_normal((m, KINDS)) * changed
    own_moved = 0.3 * changed
    seed_variance = 1 + KIND_SEED**2 + EVERY_CLASS**2

    def expected(mean: np.ndarray, moved: np.ndarray, own: float) -> np.ndarray:
        """Recall of each class over all seeds and examples."""
        score = mean[:, None, None] + (kind_mean + moved)[:, :, None] + class_seed[:, None, None] * NODES
        rate = ndtr(score / np.sqrt(seed_variance + spread**2 + own**2)[:, None, None]).mean(axis=2)
        return (share * rate).sum(axis=1)

    start = rng.beta(recall * 15, (1 - recall) * 15, m).clip(0.03, 0.995)
    still = np.zeros((m, KINDS))
    mean = _solve(lambda x: expected(x, still, 0.0), start)
    after = mean
    if changed:
        after = _solve(lambda x: expected(x, kind_moved, own_moved), (start + wished).clip(0.003, 0.998))
    shift = after - mean

    kind = (rng.random(len(labels))[:, None] > np.cumsum(share, axis=1)[labels]).sum(axis=1).clip(0, KINDS - 1)
    hard = mean[labels] + kind_mean[labels, kind] + spread[labels] * rng.standard_normal(len(labels))
    moved = shift[labels] + kind_moved[labels, kind] + own_moved * rng.standard_normal(len(labels))

    def right(count: int, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Right or wrong under each seed, and the amount by which the last seed moved each kind."""
        rows, by_kind = [], still
        for _ in range(count):
            by_class = class_seed * rng.standard_t(3, m) + EVERY_CLASS * rng.standard_normal()
            by_kind = by_class[:, None] + KIND_SEED * rng.standard_normal((m, KINDS))
            rows.append(score + by_kind[labels, kind] + rng.standard_normal(len(labels)) > 0)
        return np.stack(rows), by_kind

    def trained(mean: np.ndarray, moved: np.ndarray, own: float) -> np.ndarray:
        """Recall of each class over all examples, for one seed that moved the kinds."""
        rate = ndtr((mean[:, None] + kind_mean + moved) / np.sqrt(1 + spread**2 + own**2)[:, None])
        return (share * rate).sum(axis=1)

    def rate(score: np.ndarray) -> np.ndarray:
        """Recall of each class over all seeds, on these examples."""
        held = sum(ndtr((score + class_seed[labels] * x) / np.sqrt(seed_variance)) for x in NODES) / len(NODES)
        return np.bincount(labels, held) / n

    fixed = rate(hard + moved) - rate(hard) if changed else np.zeros(m)
    population = expected(after, kind_moved, own_moved) - expected(mean, still, 0.0) if changed else np.zeros(m)
    (right0, by_kind0), (right1, by_kind1) = right(seeds[0], hard), right(seeds[1], hard + moved)
    if seeds == (1, 1):
        fixed = population = trained(after, kind_moved + by_kind1, own_moved) - trained(mean, by_kind0, 0.0)
    return Study(labels, right0, right1, fixed, population)


def _solve(recall, wished: np.ndarray) -> np.ndarray:
    """The class means at which a class has the wished recall."""
    low, high = np.full(len(wished), -15.0), np.full(len(wished), 15.0)
    for _ in range(24):
        middle = (low + high) / 2
        below = recall(middle) < wished
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _as_audited(study: Study, m: int, said: tuple) -> None:
    """Stop if the whole audit and its tests alone decide differently."""
    arms = [
        {
            "labels": study.labels,
            "pred": np.where(r, study.labels, (study.labels + 1) % m),
            "classes": [str(i) for i in range(m)],
        }
        for r in (study.right0, study.right1)
    ]
    c = audit_predictions(*arms, refits=0, tolerance=TOLERANCE, protect=[str(NAMED)]).only
    told = list(c.classes["decision"]), (c.summary["n_hurt_low"], c.summary["n_hurt_high"]), c.summary["decision"]
    if told != said:
        raise SystemExit("the audit decides otherwise than its tests called here.")


def studies(m: int, seeds: tuple[int, int], recall: float, truth: str, count: int) -> list[dict]:
    """Draw and score studies of one world."""
    at, rows = [m, *seeds, int(100 * recall), list(TRUTHS).index(truth)], []
    for i in range(count):
        rng = np.random.default_rng([*at, i, 4711])
        study = draw(rng, TRUTHS[truth](rng, m), seeds, recall)
        rows.append(score(study, NAMED))
        if i == 0 and m < 1000:
            _as_audited(study, m, rows[0]["said"])
    return rows


def main() -> None:
    """Parse the command line, and print a row per world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--only", default="", help="rows whose first column starts with this text")
    args = parser.parse_args()
    print(heading())
    for m in CLASSES:
        for recall in RECALLS:
            for seeds in SEEDS:
                for truth in TRUTHS:
                    world = f"{m} classes, {seeds[0]} v {seeds[1]}, recall {recall}"
                    if world.startswith(args.only):
                        found = studies(m, seeds, recall, truth, args.studies)
                        print(line(f"{world}, {truth}", found), flush=True)


if __name__ == "__main__":
    main()
