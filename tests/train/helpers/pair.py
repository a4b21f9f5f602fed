"""Two processes that train together: forked, so that they need not import torch again."""

import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from dropmix.train.distributed import Group


def in_two(work: Callable[[Group], Any]) -> list[Any]:
    """Run `work` in two processes; return each result, an exception as text, or a fatal signal as a number."""
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=_child, args=(work, rank, Path(folder))) for rank in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(120)
            child.kill()
        found = [Path(folder) / f"{rank}.pt" for rank in range(2)]
        return [
            torch.load(path, weights_only=False) if path.exists() else child.exitcode
            for path, child in zip(found, children)
        ]


def _child(work: Callable[[Group], Any], rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        result = work(Group())
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
        if os.environ.get("DROPMIX_TEST_TRACE"):
            traceback.print_exc()
    torch.save(result, folder / f"{rank}.new")
    (folder / f"{rank}.new").rename(folder / f"{rank}.pt")
    os._exit(0)  # no clean-up that waits for the other
