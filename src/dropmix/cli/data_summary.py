"""Lines for people: what a grid will train on, and whether its runs are fit to be audited."""

from collections import Counter
from pathlib import Path
from typing import Any

FEW_TO_TEST, FEW_TO_TRAIN, SHOWN, LISTED = 10, 5, 6, 50
MOST_READ = 20_000
"""Largest number of files to read in search of copies."""


def data_lines(dataset: Any, out: Path | None = None, folds: int = 0, batch: int = 0) -> list[str]:
    """Classes, images (or texts) per class in train and test, and what looks wrong.

    Args:
        dataset: what a grid trains on.
        out: where images to predict that look like one in train are listed; None lists them in the lines.
        folds: in how many runs of a seed the images take turns at being predicted; 0: the test set is one.
        batch: of the training steps; 0 if not known.
    Example:
        >>> from dropmix.data import load
        >>> data_lines(load("digits", None, train_per_class=5))[0]
        '10 classes; images per class: 5 to train on, 52 to 55 to predict (50 and 539 in all)'
    """
    from dropmix.audit.arm_names import visible
    from dropmix.data import Split
    from dropmix.data.records import Texts
    from dropmix.data.stratify import alike_across

    target = dataset.judged
    train, test = (Counter(split.labels.tolist()) for split in (dataset.train, target))
    training: object = dataset.train
    names, what = dataset.classes, "texts" if isinstance(training, Texts) else "images"
    counts = [[part.get(label, 0) for label in range(len(names))] for part in (train, test)]
    lines = [
        f"{len(names)} classes; {what} per class: {_span(counts[0])} to train on, {_span(counts[1])} to predict "
        f"({sum(counts[0])} and {sum(counts[1])} in all)"
    ]
    if folds:
        judged = [sum(both) for both in zip(*counts)]
        lines[0] += f"; {folds} folds in turn predict {_span(judged)} ({sum(judged)})"
    else:
        judged = counts[1]
    lines += [visible(note) for note in dataset.notes]
    if len(names) == 1:
        lines.append(
            "warning: there is only one class, so every prediction is right. Give the folder above the class folders."
        )
    if sum(counts[0]) <= batch:
        lines.append(
            f"warning: a batch of {batch} holds all {sum(counts[0])} {what} to train on, so an epoch is one step. "
            "Lower train.batch, e.g. --set train.batch=8, or train for more epochs."
        )
    few = [f"{name} ({count})" for name, count in zip(names, counts[0]) if count < FEW_TO_TRAIN]
    if few:
        lines.append(f"warning: classes with fewer than {FEW_TO_TRAIN} {what} to train on: {_some(few)}.")
    units, unit = (judged, what) if dataset.groups is None else (_groups_per_class(dataset), f"groups of {what}")
    few = [f"{name} ({count})" for name, count in zip(names, units) if count < FEW_TO_TEST]
    if few:
        lines.append(
            f"warning: classes with fewer than {FEW_TO_TEST} {unit} to predict, too few to judge: {_some(few)}."
            + (f" --folds 5 predicts every {what[:-1]} once." if dataset.validation is None and not folds else "")
        )
    in_memory = isinstance(dataset.train, Split) and isinstance(target, Split)
    twins, torn = (0, []) if isinstance(training, Texts) else _copies(dataset.train, target)
    alike = "pixel for pixel" if in_memory else "byte for byte"
    if torn:
        lines.append(
            f"warning: {len(torn)} {'image stands' if len(torn) == 1 else 'images stand'} in two classes, {alike}, "
            f"e.g. {visible(' and '.join(torn[0]))}. Leave one of them out."
        )
    if twins:
        lines.append(
            f"warning: {twins} of the images to predict are also in train, {alike}. "
            "Remove the copies, which inflate the accuracy."
        )
    elif in_memory and (pairs := alike_across(dataset.train, target)):
        lines.append(
            f"warning: {len(pairs)} of the images to predict look almost the same as one in train, "
            f"e.g. {visible(' and '.join(pairs[0]))}. {_remedy(dataset, pairs, out)}"
        )
        if out is None and len(pairs) > 1:
            lines += [f"  {visible(' and '.join(pair))}" for pair in pairs[:LISTED]]
            lines += [f"  and {len(pairs) - LISTED} more"] if len(pairs) > LISTED else []
    return lines


