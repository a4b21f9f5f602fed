import os
import platform
import resource
import subprocess
import sys

import pytest
import torch

from dropmix.train import device
from dropmix.train.device import cores, is_slow_in_bf16, keep_freed_memory


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs affinities")
def test_cores_are_those_of_the_affinity_and_the_containers_share(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    monkeypatch.setattr(device, "QUOTA", tmp_path / "cpu.max")
    assert cores() == 6
    for text, expected in {"max 100000": 6, "250000 100000": 2, "50000 100000": 1, "900000 100000": 6, "": 6}.items():
        device.QUOTA.write_text(text)
        assert cores() == expected


def page_faults() -> int:
    """Of taking and freeing 128 MiB twice, once all is settled."""
    for turn in range(6):
        if turn == 4:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.zeros(2**23) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a trait of the GNU C library")
def test_freed_memory_is_kept():
    # In a process of its own: other tests may have asked for it in this one.
    ran = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert before > 2 * 2**15 / 16  # at most 16 pages a fault
    assert after < before / 10


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN lowers this processor by name")
def test_a_processor_without_bf16_is_slow_in_it():
    code = "import torch; from dropmix.train.device import is_slow_in_bf16 as f; print(f(torch.device('cpu')))"
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "True\n"


def test_a_processor_with_bf16_is_not():
    if not torch.cpu._is_avx512_bf16_supported():  # pyright: ignore[reportPrivateImportUsage]
        pytest.skip("this processor lacks bf16")
    assert not is_slow_in_bf16(torch.device("cpu"))


if __name__ == "__main__":
    faults = page_faults()
    keep_freed_memory()
    print(faults, page_faults())
