"""Hypothesis without its time limit per example: speed is measured in benchmarks, machines under load are slow."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
