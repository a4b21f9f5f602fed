"""`load_texts`: read a folder of texts as a Dataset of token ids."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dropmix.data.readers.names import class_key
from dropmix.data.readers.walk import listed
from dropmix.data.records import DataError, Dataset, Texts
from dropmix.data.stratify import check_arguments, check_groups, check_known, fold_rows, split_by_content, split_rows
from dropmix.text.network_names import encoder_folder
from dropmix.text.read import Example, TextColumns, read_json
from dropmix.text.splits import SUPERCLASSES, read_source
from dropmix.text.words import encode, pad, vocabulary

TEXTS: dict[str, str] = {
    "banking77": "questions to a bank, 77 intents (train.csv and test.csv)",
    "clinc150": "requests to an assistant, 150 intents in 10 domains (data_full.json)",
    "clinc150-imbalanced": "the same with 25 to 100 training requests per intent (data_imbalanced.json)",
    "text": "any texts as CSV, TSV, JSON lines, JSON, parquet or .txt files",
}
"""Name -> description."""

NAMED = 5
FILES = {"clinc150": "data_full.json", "clinc150-imbalanced": "data_imbalanced.json"}
TEST_SHARE = 0.2
"""Of texts that come in one part."""


def is_text(name: str) -> bool:
    """Whether a data set of that name holds texts."""
    return name in TEXTS


def load_texts(
    name: str,
    path: str | Path | None,
    *,
    network: str = "textcnn",
    train_per_class: int | None = None,
    validation: float = 0.0,
    seed: int = 0,
    text_column: str | None = None,
    label_column: str | None = None,
    tokens: int | None = None,
    folds: int | None = None,
    fold: int = 0,
    group: str | None = None,
) -> Dataset:
    """Read texts, choose training rows as `dropmix.data.load` does, and turn words into ids.

    The vocabulary comes from the chosen training texts. CLINC150's out-of-scope rows and its own validation
    split are left out: `validation` is a share of train, as everywhere. Texts in one part are split by their content:
    copies stay on one side, and a text added later moves no other.

    Args:
        name: one of `TEXTS`.
        path: its folder or file; None looks below DROPMIX_DATA.
        network: `transformers:FOLDER` takes that folder's tokeniser instead of words.
        train_per_class, validation, seed: as for `dropmix.data.load`.
        text_column, label_column: names of columns; None for the usual ones.
        tokens: number of tokens kept from the start of each text; None keeps all.
        folds, fold: cut all texts into `folds` parts and predict part `fold`, as `dropmix.data.load` does.
        group: a column; texts that agree in it, e.g. one author's, stay on one side.
    Raises:
        DataError: anything about the data that a user can mend, in one line.
    """
    check_arguments(train_per_class, validation, seed)
    folder = locate_texts(name, path)
    source = read_source(folder, TextColumns(text_column, label_column, group))
    rows, test_rows = source.train, source.test or []
    classes = class_names(name, rows, test_rows)
    number = {label: k for k, label in enumerate(classes)}
    whole = [*rows, *test_rows]
    labels = np.array([number[row.label] for row in whole], np.int64)
    if group:
        check_known([row.group for row in whole], [row.text for row in whole], "text")
    keys = [row.group or row.text for row in whole]
    if folds is not None:
        train, test = fold_rows(labels, np.arange(len(whole)), classes, folds, fold, seed, keys)
        how = f" (test: part {fold + 1} of {folds} of all texts)"
    elif source.test is None:
        train, test = split_by_content([], labels, classes, TEST_SHARE, seed, keys, "groups" if group else "texts")
        how = f" (test: {TEST_SHARE:.0%} of the texts, by content)"
    else:
        train, test, how = np.arange(len(rows)), len(rows) + np.arange(len(test_rows)), ""
        if group:
            check_groups(keys[: len(rows)], keys[len(rows) :])
    chosen = {"train": train, "test": test}
    if folds is None:
        whose = [keys[i] for i in train] if group else None
        counts = {"train_per_class": train_per_class, "validation": validation}
        kept, aside = split_rows(labels[train], classes, **counts, seed=seed, groups=whose)
        chosen = {"train": train[kept], "test": test} | ({"validation": train[aside]} if validation else {})
    texts = {key: [whole[k].text for k in which] for key, which in chosen.items()}
    encoder = encoder_folder(network)
    words = vocabulary(texts["train"]) if encoder is None else []
    splits = {}
    for key, which in chosen.items():
        ids = encode(texts[key], words, tokens) if encoder is None else tokenise(texts[key], encoder, tokens)
        first = len(rows) if key == "test" and not how else 0  # in their own file, rows count from 0
        splits[key] = Texts(ids, labels[which], (which - first).astype(np.int64), words)
    if folds is None:
        seen = _fingerprint(name, classes, texts, splits, encoder)
    else:
        seen = _fingerprint_of_folds(name, classes, whole, encoder)
    return Dataset(
        name=f"{name}{how}",
        train=splits["train"],
        test=splits["test"],
        classes=classes,
        mean=(),
        std=(),
        fingerprint=seen,
        superclasses=_domains(folder, classes),
        validation=splits.get("validation"),
        notes=(*source.notes, *_remarks(classes, texts, splits)),
        groups=np.array(keys)[chosen.get("validation", test)] if group else None,
        train_groups=np.array(keys)[train] if group and folds is not None else None,
    )


def locate_texts(name: str, path: str | Path | None) -> Path:
    """The folder or file to read: `path`, or its subfolder of that name; else below DROPMIX_DATA.

    Raises:
        DataError: it is not there.
    """
    root = os.environ.get("DROPMIX_DATA")
    told = "texts" if name == "text" else name
    if path is None and not root:
        raise DataError(
            f"load: expected a folder with {told}, got none. Name it with --data, or set DROPMIX_DATA to it."
        )
    place = Path(path if path is not None else root or "").expanduser()
    base = name.removesuffix("-imbalanced")
    for inner in (place / base, place / "text" / base) if name != "text" else ():
        if inner.is_dir():
            place = inner
            break
    if not place.exists():
        raise DataError(f"load: expected a file or folder of {told}, got {place}, which is not there. Check the path.")
    return place / FILES[name] if name in FILES and place.is_dir() else place


def class_names(name: str, rows: list[Example], test: list[Example]) -> list[str]:
    """Classes in order: by number if all are numbers, else by name.

    Raises:
        DataError: fewer than two, or classes that have texts to predict and none to train on.
    """
    here, there = ({row.label for row in part} for part in (rows, test))
    if unknown := sorted(there - here):
        alike = {class_key(label): label for label in here}
        told = [f"{a!r} (train has {alike[class_key(a)]!r})" if class_key(a) in alike else a for a in unknown[:NAMED]]
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        remedy = "Add the missing texts or remove the classes"
        if "-1" in unknown:
            remedy = "If -1 means that test has no labels, remove that file: another split is predicted then"
        raise DataError(
            f"load: expected {name} with texts of every class in train, got {', '.join(told)}{more} only in test. "
            f"{remedy}."
        )
    if len(here) < 2:
        raise DataError(f"load: expected {name} with two classes or more, got {len(here)}. Check the label column.")
    numbers = all(label.isdecimal() for label in here)
    return sorted(here, key=lambda label: (int(label) if numbers else 0, label))


def tokenise(texts: list[str], folder: Path, most: int | None) -> np.ndarray:
    """Ids of a Hugging Face tokeniser plus one, without its special tokens, padded with 0: int32 (N, L)."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise DataError("load: expected transformers for transformers:FOLDER. Run pip install transformers.") from None
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    unknown = tokenizer.unk_token_id or 0
    cut = {"truncation": True, "max_length": most} if most else {}
    token_ids = tokenizer(texts, add_special_tokens=False, **cut)["input_ids"]
    return pad([[token + 1 for token in ids] or [unknown + 1] for ids in token_ids])


