"""Simulated audits whose verdicts are read back for sentences that contradict each other or the numbers.

    python benchmarks/audit/verdicts.py --studies 3000

Studies as in `worlds`: 2 to 30 classes, equal or long-tailed, recall from 60 to 98 %, one to six seeds per arm,
nothing changed, every class changed, or one class alone; with and without protected classes, groups, slices and
tolerances.
"""

import argparse
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from worlds import World, draw

from dropmix.audit import audit_predictions, verdict

STUDY = 20_000  # random streams of this benchmark start here
OPENINGS = {"Do not ship:": "do not ship", "Ship:": "ship", "Undecided:": "undecided"}
# An opening with a caution before its reason: "Undecided: the baseline may be guessing. ... As it stands, ..."
CAUTIONED = re.compile(r"^(Do not ship|Undecided): the baseline may be guessing\. .*? As it stands, ")
NEVER = re.compile(r"about fewer|truly|surely|\bnan\b|None|  |\.\.|\s,|\(\)|\b1 (classes|seeds|images)\b|class are")


def one_verdict(i: int) -> tuple[str, list[str], str]:
    """Study number i: its decision, what contradicts itself, and the verdict."""
    rng = np.random.default_rng([STUDY, i])
    m = int(rng.choice([2, 3, 8, 30]))
    world = World(
        classes=m,
        seeds=(int(rng.integers(1, 7)), int(rng.integers(1, 7))),
        sizes=str(rng.choice(["equal", "tail"])),
        recall=float(rng.choice([0.6, 0.8, 0.98])),
        class_seed=float(rng.choice([0.0, 0.12, 0.4])),
        global_seed=float(rng.choice([0.0, 0.1])),
    )
    if rng.random() < 0.15:
        world = replace(world, cluster=5)
    size = float(rng.choice([0.0, 0.02, 0.1, 0.3]))
    kind = rng.choice(["all", "one", "mixed"])
    moved = {
        "all": np.full(m, rng.choice([-size, size])),
        "one": np.where(np.arange(m) == m // 2, -size, 0.01),
        "mixed": rng.normal(0, size, m),
    }[str(kind)]
    (study,) = draw(world, moved[None], rng)
    names = [f"class {j}" for j in range(m)]
    arms = []
    for right in (study.right0, study.right1):
        pred = np.where(right, study.labels, (study.labels + 1) % m)
        arm = {"labels": study.labels, "pred": pred, "classes": names}
        arms.append(arm if study.groups is None else arm | {"group": study.groups})
    if rng.random() < 0.03:
        arms[1] = arms[0]
    protect = [names[j] for j in rng.permutation(m)[: int(rng.integers(0, min(m, 4)))]]
    tolerance = {names[0]: 0.05} if rng.random() < 0.2 else float(rng.choice([0.0, 0.01, 0.02]))
    by = rng.choice(["left", "right", "top"], len(study.labels)) if rng.random() < 0.2 else None
    settings = {"refits": 0, "protect": protect, "tolerance": tolerance, "seed": i, "by": by}
    c = audit_predictions(arms[0], {"mixup": arms[1]}, **settings).only
    text = verdict(c)
    return c.summary["decision"], contradictions(text, c), text


def contradictions(text: str, c: Any) -> list[str]:
    """List what contradicts another sentence of a verdict, or the comparison that the verdict is about.

    Args:
        text: the verdict, one paragraph.
        c: the comparison: `summary`, and `classes` with class, decision, protected and recall_change.
    """
    text = CAUTIONED.sub(r"\1: ", text)
    s, wrong = c.summary, [f"holds {m[0]!r}" for m in NEVER.finditer(text)]
    openings = [word for opening, word in OPENINGS.items() if text.startswith(opening)]
    if openings != [s["decision"]]:
        wrong.append(f"opens with {openings}, decided {s['decision']}")
    words = dict(zip(map(str, c.classes["class"]), c.classes["decision"]))
    new = dict(zip(words, c.classes["decision_population"]))
    changes = dict(zip(words, (100 * float(x) for x in c.classes["recall_change"])))
    protected = [name for name, named in zip(words, c.classes["protected"]) if named == "yes"]
    hurt = [name for name, word in words.items() if word == "hurt"]
    first = text.split(". ")[0]
    wrong += _opening(first, words, changes, protected, hurt, _parts(c))
    wrong += _slices(text, c)
    wrong += _bounds(text, s, len(words), hurt, words)
    if gain := re.search(r"accuracy ([\d.]+) to ([\d.]+) % \(([-+\d.]+) points", text):
        before, after, moved = map(float, gain.groups())
        if abs(after - before - moved) > 0.11:
            wrong.append(f"accuracy {before} to {after} is no {moved}")
    else:
        wrong.append("no accuracy")
    even, uneven = "may have changed equally" in text, "Classes changed unequally" in text
    if even and uneven:
        wrong.append("even and uneven")
    if "nothing changed" in text and (uneven or hurt or any(abs(v) > 1e-9 for v in changes.values())):
        wrong.append("nothing changed, and something did")
    if lower := re.search(r"(\d+) of (\d+) class(?:es)? ha(?:s|ve) a lower mean recall", text):
        count = sum(v < -1e-9 for v in changes.values())
        if (int(lower[1]), int(lower[2])) != (count, len(words)):
            wrong.append(f"{lower[0]}: counted {count} of {len(words)}")
        if hurt or s["n_hurt_low"]:
            wrong.append("the count beside classes that are hurt")
        if even and "more than the" in text[lower.start() :]:
            wrong.append("more than equal changes would give, and even")
    if s["n_hurt_low"] > len(hurt) and "is shown to lose" in text:
        wrong.append("some class is guaranteed to be hurt, and none is shown to be")
    if "would decide" in text and "the baseline may be guessing" in text:
        wrong.append("a baseline that guesses, and what would decide")
    wanted = re.search(r"would decide (?:it|them|the first \d+ of them): (.+?)\)\.(?: |$)", text)
    for name in re.findall(r"(?:^|\), )([^()]+) \(", wanted[1]) if wanted else []:
        asked = new if "For new examples: " in text else words
        if asked.get(name) not in ("undecided", "too few examples"):
            wrong.append(f"{name} is {asked.get(name)}, and something would decide it")
    lows = dict(zip(words, (-100 * float(x) for x in c.classes["recall_change_low_population"])))
    for points, name in re.findall(r"(?:more than|,|and) ([-\d.]+) points \(([^)]+)\)", text.partition("So far, ")[2]):
        if abs(lows[name] - float(points)) > 0.051 or float(points) <= 0:
            wrong.append(f"a loss of {points} points is ruled out for {name}, whose interval ends at {-lows[name]:.2f}")
    return wrong


def _parts(c: Any) -> dict[str, tuple[str, float]]:
    """The decision and change, in points, of every slice ("left") and class within a slice ("left: fox")."""
    rows = [] if not c.slices else zip(*(c.slices[key] for key in ("slice", "decision", "recall_change")))
    made = {str(name): (word, 100 * float(change)) for name, word, change in rows}
    keys = ("slice", "class", "decision", "recall_change")
    cells = [] if not c.slice_classes else zip(*(c.slice_classes[key] for key in keys))
    return made | {f"{name}: {label}": (word, 100 * float(change)) for name, label, word, change in cells}


def _slices(text: str, c: Any) -> list[str]:
    """What is said of slices against their rows."""
    parts, wrong = _parts(c), []
    hurt = {within: [n for n, (w, _) in parts.items() if w == "hurt" and (": " in n) == within] for within in (0, 1)}
    said = re.findall(
        r"(\d+) (?:slices?|class(?:es)? (within a slice)) lost more than is tolerated: (.+?)(?:; |\. |\.$)", text
    )
    for count, within, listed in said:
        names = re.findall(r"(?:^|, | and )([^,()]+) \(([-+\d.]+)\)", listed)
        if int(count) != len(hurt[bool(within)]):
            wrong.append(f"{count} parts are hurt, holds {len(hurt[bool(within)])}")
        for name, change in names:
            word, moved = parts.get(name, (None, 0.0))
            if word != "hurt" or abs(moved - float(change)) > 0.051:
                wrong.append(f"lists {name} ({change}), which is {word} at {moved}")
    if (found := re.search(r"(\d+) of (\d+) slices (?:is|are) shown to be safe", text)) and c.slices:
        words = list(c.slices["decision"])
        if (int(found[1]), int(found[2])) != (words.count("safe"), len(words)):
            wrong.append(f"{found[0]}: holds {words.count('safe')} of {len(words)}")
    if hurt[0] and not said and "nothing changed" not in text:
        wrong.append(f"does not name the hurt slices {hurt[0]}")
    return wrong


def _opening(first: str, words: dict, changes: dict, protected: list[str], hurt: list[str], parts: dict) -> list[str]:
    wrong = []
    if first.startswith("Do not ship") and re.search(r": \d+ (slices?|class(es)? within a slice) lost", first):
        wrong += ["only slices are named, and classes are hurt"] if hurt else []
    elif first.startswith("Do not ship"):
        stated = int(re.search(r": (\d+) class", first)[1])  # type: ignore[index]
        if stated != len(hurt):
            wrong.append(f"states {stated} hurt, holds {len(hurt)}")
        for name, change in re.findall(r"(?:: |, )([^:,()]+) \(([-+\d.]+)\)", first):
            if words.get(name) != "hurt" or abs(changes[name] - float(change)) > 0.051:
                wrong.append(f"lists {name} ({change}), which is {words.get(name)} at {changes.get(name)}")
    elif hurt:
        wrong.append("classes are hurt, and the opening is no decision against shipping")
    if first.startswith("Ship") and any(words[name] != "safe" for name in protected or ()):
        wrong.append("ships, and a protected class is not safe")
    if left := re.search(r"Undecided: (.+?) (?:is|are) not shown to be safe", first):
        for name in re.split(r", | and \d+ more| and ", left[1]):
            word = words.get(name) or parts.get(name, (None,))[0]
            if name and (word == "safe" or (name in words and name not in protected)):
                wrong.append(f"{name} is not shown to be safe, and is {words.get(name)}")
    if some := re.search(r"and (\d+|none) of (\d+) (?:is|are) shown to be safe", first):
        judged = [word for word in words.values() if word != "too few examples"]
        if (int(some[1].replace("none", "0")), int(some[2])) != (judged.count("safe"), len(judged)):
            wrong.append(f"{some[0]}: holds {judged.count('safe')} of {len(judged)}")
    return wrong


def _bounds(text: str, s: dict, m: int, hurt: list[str], words: dict) -> list[str]:
    found = re.search(r"Guaranteed at 95 %: (exactly |at most )?(\d+)(?: to (\d+))? of (\d+)", text)
    if not found:
        return []
    low = 0 if found[1] == "at most " else int(found[2])
    high = int(found[3] or found[2])
    wrong = [] if (low, high, int(found[4])) == (s["n_hurt_low"], s["n_hurt_high"], m) else ["other bounds"]
    if not 0 <= low <= high <= m:
        wrong.append(f"bounds {low} to {high} of {m}")
    safe = sum(word == "safe" for word in words.values())
    if len(hurt) > high:
        wrong.append(f"{len(hurt)} classes are hurt, and at most {high} are")
    if low > m - safe:
        wrong.append(f"{safe} of {m} classes are safe, and at least {low} are hurt")
    return wrong


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    decisions, wrong = Counter(), 0
    for i in range(args.first, args.first + args.studies):
        decision, against, text = one_verdict(i)
        decisions[decision] += 1
        wrong += bool(against)
        if against:
            print(f"study {i}: {'; '.join(against)}\n  {text}", flush=True)
    told = ", ".join(f"{count} {decision}" for decision, count in sorted(decisions.items()))
    print(f"{wrong} of {args.studies} verdicts contradict themselves or their numbers ({told})")


if __name__ == "__main__":
    main()