def network_line(runs: list[Any], dataset: Any, target: Any) -> str:
    """Make the network and each arm's training step as a worker will, so that what cannot train is refused before a run
    begins. Where runs train on the CPU, the network is tried on two blank images too; others may need their device.

    Returns:
        A line that says what trained weights fill: tensors loaded, a replaced head, tensors left out; "" without any.

    Raises:
        ValueError: an unknown network, optimiser or policy of augmentation, weights that do not fit, a method that the
            network cannot be trained with, or images that it does not take.
    """
    import torch

    from dropmix.audit.arm_names import visible
    from dropmix.msda.binding import map_kind
    from dropmix.nets.trained import build_trained
    from dropmix.text import is_text
    from dropmix.train.augment import Augment
    from dropmix.train.shards import ShardStep
    from dropmix.train.step import MAPS, Stepper, build_for

    first, told = runs[0], ""
    Augment(first.data.augment or ())
    with torch.random.fork_rng(devices=[]):
        if is_text(first.data.name):
            net = build_for(first, dataset)
            if getattr(target, "type", "") == "cpu":
                _check_longest(first.network, net, dataset)
        else:
            net, told = build_trained(first.network, first.weights, len(dataset.classes), dataset.train.shape)
        blank = None
        if not is_text(first.data.name) and getattr(target, "type", "") == "cpu":
            blank = torch.zeros(2, *dataset.train.shape)
            _check_logits(first.network, net, len(dataset.classes), blank)
        for spec in {run.arm.model_dump_json(): run for run in runs}.values():
            stepper = Stepper(spec, net, len(dataset.classes), dataset.mean, dataset.std, dataset.classes)
            if spec.train.shards > 1:
                ShardStep(stepper, [])
            _check_places(spec, len(stepper.places))
            if blank is not None and map_kind(spec.arm.method) in MAPS:
                _check_map(spec, stepper, blank)
    return visible(f"weights: {told}") if told else ""


def _check_logits(network: str, net: Any, classes: int, blank: Any) -> None:
    """Refuse a network that does not take the images, or that returns something else than a row of logits for each."""
    import torch

    from dropmix.msda.maps.network import logits_of

    shape = blank.shape[1:]
    images = f"images of {shape[0]} x {shape[1]} x {shape[2]}"
    try:
        with torch.no_grad():
            output = net.eval()(blank)
    except Exception as error:  # any code of the network
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"network: expected {network} to take {images}, got: {reason}. "
            "Set data.size to what it takes, or choose another network."
        ) from error
    logits = logits_of(output)
    if tuple(logits.shape) != (2, classes):
        raise ValueError(
            f"network: expected logits (B, {classes}) of {network}, one per class, got {tuple(logits.shape)} for two "
            f"{images}. Return one row of logits per image."
        )


def _check_longest(network: str, net: Any, dataset: Any) -> None:
    """Refuse an encoder that does not take the longest text."""
    import torch

    tokens = max((split.tokens for split in (dataset.train, dataset.judged)), key=lambda tokens: tokens.shape[1])
    row = torch.from_numpy(tokens[(tokens > 0).sum(1).argmax()]).long()
    row = row[row > 0]
    try:
        with torch.no_grad():
            net.eval()(row[None, None, None])
    except Exception as error:  # any code of the encoder
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"network: expected {network} to take texts of {len(row)} tokens beside its own, got: {reason}. "
            "Lower data.tokens, the number of tokens kept of each text."
        ) from error


def _check_places(spec: Any, places: int) -> None:
    """Refuse a method that would draw layers which the network does not have, or does not show."""
    wanted = spec.arm.options.get("layers", 0)
    if wanted > places:
        advice = "Lower it."
        if places == 1:
            advice = (
                "It shows no stages to mix between: take one of this package, such as efficientnet-lite0, or mixup."
            )
        raise ValueError(
            f"{spec.arm.method} with {spec.network}: expected layers of at most {places}, got {wanted}. {advice}"
        )


