"""The population behind the demo study: components, loadings, correlations, variance shares and outcome effects.

Names and numbers of components follow the reference study (Bachelor 2013, Clin Psychol Psychother 20:118-135); every
other number is the demo's own choice and says nothing about real clients or therapists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Item(Protocol):
    """What the demo asks of an item of the codebook."""

    @property
    def instrument_id(self) -> str:
        """Its questionnaire."""
        ...

    @property
    def item_id(self) -> str:
        """Its name, such as ``wai_s_04``."""
        ...

    @property
    def item_number(self) -> int:
        """Its place in the published order."""
        ...

    @property
    def reverse_keyed(self) -> bool:
        """Whether a high answer means little."""
        ...

    @property
    def theme(self) -> str:
        """What it is about, in one word."""
        ...

    @property
    def topic(self) -> str:
        """What it is about, in a few words."""
        ...


class Codebook(Protocol):
    """What the demo asks of a codebook. The commands use the demo, so it takes theirs instead of loading one."""

    def items(self, instrument_id: str, /) -> tuple[Any, ...]:
        """The items of an instrument, in their order."""
        ...

    def item_range(self, item: Any, /) -> tuple[float, float]:
        """Lowest and highest answer to an item."""
        ...


RATERS = ("client", "therapist")
INSTRUMENTS = ("wai_s", "haq_i", "calpas")

# What clients stress more than therapists do: their loadings on items of these themes are the higher ones.
STRESSED_BY_CLIENTS = ("helpfulness", "joint_participation", "negative_sign")
_MAIN_LOADING = {("client", True): 0.82, ("client", False): 0.72, ("therapist", True): 0.68, ("therapist", False): 0.78}
_LOADING_SPREAD = 0.03

# Shares of the variance of a component; what is left is the session's own.
SITE_SHARE, THERAPIST_SHARE, DYAD_SHARE = 0.03, 0.10, 0.47
# Share of an item's unique variance that stays the same from session to session.
STABLE_UNIQUE_SHARE = 0.30


@dataclass(frozen=True)
class Component:
    """A component of one rater: the item numbers of each instrument that mainly load on it."""

    component_id: str
    name: str
    items: dict[str, tuple[int, ...]]


COMPONENTS: dict[str, tuple[Component, ...]] = {
    "client": (
        Component(
            "collaborative_work_relationship",
            "Collaborative Work Relationship",
            {"wai_s": (1, 6, 8, 11), "haq_i": (9, 10), "calpas": (7, 10, 15, 18)},
        ),
        Component("productive_work", "Productive Work", {"wai_s": (2,), "haq_i": (1, 2, 3), "calpas": (3, 16, 21, 23)}),
        Component("active_commitment", "Active Commitment", {"calpas": (1, 4, 6, 8, 11, 14, 17, 24)}),
        Component("bond", "Bond", {"wai_s": (3, 5, 7, 9), "haq_i": (6, 7, 8), "calpas": (12,)}),
        Component(
            "non_disagreement",
            "Non-disagreement on Goals/Tasks",
            {"wai_s": (4, 10), "calpas": (2, 5, 9, 13, 19, 22)},
        ),
        Component("confident_progress", "Confident Progress", {"wai_s": (12,), "haq_i": (4, 5, 11), "calpas": (20,)}),
    ),
    "therapist": (
        Component(
            "collaborative_work_relationship",
            "Collaborative Work Relationship",
            {"wai_s": (1, 4, 6, 8, 10, 11), "haq_i": (9, 10), "calpas": (2, 9, 10, 13, 15, 18, 19, 22)},
        ),
        Component(
            "therapist_confidence_dedication",
            "Therapist Confidence and Dedication",
            {"wai_s": (2, 3, 5, 7, 9), "haq_i": (1, 2, 6, 7, 8), "calpas": (5, 7, 12, 21)},
        ),
        Component(
            "client_commitment_confidence",
            "Client Commitment and Confidence",
            {"wai_s": (12,), "haq_i": (4, 5, 11), "calpas": (1, 4, 14, 17, 20, 24)},
        ),
        Component("client_working_ability", "Client Working Ability", {"haq_i": (3,), "calpas": (3, 6, 8, 11, 16, 23)}),
    ),
}

# A few items belong a little to a second component, as in any real solution.
CROSS_LOADINGS: dict[str, dict[tuple[str, int], tuple[str, float]]] = {
    "client": {
        ("wai_s", 9): ("collaborative_work_relationship", 0.18),
        ("haq_i", 2): ("confident_progress", 0.20),
        ("calpas", 7): ("bond", 0.22),
        ("calpas", 24): ("productive_work", 0.15),
    },
    "therapist": {
        ("wai_s", 2): ("collaborative_work_relationship", 0.20),
        ("haq_i", 5): ("client_working_ability", 0.18),
        ("calpas", 15): ("therapist_confidence_dedication", 0.18),
    },
}

# Upper triangles, row by row, in the order of COMPONENTS.
_PHI_UPPER = {
    "client": (0.32, 0.24, 0.34, 0.26, 0.26, 0.26, 0.22, 0.16, 0.30, 0.20, 0.22, 0.24, 0.24, 0.18, 0.16),
    "therapist": (0.34, 0.28, 0.22, 0.26, 0.20, 0.30),
}
# Rows: client components, columns: therapist components.
_CROSS_RATER = (
    (0.34, 0.20, 0.22, 0.16),
    (0.22, 0.20, 0.26, 0.30),
    (0.18, 0.12, 0.32, 0.26),
    (0.20, 0.30, 0.16, 0.10),
    (0.28, 0.14, 0.16, 0.12),
    (0.22, 0.24, 0.36, 0.18),
)

# Standardised effects of the components at the last session on the outcome rated by the same rater.
BETAS = {"client": (0.23, 0.26, 0.22, 0.0, 0.23, 0.27), "therapist": (0.32, 0.0, 0.34, 0.31)}
# Effect of severity before therapy on the outcome measures that are also taken then (higher severity, worse outcome).
PRE_SEVERITY_BETA = 0.30
# Correlation of what the components and severity leave unexplained in the two raters' outcomes.
OUTCOME_RESIDUAL_CORRELATION = 0.30
# Correlation of the client's and the therapist's rating of severity before therapy.
SEVERITY_AGREEMENT = 0.50


@dataclass(frozen=True)
class Population:
    """The model every answer is drawn from. ``items`` are the 47 alliance items, in the order of all matrices' rows."""

    items: tuple[Item, ...]
    ranges: tuple[tuple[int, int], ...]

    @cached_property
    def loadings(self) -> dict[str, Matrix]:
        """Pattern loadings by rater, (47, components)."""
        return {rater: _loadings(self.items, rater) for rater in RATERS}

    @cached_property
    def phi(self) -> dict[str, Matrix]:
        """Correlations of a rater's components."""
        return {rater: _symmetric(_PHI_UPPER[rater], len(COMPONENTS[rater])) for rater in RATERS}

    @property
    def cross_rater(self) -> Matrix:
        """Correlations of client components (rows) with therapist components (columns) within a dyad."""
        return np.array(_CROSS_RATER)

    @property
    def joint(self) -> Matrix:
        """Correlations of all ten components, the client's first."""
        return np.block([[self.phi["client"], self.cross_rater], [self.cross_rater.T, self.phi["therapist"]]])

    def uniqueness(self, rater: str) -> Matrix:
        """Unique variance of each item, (47,)."""
        loadings = self.loadings[rater]
        return np.asarray(1.0 - np.einsum("ij,jk,ik->i", loadings, self.phi[rater], loadings))

    def beta(self, outcome_rater: str, predictor_rater: str) -> Matrix:
        """Effects of a rater's components, taken together, on the latent outcome of the same or the other rater."""
        own = np.array(BETAS[outcome_rater])
        if outcome_rater == predictor_rater:
            return own
        between = self.cross_rater if predictor_rater == "client" else self.cross_rater.T
        return np.asarray(np.linalg.solve(self.phi[predictor_rater], between @ own))

    def explained(self, rater: str) -> float:
        """Share of the latent outcome of a rater that the same rater's components explain."""
        beta = np.array(BETAS[rater])
        return float(beta @ self.phi[rater] @ beta)


