"""Parts of benchmarks/msda.py."""
