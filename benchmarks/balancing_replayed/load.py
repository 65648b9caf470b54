"""The document's load profiles, shorter, and with time going faster."""

from dataclasses import replace

from rilaas.balance.simulation import PROFILES, Sinusoid, Steps, Trace

FIVE = ("uniform-8", "step", "spike", "poisson-8", "sinusoidal-0.05")


def load_of(name, duration_s, speed):
    """The first ``duration_s`` of a profile of the document; of the steps all four, each a quarter of that long.

    Args:
        name: A key of ``PROFILES``.
        duration_s: As the document counts [s].
        speed: How many times faster time goes: so many times the rate for a share of the duration.
    """
    profile = PROFILES[name]
    rate = profile.rate
    if isinstance(rate, Sinusoid):
        rate = Sinusoid(rate.mean_per_s * speed, rate.amplitude_per_s * speed, rate.frequency_hz * speed)
    else:
        shrink = duration_s / profile.duration_s if name == "step" else 1.0
        times = tuple(at_s * shrink / speed for at_s in rate.from_s)
        rate = Steps(times, tuple(per_s * speed for per_s in rate.per_s))
    return replace(profile, rate=rate, duration_s=duration_s / speed)


def recorded(load, seed):
    """A load's arrivals with a seed as a trace, so that they stay the same whatever else is drawn."""
    at_s, model = load.arrivals(seed)
    return Trace(load.name, load.models, tuple(at_s.tolist()), tuple(model.tolist()), load.duration_s)
