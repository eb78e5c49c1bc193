"""Which rotations there are, and by which names they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.common.arguments import one_of

Family = Literal["none", "varimax", "quartimax", "equamax", "geomin", "oblimin", "promax", "target", "procrustes"]


@dataclass(frozen=True)
class RotationKind:
    """One row of the table above."""

    family: Family
    oblique: bool
    kaiser: bool

    @property
    def iterated(self) -> bool:
        """Whether a criterion is minimised, so that local minima are possible."""
        return self.family not in ("none", "promax", "procrustes")


ROTATIONS: dict[str, RotationKind] = {
    "none": RotationKind("none", False, False),
    "varimax": RotationKind("varimax", False, True),
    "varimax_raw": RotationKind("varimax", False, False),
    "quartimax": RotationKind("quartimax", False, False),
    "quartimax_kaiser": RotationKind("quartimax", False, True),
    "equamax": RotationKind("equamax", False, False),
    "equamax_kaiser": RotationKind("equamax", False, True),
    "geomin_orthogonal": RotationKind("geomin", False, False),
    "promax_kaiser": RotationKind("promax", True, True),
    "promax_stats": RotationKind("promax", True, True),
    "promax_raw": RotationKind("promax", True, False),
    "oblimin": RotationKind("oblimin", True, False),
    "oblimin_kaiser": RotationKind("oblimin", True, True),
    "quartimin": RotationKind("oblimin", True, False),
    "quartimin_kaiser": RotationKind("oblimin", True, True),
    "geomin": RotationKind("geomin", True, False),
    "geomin_kaiser": RotationKind("geomin", True, True),
    "target_orthogonal": RotationKind("target", False, False),
    "target_oblique": RotationKind("target", True, False),
    "procrustes": RotationKind("procrustes", True, False),
}
ALIASES = {"promax": "promax_kaiser"}


def rotation_name(name: str) -> str:
    """The full name of a rotation, without the constants that a solution's name may carry; raises
    :class:`AnalysisError` for one that is not known.

    >>> rotation_name("promax"), rotation_name("oblimin_kaiser(gamma=-0.5)")
    ('promax_kaiser', 'oblimin_kaiser')
    """
    plain = name.split("(")[0] if isinstance(name, str) else name
    return one_of(ALIASES.get(plain, plain) if isinstance(plain, str) else plain, ROTATIONS, "rotation")
