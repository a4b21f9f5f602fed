"""Which of the user's files and folders hold texts to train on, and which hold texts to predict."""

import re
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from dropmix.data.readers.layout import chosen_kinds, kinds_of_splits, role_of
from dropmix.data.readers.walk import listed
from dropmix.data.records import TEST_NAMES, DataError
from dropmix.text.read import USUAL, Example, TextColumns, read_folders, read_json, read_rows, rows_of_json, text_files

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
SUPERCLASSES = "domains.json"
NO_TEXTS = {SUPERCLASSES, "dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json"}
UNLABELLED = {"unsup", "unlabeled", "unlabelled"}
"""Folders beside those of classes, such as that of the IMDB reviews, whose texts have no class."""
SHARD = re.compile(r"-\d+-of-\d+$")
LISTED = 8
CONVERT = "Name the folder that holds them, or convert them."


@dataclass(frozen=True)
class TextSource:
    """Rows of texts.

    Args:
        train: rows to train on; all rows, if `test` is None.
        test: rows to predict; None where the source has one part, which is to be split.
        notes: what was left out.
    """

    train: list[Example]
    test: list[Example] | None
    notes: tuple[str, ...] = ()


def read_source(path: Path, columns: TextColumns = USUAL) -> TextSource:
    """Read the texts of a file, or of a folder in one of the usual layouts.

    A folder holds one file per split, named after it (train.csv, Test_set.jsonl, reviews-train.tsv, parquet shards),
    at its top or in folders named after splits; or folders of classes with one .txt file per text, per split or once;
    or a single file, whose column of splits is followed, or which is to be split. A JSON file may hold both splits as
    entries, as CLINC150's does.

    Raises:
        DataError: no texts, or several files for one split.
    """
    if path.is_file():
        if path.suffix.lower() not in ENDINGS:
            got = path.suffix or "no ending"
            raise DataError(f"{path}: expected a file of texts ({', '.join(ENDINGS)}), got {got}. Convert it.")
        return _of_json(path, columns) if path.suffix.lower() == ".json" else _by_column(read_rows(path, columns))
    files = _files(path)
    folders = _folders(path)
    if not files and len(folders) == 1 and not role_of(folders[0].name).kind and not _is_class(folders[0]):
        return read_source(folders[0], columns)  # it only wraps them
    if not files and folders:
        return _of_folders(path, folders, columns)
    stems = {SHARD.sub("", file.stem) + file.suffix for file in files}
    if len(stems) == 1 and not role_of(SHARD.sub("", files[0].stem)).kind:
        return read_source(files[0], columns) if len(files) == 1 else _by_column(_joined(files, columns))
    chosen = {kind: _of_split(path, kind, files) for kind in ("train", "test", "validation")}
    train, test = chosen["train"], chosen["test"] or chosen["validation"]
    if not train or not test:
        there = files or sorted(path.iterdir())
        got = ", ".join(file.name for file in there[:LISTED]) or "nothing"
        if train or test:
            remedy = f"Name the folder that holds both. To have a part of it held out, name {(train or test)[0]}."
        else:
            remedy = "Join them into one, or name two train and test." if files else CONVERT
        raise DataError(
            f"{path}: expected files train and test ({', '.join(ENDINGS)}), or one file, got {got}. {remedy}"
        )
    others = [file.name for file in files if file not in (*train, *test)]
    notes = (f"left out: {listed(others)}",) if others else ()
    return TextSource(_joined(train, columns), _joined(test, columns), notes)


