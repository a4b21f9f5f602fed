"""The finding in words on which a practitioner can act, built from the numbers.

The decision comes first; every later sentence is about something else: how sure, how many, how even. The paper's count
stands beside what equal changes would give, since on its own it says little.
"""

import numpy as np

from dropmix.audit.arm_names import arm_title
from dropmix.audit.inference.decide import FALL, FEW_EXAMPLES, HURT, SAFE, TOO_FEW
from dropmix.audit.measures.seeds import FAR_OFF
from dropmix.audit.quantities.table import TWIN
from dropmix.audit.quantities.words import (
    MACRO,
    NAMED,
    PLURAL,
    counted,
    hurt_slices,
    listed,
    named,
    not_shown,
    noun,
    percent,
    signed_points,
    size,
    tolerated,
    units,
    with_changes,
)
from dropmix.audit.result import Comparison
from dropmix.audit.rows.to_decide import one_seed_each
from dropmix.audit.rows.would_decide import ONE_SEED, TWO_SEEDS, guesses, hardly_found, may_be_swung, what_would_decide

SIGNIFICANT = 0.05


def verdict(comparison: Comparison) -> str:
    """The decision and why, the accuracy, the guaranteed number of hurt classes, how even changes are, in points.

    Args:
        comparison: one treated arm against its baseline.

    Example:
        >>> from dropmix.audit import audit_predictions
        >>> labels = [0] * 50 + [1] * 50
        >>> worse = [0] * 50 + [1] * 40 + [0] * 10
        >>> print(verdict(audit_predictions((labels, labels), (labels, worse)).only))
        Do not ship: 1 class lost more than 1 point: 1 (-20.0). treated: accuracy 100.0 to 90.0 % (-10.0 points).
        Guaranteed at 95 %: 1 to 2 of 2 classes are hurt. One seed per arm compares two trained models: what other
        seeds would do is unknown. To judge the way of training, train at least two more seeds per arm first.
    """
    return " ".join(verdict_parts(comparison))


def verdict_parts(comparison: Comparison) -> list[str]:
    """The same part by part, for those who print one per line: first the decision, and on which examples it rests."""
    parts = (_far_off, _not_judged, _nothing_to_lose, _would_decide, _accuracy, _guaranteed)
    texts = [part(comparison) for part in (*parts, _as_labelled, _evenness, _count, _caution)]
    return [f"{_opening(comparison)} {_new_images(comparison)}".strip(), *filter(None, texts)]


def no_evidence(comparison: Comparison) -> bool:
    """Whether the test of unevenness, at 5 %, finds no evidence against equal changes of all classes."""
    p = comparison.summary["heterogeneity_p"]
    return p is not None and p > SIGNIFICANT


def _opening(c: Comparison) -> str:
    """The decision, with a warning in front if the baseline may be guessing."""
    n, decision = np.asarray(c.classes["n"], dtype=float), _decision(c)
    if not guesses(c.classes):
        return decision
    word, why = decision.split(": ", 1)
    return (
        f"{word}: the baseline may be guessing. {arm_title(c.baseline)} is right on "
        f"{percent(c.summary['accuracy_baseline'])} %, and always answering the largest class on "
        f"{percent(n.max() / n.sum())} %. Train it longer, or check labels and preprocessing, before you act on this. "
        f"As it stands, {why}"
    )


def _nothing_to_lose(c: Comparison) -> str:
    """Protected classes that the baseline hardly finds: safe or open, they say nothing."""
    lost = hardly_found(c.classes)
    rows = [row for row in zip(*(c.classes[key] for key in ("class", "decision", "protected"))) if str(row[0]) in lost]
    few = [f"{named(name)} (recall {percent(lost[str(name)])} %)" for name, _, own in rows if own == "yes"]
    if not few:
        return ""
    but = "But " if any(word == SAFE and own == "yes" for _, word, own in rows) else ""
    name = arm_title(c.baseline)
    return f"{but}{name} hardly finds {listed(few)}, so nothing could be lost there. Train until it does."


def _decision(c: Comparison) -> str:
    s = c.summary
    shown = "can be named that lost" if _unnamed(c) else "is shown to lose"
    if s["decision"] == "do not ship":
        if not s["n_hurt"]:
            return f"Do not ship: {hurt_slices(c.slices, c.slice_classes, noun(c.classes))}.{_protected(c)}"
        what = f"{counted(s['n_hurt'], noun(c.classes))} lost more than {tolerated(c.classes, HURT)}"
        return f"Do not ship: {what}: {_listed(c, HURT)}.{_protected(c)}{_slices(c)}"
    if s["decision"] == "ship":
        if (count := s["n_protected"]) > 0:
            them = noun(c.classes) if count == 1 else PLURAL[noun(c.classes)]
            who = f"{'the' if count == 1 else 'both' if count == 2 else f'all {count}'} protected {them}"
            kept = f"{who} lost no more than {tolerated(c.classes, protected=True)}"
            return f"Ship: {kept}, and no other {noun(c.classes)} {shown} more.{_slices(c)}"
        if own := [named(name) for name, _, asked in _slice_rows(c) if asked == "yes"]:
            kept = f"{listed(own)} lost no more than {tolerated(c.slices, protected=True)}, and no {noun(c.classes)}"
            return f"Ship: {kept} {shown} more.{_slices(c)}"
        if _nothing_changed(c):
            return "Ship: nothing changed, both arms predict the same."
        return f"Ship: every {noun(c.classes)} that can be judged lost no more than {tolerated(c.classes)}.{_slices(c)}"
    return f"Undecided: {_open(c)}.{_slices(c)}"


