"""What a batch leaves for the next one, for methods that mix with it or learn from it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from dropmix.msda.labels import mix_labels
from dropmix.msda.learned.mixer import Mixer
from dropmix.msda.mix import Mix, mix_images
from dropmix.msda.streams import Seeded


class History(NamedTuple):
    """The batch before, as it was trained on.

    Args:
        images: mixed images, (n, C, H, W), or of one or three axes; n may differ from the next batch's size.
        shares: their labels as shares, (n, K), float.
    """

    images: Tensor
    shares: Tensor


@torch.no_grad()
def left_by(x: Tensor, y: Any, mix: Mix, num_classes: int | None) -> History:
    """Return what a batch leaves: its images and labels, mixed as the record says, in memory of their own.

    Raises:
        RuntimeError: in a DataLoader worker, whose memory is in no checkpoint.
        ValueError: masks or boxes as labels, which no later batch could use.
    Example:
        >>> left_by(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), Mix.identity(2), 2).shares
        tensor([[1., 0.],
                [0., 1.]])
    """
    if get_worker_info() is not None:
        raise RuntimeError(
            "DropMix: expected a method without history in a DataLoader worker, got one that mixes with the batch "
            "before, which no checkpoint of yours would hold. Mix in the main process, after loading."
        )
    if not isinstance(y, Tensor) or y.ndim > 2 or (y.ndim == 2 and not y.is_floating_point()):
        raise ValueError(
            "DropMix: expected class ids (B,) or shares (B, K) with a method that mixes with the batch before, got "
            "masks or boxes. Use cutmix or resizemix."
        )
    images = x.detach().clone() if mix.is_identity else mix_images(x.detach(), mix)
    shares = mix_labels(y.detach(), mix, num_classes)
    return History(images, shares.clone() if shares is y else shares)


class Remembering(Seeded):
    """A seeded module whose state holds a history and a mixer too, where its methods need them.

    Attributes:
        history: what the last batch left, or None; the next draw mixes with it.
        remembers: whether any method needs it.
        mixer: what a method has learned, or None where none learns; a submodule.
    """

    history: History | None = None
    remembers = False
    mixer: Mixer | None

    @property
    def depends_on_the_past(self) -> bool:
        """Whether draws depend on the batches before, so that a checkpoint must hold this module's state."""
        return self.remembers or self.mixer is not None

    def refuse_of_classes(self, what: str, names: str) -> None:
        """Refuse what treats classes differently, if the batch before is mixed in: its pictures are of any class."""
        if self.remembers:
            raise ValueError(
                f"DropMix: expected one rate and partners='any' with {names}, which mixes with the batch before, got "
                f"{what}. Use another method."
            )

    def get_extra_state(self) -> Any:
        """For `state_dict`: see `Seeded`; with the history, where a method needs it."""
        state = super().get_extra_state()
        if not self.remembers:
            return state
        return {"draws": state} | ({} if self.history is None else self.history._asdict())

    def set_extra_state(self, state: Any) -> None:
        """Go on from a state: see `get_extra_state`."""
        if self.remembers != isinstance(state, dict):
            raise ValueError(
                f"DropMix: expected the state of a module {'with' if self.remembers else 'without'} history, got that "
                "of one whose method differs. Make it with the same method."
            )
        if self.remembers:
            self.history = History(state["images"], state["shares"]) if "images" in state else None
        super().set_extra_state(state["draws"] if self.remembers else state)
