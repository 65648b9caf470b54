"""What the first source document's project published of drives in the simulator: table F; see ``published.py``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """One method in the simulator; see table F.

    Attributes:
        circuit: ``SimpleCircuit`` or ``Montreal``.
        method: As the source calls it.
        average_speed_m_s: Along the way [m/s].
        deviation: What the source calls the mean absolute error of the position. It is mean(1000 ** distance), so 7.4
            is about 0.29 m and 17.0 about 0.41 m.
        frequency_hz: Of the brain, in real time [Hz].
        inference_s: Mean time of one inference [s].
        real_time_factor: Of the simulator.
        distance_m: Completed [m].
        completed: Whether the lap was.
    """

    circuit: str
    method: str
    average_speed_m_s: float | None = None
    deviation: float | None = None
    frequency_hz: float | None = None
    inference_s: float | None = None
    real_time_factor: float | None = None
    distance_m: float | None = None
    completed: bool | None = None


F_TITLE = "Gazebo, a Formula 1 car follows a line, GTX 1050 4 GB, batch 1"
F_SOURCE = "the summary of results of gsoc2022-Nikhil_Paliwal"
_SIMPLE, _MONTREAL = "SimpleCircuit", "Montreal"
F = (
    OnlineRow(_SIMPLE, "PilotNet (Keras)", 8.386, 7.406, 5.585, 0.124, 0.557),
    OnlineRow(_SIMPLE, "Dynamic Range Q", 8.534, 6.693, 58.474, 0.010, 0.54),
    OnlineRow(_SIMPLE, "TF-TRT baseline", 8.536, 5.06, 73.37, 0.0063, 0.47),
    OnlineRow(_SIMPLE, "TF-TRT FP32", 8.32, 4.94, 60.28, 0.0065, 0.50),
    OnlineRow(_SIMPLE, "TF-TRT FP16", 8.14, 5.39, 71.90, 0.0056, 0.48),
    OnlineRow(_SIMPLE, "TF-TRT INT8", 8.01, 6.65, 59.36, 0.0067, 0.51),
    OnlineRow(_SIMPLE, "torch Global Prune", 7.73, 17.03, 42.90, 0.0023, 0.508),
    OnlineRow(_SIMPLE, "torch Local Prune", 7.74, 14.15, 32.57, 0.0027, 0.428),
    OnlineRow(_SIMPLE, "torch QAT", 7.94, 11.47, 26.45, 0.0188, 0.45),
    OnlineRow(_SIMPLE, "torch Prune + Q", 8.84, 4.61, 34.40, 0.0125, 0.51),
    OnlineRow(_SIMPLE, "torch PilotNet", 7.26, None, 54.37, 0.0049, completed=False),
    OnlineRow(_SIMPLE, "torch Baseline", 7.15, None, 55.07, 0.0019, completed=False),
    OnlineRow(_MONTREAL, "PilotNet (Keras)", 9.431, None, None, 0.1228, distance_m=1301.58, completed=False),
    OnlineRow(_MONTREAL, "Dynamic Range Q", 9.728, None, None, 0.0119, distance_m=1303.83, completed=False),
    OnlineRow(_MONTREAL, "QAT", 10.06, None, None, 0.0114, distance_m=2737.0, completed=True),
    OnlineRow(_MONTREAL, "TF-TRT FP32", 10.12, 6.55, 70.88, 0.0062),
    OnlineRow(_MONTREAL, "TF-TRT FP16", 10.05, 6.2, 99.30, 0.0049),
    OnlineRow(_MONTREAL, "TF-TRT INT8", 10.23, 6.02, 66.31, 0.0065),
)
"""What drove in the simulator; of the TensorFlow Lite models the pruned, integer and combined ones did not finish."""
