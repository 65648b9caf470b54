"""Simulators besides our own tile world, behind the same protocol, and the checker that tests any of them."""
