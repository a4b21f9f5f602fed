"""Malformed inputs: each ends in one clear line, nothing is left behind, memory stays bounded."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path


def test_two_hundred_malformed_inputs(tmp_path):
    script = Path(__file__).with_name("fuzz_cases.py")
    run = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    outcomes = Counter(result for _, result in found["results"])
    assert len(found["results"]) >= 200
    # A flipped bit may fall where nothing depends on it; the result is then that of the sound file.
    assert set(outcomes) <= {"refused", "harmless"}, outcomes
    assert outcomes["harmless"] < 10
    assert found["left"] == ["base.parquet"]
    assert found["after"] - found["before"] < 300
