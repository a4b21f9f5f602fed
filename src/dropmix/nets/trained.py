"""A network filled with trained weights, which must be those that the run was planned with."""

from collections.abc import Mapping

from torch import nn

from dropmix.nets import build
from dropmix.nets.foreign import file_digest
from dropmix.nets.weights import load_weights, read_weights, weights_digest

Digests = Mapping[str, str | None]


def digests(network: str, weights: str | None) -> dict[str, str | None]:
    """SHA-256 of a network's file and of its weights, each None if there is none.

    Raises:
        ValueError: weights that cannot be read or fetched.
    Example:
        >>> digests("wrn10-1", None)
        {'network_sha256': None, 'weights_sha256': None}
    """
    of_weights = None if weights is None else weights_digest(weights, network)
    return {"network_sha256": file_digest(network), "weights_sha256": of_weights}


def build_trained(
    network: str, weights: str | None, num_classes: int, shape: tuple[int, int, int], known: Digests | None = None
) -> tuple[nn.Module, str]:
    """Make a network and fill it; fresh weights come from torch's global generator.

    Args:
        network, num_classes: as for `build`.
        weights: as for `read_weights`; None leaves all weights fresh.
        shape: (C, H, W) of the images.
        known: the `digests` from when the run was planned.
    Returns:
        The network, and a line that says what was loaded, or "".
    Raises:
        ValueError: the network's file or the weights are not those of `known`, or do not fit.
    """
    if known and any(known.values()):
        current = digests(network, weights)
        for field, what in (("network_sha256", network), ("weights_sha256", weights)):
            if known.get(field) not in (None, current[field]):
                raise ValueError(
                    f"{field.partition('_')[0]}: expected {what} with SHA-256 {known[field]}, got {current[field]}. "
                    "It changed since the run was planned; plan again in another --out."
                )
    net = build(network, num_classes, shape[0], shape[1])
    if weights is None:
        return net, ""
    return net, load_weights(net, read_weights(weights, network), weights)
