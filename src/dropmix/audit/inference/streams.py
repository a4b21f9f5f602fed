"""Named random streams: what one part of the audit draws does not depend on what another part drew."""

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of a named stream of an audit.

    Args:
        seed: of the audit, >= 0.
        name: of the stream, such as "floor".

    Example:
        >>> stream(0, "a").random() == stream(0, "a").random(), stream(0, "a").random() == stream(0, "b").random()
        (True, False)
    """
    return np.random.default_rng([seed, *name.encode()])