def population(codebook: Codebook) -> Population:
    """The demo's population over the codebook's items of WAI-S, HAq-I and CALPAS."""
    items = tuple(item for instrument in INSTRUMENTS for item in codebook.items(instrument))
    ranges = tuple((int(low), int(high)) for low, high in map(codebook.item_range, items))
    return Population(items, ranges)


def _loadings(items: tuple[Item, ...], rater: str) -> Matrix:
    ids = [component.component_id for component in COMPONENTS[rater]]
    loadings = np.zeros((len(items), len(ids)))
    for column, component in enumerate(COMPONENTS[rater]):
        members = [row for row, item in enumerate(items) if item.item_number in component.items.get(_of(item), ())]
        for place, row in enumerate(members):
            main = _MAIN_LOADING[rater, items[row].theme in STRESSED_BY_CLIENTS]
            loadings[row, column] = main + _LOADING_SPREAD * (place % 3 - 1)
    for row, item in enumerate(items):
        if cross := CROSS_LOADINGS[rater].get((_of(item), item.item_number)):
            loadings[row, ids.index(cross[0])] = cross[1]
            # The item keeps about the communality it had.
            loadings[row, loadings[row].argmax()] -= 0.08
    return loadings


def _of(item: Item) -> str:
    return item.instrument_id


def _symmetric(upper: tuple[float, ...], size: int) -> Matrix:
    matrix = np.eye(size)
    rows, columns = np.triu_indices(size, 1)
    matrix[rows, columns] = matrix[columns, rows] = upper
    return matrix
