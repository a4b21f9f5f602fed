"""True and predicted classes as indices into one class list, from names or numbers in any layout."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats.columns import WHOLE, coded, integers, is_text, none_missing
from dropmix.audit.inputs.given import plain

ABSENT = {"nan", "NaN", "NAN", "<NA>", "None", "null", "NULL"}  # how programs write a missing value
FRACTION = re.compile(r"-?\d*[.,]\d+(?:[eE][-+]?\d+)?\Z")
LIST = re.compile(r"\s*[\[(][-+\d.,eE\s]*[\])]\s*")
CHECK = "Check the class list."
LISTS = (
    "id2label",
    "idx_to_class",
    "label2id",
    "class_to_idx",
    "classes",
    "class_names",
    "names",
    "labels",
    "categories",
)
HEADS = {"class", "classes", "class_name", "class_names", "label", "labels", "name", "names", "category", "categories"}
HEADS |= {"index", "idx", "id", "class_id", "label_id", "class_idx", "class_index"}
MARKS = string.punctuation + string.whitespace
ABSENT_NUMBER = ABSENT | {"NA", "N/A", "n/a", "na", "#N/A", "-"}


@dataclass(frozen=True)
class ClassValues:
    """True or predicted classes before they have common numbers.

    Attributes:
        values: the numbers themselves, or codes into `texts`, any shape.
        texts: distinct names; None for numbers.
    """

    values: np.ndarray
    texts: list[str] | None = None

    def numbers(self) -> np.ndarray | None:
        """The values as numbers; None if a text is not a whole number."""
        if self.texts is None:
            return self.values
        if not all(WHOLE.match(t) for t in self.texts):
            return None
        return np.array([int(float(t)) for t in self.texts], dtype=np.int64)[self.values]

    def among(self, names: Sequence[str]) -> np.ndarray:
        """The values as indices into a class list that holds all of them."""
        place = {name: i for i, name in enumerate(names)}
        return np.array([place[t] for t in self.texts or []], dtype=np.int64)[self.values]


def class_column(column: pa.ChunkedArray, name: str, where: str) -> ClassValues:
    """A column of class names or class numbers.

    Raises:
        AuditError: empty values, fractions, or another type.
    """
    if is_list(column):
        raise AuditError(
            f"{where}: expected one class per row in {name}, got a list. Save the best class alone (in timm, --topk 1)."
        )
    if not is_text(column.type):
        return ClassValues(integers(column, name, where))
    codes, texts = coded(column, name, where)
    return with_text(codes, texts, name, where)


def is_list(column: pa.ChunkedArray) -> bool:
    """Whether every row holds a list of numbers, or the text of one, as "[3 1 2]"."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return True
    texts = column.unique().to_pylist() if is_text(column.type) else []
    return bool(texts) and all(text and LIST.fullmatch(text) for text in texts)


def class_array(array: np.ndarray, name: str, where: str) -> ClassValues:
    """An array of class names or class numbers, of any shape; whole-number floats are numbers.

    Raises:
        AuditError: NaN or None, fractions, or mixed types.
    """
    if (kind := array.dtype.kind) == "O":
        return _objects(array, name, where)
    if kind == "U":
        texts, codes = np.unique(array, return_inverse=True)
        return with_text(codes.reshape(array.shape), texts.tolist(), name, where)
    if kind == "f":
        none_missing(~np.isfinite(array), name, where, "NaN or infinite")
        if (array != np.rint(array)).any():
            bad = array[array != np.rint(array)]
            raise AuditError(
                f"{where}: expected {name} with integer type, got {first(bad)}. Give class numbers or class names; "
                "of one sigmoid output, (p >= 0.5) as 0 and 1."
            )
        return ClassValues(array.astype(np.int64))
    if kind in "iub":
        return ClassValues(array.astype(np.int8) if kind == "b" else array)
    raise AuditError(f"{where}: expected {name} with integer type or text, got {array.dtype}. Give class numbers.")


def _objects(array: np.ndarray, name: str, where: str) -> ClassValues:
    flat = array.reshape(-1).tolist()
    none_missing(np.array([v is None or v != v for v in flat], bool).reshape(array.shape), name, where, "empty")
    if all(isinstance(v, str) for v in flat):
        texts, codes = np.unique(np.array(flat, dtype=object), return_inverse=True)
        return with_text(codes.reshape(array.shape), texts.tolist(), name, where)
    if all(isinstance(v, int | float | np.integer | np.floating) for v in flat):
        numbers = np.array(flat).reshape(array.shape)
        if numbers.dtype.kind == "O":  # whole numbers of more than 64 bits
            raise AuditError(f"{where}: expected {name} of at most 64 bits, got {first(flat)}. Renumber the classes.")
        return class_array(numbers, name, where)
    raise AuditError(f"{where}: expected class numbers or class names in {name}, got mixed types. Give one kind.")