def _slices(c: Comparison) -> str:
    """How the slices stand beside the classes."""
    if not c.slices or _nothing_changed(c):
        return ""
    hurt, words = hurt_slices(c.slices, c.slice_classes, noun(c.classes)), list(c.slices["decision"])
    asked = [(named(name), word) for name, word, own in _slice_rows(c) if own == "yes" and word not in (SAFE, HURT)]
    said = f" Of the protected slices, {not_shown(asked)}." if asked and c.summary["decision"] == "do not ship" else ""
    if hurt:
        return f" By slices, {hurt}.{said}"
    safe = sum(word == SAFE for word in words)
    shown = f"{safe} of {len(words)} slices {'is' if safe == 1 else 'are'} shown to be safe"
    return f" {shown}, and no {noun(c.classes)} within a slice is shown to be hurt.{said}"


def _open(c: Comparison) -> str:
    """What is not shown, and for which classes."""
    s = c.summary
    if _nothing_changed(c):
        return "nothing changed, both arms predict the same"
    rows = zip(c.classes["class"], c.classes["decision"], c.classes["protected"])
    rows = [*rows, *_slice_rows(c)]
    if left := [(named(name), word) for name, word, own in rows if own == "yes" and word != SAFE]:
        return not_shown(left)
    asked = [(named(name), word) for name, word, _ in _slice_rows(c) if word not in (SAFE, TOO_FEW)]
    if asked and (s["n_protected"] or s["n_safe"] + s["n_too_few"] == s["n_classes"]):
        return not_shown(asked)
    if not (judged := s["n_classes"] - s["n_too_few"]):
        noise = " in this much noise" if max(units(c.classes)) >= FEW_EXAMPLES else ""
        return f"every class has too few examples to be judged{noise}"
    count = s["n_safe"] or "none"
    shown = f"{count} of {judged} {'are' if s['n_safe'] > 1 else 'is'} shown to be safe"
    lost = "can be named that lost" if _unnamed(c) else "is shown to lose"
    text = f"no {noun(c.classes)} {lost} more than {tolerated(c.classes)}, and {shown}"
    return text if s["n_protected"] else f"{text}. Name those that must not be lost (protect), and each is tested alone"


def _slice_rows(c: Comparison) -> list[tuple]:
    return list(zip(*(c.slices[key] for key in ("slice", "decision", "protected")))) if c.slices else []


def _far_off(c: Comparison) -> str:
    """Seeds that may have failed: the decision rests on them."""
    return " ".join([note for note in c.notes if FAR_OFF in note][:NAMED])


def _not_judged(c: Comparison) -> str:
    """Classes with too few examples to be judged that seem to have lost much: silence would read as safety."""
    keys = ("class", "recall_change", "p_hurt", "decision", "protected")
    rows = zip(*(c.classes[key] for key in keys), units(c.classes), range(len(c.classes["n"])))
    lost = [
        (f"{named(name)} ({signed_points(change)} on {size(c.classes, i)})", n)
        for name, change, p, word, own, n, i in rows
        if word == TOO_FEW and own != "yes" and change <= -FALL and p <= SIGNIFICANT
    ]
    if not lost:
        return ""
    noisy = max(n for _, n in lost) >= FEW_EXAMPLES and not one_seed_each(c.summary)
    more = f"{'it' if len(lost) == 1 else 'them'}{', or train more seeds,' if noisy else ''} before you ship."
    return (
        f"Much lower, but on too few examples to be judged: {listed([name for name, _ in lost])}. Test more of {more}"
    )


def _protected(c: Comparison) -> str:
    """How the protected classes stand that are not hurt, if others are: the user asked about them."""
    rows = zip(c.classes["class"], c.classes["decision"], c.classes["protected"])
    asked = [(named(name), word) for name, word, own in rows if own == "yes" and word != HURT]
    left = [(name, word) for name, word in asked if word != SAFE]
    if not asked or _nothing_changed(c):
        return ""
    if left:
        return f" Of the protected {PLURAL[noun(c.classes)]}, {not_shown(left)}."
    them = f"{noun(c.classes)} is" if len(asked) == 1 else f"{PLURAL[noun(c.classes)]} are"
    return f" The protected {them} safe: {listed([n for n, _ in asked])}."


def _would_decide(c: Comparison) -> str:
    """Silent where the baseline may be guessing: more of its seeds would decide nothing that counts."""
    return "" if _nothing_changed(c) or guesses(c.classes) else what_would_decide(c.summary, c.classes)


