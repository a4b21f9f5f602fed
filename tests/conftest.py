"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """One thread a process: numbers repeat, and tests side by side do not take the cores from each other."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, before the first product on a GPU
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cifar100_path() -> Path:
    """Folder of the real CIFAR-100; the test is skipped where DROPMIX_DATA names no folder that holds it."""
    root = os.environ.get("DROPMIX_DATA")
    if not root:
        pytest.skip("needs real images: DROPMIX_DATA names no folder")
    path = Path(root) / "cifar100"
    if not path.is_dir():
        pytest.skip(f"needs real images: DROPMIX_DATA is {root}, which holds no cifar100/")
    return path
