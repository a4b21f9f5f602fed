"""What the paths of several files say: which arm and which seed each holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dropmix.audit.formats.kinds import stem_of

_EDGE = r"(?:^|(?<=[-_. (\[,]))"
_DATE = r"(?!run[-_]\d{8})"  # run-20240131
_WORDS = r"(?:seed|s|run|rep|repeat|trial|fold|session)"
_SEED = re.compile(_EDGE + _DATE + _WORDS + r"[-_=. ]?(\d+)(?=$|[-_. )\],])", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d=][.])(?<![\d=])[(\[]?(\d+)[)\]]?$")
_APART = re.compile(r"(?<![^-_ (\[])\d+(?![^-_ )\]])")  # 20240131 in mixup_20240131_1200, and no 50 in resnet50 or a=50
_SIZES = {8, 14, 16, 18, 32, 34, 50, 64, 101, 121, 128, 152, 161, 169, 201, 224, 256, 384, 512, 1024}
"""Numbers that name networks and their inputs rather than seeds, as in vit_b_16 and resnet_50."""
_GENERIC = {"pred", "preds", "prediction", "predictions", "result", "results", "output", "outputs", "test", "val"}


@dataclass(frozen=True)
class PathName:
    """What a path says about its file.

    Attributes:
        arm: the part of the path that tells arms apart, without the seed.
        seed: number of the seed; None if the path has none, or several.
        whole: the part of the path that tells files apart, seed included.
        unclear: whether files of this name differ by a bare number, which may mean a seed or another arm.
    """

    arm: str
    seed: int | None
    whole: str
    unclear: bool = False


def name_paths(paths: Sequence[str | Path]) -> list[PathName]:
    """Arm and seed of each of several files, from the parts in which their paths differ.

    The file's own name is used if it distinguishes the files, and its folders if not. `seed3`, `s3`, `run3`
    and the like are seeds. A bare number at the end is a seed where at least two arms have the same numbers.

    Example:
        >>> [p.arm for p in name_paths(["vanilla/preds.csv", "mixup/preds.csv"])]
        ['vanilla', 'mixup']
        >>> [(p.arm, p.seed) for p in name_paths(["vanilla-s0.npz", "vanilla-s1.npz", "cutmix-s0.npz"])]
        [('vanilla', 0), ('vanilla', 1), ('cutmix', 0)]
        >>> [p.unclear for p in name_paths(["model_1.csv", "model_2.csv", "model_3.csv"])]
        [True, True, True]
    """
    rows = [_components(Path(p)) for p in paths]
    depth = max((len(row) for row in rows), default=0)
    rows = [[""] * (depth - len(row)) + row for row in rows]
    differing = [i for i in range(depth - 1, -1, -1) if len({row[i] for row in rows}) > 1]
    if len(differing) > 1 and all(row[-1].lower() in _GENERIC for row in rows):
        differing = [i for i in differing if i != depth - 1]
    if not differing:
        return [_alone(row) for row in rows]
    chosen: list[int] = []
    for place in differing:
        chosen.insert(0, place)
        distinct = len({tuple(row[i] for i in chosen) for row in rows}) == len(rows)
        arms = {tuple(_marked(row[i])[0] for i in chosen) for row in rows}
        if distinct and (len(arms) > 1 or (arms == {("",) * len(chosen)} and place == differing[-1])):
            break
    split = [[_marked(row[i]) for i in chosen] for row in rows]
    unclear = [False] * len(rows)
    if not any(numbers for row in split for _, numbers in row):
        split, unclear = _by_number(split)
    unclear = [a or b for a, b in zip(unclear, _differ_by_numbers(split))]
    fallback = rows[0][-1]
    spelled: dict[str, str] = {}
    made = []
    for row, parts, doubt in zip(rows, split, unclear):
        text = "/".join(t for t, _ in parts if t)
        numbers = [n for _, of_part in parts for n in of_part]
        whole = "/".join(row[i] for i in chosen if row[i])
        arm = text or _marked(fallback)[0] or (rows[0][-2] if depth > 1 else fallback)
        arm = spelled.setdefault(arm.casefold(), arm) if numbers else arm  # Mixup-s0 and mixup-s1 are one arm
        made.append(PathName(arm, numbers[0] if len(numbers) == 1 else None, whole, doubt))
    if len({name.arm for name in made}) == len(rows) and _counted(
        [[row[i] for i in sorted(differing)] for row in rows]
    ):
        made = [replace(name, unclear=True) for name in made]
    return made


def _components(path: Path) -> list[str]:
    name = path.name if path.is_dir() else stem_of(path)
    parts = [*(p for p in path.parts[:-1] if p not in (".", "/")), name]
    return [part.encode(errors="backslashreplace").decode() for part in parts]  # names that are not UTF-8


def _alone(row: list[str]) -> PathName:
    """Name of a single file, or of a file given several times."""
    name = next((part for part in reversed(row) if part and part.lower() not in _GENERIC), row[-1])
    return PathName(name, None, name)


def _marked(text: str) -> tuple[str, list[int]]:
    """A part of a path without its seeds, and the seeds."""
    numbers = [int(n[:18]) for n in _SEED.findall(text)]
    left = re.sub(r"\([-_. ]*\)|\[[-_. ]*\]", "", _SEED.sub("", text))
    left = re.sub(r"([-_. ])[-_. ]+", r"\1", re.sub(",+", ",", left))
    return (left.strip("-_., ") if numbers else text), numbers


def _by_number(split: list[list[tuple[str, list[int]]]]) -> tuple[list[list[tuple[str, list[int]]]], list[bool]]:
    """Read bare numbers at the end of the last part as seeds if several arms share them."""
    stems: dict[tuple[str, ...], list[int]] = {}
    cut = []
    for parts in split:
        text = parts[-1][0]
        match = _NUMBER.search(text)
        stem = (*(t for t, _ in parts[:-1]), text[: match.start()].rstrip("-_. ") if match else text)
        separate = bool(match) and (match.start() == 0 or text[match.start() - 1] in "-_. ")  # type: ignore[union-attr]
        cut.append((stem, int(match[1][:18]) if match else None, separate))
        if match:
            stems.setdefault(stem, []).append(int(match[1][:18]))
    for stem, number, _ in cut:  # beside "mixup (1)" or mixup2, mixup is the first
        if number is None and min(stems.get(stem, [0])) in (1, 2):
            stems[stem].append(min(stems[stem]) - 1)
    several = {stem: sorted(numbers) for stem, numbers in stems.items() if len(numbers) > 1}
    counts = list(several.values())
    sized = all(number in _SIZES for of_stem in counts for number in of_stem)
    crossed = (
        not sized and len(counts) > 1 and all(c == counts[0] for c in counts) and len(set(counts[0])) == len(counts[0])
    )
    made, unclear = [], []
    for parts, (stem, number, separate) in zip(split, cut):
        if stem in several and crossed:
            own = several[stem][0] if number is None else number
            made.append([*((t, []) for t in stem[:-1]), (stem[-1], [own])])
            unclear.append(False)
        else:
            made.append(parts)
            unclear.append(number is not None and stem in several and separate)
    return made, unclear


def _differ_by_numbers(split: list[list[tuple[str, list[int]]]]) -> list[bool]:
    """Whether each of three files or more may be another seed of the others, since their arms differ by numbers alone.

    A number apart from words, such as a date, may be either; a number within one may be either if the seeds differ too,
    as in exp0_mixup_s0 and exp1_mixup_s1.
    """
    arms = ["/".join(text for text, _ in parts) for parts in split]
    seeds = [tuple(number for _, numbers in parts for number in numbers) for parts in split]
    loose = [_APART.sub("", arm) for arm in arms]
    bare = [re.sub(r"(?<!=)\d+(?![.\d])", "", arm) for arm in arms]
    made = []
    for i, arm in enumerate(arms):
        others = [j for j in range(len(arms)) if arms[j] != arm]
        dated = any(loose[j] == loose[i] for j in others if not seeds[i] and not seeds[j])
        counted = [j for j in others if bare[j] == bare[i] and seeds[i] and seeds[j]]
        alone = arms.count(arm) == 1 and all(arms.count(arms[j]) == 1 and seeds[j] != seeds[i] for j in counted)
        made.append(len(arms) > 2 and (dated or (bool(counted) and alone)))
    return made


def _counted(rows: list[list[str]]) -> bool:
    """Whether a part of names, each an arm of its own, may count seeds.

    Letters or numbers that each of several arms has, as in vanilla_a, vanilla_b, mixup_a and mixup_b, or a code of its
    own for each of several files of an arm.
    """
    if len(rows[0]) == 1:
        rows = [re.split(r"[-_. ()]+", row[0].strip("-_. ()")) for row in rows]
    if len({len(row) for row in rows}) > 1:
        return False
    for place in range(len(rows[0])):
        groups: dict[tuple[str, ...], set[str]] = {}
        for row in rows:
            groups.setdefault((*row[:place], *row[place + 1 :]), set()).add(row[place])
        values = list(groups.values())
        if len(values) < 2 or any(len(of_arm) < 2 for of_arm in values):
            continue
        alike = all(of_arm == values[0] for of_arm in values) and _is_count(values[0])
        codes = len(set.union(*values)) == len(rows) and all(re.search(r"\d", row[place]) for row in rows)
        if alike or codes:
            return True
    return False


def _is_count(texts: set[str]) -> bool:
    """Whether texts are letters, or differ by one number that counts from 0 or 1."""
    if all(len(text) == 1 for text in texts):
        return True
    fields = [re.split(r"(\d+)", text) for text in texts]
    if len({len(row) for row in fields}) > 1:
        return False
    differing = [i for i, column in enumerate(zip(*fields)) if len({*column}) > 1]
    if len(differing) != 1 or not all(row[differing[0]].isdecimal() for row in fields):
        return False
    numbers = sorted(int(row[differing[0]][:18]) for row in fields)
    return numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def split_seed(text: str) -> tuple[str, int | None]:
    """What follows `pred_` in a column's name: an arm, a seed, or both.

    Example:
        >>> split_seed("0"), split_seed("seed_2"), split_seed("mixup_s1"), split_seed("mixup")
        (('', 0), ('', 2), ('mixup', 1), ('mixup', None))
    """
    if text.isdigit():
        return "", int(text[:18])
    arm, numbers = _marked(text)
    return arm, numbers[0] if numbers else None
