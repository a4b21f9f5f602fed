"""The audit's answers on studies whose truth is known.

Columns hold two numbers: for these examples / for new ones too. "At its tolerance": classes that lost exactly what is
tolerated, each tested alone at 0.05, which is the hardest case. The last four columns are mean numbers of classes, with
nothing protected; `first_try` needs several seeds. The audit's tests are called as the audit calls them.
"""

from dataclasses import dataclass

import numpy as np
from first_try import first_try

from dropmix.audit.inference.decide import decide, overall
from dropmix.audit.inference.infer import Observed, tests_and_bounds
from dropmix.audit.inference.variance import variances
from dropmix.audit.settings import Settings

TOLERANCE = 0.01
TWINS = ("", "_population")
RATES = {
    "at its tolerance: called safe": ("edge safe",),
    "called hurt": ("edge hurt",),
    "inside 90 %": ("inside",),
    "bounds wrong": ("bounds low", "bounds high"),
    "FDR hurt": ("fdr hurt",),
    "any class wrongly hurt": ("any false hurt",),
    "shipped, protected class hurt": ("shipped",),
    "stopped, none hurt": ("stopped",),
}


@dataclass(frozen=True)
class Study:
    """Right predictions, (S0, N) and (S1, N), and true changes of recall, for these examples and for new ones, (M,).

    `shared` holds rows of seeds that both arms have, as `variances` takes them. For one seed each, the truth is that of
    the two trained networks on new examples.
    """

    labels: np.ndarray
    right0: np.ndarray
    right1: np.ndarray
    fixed: np.ndarray
    population: np.ndarray
    shared: tuple[np.ndarray, np.ndarray] | None = None


def score(s: Study, named: int) -> dict:
    """Compare the answers of the audit and of the first try with the truth of one study.

    Args:
        s: the study.
        named: the one protected class.
    """
    n = np.bincount(s.labels)
    m, seeds = len(n), (len(s.right0), len(s.right1))
    noise = variances(s.labels, s.right0, s.right1, s.shared)
    recalls = [np.bincount(s.labels, r.mean(axis=0)) / n for r in (s.right0, s.right1)]
    protected = np.arange(m) == named
    row: dict = {}
    tried = first_try(s.labels, s.right0, s.right1, TOLERANCE) if max(seeds) > 1 else None  # it needs seeds
    for twin, true in (("", s.fixed), ("_population", s.population)):

        def test(tolerance, new=bool(twin)):
            seen = Observed(recalls[1] - recalls[0], *recalls, n, n, seeds, noise, tolerance)
            return tests_and_bounds(seen, Settings(), new)

        edge = test(-true)[0]
        judged = ~edge.too_few
        lost = judged & (true <= 0)  # a tolerance is no gain
        row[f"edge safe{twin}"], row[f"edge hurt{twin}"] = edge.p_safe[lost] <= 0.05, edge.p_hurt[lost] <= 0.05
        row[f"inside{twin}"] = ((edge.low <= true) & (true <= edge.high))[judged]
        tests, bounds = test(np.full(m, TOLERANCE))
        words = decide([tests], [protected], guarantees=[bounds])[0]
        hurt, decision = true < -TOLERANCE, overall(words, protected)
        low, high = bounds.hurt_among(np.arange(m))
        false = (words == "hurt") & ~hurt
        row |= {
            f"bounds low{twin}": low > hurt.sum(),
            f"bounds high{twin}": high < hurt.sum(),
            f"fdr hurt{twin}": (false & ~protected).sum() / max(((words == "hurt") & ~protected).sum(), 1),
            f"fdr safe{twin}": ((words == "safe") & hurt & ~protected).sum()
            / max(((words == "safe") & ~protected).sum(), 1),
            f"any false hurt{twin}": bool(false.any()),
            f"shipped{twin}": decision == "ship" if hurt[named] else np.nan,
            f"stopped{twin}": decision == "do not ship" if not hurt.any() else np.nan,
        }
        plain = decide([tests], [np.zeros(m, bool)], guarantees=[bounds])[0]
        row |= {f"{word}{twin}": int((plain == word).sum()) for word in ("hurt", "safe")}
        row |= {
            f"right {word}{twin}": int(((plain == word) & (hurt == (word == "hurt"))).sum())
            for word in ("hurt", "safe")
        }
        row["truly hurt"] = int(hurt.sum())
        if not twin:
            row["said"] = words.tolist(), (low, high), decision
        if not twin and tried:
            row |= {f"tried {word}": int(tried[word].sum()) for word in ("hurt", "safe")}
            row |= {
                f"tried false {word}": int((tried[word] & (hurt != (word == "hurt"))).sum())
                for word in ("hurt", "safe")
            }
            row["tried inside"] = (tried["low"] <= true) & (true <= tried["high"])
    return row


def heading() -> str:
    """The first two lines of the table."""
    columns = ["world", "studies", "truly hurt", *RATES, "hurt (false)", "first try", "safe (false)", "first try"]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def line(name: str, rows: list[dict]) -> str:
    """One row of the table, of studies that were scored."""

    def mean(key: str) -> float:
        held = np.concatenate([np.atleast_1d(r[key]) for r in rows]).astype(float)
        return float(held[~np.isnan(held)].mean()) if (~np.isnan(held)).any() else np.nan

    cells = [" / ".join(f"{sum(mean(k + twin) for k in keys):.3f}" for twin in TWINS) for keys in RATES.values()]
    for word in ("hurt", "safe"):
        cells.append(f"{mean(word):.2f} ({mean(word) - mean(f'right {word}'):.2f})")
        tried = f"tried {word}" in rows[0]
        cells.append(f"{mean(f'tried {word}'):.2f} ({mean(f'tried false {word}'):.2f})" if tried else "-")
    shown = " | ".join(cells).replace("nan", "-")
    return f"| {name} | {len(rows)} | {mean('truly hurt'):.1f} | {shown} |"
