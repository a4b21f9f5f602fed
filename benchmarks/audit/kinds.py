"""Decisions and intervals of the audit on studies whose classes are mixtures of kinds of pictures.

    python benchmarks/audit/kinds.py --only "20 classes" --studies 200

Nothing of this model is the audit's: an example is right if a normal latent score is above 0. Each class holds five
kinds of examples of unequal shares, and a kind's difficulty, what a seed does to it and what the treatment does to it
are its own, so that examples of one kind rise and fall together. A seed also moves each whole class by a t-distributed
amount with three degrees of freedom, whose scale differs from class to class by a factor of two or three, and all
classes alike. Classes have 8 to 300 examples. True changes are known: integrals over seeds, and over examples too.

The audit's tests are called as the audit calls them, without the rest of an audit; the first study of each row is held
against the whole audit.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from dropmix.audit import audit_predictions
from dropmix.audit.inference.decide import decide, overall
from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings

KINDS = 5
NODES = stdtrit(3, (np.arange(15) + 0.5) / 15)  # of what a seed does to a class
KIND_SEED, EVERY_CLASS = 0.25, 0.05  # sd over seeds, on the latent scale
TOLERANCE, NAMED = 0.01, 0  # the one protected class
SEEDS = ((3, 3), (5, 5), (10, 10), (1, 3), (3, 1), (1, 5), (5, 1), (1, 1))
RECALLS = (0.78, 0.95)
TRUTHS = {
    "nothing changed": lambda rng, m: np.zeros(m),
    "protected -6, rest +1": lambda rng, m: np.where(np.arange(m) == NAMED, -0.06, 0.01),
    "mean +1, sd 3": lambda rng, m: rng.normal(0.01, 0.03, m),
}
CLASSES = (20, 100, 1000)


@dataclass(frozen=True)
class Study:
    """Right or wrong predictions (S, N), and the true changes of recall for these examples and for new ones, (M,)."""

    labels: np.ndarray
    right0: np.ndarray
    right1: np.ndarray
    fixed: np.ndarray
    population: np.ndarray


def draw(
    rng: np.random.Generator, wished: np.ndarray, seeds: tuple[int, int], recall: float, size: int | None = None
) -> Study:
    """Draw one study whose classes change by `wished` over all examples, as far as their recalls allow.

    Args:
        wished: changes of recall, (M,), fractions.
        seeds: S0, S1.
        recall: of the baseline, mean over classes.
        size: examples of every class; 8 to 300 if None.
    """
    m = len(wished)
    n = np.exp(rng.uniform(np.log(8), np.log(300), m)).round().astype(int) if size is None else np.full(m, size)
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
        """Right or wrong under each seed, and what the last seed moved every kind by."""
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


def one_study(rng: np.random.Generator, m: int, seeds: tuple[int, int], recall: float, truth: str, check: bool) -> dict:
    """Draw one study and score the audit on it: a dict of sums and counts."""
    study = draw(rng, TRUTHS[truth](rng, m), seeds, recall)
    n = np.bincount(study.labels)
    noise = variances(study.labels, study.right0, study.right1)
    recalls = [np.bincount(study.labels, r.mean(axis=0)) / n for r in (study.right0, study.right1)]
    named = np.arange(m) == NAMED
    row: dict = {}
    for twin, true in (("", study.fixed), ("_population", study.population)):

        def test(tolerance, new=bool(twin)):
            seen = Observed(recalls[1] - recalls[0], *recalls, n, n, seeds, noise, tolerance)
            return tests_and_bounds(seen, Settings(), new)

        edge = test(-true)[0]
        judged = ~edge.too_few
        lost = judged & (true <= 0)  # a tolerance is no gain
        row[f"edge{twin}"] = [edge.p_safe[lost] <= 0.05, edge.p_hurt[lost] <= 0.05]
        row[f"inside{twin}"] = ((edge.low <= true) & (true <= edge.high))[judged]
        tests, bounds = test(np.full(m, TOLERANCE))
        words = decide([tests], [named])[0]
        hurt, decision = true < -TOLERANCE, overall(words, named)
        low, high = bounds.hurt_among(np.arange(m))
        called = {word: (words == word) & ~named for word in ("hurt", "safe")}
        wrong = {"hurt": called["hurt"] & ~hurt, "safe": called["safe"] & hurt}
        row |= {
            f"bounds{twin}": not low <= hurt.sum() <= high,
            f"fdr{twin}": max(wrong[w].sum() / max(called[w].sum(), 1) for w in wrong),
            f"any hurt{twin}": bool(((words == "hurt") & ~hurt).any()),
            f"shipped{twin}": decision == "ship",
            f"stopped{twin}": decision == "do not ship",
            f"named hurt{twin}": bool(hurt[NAMED]),
            f"some hurt{twin}": bool(hurt.any()),
        }
        if check and not twin:
            _as_audited(study, m, words, (low, high), decision)
    return row


def _as_audited(study: Study, m: int, words: np.ndarray, bounds: tuple[int, int], decision: str) -> None:
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
    if told != (words.tolist(), bounds, decision):
        raise SystemExit("the audit decides otherwise than its tests called here.")


def line(m: int, seeds: tuple[int, int], recall: float, truth: str, studies: int) -> str:
    """One row of the table."""
    at = [m, *seeds, int(100 * recall), list(TRUTHS).index(truth)]
    rows = [
        one_study(np.random.default_rng([*at, i, 4711]), m, seeds, recall, truth, i == 0 and m < 1000)
        for i in range(studies)
    ]

    def both(key: str, digits: int = 3, part: int | None = None) -> str:
        shown = []
        for twin in ("", "_population"):
            held = [r[key + twin] if part is None else r[key + twin][part] for r in rows]
            flat = np.concatenate([np.atleast_1d(h) for h in held]).astype(float)
            shown.append(f"{flat.mean():.{digits}f}")
        return " / ".join(shown)

    def wrong(word: str, if_: str, is_: bool) -> str:
        shown = []
        for twin in ("", "_population"):
            held = [r[word + twin] for r in rows if r[if_ + twin] == is_]
            shown.append(f"{np.mean(held):.3f}" if held else "-")
        return " / ".join(shown)

    tests = sum(len(r["inside"]) for r in rows)
    return (
        f"| {m} classes, {seeds[0]} v {seeds[1]}, recall {recall} | {truth} | {studies}, {tests:,} "
        f"| {both('edge', 3, 0)} | {both('edge', 3, 1)} | {both('inside', 2)} | {both('bounds')} | {both('fdr')} "
        f"| {both('any hurt')} | {wrong('shipped', 'named hurt', True)} | {wrong('stopped', 'some hurt', False)} |"
    )


def main() -> None:
    """Parse the command line, and print a row per world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--only", default="", help="rows whose first column starts with this text")
    args = parser.parse_args()
    head = (
        "classes, seeds, mean recall | truth | studies, tests of a class | at its tolerance: called safe | called hurt "
        "| inside 90 % | bounds wrong | FDR | any class wrongly hurt | shipped, protected class hurt "
        "| stopped, none hurt"
    )
    print(f"| {head} |\n|{'---|' * 11}")
    for m in CLASSES:
        for recall in RECALLS:
            for seeds in SEEDS:
                for truth in TRUTHS:
                    if f"{m} classes, {seeds[0]} v {seeds[1]}, recall {recall}".startswith(args.only):
                        print(line(m, seeds, recall, truth, args.studies), flush=True)


if __name__ == "__main__":
    main()
