"""Choice and set-up of the device."""

import os

import torch


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that a name means.

    Args:
        name: "auto" (a CUDA GPU if there is one, else the CPU), "cpu", "cuda" or "cuda:N".
    Raises:
        ValueError: an unknown name, or a GPU that is not there.
    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}.")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ValueError(
            f"device: expected a CUDA GPU for {name!r}, found {found or 'none'}. Use --device cpu or auto."
        )
    return device


def all_devices(device: torch.device) -> tuple[str, ...]:
    """Return the devices that runs side by side may use: every GPU for "cuda", else the one that was named.

    Example:
        >>> all_devices(torch.device("cpu"))
        ('cpu',)
    """
    if device.type == "cuda" and device.index is None:
        return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    return (str(device),)


def make_deterministic(threads: int = 1) -> None:
    """Set this process up for runs that repeat to the bit: deterministic algorithms, `threads` CPU threads."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory with NaN guards against a bug that our code does not have, and costs a pass over it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False
