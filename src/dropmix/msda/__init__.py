"""Mixed-sample data augmentation: a method draws a `Mix`, `apply_mix` applies it.

Read in this order: `mix` (the record and the one kernel; `rows` cuts records), `draw` and `boxes` (all randomness),
`methods` (one per file), `weighed` (labels weighed by content), `several` (several partners), `learned` (what learns to
mix) and `text` (methods for texts), `dropmix` (the module for a training loop), `binding`, `batches`, `streams`,
`rates` and `history` (its options, inputs, seeds, drops and memory), `partners`, `labels` and `targets`, `saliency`,
`pixels` and `maps` (what some methods need), `puzzle` and `joint` (the parts of PuzzleMix and Co-Mixup).

`METHODS` is the one list of methods: command line, documentation and contract test derive from it.
Importing this package imports no torch.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

METHODS: dict[str, str] = {
    "vanilla": "dropmix.msda.methods.vanilla:vanilla",
    "mixup": "dropmix.msda.methods.mixup:mixup",
    "manifoldmix": "dropmix.msda.methods.manifoldmix:manifoldmix",
    "cutmix": "dropmix.msda.methods.cutmix:cutmix",
    "mixup_cutmix": "dropmix.msda.methods.mixup_cutmix:mixup_cutmix",
    "puzzlemix": "dropmix.msda.methods.puzzlemix:puzzlemix",
    "comixup": "dropmix.msda.several.comixup:comixup",
    "supermix": "dropmix.msda.several.supermix:supermix",
    "automix": "dropmix.msda.learned.automix:automix",
    "attentivemix": "dropmix.msda.methods.attentivemix:attentivemix",
    "snapmix": "dropmix.msda.weighed.snapmix:snapmix",
    "tokenmix": "dropmix.msda.weighed.tokenmix:tokenmix",
    "transmix": "dropmix.msda.weighed.transmix:transmix",
    "saliencymix": "dropmix.msda.methods.saliencymix:saliencymix",
    "resizemix": "dropmix.msda.methods.resizemix:resizemix",
    "recursivemix": "dropmix.msda.methods.recursivemix:recursivemix",
    "fmix": "dropmix.msda.methods.fmix:fmix",
    "gridmix": "dropmix.msda.methods.gridmix:gridmix",
    "smoothmix": "dropmix.msda.methods.smoothmix:smoothmix",
    "samplepairing": "dropmix.msda.methods.samplepairing:samplepairing",
}

TEXT_METHODS: dict[str, str] = {
    "wordmixup": "dropmix.msda.text.hidden:wordmixup",
    "senmixup": "dropmix.msda.text.hidden:senmixup",
    "spancutmix": "dropmix.msda.text.span:spancutmix",
    "ssmix": "dropmix.msda.text.ssmix:ssmix",
}
"""The methods for texts. Of the methods above, only vanilla takes texts."""


def get_method(name: str) -> Callable[..., Any]:
    """Return the drawing function of a method.

    Args:
        name: a key of `METHODS` or `TEXT_METHODS`.
    Returns:
        The function, e.g. `dropmix.msda.methods.mixup.mixup`; see its docstring for options.
    Raises:
        ValueError: the name is unknown; the message lists the known ones and the nearest.
    Example:
        >>> get_method("mixup").__name__
        'mixup'
    """
    if name in TEXT_METHODS:
        module, function = TEXT_METHODS[name].split(":")
        return getattr(import_module(module), function)
    if name not in METHODS:
        near = get_close_matches(name, METHODS | TEXT_METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {name!r}.{hint}")
    module, function = METHODS[name].split(":")
    return getattr(import_module(module), function)
