"""Facts about each class besides its test examples: its superclass, and how many examples it was trained on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.audit.errors import AuditError, clip, first, tally
from dropmix.audit.formats.archives import read_json
from dropmix.audit.formats.csv_text import read_rows
from dropmix.audit.formats.kinds import checked_file, ending_of
from dropmix.audit.inputs.predictions import Predictions, number_of_classes
from dropmix.audit.inputs.scores import labels_of
from dropmix.audit.measures.counts import Pair
from dropmix.audit.naming.aliases import plain

CLASS_HEADS = ("class", "classes", "class_name", "class_id", "label", "label_id", "name", "species", "category", "id")
SUPERCLASS_HEADS = (
    *("superclass", "superclass_name", "super_class", "metaclass", "supercategory", "coarse", "coarse_label"),
    *("coarse_class", "group", "parent", "family", "superclass_id"),
)
COUNT_HEADS = ("n_train", "train", "train_count", "train_counts", "n", "count", "counts", "images", "examples")
NONE = "(none)"
DIFFERENT = 2 / 3  # least share of different values in a column that names classes: superclasses repeat


@dataclass(frozen=True)
class Fact:
    """One thing that a user may say of each class.

    Attributes:
        what: the option, for errors.
        noun: what it says, for notes.
        heads: usual names of its column.
        value: from what was given to a value; None for an empty cell.
    """

    what: str
    noun: str
    heads: Sequence[str]
    value: Callable[[Any, str], Any]


def with_class_facts(
    arms: Sequence[Predictions], superclasses: Any = None, train_counts: Any = None, encoding: str | None = None
) -> tuple[list[Predictions], list[str]]:
    """The arms with the superclass and the number of training examples of each class, and notes.

    Args:
        arms: with one class list.
        superclasses: class -> superclass, K names in the order of the classes, or a file: CSV with a row per class,
            JSON of a mapping (also superclass -> classes), "FILE:COLUMN" where it has several columns. None keeps what
            the sources say.
        train_counts: class -> number of training examples, K numbers, or such a file.
        encoding: of CSV files that are not UTF-8.
    Raises:
        AuditError: no class in common, classes that the audit lacks while others are missing, two values for one class,
            or a count that is no number from 0.
    """
    named, notes = arms[0].class_names is not None, []
    labels = labels_of(arms[0]) if arms[0].score is not None else None
    names = labels or arms[0].class_names or tuple(str(i) for i in range(number_of_classes(arms)))
    changed: dict[str, Any] = {}
    for key, given, fact in (("superclasses", superclasses, SUPERCLASS), ("train_counts", train_counts, TRAIN_COUNT)):
        if given is None:
            continue
        values, said = _of_classes(given, names, named, fact, encoding)
        changed[key] = tuple(v for v in values for _ in range(1 if labels is None else 2))
        notes += said
    return [replace(arm, **changed) for arm in arms], notes


def by_superclass(arms: Sequence[Predictions]) -> list[Predictions]:
    """The arms with the superclass of each example's class as its slice; a class without one is in "(none)".

    Raises:
        AuditError: no superclasses are known, or examples have several labels.
    """
    groups = next((arm.superclasses for arm in arms if arm.superclasses is not None), None)
    if groups is None or arms[0].score is not None:
        got = "none" if groups is None else "several labels per example"
        raise AuditError(f"by: expected classes with superclasses, got {got}. Give superclasses, or another column.")
    words = np.array([NONE if group is None else group for group in groups], dtype=object)
    return [replace(arm, by=words[arm.labels]) for arm in arms]


def fact_columns(p: Pair, classes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns `superclass`, with None, and `n_train`, with NaN where nothing is known.

    Args:
        p: two arms, counted.
        classes: columns that say which rows there are.
    """
    if p.baseline.score is None:
        place, names = {name: i for i, name in enumerate(p.names)}, classes["class"]
    else:
        place, names = {label: 2 * i for i, label in enumerate(labels_of(p.baseline))}, classes["label"]
    at = [place[name] for name in names]
    groups, counts = p.superclasses, p.train_counts
    known = [None if counts is None else counts[i] for i in at]
    whole = all(v is not None for v in known)
    return {
        "superclass": [None if groups is None else groups[i] for i in at],
        "n_train": np.array([np.nan if v is None else v for v in known], dtype=np.int64 if whole else np.float64),
    }


