"""Read sources of predictions (paths, frames, mappings, arrays) in the roles that the user gives them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropmix.audit.errors import AuditError, FilesError, clip, first
from dropmix.audit.formats.folders import class_list_beside, files_of
from dropmix.audit.inputs.arrays import is_predictions, read_mapping
from dropmix.audit.inputs.example_ids import sort_by_id
from dropmix.audit.inputs.files import look_through, prepare, read_path
from dropmix.audit.inputs.given import GROUP, NO_GROUPS, Labels, MissingColumnError, Reading
from dropmix.audit.inputs.matrices import one_label_each, read_matrix, table_of_frame
from dropmix.audit.inputs.merge import onto_classes, unify
from dropmix.audit.inputs.predictions import BASELINE, Predictions, checked, noted_order, refuse_glob, split_by_name
from dropmix.audit.inputs.roles import (
    NAME_THEM,
    Item,
    arms_of,
    as_list,
    is_arm,
    listed,
    one_arm,
    refuse_copies,
    renamed,
    same_examples,
    single,
    tell_apart,
    with_path,
)
from dropmix.audit.inputs.scores import LabelMatrix, binary
from dropmix.audit.inputs.tables import from_table
from dropmix.audit.naming.paths import name_paths


def read(
    source: Any, name: str, classes: Any = None, intersect: bool = False, topk: int = 1, reading: Reading | None = None
) -> list[Predictions]:
    """Every arm that a source holds, one record per arm.

    Args:
        source: path of a file of predictions, of a run folder or of a folder of such files; a `Predictions`; a frame
            (anything with columns: pandas, polars, pyarrow); a mapping of arrays with `labels` and `pred` or `probs`
            (and `p_true`, `p_max`, `topk`, `example_id`, `seeds`, `classes`, `superclasses`, `arm`, `accept`);
            a pair (labels, pred); or a list of these.
        name: name of the arm if the source has none (a file is then named after its path).
        classes, intersect, topk: as in `Reading`.
        reading: everything that the user says, instead of these three.
    Raises:
        AuditError: the source cannot be read; one line says why.

    Example:
        >>> [a.arm for a in read(([0, 1], [0, 0]), "mine")]
        ['mine']
    """
    reading = _prepared(reading or Reading(classes, topk, intersect), source)
    items = _items(source, name)
    _name(items)
    _read_all(items, reading)
    return arms_of(items, name, reading)


def read_roles(
    baseline: Any, treated: Any, reading: Reading, reference: str | None = None
) -> tuple[Predictions, list[Predictions]]:
    """The baseline and the treated arms.

    An arm's name comes from the source, else from its role, else from the part of the path that distinguishes files.

    Args:
        baseline: source of one arm; if `treated` is None, of several arms, one of them named `reference`.
        treated: source or list of sources of the other arms, or a mapping name -> source.
        reading: what the user says about all sources.
        reference: name of the baseline's arm, wherever it stands among the sources.
    Raises:
        AuditError: a source that cannot be read, or whose role is not clear.
    """
    if reference is not None and treated is not None:
        if isinstance(treated, Mapping):
            raise AuditError("reference: expected sources without names, got a mapping. Give its baseline first.")
        baseline, treated = [*as_list(baseline), *as_list(treated)], None
    base, others = _read_roles(baseline, treated, _prepared(reading, baseline, treated), reference or BASELINE)
    base, *others = unify([base, *others])
    paths = [source["path"] for source in base.sources]
    if reading.classes is None and base.class_names is None and paths and (names := class_list_beside(paths[0])):
        note = f"Classes are numbers; {names} may hold their names, and was not read. To read it: --classes {names}."
        base = replace(base, notes=(*base.notes, note))
    return base, others


def _read_roles(baseline: Any, treated: Any, reading: Reading, reference: str) -> tuple[Predictions, list[Predictions]]:
    if treated is None:
        if isinstance(baseline, str | Path):
            baseline = files_of(Path(baseline)) or baseline  # each file in a folder is an arm, or a seed of one
        named = isinstance(baseline, Mapping) and not is_predictions(baseline) and _named_arms(baseline, reading)
        return split_by_name(named or read(baseline, "baseline", reading=reading), reference)
    base = _items(baseline, "baseline")
    if isinstance(treated, Mapping) and not is_predictions(treated):
        _name(base)
        named = _named_arms(treated, reading, base)
        return one_arm(base, "baseline", reading, given=False), named
    others = _items(treated, "treated")
    if not others:
        raise AuditError("treated: expected at least one arm, got none. Give a source.")
    _name([*base, *others])
    _read_all([*base, *others], reading)
    paths = [str(item.source) for item in (*base, *others)]
    if len(base) == len(others) == 1:
        tell_apart(base[0], others[0])
        lead, rest = single(arms_of(base, "baseline", reading)), arms_of(others, "treated", reading)
        if isinstance(treated, list):
            refuse_glob(lead, rest, paths)
        return noted_order(lead, rest), rest
    lead = one_arm(base, "baseline", reading, given=False)
    mine = [item for item in others if is_arm(item, lead.arm)]
    rest = [item for item in others if item not in mine]
    refuse_copies(rest, "treated")
    if not rest:
        raise AuditError(
            f"treated: expected an arm beside the baseline {clip(lead.arm)!r}, got only files of that arm: "
            f"{listed(mine)}. {NAME_THEM}."
        )
    if mine:
        lead = one_arm([*base, *mine], "baseline", reading, given=False)
    arms = arms_of(rest, "treated", reading)
    if len(base) == 1:
        refuse_glob(lead, arms, paths)
    return noted_order(lead, arms), arms


def _named_arms(sources: Mapping, reading: Reading, beside: Sequence[Item] = ()) -> list[Predictions]:
    """Arms of a mapping name -> source or list of sources; items `beside` them are read too."""
    arms = {str(name): _items(source, str(name)) for name, source in sources.items()}
    for items in arms.values():
        _name(items, one_arm=True)
    _read_all([*beside, *(item for items in arms.values() for item in items)], reading)
    return [one_arm(items, name, reading, given=True) for name, items in arms.items()]


def _items(source: Any, name: str) -> list[Item]:
    if isinstance(source, str | Path):
        return [Item(source, name, name)]
    if _is_pair(source):
        return [Item({"labels": source[0], "pred": source[1]}, name, name)]
    if isinstance(source, list | tuple):
        return [item for one in source for item in _items(one, name)]
    return [Item(source, name, name)]


def _is_pair(source: Any) -> bool:
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    return not any(isinstance(x, str | Path | Mapping | Predictions | tuple) for x in source)


def _name(items: Sequence[Item], one_arm: bool = False) -> None:
    """Names of all items that are paths, from all their paths together.

    Args:
        one_arm: whether the items are parts of one arm; then repeated numbers are not its seeds.
    """
    paths = [item for item in items if isinstance(item.source, str | Path)]
    named = name_paths([item.source for item in paths])
    seeds = [path_name.seed for path_name in named]
    clear = not one_arm or len(set(seeds)) == len(seeds)
    for item, path_name in zip(paths, named):
        item.name, item.whole, item.unclear = path_name.arm, path_name.whole, path_name.unclear
        item.seed = path_name.seed if clear else None


def _read_all(items: Sequence[Item], reading: Reading) -> None:
    """Read every item; one error reports the faults of all files, and files with the same fault together."""
    faults = []
    for item in items:
        try:
            item.parts = list(_parts(item, reading))
        except FilesError as error:  # of the files in a folder
            faults += error.faults
        except AuditError as error:
            faults.append((str(item.source), str(error)))
    if faults:
        raise FilesError(faults)


def _prepared(reading: Reading, *sources: Any) -> Reading:
    """As `prepare`, whose error names damaged files of predictions too: these cannot be read without their labels."""
    try:
        return prepare(reading)
    except FilesError as error:
        faults = [*error.faults]
        for path in _files_among(sources):
            try:
                look_through(path, reading.encoding)
            except AuditError as fault:
                faults.append((str(path), str(fault)))
            except OSError:  # closed to us: told when it is read
                continue
        raise FilesError(faults) from error


def _files_among(source: Any) -> Iterator[Path]:
    """Files of a source; of a folder, those in it."""
    if isinstance(source, str | Path):
        try:
            yield from files_of(Path(source)) or [Path(source)]
        except (AuditError, OSError):  # a folder of another kind, whose error comes when it is read
            return
    elif isinstance(source, list | tuple):
        for one in source:
            yield from _files_among(one)
    elif isinstance(source, Mapping) and not is_predictions(source):
        yield from _files_among([*source.values()])


def _parts(item: Item, reading: Reading) -> Iterator[Predictions]:
    source, name = item.source, item.name
    if isinstance(reading.labels, LabelMatrix) and not _is_folder(source):
        if one := one_label_each(source, name, reading.labels):
            yield from _parts(item, replace(reading, labels=one, classes=reading.classes or reading.labels.names))
            return
        scores, origin = read_matrix(source, name)
        about = {"arm_given": False, "sources": () if origin is None else ({**origin, "arm": name, "seeds": []},)}
        more = dict(reading.labels.beside)
        for key, asked in (("by", reading.by), ("group", reading.group)):
            more |= {key: asked} if isinstance(asked, Labels) else {}
            if isinstance(asked, str) and key not in more and (key, asked) != (GROUP, NO_GROUPS):
                raise MissingColumnError(
                    f"{reading.labels.where}: expected a column {asked!r} for {key}, got "
                    f"{first(reading.labels.names)}. Give it as FILE:COLUMN."
                )
        part = binary(scores, reading.labels, name, about, more)
        for origin in part.sources:
            origin["seeds"] = part.seeds.tolist()
        yield with_path(part, item)
    elif isinstance(source, Predictions):
        yield onto_classes(checked(sort_by_id(source, source.arm), source.arm), reading.classes, source.arm)
    elif isinstance(source, str | Path):
        folder = files_of(Path(source))
        if folder is not None:
            inner = [Item(path, name, name) for path in folder]
            _name(inner, one_arm=True)
            _read_all(inner, reading)
            yield from _of_folder(inner, item)
            return
        for part in read_path(Path(source), reading):
            yield with_path(part, item)
    elif isinstance(source, Mapping):
        yield read_mapping(source, name, reading)
    elif hasattr(source, "__array__") and not hasattr(source, "columns"):  # one array, tensor or series
        yield read_mapping({"pred": source}, name, reading)
    else:
        yield from from_table(table_of_frame(source, name), name, name, reading)


def _is_folder(source: Any) -> bool:
    return isinstance(source, str | Path) and files_of(Path(source)) is not None


def _of_folder(inner: list[Item], folder: Item) -> Iterator[Predictions]:
    """All files in a folder as one arm, unless they say otherwise."""
    # Files that differ only in numbers are seeds or shards, whatever the numbers mean; words are arms, unless the
    # files hold different examples.
    names = {re.sub(r"\d+", "", p.arm) for item in inner for p in item.parts if not p.arm_given}
    if len(names) > 1 and (any(item.whole != item.name for item in inner) or same_examples(inner)):
        raise AuditError(
            f"{folder.source}: expected a folder with files of one arm, got files of {first(sorted(names))}. "
            f"{NAME_THEM}, or give the files one by one."
        )
    refuse_copies(inner, str(folder.source))
    for part in [part for item in inner for part in item.parts]:
        yield part if part.arm_given else renamed(part, folder.name)
