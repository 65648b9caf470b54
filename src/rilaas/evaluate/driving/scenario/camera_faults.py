"""What is wrong with the camera in a scenario. Values only; ``episode.camera_fault`` spoils the frames."""

from __future__ import annotations

from dataclasses import dataclass

from rilaas.evaluate.driving.scenario.bound import check_count, check_number

MAX_DELAY_FRAMES = 32


@dataclass(frozen=True, slots=True)
class CameraFaults:
    """Faults of the sensor, drawn from the scenario's seed by the frame's number: whoever looks sees the same ones.

    Attributes:
        dropped_share: Probability that a frame is lost; the last one that came is seen in its place.
        delay_frames: Every frame comes so many frames late.
        blackouts_per_min: How often, on average, the image turns black [1/min].
        blackout_s: For how long [s].
        noise_share: Probability that a frame is noisy.
        noise: Standard deviation of a noisy frame's noise on each pixel, in grey levels of 255.
    """

    dropped_share: float = 0.0
    delay_frames: int = 0
    blackouts_per_min: float = 0.0
    blackout_s: float = 0.5
    noise_share: float = 0.0
    noise: float = 40.0

    def __post_init__(self) -> None:
        check_number("dropped_share", self.dropped_share, 0.0, 0.9)
        check_count("delay_frames", self.delay_frames, MAX_DELAY_FRAMES)
        check_number("blackouts_per_min", self.blackouts_per_min, 0.0, 600.0)
        check_number("blackout_s", self.blackout_s, 0.0, 60.0)
        check_number("noise_share", self.noise_share, 0.0, 1.0)
        check_number("noise", self.noise, 0.0, 255.0)

    @property
    def is_none(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.dropped_share or self.delay_frames or self.blackouts_per_min or self.noise_share)