def _files(folder: Path) -> list[Path]:
    """Sorted files of texts of a folder."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    return [file for file in files if file.name[0] != "." and file.name not in NO_TEXTS]


def _folders(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and inner.name[0] not in "._")


def _is_class(folder: Path) -> bool:
    """Whether texts lie in the folder itself; beside folders of classes, .txt files tell something else."""
    return bool(text_files(folder)) and not _folders(folder)


def _unlabelled(folder: Path) -> bool:
    return folder.name.casefold() in UNLABELLED


def _of_split(path: Path, kind: str, files: list[Path]) -> list[Path]:
    """The file of a split, or its shards: those named plainly, else those whose name says more ("reviews-train")."""
    roles = {file: role_of(SHARD.sub("", file.stem)) for file in files}
    named = [file for file in files if roles[file].kind == kind]
    named = [file for file in named if roles[file].plain] or named
    if kind == "validation":  # the first that is usual
        order = {name: place for place, name in enumerate(TEST_NAMES)}
        named = sorted(named, key=lambda file: order.get(SHARD.sub("", file.stem).lower(), len(order)))
        named = [file for file in named if SHARD.sub("", file.stem) == SHARD.sub("", named[0].stem)]
    if len({SHARD.sub("", file.stem) + file.suffix for file in named}) > 1:
        got = ", ".join(file.name for file in named)
        raise DataError(f"{path}: expected one file {kind}, got {got}. Remove the others.")
    return named


def _joined(files: list[Path], columns: TextColumns) -> list[Example]:
    return [row for file in files for row in read_rows(file, columns)]


def _by_column(rows: list[Example]) -> TextSource:
    """Rows that came in one part, cut by their column of splits if they have one."""
    kinds = kinds_of_splits([row.split for row in rows])
    if not kinds:
        return TextSource(rows, None)
    notes: list[str] = []
    train, test = chosen_kinds(kinds, "the column of splits", notes, "texts")
    return TextSource(list(compress(rows, train)), list(compress(rows, test)), tuple(notes))


def _of_json(path: Path, columns: TextColumns) -> TextSource:
    """A JSON file of rows, or of entries train and test."""
    content = read_json(path)
    if isinstance(content, dict):
        test = next((name for name in TEST_NAMES if name in content), None)
        if "train" in content and test:
            parts = [rows_of_json(f"{path}, {name}", content[name], columns) for name in ("train", test)]
            return TextSource(parts[0], parts[1])
        rows = [
            part for part in content.values() if isinstance(part, list) and part and isinstance(part[0], dict | list)
        ]
        if len(rows) > 1:
            got = ", ".join(content)
            raise DataError(f"{path}: expected rows, or entries train and test, got {got:.80}. Rename them.")
        content = rows[0] if rows else content
    return _by_column(rows_of_json(str(path), content, columns))


def _of_folders(path: Path, folders: list[Path], columns: TextColumns) -> TextSource:
    """Folders of splits with a file or a folder per class each, or folders of classes."""
    kinds = {folder: role_of(folder.name).kind for folder in folders if role_of(folder.name).plain}
    if kinds and not all(map(_is_class, folders)):
        parts: dict[str, list[Example]] = {}
        used: list[Path] = []
        for kind in ("train", "test", "validation"):
            of_kind = [folder for folder in folders if kinds.get(folder) == kind]
            if len(of_kind) > 1:
                got = ", ".join(folder.name for folder in of_kind)
                raise DataError(f"{path}: expected one folder {kind}, got {got}. Remove or rename one.")
            if of_kind and (kind != "validation" or "test" not in parts):
                parts["test" if kind == "validation" else kind] = _of_folder(of_kind[0], columns)
                used += of_kind
        if len(parts) < 2:
            got = ", ".join(folder.name for folder in folders[:LISTED])
            raise DataError(f"{path}: expected folders train and test, got {got}. Add the missing one.")
        others = [folder.name for folder in folders if folder not in used]
        others += [f"{split.name}/{inner.name}" for split in used for inner in _folders(split) if _unlabelled(inner)]
        notes = (f"left out: {listed(others)}",) if others else ()
        return TextSource(parts["train"], parts["test"], notes)
    others = [folder.name for folder in folders if _unlabelled(folder)]
    return TextSource(_of_classes(path, folders, columns), None, (f"left out: {listed(others)}",) if others else ())


def _of_folder(path: Path, columns: TextColumns) -> list[Example]:
    """The rows of the folder of one split."""
    files = _files(path)
    if not files:
        return _of_classes(path, _folders(path), columns)
    if len({SHARD.sub("", file.stem) + file.suffix for file in files}) > 1:
        got = ", ".join(file.name for file in files[:LISTED])
        raise DataError(f"{path}: expected one file, or the shards of one, got {got}. Remove the others.")
    return _joined(files, columns)


def _of_classes(path: Path, folders: list[Path], columns: TextColumns) -> list[Example]:
    """A folder per class, a file per text."""
    folders = [folder for folder in folders if not _unlabelled(folder)]
    empty = [folder.name for folder in folders if not text_files(folder)]
    if empty or not folders:
        raise DataError(
            f"{path}: expected files train and test ({', '.join(ENDINGS)}), or a folder per class with a .txt file per "
            f"text, got no text in {listed(empty) or 'it'}. {CONVERT}"
        )
    return read_folders(folders, columns)