def with_text(codes: np.ndarray, texts: list[str], name: str, where: str) -> ClassValues:
    """Codes and texts, without what programs write for a missing number."""
    real = [t for t in texts if t not in ABSENT_NUMBER]
    absent = [i for i, t in enumerate(texts) if not t.strip()]
    if real and len(real) < len(texts) and all(WHOLE.match(t) for t in real if t.strip()):
        absent += [i for i, t in enumerate(texts) if t in ABSENT_NUMBER]
    if absent:
        none_missing(np.isin(codes, absent), name, where, "empty")
    return ClassValues(codes, texts)


def numbered(
    found: dict[str, ClassValues], names: Sequence[str] | None, where: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None, str]:
    """Classes of several columns as indices into one class list.

    Args:
        found: by column; "label" is among them.
        names: the class list, or None.
    Returns:
        indices by column, the class list (None for plain numbers), and the kind: "number", "text", or "digits" for
        text that is always a number.
    Raises:
        AuditError: text that the class list lacks, or text in one column and numbers in another.
    """
    kinds = {key: v.texts is not None for key, v in found.items()}
    numbers = {key: v.numbers() for key, v in found.items()}
    known = None if names is None else set(names)
    texts = list(dict.fromkeys(t for v in found.values() for t in v.texts or []))
    if all(kinds.values()) and known is not None and known.issuperset(texts):
        return {key: v.among(names or ()) for key, v in found.items()}, tuple(names or ()), "text"
    if all(n is not None for n in numbers.values()):
        digits = all(kinds.values())
        plain = {key: n for key, n in numbers.items() if n is not None}
        return plain, None if names is None else tuple(names), "digits" if digits and names is None else "number"
    if not all(kinds.values()) and names is None:
        text = next(key for key, is_name in kinds.items() if is_name and numbers[key] is None)
        other = next(key for key, is_name in kinds.items() if not is_name)
        raise AuditError(
            f"{where}: expected {other} and {text} of one type, got numbers in {other} and names in {text} "
            f"({first(found[text].texts or [])}). Save class names in both or numbers in both, or give the class list."
        )
    if names is None:
        _absent_texts(found, where)
        _check_alike(found, where)
        names = sorted(texts)
    if known is not None:  # numbers as text in one column, names in another: the list connects them
        plain_text = {k for k, n in numbers.items() if n is not None and not known & {*(found[k].texts or [])}}
        found = {k: ClassValues(v.numbers()) if k in plain_text else v for k, v in found.items()}  # type: ignore
        texts = [t for v in found.values() for t in v.texts or []]
    unknown = [t for t in dict.fromkeys(texts) if t not in set(names)]
    if unknown:
        raise AuditError(
            f"{where}: expected classes of the class list, got {first(unknown)}. {unlike(unknown[0], names)}"
        )
    made = {k: v.among(names) if v.texts is not None else v.values for k, v in found.items()}
    return made, tuple(names), "text"


def _absent_texts(found: dict[str, ClassValues], where: str) -> None:
    labels = set(found["label"].texts or []) if "label" in found else set()
    for name, value in found.items():
        texts = value.texts or []
        wrong = [i for i, t in enumerate(texts) if t not in labels and (t in ABSENT_NUMBER or not t.strip(MARKS))]
        if wrong:
            kind = first(sorted({repr(texts[i]) for i in wrong}))
            what = "empty" if texts[wrong[0]] in ABSENT else f"{kind} (a class? Then give the class list)"
            none_missing(np.isin(value.values, wrong), name, where, what)


def _check_alike(found: dict[str, ClassValues], where: str) -> None:
    """Refuse names as predictions if labels are numbers, and names that only look like a label."""
    labels = found["label"].texts or []
    whole = bool(labels) and all(WHOLE.match(t) for t in labels)
    for key, value in found.items():
        new = [t for t in value.texts or [] if t not in set(labels)]
        if key == "label" or not new:
            continue
        none_alike = len(new) == len(value.texts or [])
        if none_alike and whole != all(WHOLE.match(t) for t in new):
            raise AuditError(
                f"{where}: expected label and {key} of one type, got {first(labels)} and {first(new)}. "
                "Save class names in both, or numbers in both, or give the class list (--classes FILE)."
            )
        fractions = [t for t in new if whole and FRACTION.match(t)]
        if fractions:
            raise AuditError(
                f"{where}: expected {key} with class numbers, got {first(fractions)}. Save the class, argmax."
            )
        for text in new:
            advice = unlike(text, labels)
            if advice != CHECK and (none_alike or "looks the same" in advice):
                raise AuditError(f"{where}: expected {key} written as the labels are, got {clip(text)!r}. {advice}")


