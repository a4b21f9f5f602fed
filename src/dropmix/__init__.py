"""Find the classes that a data augmentation hurts, and tell real harm from seed noise.

Importing `dropmix`, `dropmix.audit` or `dropmix.report` imports no torch: every public name is
looked up on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "DropMix": "dropmix.msda.dropmix",
    "Mix": "dropmix.msda.mix",
    "apply_mix": "dropmix.msda.mix",
    "mix_labels": "dropmix.msda.labels",
    "mix_hidden": "dropmix.msda.methods.manifoldmix",
    "METHODS": "dropmix.msda",
    "input_gradient": "dropmix.msda.saliency",
    "audit_predictions": "dropmix.audit",
    "save_predictions": "dropmix.audit.save",
}
__all__ = [
    "METHODS",
    "DropMix",
    "Mix",
    "apply_mix",
    "audit_predictions",
    "input_gradient",
    "mix_hidden",
    "mix_labels",
    "save_predictions",
]

if TYPE_CHECKING:
    from dropmix.audit import audit_predictions
    from dropmix.audit.save import save_predictions
    from dropmix.msda import METHODS
    from dropmix.msda.dropmix import DropMix
    from dropmix.msda.labels import mix_labels
    from dropmix.msda.methods.manifoldmix import mix_hidden
    from dropmix.msda.mix import Mix, apply_mix
    from dropmix.msda.saliency import input_gradient


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'dropmix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
