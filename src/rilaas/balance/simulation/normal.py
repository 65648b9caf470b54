"""Quantiles of the standard normal distribution, whole arrays at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SMALLEST_U = 2.0**-54  # what a generator calls 0.0 is drawn from below its step of 2^-53

_A = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
_B = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
_C = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
_D = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
_E = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
_F = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)


def normal_quantile(u: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The value under which a standard normal variable lies with probability ``u``.

    Source: Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988); about 1e-16 relative.

    Args:
        u: Any shape, probabilities; 0 and 1 count as 2^-54 from the end.

    Returns:
        The same shape, float64.
    """
    p = np.clip(np.asarray(u, np.float64), SMALLEST_U, 1.0 - SMALLEST_U * 2)
    centre = p - 0.5
    with np.errstate(all="ignore"):  # each branch is computed everywhere, and used where it holds
        near = 0.180625 - centre * centre
        middle = centre * _ratio(_A, _B, near)
        tail = np.sqrt(-np.log(np.where(centre < 0, p, 1.0 - p)))
        far = np.where(tail <= 5.0, _ratio(_C, _D, tail - 1.6), _ratio(_E, _F, tail - 5.0))
    found: npt.NDArray[np.float64] = np.where(np.abs(centre) <= 0.425, middle, np.copysign(far, centre))
    return found


def _ratio(
    above: tuple[float, ...], below: tuple[float, ...], at: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.polyval(above[::-1], at) / np.polyval(below[::-1], at)
