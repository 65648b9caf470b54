"""What a drive that failed pays for the time that it did not drive, so that no short drive looks good.

The public scorers add up costs until the end of an episode, so a robot that drives off after two seconds has hardly
any. Here, the one rule is: after a failure, the rest of the planned time is charged as the worst state.

- Costs and errors that accrue over time go on at their worst rate (out of lane: alpha; heading: (pi/2)^2; distance:
  two bodies touch), and shares and means of them are taken over the planned time. This is what this file gives.
- Costs that are counted by event (stop lines, collisions) stay as they are: nobody knows how many would have come.
  The sum of all traffic laws has the charge nevertheless, for staying in the lane is a law of every task.
- Magnitudes of motion (acceleration, jerk, ...) have no worst state: they are absent.
- What other people define, and the variants "as printed", stay as they are defined; their ``meaning`` says so.
"""

from __future__ import annotations

from rilaas.evaluate.driving.objective.definition import Absent
from rilaas.evaluate.driving.objective.drive import Drive


def charged_sum(drive: Drive, sum_so_far: float, worst_per_s: float) -> float:
    """A sum over time, with the missing time at its worst rate.

    Args:
        drive: What was driven.
        sum_so_far: Its sum until the end of the drive.
        worst_per_s: What a second adds at worst.
    """
    return sum_so_far + worst_per_s * drive.missing_s


def charged_mean(drive: Drive, sum_so_far: float, worst: float) -> float | Absent:
    """A mean over time, with the missing time at its worst value.

    Args:
        drive: What was driven.
        sum_so_far: The value's integral over time until the end of the drive.
        worst: The worst value.
    """
    whole_s = drive.survival_s + drive.missing_s
    return charged_sum(drive, sum_so_far, worst) / whole_s if whole_s > 0.0 else Absent("no time passed")


def mean_as_printed(drive: Drive, sum_so_far: float) -> float | Absent:
    """A mean over the time that was driven."""
    return sum_so_far / drive.survival_s if drive.survival_s > 0.0 else Absent("no time passed")
