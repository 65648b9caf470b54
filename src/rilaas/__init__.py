"""Robot inference and learning as a service.

From a folder of weights to a fleet: push, optimize, evaluate, deploy, route, predict, observe, learn.
Everything that predicts is a ``rilaas.core.Policy``; ``ARCHITECTURE.md`` is the map of the rooms.
"""

__version__ = "0.1.0"