def _superclass(value: Any, where: str) -> str | None:
    return None if value is None or not str(value).strip() else str(value).strip()


def _count(value: Any, where: str) -> int | None:
    if value is None or not str(value).strip():
        return None
    try:
        number = float(str(value).strip())
    except ValueError:
        number = -1.0
    if not 0 <= number < 2**63 or number != int(number):
        raise AuditError(f"{where}: expected whole numbers of training examples from 0, got {clip(value)}. Correct it.")
    return int(number)


SUPERCLASS = Fact("superclasses", "superclass", SUPERCLASS_HEADS, _superclass)
TRAIN_COUNT = Fact("train_counts", "number of training examples", COUNT_HEADS, _count)


def _of_classes(
    given: Any, names: Sequence[str], named: bool, fact: Fact, encoding: str | None
) -> tuple[list[Any], list[str]]:
    """The value of each class, and notes."""
    where, notes = fact.what, []
    if isinstance(given, str | Path):
        given, where, notes = _of_file(str(given), names, fact, encoding)
    if not isinstance(given, Mapping):
        return _in_order(given, names, named, fact, where), notes
    values, known = {str(key).strip(): fact.value(value, where) for key, value in given.items()}, {*names}
    if not {*values} & known and {*values} == {str(i) for i in range(len(names))}:
        values = {name: values[str(i)] for i, name in enumerate(names)}
        notes.append(f"{where}: classes were taken as numbers in the class list, {names[0]} being 0.")
    unknown = [name for name in values if name not in known]
    missing = [name for name in names if values.get(name) is None]
    if unknown and any(name not in values for name in missing):
        near = get_close_matches(unknown[0], missing, 1)
        hint = f"Did you mean {clip(near[0])!r}?" if near else f"It lacks {first(missing)}. Write both alike."
        raise AuditError(f"{where}: expected classes of the audit, got {first(unknown)}. {hint}")
    if unknown:
        notes.append(
            f"{where}: {tally(len(unknown), 'class is', 'classes are')} not in the audit: {first(unknown, 5)}."
        )
    if missing:
        notes.append(f"{where}: no {fact.noun} for {len(missing)} of {len(names)} classes: {first(missing, 5)}.")
    return [values.get(name) for name in names], notes


def _in_order(given: Any, names: Sequence[str], named: bool, fact: Fact, where: str) -> list[Any]:
    values = [fact.value(v, where) for v in (given.tolist() if hasattr(given, "tolist") else given)]
    if len(values) != len(names) and (named or len(values) < len(names)):
        raise AuditError(
            f"{where}: expected one per class, {len(names)}, got {len(values)}. Give each class's {fact.noun}."
        )
    return values


def _of_file(text: str, names: Sequence[str], fact: Fact, encoding: str | None) -> tuple[Any, str, list[str]]:
    """Read a file: values by class, or in the order of the classes; the file's name for messages; and notes.

    Args:
        text: path of a JSON or CSV file, or "FILE:COLUMN".
    """
    file, _, column = text.rpartition(":")
    path, column = (Path(file), column) if file and Path(file).is_file() else (Path(text), "")
    where = checked_file(path)
    if ending_of(path) == ".json":
        return _of_json(read_json(path), fact, where), where, []
    values, notes = _of_rows(read_rows(path, encoding), names, fact, where, column)
    return values, where, notes


def _of_json(content: Any, fact: Fact, where: str) -> Any:
    """Class -> value, or a list of values; superclass -> classes is turned round."""
    if not isinstance(content, list | dict):
        raise AuditError(f"{where}: expected JSON of class to {fact.noun}, got {clip(content)}. Write a mapping.")
    if isinstance(content, dict) and content and all(isinstance(inner, list) for inner in content.values()):
        return _once([(str(name), parent) for parent, inner in content.items() for name in inner], where)
    return content


