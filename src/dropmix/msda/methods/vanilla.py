"""No mixing: the reference arm."""

from torch import Generator, Tensor

from dropmix.msda.draw import Per, check_batch, shape_only
from dropmix.msda.mix import Mix


@shape_only
def vanilla(x: Tensor, *, generator: Generator | None = None, per: Per = "batch") -> Mix:
    """Leave every image and label as it is.

    Args:
        x: images, (B, C, H, W), or any (B, C, ...).
        generator: not used; nothing is drawn.
        per: not used.
    Returns:
        The identity.
    Example:
        >>> import torch
        >>> vanilla(torch.zeros(2, 3, 4, 4)).is_identity
        True
    """
    check_batch("vanilla", x)
    return Mix.identity(len(x))
