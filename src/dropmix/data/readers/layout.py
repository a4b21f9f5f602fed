"""The layout of a user's folder of pictures: its splits and classes, and their names."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropmix.data.readers.names import check_links, class_key, refuse_numbered
from dropmix.data.readers.tables import what_to_do
from dropmix.data.readers.walk import (
    NAMED,
    PHOTOGRAPHS,
    Left,
    class_folders,
    has_classes,
    has_pictures,
    listed,
    subfolders,
)
from dropmix.data.records import DataError

WORDS = {
    "train": {"train", "training", "trn", "trainval"},
    "test": {"test", "testing", "tests", "tst"},
    "validation": {"validation", "valid", "val", "dev", "eval", "evaluation", "holdout", "heldout"},
}
"""Words that name a split. Of the validation words, the first found replaces a missing test split."""
ORDER = ("validation", "valid", "val")
FILLERS = set("set sets data dataset datasets split splits folder dir the my all full image images img imgs".split())
FILLERS |= set("picture pictures pics photo photos files samples labelled labeled cls new final raw small x".split())
OTHER_SPLITS = re.compile(
    r"(?i)(?:tr|te|ts|va|apprentissage|entra[iî]nement|entrenamiento|prueba|pruebas|validaci[oó]n|treino|teste|addestramento"
    r"|lernen|pr[uü]fung|训练集?|测试集?|验证集?|обучение|тест|проверка|学習|テスト|検証|학습|훈련|테스트|검증|gallery|query"
    r"|raw|original|processed|preprocessed|augmented|augmentation|resized|cropped|enhanced|backup|copy"
    r"|(?:fold|split|part|partition|set|subset|batch|cv|k)[-_ ]?(?:\d{1,2}|[a-e]))"
)
"""Names that may be splits in other languages, folds, or copies of one set; too loose to decide by them alone."""
DEPTH = 4  # folders around the data set that are opened, at most


@dataclass(frozen=True)
class SplitName:
    """What a folder's name says about splits.

    Args:
        kind: "train", "test", "validation", or "" for no split.
        plain: whether the name says nothing else: true for "Training_set", false for "seg_train".
    """

    kind: str = ""
    plain: bool = False


def role_of(name: str) -> SplitName:
    """The split that a folder's name means.

    Example:
        >>> role_of("Training_set"), role_of("val2017").kind, role_of("seg_train"), role_of("trains").kind
        (SplitName(kind='train', plain=True), 'validation', SplitName(kind='train', plain=False), '')
    """
    # "trainImages" and "TRAINSet" have two words each.
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name))
    if sum(len(word) == 1 for word in words) > 1:  # "T R A I N", or CamelCase of another kind
        words = ["".join(words)]
    kinds, rest = set(), 0
    for word in words:
        word = word.casefold()
        ends = {word} | {word.removesuffix(filler) for filler in FILLERS} | {word.removeprefix(f) for f in FILLERS}
        kinds_of_word = {kind for kind, known in WORDS.items() if ends & known}
        kinds |= kinds_of_word
        rest += not kinds_of_word and word not in FILLERS
    if kinds == {"train", "validation"}:  # both of them, beside a test split
        kinds = {"train"}
    return SplitName(kinds.pop(), not rest) if len(kinds) == 1 else SplitName()


def is_split(name: str) -> bool:
    return role_of(name).plain


def kinds_of_splits(values: Sequence[str | None]) -> list[str]:
    """The kind of split of each value of a column ("" if it is empty); no kinds if the column names no splits.

    Example:
        >>> kinds_of_splits(["Train", "val", None]), kinds_of_splits(["train", "north"]), kinds_of_splits(["train"])
        (['train', 'validation', ''], [], [])
    """
    roles = {value: role_of(value) if isinstance(value, str) else SplitName() for value in {*values}}
    kinds = {role.kind for role in roles.values()}
    named = all(role.plain for value, role in roles.items() if isinstance(value, str) and value.strip())
    return [roles[value].kind for value in values] if named and {"train"} < kinds - {""} else []


def chosen_kinds(kinds: Sequence[str], where: str, remarks: list[str], what: str = "pictures") -> list[list[bool]]:
    """Which rows are trained on and which are tested on, by the kinds of their splits; says so in `remarks`."""
    test = "test" if "test" in kinds else "validation"
    remarks.append(f"{where} says what is trained on (train) and tested on ({test})")
    rest = sum(kind not in ("train", test) for kind in kinds)
    remarks += [f"{rest} {what if rest > 1 else what[:-1]} of other splits left out"] if rest else []
    return [[kind == wanted for kind in kinds] for wanted in ("train", test)]


@dataclass(frozen=True)
class FolderLayout:
    """The folders of a data set.

    Args:
        root: the folder around splits or classes.
        train, test: folders of class folders; test is None if `train` has to be split.
    """

    root: Path
    train: Path
    test: Path | None


def find_layout(path: Path, left: Left, depth: int = DEPTH) -> FolderLayout:
    """Splits and classes of a folder.

    A folder named like a split is one if it holds class folders. If it holds pictures directly, beside folders of other
    names, it is a class. Names with further words, such as "seg_train" and "seg_test", count if both folders hold
    folders of the same names. Folders that only wrap the data set, or the classes of a split, are opened.

    Raises:
        DataError: a split without its other, or two folders for one split.
    """
    folders = class_folders(path, left)
    named = splits_among(folders)
    splits = [folder for of_kind in named.values() for folder in of_kind]
    others = [folder for folder in folders if folder not in splits]
    if splits and (any(has_classes(folder) for folder in splits) or not others):
        return find_splits(path, folders, named, left)
    if len(folders) == 1 and depth and not has_pictures(folders[0]) and has_classes(folders[0]):
        inner = class_folders(folders[0])
        if len(inner) > 1 or not has_pictures(inner[0]):
            left.remarks.append(f"the classes are the folders in {folders[0].name}")
            return find_layout(folders[0], left, depth - 1)
    check_links(path, [folder.name for folder in folders])
    left.remarks += remarks_on(folders)
    return FolderLayout(path, path, None)


def splits_among(folders: list[Path]) -> dict[str, list[Path]]:
    """The folders of each kind of split, by their names and, if these have further words, by their content."""
    roles = {folder: role_of(folder.name) for folder in folders}
    named = {kind: [f for f in folders if roles[f].plain and roles[f].kind == kind] for kind in WORDS}
    loose = [f for f in folders if roles[f].kind and not roles[f].plain and not has_pictures(f) and has_classes(f)]
    wanted = [f for f in loose if not named["train" if roles[f].kind == "train" else "test"]]
    pair = [*wanted, *(folder for of_kind in named.values() for folder in of_kind if has_classes(folder))]
    kinds = {roles[f].kind == "train" for f in pair}
    shared = set.intersection(*(names_in(f) for f in pair)) if kinds == {True, False} and wanted else set()
    if shared and not any(shared & names_in(f) for f in folders if f not in pair):
        for folder in wanted:
            named[roles[folder].kind].append(folder)
    return named


def names_in(folder: Path) -> set[str]:
    """Names, for comparison, of the class folders in a folder, below folders that only wrap them."""
    return {class_key(inside.name) for inside in subfolders(seen_through(folder))}


def seen_through(folder: Path, but: set[str] | None = None) -> Path:
    """The folder that holds the classes: goes down while a single folder wraps them all.

    Args:
        folder: of a split.
        but: names of classes at which it stops.
    """
    for _ in range(DEPTH):
        inside = class_folders(folder)
        if len(inside) != 1 or class_key(inside[0].name) in (but or ()) or has_pictures(folder):
            break
        if has_pictures(inside[0]) or not has_classes(inside[0]):
            break
        folder = inside[0]
    return folder


def find_splits(path: Path, folders: list[Path], named: dict[str, list[Path]], left: Left) -> FolderLayout:
    """The folders to train on and to test on, among folders named like splits."""
    for kind, of_kind in named.items():
        if kind != "validation" and len(of_kind) > 1:
            both = " and ".join(folder.name for folder in of_kind)
            raise DataError(f"{path}: expected one folder for {kind}, got {both}. Remove or rename one.")
    train = next(iter(named["train"]), None)
    order = {word: place for place, word in enumerate(ORDER)}
    validation = sorted(named["validation"], key=lambda f: order.get(re.sub(r"[\W\d_]|set", "", f.name.lower()), 9))
    tests = [*named["test"], *validation]
    # A test folder without class folders has no labels, as in some competitions.
    test = next((folder for folder in tests if has_labels(folder, train)), None)
    if train is not None and not tests and not has_classes(train):
        raise DataError(f"{train}: expected folders of images, one per class, got none. {what_to_do(train)}")
    if train is None or not tests:
        got = ", ".join(folder.name for folder in folders)
        alone = train or tests[0]
        inner = [folder for folder in folders if sum(map(is_split, names_in(folder))) > 1]
        if inner:
            raise DataError(
                f"{path}: expected folders train and test (or val), got {got}. Name {inner[0]}, which has them."
            )
        raise DataError(
            f"{path}: expected folders train and test (or val), got {got}. Add the missing one, or name {alone} to "
            f"have a part of it held out; if {alone.name} is a class, rename it."
        )
    if test is None or not has_classes(train):
        lacking = train if test is not None else tests[0]
        advice = f"Sort its pictures into a folder per class, or name {train} to have a part of it held out."
        advice = what_to_do(train, tests) if not has_classes(train) else advice
        got = "".join(f"{folder.name} alone, no class of {train.name}" for folder in class_folders(lacking)[:1])
        raise DataError(f"{lacking}: expected folders of images, one per class, got {got or 'none'}. {advice}")
    if os.path.realpath(train) == os.path.realpath(test):
        raise DataError(
            f"{path}: expected {train.name} and {test.name} with pictures of their own, got one folder, by a link. "
            f"Remove the link; name {train} to have a part of it held out."
        )
    parts = {role_of(folder.name).kind: folder for folder in (train, test)}
    left.splits += [str(folder) for folder in folders if folder not in (train, test) and is_split(folder.name)]
    left.folders += [str(folder) for folder in folders if folder not in (train, test) and not is_split(folder.name)]
    inner = seen_through(train)
    inner_test = seen_through(test, {class_key(folder.name) for folder in subfolders(inner)})
    left.remarks += remarks_on(subfolders(inner), split=True)
    if any(folder.name.lower() != kind for kind, folder in parts.items()) or (inner, inner_test) != (train, test):
        left.remarks.append(f"trained on {inner.relative_to(path)}, tested on {inner_test.relative_to(path)}")
    return FolderLayout(path, inner, inner_test)


def has_labels(test: Path, train: Path | None) -> bool:
    """Whether a test folder has class folders; one folder that is no class of several, as in test/unknown, is none."""
    known = set() if train is None else names_in(train)
    named = names_in(test)
    return has_classes(test) and (len(known) < 2 or len(named) > 1 or bool(named & known))


def remarks_on(classes: list[Path], split: bool = False) -> list[str]:
    """Remarks on folders taken for classes that deserve a second look; `split`: they lie in a folder of a split.

    Raises:
        DataError: all are named like splits or folds, and hold folders of the same names.
    """
    inside = {
        folder: {below.name for below in subfolders(seen_through(folder))}
        for folder in classes
        if not has_pictures(folder) and has_classes(folder)
    }
    if all(len(names) == 1 and names <= PHOTOGRAPHS for names in inside.values()):
        inside = {}  # cat/images, dog/images
    named = all(role_of(folder.name).kind or OTHER_SPLITS.fullmatch(folder.name) for folder in classes)
    names = listed([folder.name for folder in classes])
    if not inside:
        looks = (
            f"the classes are named like splits or folds: {names}. If they are, put the class folders of all into one"
        )
        return [looks] if named and classes else []
    refuse_splits_of_other_classes(classes)
    told = [f"{folder.name} ({listed(sorted(names))})" for folder, names in inside.items()]
    count = Counter(name for names in inside.values() for name in names)
    kinds = {role_of(name).kind if is_split(name) else "" for name in count}
    if len(inside) == len(classes) > 1 and "train" in kinds and len(kinds) > 1 and "" not in kinds:
        if all(has_classes(below) for folder in inside for below in subfolders(folder)):
            raise DataError(
                f"{classes[0].parent}: expected one data set, got {names}, each with splits of its own. "
                f"Name one: {classes[0]}."
            )
        raise DataError(
            f"{classes[0].parent}: expected folders of classes within each split, got splits within each class: "
            f"{'; '.join(told[:NAMED])}. Turn them round: train/{classes[0].name}, test/{classes[0].name}."
        )
    same = len(inside) == len(classes) > 1 and set(count.values()) == {len(inside)} and len(count) > 1
    most = [name for name, times in count.items() if 2 * times > len(classes)]  # a fold may lack a rare class
    if named and len(inside) == len(classes) > 1 and 2 * len(most) > len(count):
        raise DataError(
            f"{classes[0].parent}: expected splits train and test, or a folder per class, got {names}, which all "
            f"hold {listed(sorted(most))}. Name one: {classes[0]}. Or rename two of them train and test, or join them."
        )
    if len(inside) == len(classes):
        refuse_numbered(inside)
    line = f"folders inside a class count as its pictures: {'; '.join(told[:NAMED])}"
    line += f" and {len(told) - NAMED} more classes" if len(told) > NAMED else ""
    if same and not split:
        inner = "If the inner folders are the classes, give --set 'data.labels=([^/]+)/[^/]+$'"
        return [f"{line}. {inner}. If these are splits, rename them train and test"]
    return [f"{line}. If the inner folders are the classes, move them up"]


def refuse_splits_of_other_classes(classes: list[Path]) -> None:
    """Raise DataError if folders taken for classes differ only by words of splits, as x_train and x_test do."""
    roles = {folder: role_of(folder.name) for folder in classes}
    kinds = {role.kind for role in roles.values()}
    words = {tuple(w for w in re.findall(r"[^\W\d_]+", f.name.casefold()) if not role_of(w).kind) for f in classes}
    if {"train"} < kinds and "" not in kinds and len(words) == 1:
        train = next(folder for folder, role in roles.items() if role.kind == "train")
        names = listed([folder.name for folder in classes])
        raise DataError(
            f"{train.parent}: expected splits with folders of the same classes, got {names}, whose folders differ. "
            f"Name {train} to have a part of it held out."
        )