def _check_map(spec: Any, stepper: Any, blank: Any) -> None:
    """Refuse a network that does not give the map that an arm reads."""
    import torch

    try:
        stepper.gradient(blank, torch.zeros(len(blank), dtype=torch.int64))
    except Exception as error:  # any code of the network
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{spec.arm.method} with {spec.network}: {reason}") from error


def near_chance(runs: list[Any], out: Path) -> str:
    """A line if the finished vanilla runs may be guessing, as `at_chance` has it, else ""."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dropmix.audit.measures.chance import at_chance
    from dropmix.train.files import is_whole_parquet

    files = [out / spec.folder_name / "predictions.parquet" for spec in runs if spec.arm.method == "vanilla"]
    tables = [pq.read_table(file, columns=["example_id", "label", "pred"]) for file in files if is_whole_parquet(file)]
    if not tables:
        return ""
    label, pred = (np.asarray(pa.concat_tables(tables)[key]) for key in ("label", "pred"))
    images = np.unique(np.asarray(pa.concat_tables(tables)["example_id"]), return_index=True)[1]
    _, classes, sizes = np.unique(label, return_inverse=True, return_counts=True)
    right = label == pred
    if not at_chance(np.bincount(classes, right) / sizes, np.bincount(classes[images])):
        return ""
    return (
        f"Not fit to be audited: vanilla is not clearly better than chance. It is right on {100 * right.mean():.1f} % "
        f"of the images, and always answering the largest class is right on {100 * sizes.max() / len(label):.1f} %. "
        "Train longer, with a higher train.lr, or with more images."
    )


def _remedy(dataset: Any, pairs: list[tuple[str, str]], out: Path | None) -> str:
    from dropmix.audit.arm_names import visible
    from dropmix.cli.look_alikes import write_look_alikes

    if out is None:
        return "Keep such images on one side of the split with data.group; a run writes the groups."
    file = visible(str(write_look_alikes(out, dataset, pairs)))
    return f"{file} lists them; --set data.group={file} keeps them on one side of the split, in another --out."


def _groups_per_class(dataset: Any) -> list[int]:
    """Number of groups of each class among all examples that are predicted: what an audit counts as examples."""
    sides = [(dataset.judged.labels, dataset.groups)]
    if dataset.train_groups is not None:
        sides.append((dataset.train.labels, dataset.train_groups))
    pairs = {pair for labels, groups in sides for pair in zip(labels.tolist(), groups.tolist())}
    found = Counter(label for label, _ in pairs)
    return [found[label] for label in range(len(dataset.classes))]


def _span(counts: list[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _some(names: list[str]) -> str:
    from dropmix.audit.arm_names import visible

    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(visible(name) for name in names[:SHOWN]) + more


def _copies(train: Any, test: Any) -> tuple[int, list[tuple[str, str]]]:
    """Number of test images with an exact copy in train, and ids of equal images of two classes."""
    known: dict[Any, tuple[int, str]] = {}
    twins, torn = 0, []
    for split, keys in zip((train, test), _contents(train, test)):
        twins = sum(key in known for key in keys)  # of train, while nothing is known, none
        for key, label, name in zip(keys, split.labels.tolist(), split.ids):
            other = known.setdefault(key, (label, str(name)))
            if other[0] != label:
                torn.append((other[1], str(name)))
    return twins, torn


def _contents(*splits: Any) -> list[list[Any]]:
    """A key of each image's content, equal for copies only: of its pixels, or of its file. Only files of equal size are
    read, and none if these are more than `MOST_READ`."""
    from dropmix.data import Split
    from dropmix.data.files import file_sizes
    from dropmix.data.stratify import file_digest

    if isinstance(splits[0], Split):
        return [[hash(image.tobytes()) for image in split.images] for split in splits]
    sizes = [file_sizes(split).tolist() for split in splits]
    count = Counter(size for part in sizes for size in part)
    if sum(times for times in count.values() if times > 1) > MOST_READ:
        return [[(number, row) for row in range(len(part))] for number, part in enumerate(sizes)]
    return [
        [file_digest(split.path(row)) if count[size] > 1 else (number, row) for row, size in enumerate(part)]
        for number, (split, part) in enumerate(zip(splits, sizes))
    ]
