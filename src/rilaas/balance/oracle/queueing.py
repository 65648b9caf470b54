"""Closed forms of queueing theory: what servers with exponential service times must show.

Source: L. Kleinrock, Queueing Systems, volume 1 (1975), sections 3.2 (M/M/1) and 3.5 (M/M/m, Erlang's C formula).
"""

from __future__ import annotations

import math

from rilaas.core import InvalidInput


def erlang_c(slots: int, offered: float) -> float:
    """Probability that a request has to wait in an M/M/c queue.

    ``C = B / (1 - a/c (1 - B))``, where ``B`` is Erlang's loss formula by its recursion
    ``B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1))``, which neither overflows nor cancels.

    Args:
        slots: Inferences that run at once, c.
        offered: Offered load, arrival rate times mean service time, a; below ``slots``.

    Raises:
        InvalidInput: There is no slot, or the load is negative, or the queue would grow for ever.
    """
    if slots < 1 or offered < 0.0:
        raise InvalidInput(f"A queue has at least 1 slot and a load of at least 0; got {slots} and {offered:g}.")
    if offered >= slots:
        raise InvalidInput(
            f"A load of {offered:g} on {slots} slots grows for ever.", "The offered load has to be below the slots."
        )
    lost = 1.0
    for busy in range(1, slots + 1):
        lost = offered * lost / (busy + offered * lost)
    return lost / (1.0 - offered / slots * (1.0 - lost))


def mmc_wait_s(arrival_per_s: float, service_s: float, slots: int) -> float:
    """Mean wait before service in an M/M/c queue [s]: ``C / (c / s - lambda)``.

    Args:
        arrival_per_s: Poisson arrivals [1/s], lambda.
        service_s: Mean of the exponential service time [s], s.
        slots: Inferences that run at once, c.

    Raises:
        InvalidInput: As ``erlang_c``.
    """
    waits = erlang_c(slots, arrival_per_s * service_s)
    return waits / (slots / service_s - arrival_per_s)


def mmc_latency_s(arrival_per_s: float, service_s: float, slots: int) -> float:
    """Mean of wait and service in an M/M/c queue [s]; arguments and errors as ``mmc_wait_s``."""
    return mmc_wait_s(arrival_per_s, service_s, slots) + service_s


def mm1_latency_s(arrival_per_s: float, service_s: float) -> float:
    """Mean of wait and service in an M/M/1 queue [s]: ``s / (1 - lambda s)``; inf where it grows for ever."""
    load = arrival_per_s * service_s
    return service_s / (1.0 - load) if load < 1.0 else math.inf
