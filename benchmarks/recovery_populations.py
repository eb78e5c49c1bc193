"""Populations with known components, and samples of answers from them, for the recovery study."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

SYMMETRIC = {5: (0.07, 0.27, 0.58, 0.84), 7: (0.03, 0.11, 0.26, 0.48, 0.72, 0.91)}
SKEWED = {5: (0.02, 0.06, 0.15, 0.42), 7: (0.01, 0.03, 0.07, 0.15, 0.32, 0.61)}
"""Shares of answers up to each category but the last; the skewed ones crowd at the top, as alliance ratings do."""


@dataclass(frozen=True)
class Population:
    """A population and how it is sampled.

    ``components`` of ``items_each`` items each, loadings from .55 to .8, component correlations ``phi``. ``cross``: a
    second loading of that size for the last item of each component. ``method``: a further, uncorrelated component
    with loadings of that size on every second item (reversed items have their wording in common). ``missing``: share
    of answers missing at random. ``icc``: share of the components' variance that lies between therapists, who have
    ``per_therapist`` rows; ``by_therapist`` says that the bootstrap draws therapists and not rows.
    """

    name: str
    components: int
    items_each: int
    n: int
    categories: int = 7
    phi: float = 0.3
    cross: float = 0.0
    skewed: bool = False
    missing: float = 0.0
    icc: float = 0.0
    per_therapist: int = 1
    by_therapist: bool = False
    method: float = 0.0
    correlation: str = "pearson"

    @property
    def n_components(self) -> int:
        """Components of the population, that of method included."""
        return self.components + (self.method > 0)

    @property
    def n_items(self) -> int:
        """Items of the population."""
        return self.components * self.items_each

    def loadings(self) -> np.ndarray:
        """(p, m) loadings of the continuous variables behind the answers."""
        pattern = np.zeros((self.n_items, self.n_components))
        for component in range(self.components):
            rows = np.arange(component * self.items_each, (component + 1) * self.items_each)
            pattern[rows, component] = np.linspace(0.8, 0.55, self.items_each)
            pattern[rows[-1], (component + 1) % self.components] += self.cross
        if self.method:
            pattern[1::2, -1] = self.method
        return pattern

    def correlations(self) -> np.ndarray:
        """(m, m) component correlations; a method component is uncorrelated with the others."""
        matrix = np.full((self.n_components, self.n_components), self.phi)
        if self.method:
            matrix[-1, :] = matrix[:, -1] = 0.0
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def draw(self, n: int, seed: np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray]:
        """``n`` rows of answers (n, p), NaN where missing, and the therapist of each row (n,)."""
        rng = np.random.default_rng(seed)
        pattern, root = self.loadings(), np.linalg.cholesky(self.correlations()).T
        therapists = np.arange(n) // self.per_therapist
        own = rng.standard_normal((n, self.n_components)) @ root
        shared = rng.standard_normal((int(therapists[-1]) + 1, self.n_components)) @ root
        common = np.sqrt(1 - self.icc) * own + np.sqrt(self.icc) * shared[therapists]
        unique = np.sqrt(1 - np.einsum("pi,ij,pj->p", pattern, self.correlations(), pattern))
        latent = common @ pattern.T + unique * rng.standard_normal((n, self.n_items))
        cuts = stats.norm.ppf((SKEWED if self.skewed else SYMMETRIC)[self.categories])
        answers = 1.0 + np.searchsorted(cuts, latent)
        answers[rng.random(answers.shape) < self.missing] = np.nan
        return answers, therapists


_SKEWED = Population("4 components, n 500, 5 skewed categories", 4, 6, 500, categories=5, skewed=True)
_CLUSTERED = Population(
    "4 components, 84 therapists of 6, drawn by therapist", 4, 6, 504, icc=0.3, per_therapist=6, by_therapist=True
)

POPULATIONS = (
    Population("2 components, n 130", 2, 6, 130),
    Population("4 components, n 176", 4, 6, 176),
    Population("6 components, n 176", 6, 8, 176),
    Population("6 components, n 500", 6, 8, 500),
    Population("8 components, n 1000", 8, 6, 1000),
    Population("4 components, n 5000", 4, 6, 5000),
    Population("4 cross-loaded components, n 500", 4, 6, 500, cross=0.4),
    Population("4 components, n 500, 5 categories", 4, 6, 500, categories=5),
    _SKEWED,
    replace(_SKEWED, name="4 components, n 500, 5 skewed categories, polychoric", correlation="polychoric"),
    Population("4 components, n 500, 5 % missing", 4, 6, 500, missing=0.05),
    Population("4 components, n 500, 30 % missing", 4, 6, 500, missing=0.30),
    _CLUSTERED,
    replace(_CLUSTERED, name="4 components, 84 therapists of 6, drawn by row", by_therapist=False),
    Population("3 components and one of method, n 500", 3, 8, 500, method=0.4),
)
"""Seven categories, simple structure and complete independent rows where the name does not say otherwise."""
