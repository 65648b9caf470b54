"""A short suite, a model that drives somehow, and models that fail."""

from rilaas.hub.actions.evaluation_run import Course, start_evaluation
from rilaas.hub.actions.sharing import share
from rilaas.hub.models import Evaluation
from tests.hub.model_folder import push_folder
from tests.hub.seeing_model import write_seeing_model

MODEL = ("alice", "seeing")
SUITE = """
name = "short"
[world]
duration_s = 1.0
[[scenarios]]
map = "oval"
seeds = [1, 2]
[[scenarios]]
map = "zigzag"
seeds = [3]
"""
FAILS = """
import numpy

class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        if inputs["image"].any():  # not yet where it is warmed up
            raise ValueError("seven is too many")
        return {"wheels": numpy.zeros((1, 2), numpy.float32)}
"""
HOOKS = """
import numpy

class Model:
    def __init__(self, folder, session):
        self.count = 0

    def reset(self):
        self.count = 0

    def predict(self, inputs):
        self.count += inputs["image"].any()  # not yet where it is warmed up
        if self.count > 3:
            {act}
        return {{"wheels": numpy.full((1, 2), 0.2, numpy.float32)}}
"""
DIES = HOOKS.format(act="__import__('os')._exit(7)")


def push_hooks(person, folder, hooks):
    """A driving model that is these lines of Python."""
    write_seeing_model(folder)
    (folder / "hooks.py").write_text(hooks)
    push_folder(person, folder)


def push_seeing(alice, folder):
    """Alice's model that drives somehow; Bob works on it too."""
    push_folder(alice, write_seeing_model(folder))
    share(alice, "model", *MODEL, "bob")
    return MODEL


def started(person, model=MODEL, **options):
    return start_evaluation(person, model, "", Course(suite_toml=SUITE, **options))


def fresh(evaluation):
    return Evaluation.objects.select_related("job").get(pk=evaluation.pk)
