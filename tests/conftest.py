"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """One thread per process: numbers repeat, and parallel tests do not compete for the cores."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, before the first product on a GPU
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path | None:
    """Where data sets lie: $DROPMIX_DATA, else shared/data beside the checkout, else nowhere."""
    folders = [os.environ.get("DROPMIX_DATA"), Path(__file__).parents[2] / "shared" / "data"]
    return next((Path(folder) for folder in folders if folder and Path(folder).is_dir()), None)


@pytest.fixture(scope="session")
def real_data(data_folder: Path | None) -> Callable[[str], Path]:
    """The path of a file or folder of real data, e.g. `real_data("cifar100")`; the test is skipped if it isn't here."""

    def find(name: str) -> Path:
        if data_folder is None or not (data_folder / name).exists():
            pytest.skip(f"needs real data: DROPMIX_DATA names no folder that holds {name}")
        return data_folder / name

    return find
