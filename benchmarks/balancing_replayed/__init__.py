"""The parts of ``balancing_real.py``: real servers at emulated distances, and what is replayed to them."""