def _domains(path: Path, classes: list[str]) -> list[str] | None:
    """Coarse class of each class from domains.json beside the file or in the folder: {domain: [classes]}."""
    file = (path if path.is_dir() else path.parent) / SUPERCLASSES
    if not file.is_file():
        return None
    given = read_json(file)
    if not isinstance(given, dict) or not all(isinstance(labels, list) for labels in given.values()):
        raise DataError(f"{file}: expected an object {{domain: [classes]}}, got {given!r:.60}. Mend or remove it.")
    of = {str(label): domain for domain, labels in given.items() for label in labels}
    if lacking := [label for label in classes if label not in of]:
        raise DataError(f"{file}: expected a domain of every class, got none of {listed(lacking)}. Add them.")
    return [of[label] for label in classes]


def _remarks(classes: list[str], texts: dict[str, list[str]], splits: dict[str, Texts]) -> Iterator[str]:
    """What looks wrong: classes that look alike, copies across the split, and texts in two classes."""
    keys = Counter(map(class_key, classes))
    if near := [repr(name) for name in classes if keys[class_key(name)] > 1]:
        yield f"classes that differ only by case or form: {listed(near)}. Merge them if they are one"
    target = "validation" if "validation" in texts else "test"
    known = {_plain(text) for text in texts["train"]}
    if copies := sum(_plain(text) in known for text in texts[target]):
        yield (
            f"warning: {copies} of the texts to predict are also in train, case and blanks aside. "
            "Remove the copies, which inflate the accuracy."
        )
    labels: dict[str, set[int]] = {}
    for key in ("train", target):
        for text, label in zip(texts[key], splits[key].labels.tolist()):
            labels.setdefault(_plain(text), set()).add(label)
    if torn := [text for text, given in labels.items() if len(given) > 1]:
        yield (
            f"warning: {len(torn)} {'text stands' if len(torn) == 1 else 'texts stand'} in two classes, e.g. "
            f"{torn[0]!r:.60}. Leave one of them out."
        )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _fingerprint_of_folds(name: str, classes: list[str], rows: list[Example], encoder: Path | None) -> str:
    """Hash of all texts and labels in order; the same for all folds."""
    digest = hashlib.sha256(repr((name, classes, "folds", len(rows))).encode())
    for row in rows:
        digest.update(f"{row.text}\0{row.label}\0".encode("utf-8", "surrogatepass"))
    return _with_encoder(digest, encoder)


def _fingerprint(
    name: str, classes: list[str], texts: dict[str, list[str]], splits: dict[str, Texts], encoder: Path | None
) -> str:
    digest = hashlib.sha256(repr((name, classes)).encode())
    for key, content in texts.items():
        digest.update(repr((key, len(content))).encode())
        digest.update("\0".join(content).encode("utf-8", "surrogatepass"))
        digest.update(splits[key].labels.data)
        digest.update(splits[key].tokens.data)
    return _with_encoder(digest, encoder)


def _with_encoder(digest: Any, encoder: Path | None) -> str:
    for file in sorted(encoder.iterdir()) if encoder else ():
        if file.is_file():
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
