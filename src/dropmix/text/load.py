"""`load_texts`: from a name and a folder of texts to a Dataset of token ids."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from dropmix.data.records import DataError, Dataset, Texts
from dropmix.data.stratify import check_arguments, split_rows
from dropmix.text.network_names import encoder_folder
from dropmix.text.read import Rows, read_splits
from dropmix.text.words import encode, pad, vocabulary

TEXTS: dict[str, str] = {
    "banking77": "questions to a bank, 77 intents (train.csv and test.csv)",
    "clinc150": "requests to an assistant, 150 intents in 10 domains (data_full.json)",
    "clinc150-imbalanced": "the same with 25 to 100 training requests per intent (data_imbalanced.json)",
    "text": "any folder with train and test as CSV, TSV, JSON lines or JSON",
}
"""Name -> description."""

FILES = {"clinc150": "data_full.json", "clinc150-imbalanced": "data_imbalanced.json"}


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
) -> Dataset:
    """Read texts, choose training rows as `dropmix.data.load` does, and turn words into ids.

    The vocabulary is that of the chosen training texts. CLINC150's rows out of scope and its own validation
    split are left out: `validation` is a share of train, as everywhere.

    Args:
        name: one of `TEXTS`.
        path: its folder or file; None looks below DROPMIX_DATA.
        network: `transformers:FOLDER` takes that folder's tokeniser instead of words.
        train_per_class, validation, seed: as for `dropmix.data.load`.
        text_column, label_column: names of columns; None for the usual ones.
        tokens: number of tokens kept from the start of each text; None keeps all.
    Raises:
        DataError: anything about the data that a user can mend, in one line.
    """
    check_arguments(train_per_class, validation, seed)
    folder = locate_texts(name, path)
    rows, test_rows = read_splits(folder, text_column, label_column)
    classes = class_names(name, rows, test_rows)
    number = {label: k for k, label in enumerate(classes)}
    labels = np.array([number[label] for _, label in rows], np.int64)
    train, aside = split_rows(labels, classes, train_per_class=train_per_class, validation=validation, seed=seed)
    chosen = {"train": (rows, train), "test": (test_rows, np.arange(len(test_rows)))}
    if validation:
        chosen["validation"] = (rows, aside)
    texts = {key: [source[k][0] for k in which] for key, (source, which) in chosen.items()}
    encoder = encoder_folder(network)
    words = vocabulary(texts["train"]) if encoder is None else []
    splits = {}
    for key, (source, which) in chosen.items():
        ids = encode(texts[key], words, tokens) if encoder is None else tokenise(texts[key], encoder, tokens)
        own = np.array([number[source[k][1]] for k in which], np.int64)
        splits[key] = Texts(ids, own, which.astype(np.int64), words)
    return Dataset(
        name=name,
        train=splits["train"],
        test=splits["test"],
        classes=classes,
        mean=(),
        std=(),
        fingerprint=_fingerprint(name, classes, texts, splits, encoder),
        superclasses=_domains(folder, classes),
        validation=splits.get("validation"),
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
    found = Path(path if path is not None else root or "").expanduser()
    base = name.removesuffix("-imbalanced")
    for inner in (found / base, found / "text" / base) if name != "text" else ():
        if inner.is_dir():
            found = inner
            break
    if not found.exists():
        raise DataError(f"load: expected a folder with {told}, got {found}, which does not exist. Check the path.")
    return found / FILES[name] if name in FILES and found.is_dir() else found


def class_names(name: str, rows: Rows, test: Rows) -> list[str]:
    """Classes in order: by number if all are numbers, else by name.

    Raises:
        DataError: fewer than two, or train and test differ in them.
    """
    here, there = ({label for _, label in part} for part in (rows, test))
    if here != there:
        alone = [
            f"{', '.join(sorted(a - b)[:5])} only in {key}"
            for key, a, b in (("train", here, there), ("test", there, here))
            if a - b
        ]
        raise DataError(
            f"load: expected {name} with the same classes in train and test, got {'; '.join(alone)}. "
            "Add the missing texts or remove the classes."
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
    found = tokenizer(texts, add_special_tokens=False, **cut)["input_ids"]
    return pad([[token + 1 for token in ids] or [unknown + 1] for ids in found])


def _domains(path: Path, classes: list[str]) -> list[str] | None:
    """Coarse class of each class from domains.json beside the file or in the folder: {domain: [classes]}."""
    file = (path if path.is_dir() else path.parent) / "domains.json"
    if not file.is_file():
        return None
    of = {label: domain for domain, labels in json.loads(file.read_text("utf-8")).items() for label in labels}
    return [of[label] for label in classes] if of.keys() >= set(classes) else None


def _fingerprint(
    name: str, classes: list[str], texts: dict[str, list[str]], splits: dict[str, Texts], encoder: Path | None
) -> str:
    digest = hashlib.sha256(repr((name, classes)).encode())
    for key, content in texts.items():
        digest.update(repr((key, len(content))).encode())
        digest.update("\0".join(content).encode("utf-8", "surrogatepass"))
        digest.update(splits[key].labels.data)
        digest.update(splits[key].tokens.data)
    for file in sorted(encoder.iterdir()) if encoder else ():
        if file.is_file():
            digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
