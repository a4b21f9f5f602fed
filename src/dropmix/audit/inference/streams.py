"""Named random streams: no part of the audit depends on what another part drew."""

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of a named stream.

    Args:
        seed: seed of the audit, >= 0.
        name: name of the stream, such as "floor".

    Example:
        >>> stream(0, "a").random() == stream(0, "a").random(), stream(0, "a").random() == stream(0, "b").random()
        (True, False)
    """
    return np.random.default_rng([seed, *name.encode()])
