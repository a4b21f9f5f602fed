"""True and predicted classes as indices into one class list, from names or numbers in any layout."""

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dropmix.audit.errors import AuditError, clip, first
from dropmix.audit.formats.columns import coded, integers, is_text, none_missing, whole_number
from dropmix.audit.formats.folders import classes_option
from dropmix.audit.formats.printed import unprinted

ABSENT = {"nan", "<na>", "none", "null", "na", "n/a", "#n/a", "-"}  # how programs write a missing value, in any case
FRACTION = re.compile(r"-?\d*[.,]\d+(?:[eE][-+]?\d+)?\Z")
LIST = re.compile(r"\s*[\[(](?!\s*[-+]?\d+\.?0*\s*,?\s*[\])])[-+\d.,eE\s]*[\])]\s*")  # not of one whole number
UNNAMED = re.compile(r"LABEL_(\d{1,9})")
CHECK = "Check the class list."
MARKS = string.punctuation + string.whitespace


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
        numbers = [whole_number(t) for t in self.texts]
        return None if None in numbers else np.array(numbers, dtype=np.int64)[self.values]

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
            f"{where}: expected one class per row in {name}, got a list. "
            + (
                "If it holds a score per class, rename the column to probs; else save the best class alone "
                "(in timm, --topk 1)."
                if name != "label"
                else "Save a row per example."
            )
        )
    if pa.types.is_struct(column.type):
        fields = [column.type.field(i).name for i in range(column.type.num_fields)]
        raise AuditError(
            f"{where}: expected one class per row in {name}, got fields: {first(fields)}. Save the one that holds the "
            f"class as a column of its own, called {name}."
        )
    if not is_text(column.type):
        return ClassValues(integers(column, name, where))
    codes, texts = coded(column, name, where)
    return with_text(codes, texts, name, where)


def is_list(column: pa.ChunkedArray) -> bool:
    """Whether every row holds a list of numbers, or the text of one, as "[3 1 2]"; "[3]" is 3."""
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
    real = [t for t in texts if t.casefold() not in ABSENT]
    # Marks that do not show, such as a zero-width space, are as empty as blanks.
    absent = [i for i, t in enumerate(texts) if all(unicodedata.category(c)[0] in "CZ" for c in t)]
    if real and len(real) < len(texts) and all(whole_number(t) is not None for t in real if t.strip()):
        absent += [i for i, t in enumerate(texts) if t.casefold() in ABSENT]
    if absent:
        none_missing(np.isin(codes, absent), name, where, "empty")
    plain = unprinted(texts)
    if texts and all(whole_number(text.strip()) is not None for text in plain):  # " 3" is 3
        plain = [text.strip() for text in plain]
    if plain == texts:
        return ClassValues(codes, texts)
    distinct = {text: i for i, text in enumerate(dict.fromkeys(plain))}
    return ClassValues(np.array([distinct[text] for text in plain], np.int64)[codes], [*distinct])


def numbered(
    columns: dict[str, ClassValues], names: Sequence[str] | None, where: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None, str]:
    """Classes of several columns as indices into one class list.

    Args:
        columns: by column; "label" is among them.
        names: the class list, or None.
    Returns:
        indices by column, the class list (None for plain numbers), and the kind: "number", "text", or "digits" for
        text that is always a number.
    Raises:
        AuditError: text that the class list lacks, or text in one column and numbers in another.
    """
    columns = _without_prefix(columns, names)
    kinds = {key: v.texts is not None for key, v in columns.items()}
    numbers = {key: v.numbers() for key, v in columns.items()}
    known = None if names is None else set(names)
    texts = list(dict.fromkeys(t for v in columns.values() for t in v.texts or []))
    if all(kinds.values()) and known is not None and known.issuperset(texts):
        return {key: v.among(names or ()) for key, v in columns.items()}, tuple(names or ()), "text"
    if all(n is not None for n in numbers.values()):
        if (signed := _signed(numbers)) is not None and {*signed[1]} <= {*(names or signed[1])}:
            place = {name: i for i, name in enumerate(names or signed[1])}
            lookup = np.array([place[name] for name in signed[1]])
            return {key: lookup[value] for key, value in signed[0].items()}, tuple(place), "text"
        digits = all(kinds.values())
        plain = {key: n for key, n in numbers.items() if n is not None}
        return plain, None if names is None else tuple(names), "digits" if digits and names is None else "number"
    if not all(kinds.values()) and names is None:
        text = next(key for key, is_name in kinds.items() if is_name and numbers[key] is None)
        other = next(key for key, is_name in kinds.items() if not is_name)
        raise AuditError(
            f"{where}: expected {other} and {text} of one type, got numbers in {other} and names in {text} "
            f"({first(columns[text].texts or [])}). Save class names in both or numbers in both, or give the class "
            f"list ({classes_option(where)})."
        )
    if names is None:
        _absent_texts(columns, where)
        _check_alike(columns, where)
        names = sorted(texts)
    if known is not None:  # numbers as text in one column, names in another: the list connects them
        plain_text = {k for k, n in numbers.items() if n is not None and not known & {*(columns[k].texts or [])}}
        columns = {k: ClassValues(v.numbers()) if k in plain_text else v for k, v in columns.items()}  # type: ignore
        texts = [t for v in columns.values() for t in v.texts or []]
    known = set(names)
    unknown = [t for t in dict.fromkeys(texts) if t not in known]
    if unknown:
        raise AuditError(
            f"{where}: expected classes of the class list, got {first(unknown)}. {unlike(unknown[0], names)}"
        )
    made = {k: v.among(names) if v.texts is not None else v.values for k, v in columns.items()}
    return made, tuple(names), "text"


