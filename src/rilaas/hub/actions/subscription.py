"""Which models a robot may use, and how often."""

from __future__ import annotations

from django.db import transaction

from rilaas.core import ModelRef, NotFound
from rilaas.hub.actions.event import record
from rilaas.hub.actions.policy import robot_changed
from rilaas.hub.actions.robot import Limits, limits_text
from rilaas.hub.models import Person, Robot, Subscription
from rilaas.hub.queries.access import find_model, find_robot


def subscribe(person: Person, owner: str, name: str, model: str, limits: Limits) -> None:
    """Let a robot use a model, or change how often it may.

    Args:
        person: Who does it.
        owner: The robot's owner.
        name: The robot.
        model: ``owner/name``; without an owner it is the robot's owner's.
        limits: How often.

    Raises:
        NotFound: The robot is not the person's, or the robot's owner may not see the model.
        InvalidInput: That is no model's name.
    """
    ref = ModelRef.parse(model.strip())
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        wanted = find_model(robot.owner, ref.owner or robot.owner.username, ref.name)
        values = {"rate_per_s": limits.rate_per_s, "burst": limits.burst}
        _, is_new = Subscription.objects.update_or_create(robot=robot, model=wanted, defaults=values)
        _changed(robot)
        act = "subscribed" if is_new else "limits changed"
        record(person, act, str(robot), f"{wanted}: {limits_text(limits)}")


def unsubscribe(person: Person, owner: str, name: str, model: str) -> None:
    """Take a model away from a robot.

    Raises:
        NotFound: The robot is not the person's, or does not subscribe to it.
    """
    of, _, own = model.strip().rpartition("/")
    with transaction.atomic():
        robot = find_robot(person, owner, name)
        rows = robot.subscriptions.filter(model__owner__username=of or robot.owner.username, model__name=own)
        if not rows.delete()[0]:
            raise NotFound(f"{robot} has no access to a model {model[:130]!r}.", "See its page.")
        _changed(robot)
        record(person, "subscription ended", str(robot), model.strip())


def _changed(robot: Robot) -> None:
    robot_changed(str(robot), robot.keys.values_list("kid", flat=True))
