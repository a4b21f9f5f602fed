"""Choice and set-up of the device."""

import ctypes
import os
import platform
import time
from pathlib import Path

import torch
from torch.nn import functional as F

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of this container: microseconds of processor time, and of the clock
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device with a name.

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
    gpu_count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpu_count:
        raise ValueError(
            f"device: expected a CUDA GPU for {name!r}, found {gpu_count or 'none'}. Use --device cpu or auto."
        )
    return device


def all_devices(device: torch.device) -> tuple[str, ...]:
    """Return the devices that runs side by side may use: every GPU for "cuda", else the named device.

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
    # Filling fresh memory with NaN costs a pass over it, and guards against a bug that our code does not have.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False


def cores() -> int:
    """Number of cores that this process may use: by its affinity and, in a container, by its share of time; at least 1.

    Example:
        >>> 1 <= cores() <= (os.cpu_count() or 1)
        True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, int(quota) // int(period)))


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees for later use.

    The C library of Linux gives large blocks back to the system and asks for them again, page by page: a training step
    on a CPU frees and takes all of its hidden states, and could spend a fifth of its time on that.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)


def check_precision(precision: str, device: torch.device) -> None:
    """Raise ValueError for a precision in which a device does not train."""
    if precision == "fp16" and device.type == "cpu":
        raise ValueError(
            "train.precision: expected bf16 or fp32 on a CPU, got fp16. Use --set train.precision=bf16, or fp32."
        )


def is_slow_in_bf16(device: torch.device) -> bool:
    """Say whether bf16 is slower than fp32 on a device: true if the hardware lacks it. Measures for a moment."""
    if device.type == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    fp32, bf16 = (_convolution_seconds(dtype) for dtype in (torch.float32, torch.bfloat16))
    return bf16 > 1.5 * fp32


def _convolution_seconds(dtype: torch.dtype) -> float:
    x, weight = (torch.ones(size, dtype=dtype) for size in ((16, 32, 16, 16), (32, 32, 3, 3)))
    x = x.contiguous(memory_format=torch.channels_last)
    taken = []
    for _ in range(4):
        start = time.thread_time()
        F.conv2d(x, weight, padding=1)
        taken.append(time.thread_time() - start)
    return min(taken)
