"""The experiments of ``benchmarks/balancing.py``, each of which makes tables for ``docs/balancing.md``."""
