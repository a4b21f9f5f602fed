"""What a reader is told of the predictors of one arm: three sentences that follow one table."""

from dropmix.studies.explain import Explained, Predictor

LEVEL = 0.05
USEFUL = 0.1
"""Share of the reliable variance from which on predictors single out classes. Below, a correlation is true of many
classes together and says next to nothing of one."""

ADVICE = {
    (True, "much"): "Check these first: {first}.",
    (True, "little"): "That is too little to pick out single classes: audit all of them.",
    (True, "noise"): "Train more seeds before you pick out classes by it.",
    (False, "much"): "No single predictor gives a list of classes to check first: audit all of them.",
    (False, "little"): "Do not guess the hurt classes beforehand: audit.",
    (False, "noise"): "Train more seeds before asking which classes are hurt.",
}
"""What to do: whether a predictor is found, and how much all of them explain on classes left out (`explains`)."""


def in_words(arm: str, explained: Explained) -> str:
    """The finding for a reader to act on: what predicts, how far it carries, and what to do."""
    if not explained.predictors:
        return f"{arm}: every predictor is the same for nearly all classes, so none can be tried. Audit the classes."
    known, how_much = findings(explained), explains(explained)
    advice = ADVICE[bool(known), how_much]
    if known:
        advice = advice.format(first=_first(known[0], explained.names))
    return f"{arm}: {_pattern(known, len(explained.predictors))} {_carries(explained, how_much)} {advice}"


def findings(explained: Explained) -> list[Predictor]:
    """Predictors whose correlation is not chance, the strongest first."""
    return sorted((one for one in explained.predictors if one.holm < LEVEL), key=lambda one: -abs(one.correlation))


def explains(explained: Explained) -> str:
    """How much all predictors together explain on classes left out: "much", "little", or "noise" hides it."""
    if explained.model is None or explained.shuffled is None:
        return "noise"
    if explained.model > explained.shuffled and round(explained.model, 2) >= USEFUL:
        return "much"
    return "noise" if explained.reliability < 0.3 else "little"


def _pattern(known: list[Predictor], tried: int) -> str:
    if not known:
        return f"none of {tried} predictors is related to the change beyond chance."
    one = known[0]
    size = "lower" if one.correlation > 0 else "higher"
    more = f"; also found: {', '.join(other.name for other in known[1:])}" if len(known) > 1 else ""
    return (
        f"classes with {size} {one.name} lose more or gain less on the whole (rank correlation {one.correlation:+.2f} "
        f"[{one.low:+.2f}, {one.high:+.2f}]{more})."
    )


def _carries(explained: Explained, how_much: str) -> str:
    seen = f"(reliability {explained.reliability:.2f})"
    if how_much == "noise":
        return f"The changes themselves are mostly seed noise {seen}."
    assert explained.model is not None
    assert explained.shuffled is not None
    share = f"{100 * min(explained.model, 1):.0f} % of the reliable variance of classes left out"
    if how_much == "much":
        return f"All predictors together explain {share}."
    if explained.model > max(explained.shuffled, 0.005):
        return f"The changes repeat over seeds {seen}, but all predictors together explain only {share}."
    return (
        f"The changes repeat over seeds {seen}, but all predictors together explain no more of classes left out than "
        "of shuffled classes."
    )


def _first(one: Predictor, names: tuple[str, ...], most: int = 5) -> str:
    """The classes that the predictor says are hurt most."""
    order = (one.values if one.correlation > 0 else -one.values).argsort(kind="stable")[:most]
    return ", ".join(names[k] if names else str(k) for k in order)
