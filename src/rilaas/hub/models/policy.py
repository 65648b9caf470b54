"""The log of changes of the access policy, which interceptors follow."""

from __future__ import annotations

from django.db import models

SHARED = ""  # as robot of a change: public models or the fleet's routing table


class PolicyEpoch(models.Model):
    """One row: the number of the last change. Its lock makes changes commit in the order of their numbers."""

    epoch = models.BigIntegerField(default=0)


class PolicyChange(models.Model):
    """At this epoch the policy of this robot (``owner/name``), or what all share, became another one."""

    epoch = models.BigIntegerField(primary_key=True)
    robot = models.CharField(max_length=130, default=SHARED, blank=True)
    kids = models.JSONField(default=list)  # keys that it had before or has now
    at = models.DateTimeField(auto_now_add=True)
