"""The free constants of the rotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.common.arguments import real_number, whole_number


@dataclass(frozen=True, eq=False)
class RotationSettings:
    """The free constants of the rotations: ``gamma`` of oblimin, ``power`` of promax, ``delta`` of geomin, the
    ``target`` (p, m) of the target rotations, and when an iterated rotation counts as converged."""

    gamma: float = 0.0
    power: float = 4.0
    delta: float = 0.01
    target: np.ndarray | None = None
    tolerance: float = 1e-8
    max_iterations: int = 2000

    def __post_init__(self) -> None:
        """Raises :class:`AnalysisError` for constants with which no rotation is defined."""
        for name, value in (
            ("gamma", real_number(self.gamma, "Gamma of oblimin")),
            ("power", real_number(self.power, "The power of promax", 1)),
            ("delta", real_number(self.delta, "Delta of geomin", 0, beyond=True)),
            ("tolerance", real_number(self.tolerance, "The tolerance", 0, beyond=True)),
            ("max_iterations", whole_number(self.max_iterations, "The number of iterations", 1)),
        ):
            object.__setattr__(self, name, value)