def class_list(held: Any, where: str) -> tuple[str, ...]:
    """Names of the classes by number, from what a file or a user gives.

    Args:
        held: names in order, number -> name (or several names, of which the last counts), name -> number, or one of
            these under a usual key, as in the config.json of Hugging Face.
        where: the source, for errors.
    Raises:
        AuditError: numbers other than 0 to K - 1, a name that is no text, a repeated name, or none.

    Example:
        >>> class_list({"id2label": {"1": "dog", "0": "cat"}}, "config.json")
        ('cat', 'dog')
    """
    if isinstance(held, Mapping):
        inner = next((held[key] for key in LISTS if isinstance(held.get(key), list | Mapping)), None)
        if inner is not None:
            return class_list(inner, where)
        by_name = all(isinstance(v, int) and not isinstance(v, bool) for v in held.values())
        pairs = [(v, k) if by_name else (k, v[-1] if isinstance(v, list) and v else v) for k, v in held.items()]
    elif held and all(isinstance(v, Mapping) and {"id", "name"} <= v.keys() for v in held):
        pairs = [(v["id"], v["name"]) for v in held]
    else:
        pairs = [*enumerate(held)]
    given = {int(n) if WHOLE.fullmatch(str(n)) else n: v for n, v in pairs}
    if {*given} != {*range(len(pairs))}:
        got = first([n for n, _ in pairs])
        raise AuditError(f"{where}: expected classes 0 to {len(pairs) - 1}, got {got}. Number them as predictions do.")
    odd = [v for v in given.values() if not isinstance(v, str | int | float | np.generic) or str(v) in ("", "nan")]
    names = tuple(str(given[n]) for n in range(len(given)))
    odd = odd or [name for name, times in Counter(names).items() if times > 1]
    if odd or not names:
        raise AuditError(f"{where}: expected different names, got {first(odd) or 'none'}. Rename one.")
    return names


def class_lines(lines: list[str], where: str) -> tuple[str, ...]:
    """Names of the classes from the lines of a text, each with a name, or with a number and a name.

    Raises:
        AuditError: as `class_list`; a header or comment before plain names, or all on one line.

    Example:
        >>> class_lines(["index,name", "1,dog", "0,cat"], "classes.csv")
        ('cat', 'dog')
    """
    if len(lines) > 1 and all(re.fullmatch('"[^"]+"', line) for line in lines):
        lines = [line.strip('"') for line in lines]
    cells = re.split("[,;\t]", lines[0]) if lines else []
    head = all(plain(cell.strip('"')) in HEADS for cell in cells)
    for form in (r"(?P<n>\d+) *[,;:\t ] *(?P<name>.+)", r"(?P<name>.+?) *[,;\t] *(?P<n>\d+)"):
        found = [re.fullmatch(form, line) for line in lines[head:]]
        pairs = {int(match["n"]): match["name"].strip('" ') for match in found if match}
        if len(found) > 1 and {*pairs} == {*range(len(found))}:
            return class_list(pairs, where)
    if (len(lines) > 1 and (head or lines[0].startswith("# "))) or len(lines) == 1 < len(cells):
        raise AuditError(
            f"{where}: expected a line per class, got {clip(lines[0])!r} first. Remove a header or comment, and break "
            "up a list; a class of that name goes into a JSON list."
        )
    return class_list(lines, where)


def unlike(name: str, names: Iterable[str]) -> str:
    """Advice on a name that a list lacks: the same letters in another form or case, or a general hint."""
    plain = lambda text: unicodedata.normalize("NFKC", text).strip()  # noqa: E731
    for other in names:
        if plain(other) == plain(name):
            return (
                f"The list holds {clip(other)!r}, which looks the same but has other characters "
                f"({clip(ascii(other))} and {clip(ascii(name))}). "
                + ("Strip the blanks." if other.strip() == name.strip() else "Normalize both to NFC.")
            )
        if plain(other).replace("\\", "/") == plain(name).replace("\\", "/"):
            return f"The list holds {clip(other)!r}. Write slashes alike in both."
        if plain(other).casefold() == plain(name).casefold():
            return f"The list holds {clip(other)!r}. Write both the same way."
    return CHECK