def _signed(numbers: dict[str, Any]) -> tuple[dict[str, np.ndarray], tuple[str, ...]] | None:
    """Classes such as -1 and 1 by their names; None without negative labels, or if these mark a missing one."""
    label = numbers.get("label")
    if label is None or not label.size or label.min() >= 0:
        return None
    known = np.unique(label)
    others = [value for key, value in numbers.items() if key != "label"]
    predicted = np.unique(np.concatenate([value.reshape(-1) for value in others])) if others else known
    lost = predicted[predicted < 0]
    if not np.isin(lost, known).all() or (not len(lost) and 0 in known):
        return None
    every = np.union1d(known, predicted)
    turned = {key: np.searchsorted(every, value) for key, value in numbers.items()}
    return turned, tuple(map(str, every.tolist()))


def _without_prefix(columns: dict[str, ClassValues], names: Sequence[str] | None) -> dict[str, ClassValues]:
    """Classes that Hugging Face calls LABEL_3, as class 3 has no name, as numbers where the others have others."""
    coded = {k: [UNNAMED.fullmatch(t) for t in v.texts] for k, v in columns.items() if v.texts}
    coded = {key: marks for key, marks in coded.items() if all(marks)}
    spelled = {mark[0] for marks in coded.values() for mark in marks if mark}
    if (len(coded) == len(columns) and names is None) or spelled & {*(names or ())}:
        return columns
    turned = {key: np.array([int(mark[1]) for mark in marks])[columns[key].values] for key, marks in coded.items()}  # type: ignore[index]
    return {key: ClassValues(turned[key]) if key in turned else value for key, value in columns.items()}


def _absent_texts(columns: dict[str, ClassValues], where: str) -> None:
    labels = set(columns["label"].texts or []) if "label" in columns else set()
    known = {t for key, value in columns.items() if key != "label" for t in value.texts or []}
    for name, value in columns.items():
        texts, others = value.texts or [], known if name == "label" else labels
        mine = [(i, t) for i, t in enumerate(texts) if t not in others]
        numbers = [t for t in texts if whole_number(t) is not None]
        numbers = numbers if all(t.startswith("-") for t in numbers) else []  # -1 beside names: no label, no class
        wrong = [i for i, t in mine if t.casefold() in ABSENT or t in numbers or not t.strip(MARKS)]
        if wrong:
            kind, advice = first(sorted({repr(texts[i]) for i in wrong})), "Fill or remove them."
            if any(texts[i].casefold() == "nan" for i in wrong):  # which no class list may hold
                kind = "empty"
            else:
                advice = f"Fill or remove them; if {kind} is a class, give the class list (--classes FILE)."
            none_missing(np.isin(value.values, wrong), name, where, kind, advice)


def _check_alike(columns: dict[str, ClassValues], where: str) -> None:
    """Refuse names as predictions if labels are numbers, and names that only look like a label."""
    labels = columns["label"].texts or []
    digits = bool(labels) and all(whole_number(t) is not None for t in labels)
    numeric = lambda texts: all(whole_number(t) is not None or FRACTION.match(t) for t in texts)  # noqa: E731
    for key, value in columns.items():
        new = [t for t in value.texts or [] if t not in set(labels)]
        if key == "label" or not new:
            continue
        none_alike = len(new) == len(value.texts or [])
        if none_alike and (digits != all(whole_number(t) is not None for t in new) or numeric(labels) != numeric(new)):
            raise AuditError(
                f"{where}: expected label and {key} of one type, got {first(labels)} and {first(new)}. "
                f"Save class names in both, or numbers in both, or give the class list ({classes_option(where)})."
            )
        fractions = [t for t in new if digits and FRACTION.match(t)]
        if fractions:
            raise AuditError(
                f"{where}: expected {key} with class numbers, got {first(fractions)}. Save the class, argmax."
            )
        for text in new:
            advice = unlike(text, labels)
            if advice != CHECK and (none_alike or "looks the same" in advice):
                raise AuditError(f"{where}: expected {key} written as the labels are, got {clip(text)!r}. {advice}")


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