def _of_rows(rows: list[list[str]], names: Sequence[str], fact: Fact, where: str, column: str) -> tuple[Any, list[str]]:
    """Class -> value if a column names the classes, else values in the order of the classes; and notes."""
    heads = [plain(cell) for cell in rows[0]]
    key, known = _class_column(rows, names, heads)
    headed = bool(column) or bool({*heads} & {*CLASS_HEADS, *fact.heads})
    if key is None:
        headed = headed or len(rows) == len(names) + 1
    else:
        headed = rows[0][key] not in known and (headed or {row[key] for row in rows[1:]} >= known)
    body = rows[headed:]
    if key is None:
        _check_order(body, names, where)
    place = _column(rows, body, key, heads if headed else [], fact, where, column)
    values = _spoken(body, place, key) if fact is SUPERCLASS and not column else [row[place] for row in body]
    if key is None:
        return values, [f"{where}: its rows name no class and were read in the order of the class list."]
    return _once([(row[key], value) for row, value in zip(body, values)], where), []


def _class_column(rows: list[list[str]], names: Sequence[str], heads: list[str]) -> tuple[int | None, set[str]]:
    """The column that names the classes (None if there is none), and what it may hold: all names, or all numbers.

    A column of names holds some classes of the audit, and hardly any twice. A column of numbers holds those of the
    class list, each once, in any order.
    """
    known = {*names}
    cells = [{row[j] for row in rows} for j in range(len(heads))]
    fits = [j for j, values in enumerate(cells) if values & known and len(values) > DIFFERENT * len(rows)]
    if fits:
        return max(fits, key=lambda j: (len(cells[j] & known), heads[j] in CLASS_HEADS, -j)), known
    numbers = {str(i) for i in range(len(names))}
    return next((j for j in range(len(heads)) if numbers == {row[j] for row in rows[-len(names) :]}), None), numbers


def _check_order(body: list[list[str]], names: Sequence[str], where: str) -> None:
    """Refuse rows that cannot stand in the order of the classes: another number, or names of other classes."""
    columns = range(len(body[0])) if body and len(body[0]) > 1 else ()
    own = [j for j in columns if len({row[j] for row in body}) == len(body)]
    own = [j for j in own if not all(_is_number(row[j]) for row in body)]
    if own or len(body) != len(names):
        got = first([row[own[0]] for row in body]) if own else f"{len(body)} rows without a column of classes"
        raise AuditError(
            f"{where}: expected the classes of the audit ({first(names)}), got {got}. "
            "Write them as in the predictions, a row per class, or give their names (--classes)."
        )


def _column(rows, body, key: int | None, heads: list[str], fact: Fact, where: str, column: str) -> int:
    """The column of the values."""
    if column:
        if plain(column) not in heads:
            raise AuditError(f"{where}: expected a column {clip(column)!r}, got {first(heads, 12)}. Name one of these.")
        return heads.index(plain(column))
    free = [j for j in range(len(rows[0])) if j != key]
    if fact is TRAIN_COUNT and len(free) > 1:
        free = [j for j in free if all(_is_number(row[j]) for row in body)] or free
    usual = [j for head in fact.heads for j in free if heads and heads[j] == head]
    if usual or len(free) == 1:
        return [*usual, *free][0]
    names = first(heads or rows[0], 12)
    raise AuditError(
        f"{where}: expected two columns, class and {fact.noun}, got {len(rows[0])} ({names}). Name the second as "
        f"{where}:COLUMN."
    )


def _spoken(body: list[list[str]], place: int, key: int | None) -> list[str]:
    """Superclasses by their names, if the column holds codes and another column says what each code means."""
    codes = [row[place] for row in body]
    if not all(_is_number(code) for code in codes):
        return codes
    told = [j for j in range(len(body[0])) if j not in (place, key)]
    told = [j for j in told if len({(row[place], row[j]) for row in body}) == len({*codes})]
    digits = {j: sum(c.isdigit() for row in body for c in row[j]) for j in told}
    if not told:
        return codes
    best = min(told, key=lambda j: digits[j])
    words = {row[place]: row[best] for row in body}
    twice = {word for word, times in Counter(words.values()).items() if times > 1}
    return [f"{words[code]} ({code})" if words[code] in twice else words[code] for code in codes]


def _once(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    """A mapping, if no class has two values."""
    made = dict(pairs)
    wrong = [name for name, value in pairs if made[name] != value]
    if wrong:
        raise AuditError(f"{where}: expected one value per class, got two for {first(wrong)}. Remove one.")
    return made


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