def _new_images(c: Comparison) -> str:
    """What the decision is for other examples of the same kind, if it or a class that was asked about differs."""
    twin = f"decision{TWIN}"
    if _nothing_changed(c) or twin not in c.summary or twin not in c.classes:
        return ""
    rows = list(zip(c.classes["class"], c.classes["decision"], c.classes[twin], c.classes["protected"]))
    open_now = {
        word: [named(name) for name, here, new, own in rows if own == "yes" and here == word and new != word]
        for word in (SAFE, HURT)
    }
    said = [(listed(names), "is" if len(names) == 1 else "are", word) for word, names in open_now.items() if names]
    why = [f"{names} {verb} not shown to be {word}" for names, verb, word in said]
    if c.summary[twin] == c.summary["decision"] and not why:
        return ""
    if c.summary[twin] == c.summary["decision"]:
        return f"For new examples of the same kind, {' and '.join(why)}."
    text = f"That is about these very test examples; for new ones of the same kind: {c.summary[twin]}"
    return f"{text} ({'; '.join(why)})." if why else f"{text}."


def _accuracy(c: Comparison) -> str:
    s = c.summary
    text = f"{arm_title(c.arm)}: accuracy {percent(s['accuracy_baseline'])} to {percent(s['accuracy_treated'])} %"
    text += f" ({signed_points(s['gain'])} points)"
    if s["gain_macro"] is not None:
        before, after = (percent(s[f"accuracy_{side}_macro"]) for side in ("baseline", "treated"))
        text += f", {MACRO[noun(c.classes)]} {before} to {after} % ({signed_points(s['gain_macro'])})"
    return text + "."


def _guaranteed(c: Comparison) -> str:
    low, high, m = (c.summary[key] for key in ("n_hurt_low", "n_hurt_high", "n_classes"))
    if (low, high) == (0, m):
        return ""
    if high == 0:
        return f"Guaranteed at 95 %: no {noun(c.classes)} is hurt."
    span = f"exactly {low}" if low == high else f"at most {high}" if low == 0 else f"{low} to {high}"
    more = ", more than can be named" if _unnamed(c) else ""
    return f"Guaranteed at 95 %: {span} of {counted(m, noun(c.classes))} {'is' if high == 1 else 'are'} hurt{more}."


def _unnamed(c: Comparison) -> bool:
    """Whether more classes are guaranteed to be hurt than are called."""
    return c.summary["n_hurt_low"] > c.summary["n_hurt"]


def _as_labelled(c: Comparison) -> str:
    """Both readings side by side, if examples have several acceptable labels."""
    s = c.summary
    if "n_hurt_as_labelled" not in s:
        return ""
    return (
        f"Hurt with acceptable labels: {counted(s['n_hurt'])}; as labelled: {s['n_hurt_as_labelled']}, with "
        f"accuracy {percent(s['accuracy_baseline_as_labelled'])} to {percent(s['accuracy_treated_as_labelled'])} %."
    )


def _evenness(c: Comparison) -> str:
    p = c.summary["heterogeneity_p"]
    if p is None or _nothing_changed(c):
        return ""
    shown = f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
    if p > SIGNIFICANT:  # beside a class that is hurt, or seems to be, the sentence would read as its denial
        even = f"All {PLURAL[noun(c.classes)]} may have changed equally ({shown})."
        return "" if c.summary["n_hurt"] or _not_judged(c) else even
    return f"{PLURAL[noun(c.classes)].capitalize()} changed unequally, by more than noise ({shown})."


def _count(c: Comparison) -> str:
    """The paper's count where nothing is hurt: without what equal changes would give, it would alarm for nothing."""
    s = c.summary
    count, low, high = (s[key] for key in ("n_degraded", "floor_n_degraded_low", "floor_n_degraded_high"))
    silent = low is None or "measure" in c.classes or s["n_hurt"] or s["n_hurt_low"] or _nothing_changed(c)
    if silent or not 0 < count >= low or s["n_classes"] == 1:
        return ""
    text = f"{count} of {counted(s['n_classes'])} {'has' if count == 1 else 'have'} a lower mean recall"
    band = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    if count > high:
        return "" if no_evidence(c) else f"{text}, more than the {band} that would if every class changed equally."
    return f"{text}, which shows nothing: {band} would if every class changed equally."


def _caution(c: Comparison) -> str:
    """What so few seeds cannot say, unless what would decide the open classes said it already."""
    if one_seed_each(c.summary):
        return ONE_SEED if ONE_SEED not in _would_decide(c) else ""
    return TWO_SEEDS if may_be_swung(c.summary) else ""


def _nothing_changed(c: Comparison) -> bool:
    s = c.summary
    return s["n_tied"] == s["n_classes"] and s["n_degraded_estimate"] is None and s["n_too_few"] < s["n_classes"]


def _listed(c: Comparison, word: str) -> str:
    rows = zip(c.classes["recall_change"], c.classes["class"], c.classes["decision"])
    return with_changes([(float(change), named(name)) for change, name, decision in rows if decision == word])
