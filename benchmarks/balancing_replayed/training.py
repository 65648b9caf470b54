"""Policies that have to be trained, trained for the servers that were measured."""

from rilaas.balance.learned_file import write_learned
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.registry import trainer_of
from rilaas.learn.balancing.trainer import Limit

from .load import load_of

TRAINED = ("q_learning",)
PROFILES = ("uniform-4", "uniform-8", "step", "spike", "poisson-4", "poisson-8")  # the document trains on these types


def train(each, cluster, speed, minutes, folder):
    """A contender with what it learned in simulation; the same where it needs no training, or has a file.

    Args:
        each: Who balances.
        cluster: The servers as they were measured.
        speed: How many times faster time goes.
        minutes: How long [min].
        folder: Where the file goes.
    """
    if each.spec not in TRAINED:
        return each
    loads = tuple(load_of(name, 120.0, speed) for name in PROFILES)
    trained = trainer_of(each.spec)(
        LoadSuite("measured", cluster, loads, loads), seed=0, limit=Limit(minutes=minutes), tell=lambda progress: None
    )
    path = folder / f"{each.spec}.npz"
    write_learned(path, trained.kind, trained.arrays, trained.card)
    return each.trained(path)
