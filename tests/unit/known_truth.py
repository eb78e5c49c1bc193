"""Populations whose loadings and component correlations are known, samples from them, and a plain solver."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.components.components import find_components
from analysis.components.solution import Solution


def item_names(p: int) -> list[str]:
    return [f"i{number:02d}" for number in range(1, p + 1)]


def simple_population(k: int = 3, each: int = 5, r: float = 0.3, loading: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Pattern (k * each, k) of simple structure, loadings spread a little around ``loading``, and phi (k, k)."""
    pattern = np.kron(np.eye(k), np.linspace(loading + 0.1, loading - 0.1, each)[:, None])
    return pattern, np.full((k, k), r) + (1 - r) * np.eye(k)


def implied(pattern: np.ndarray, phi: np.ndarray) -> np.ndarray:
    common = pattern @ phi @ pattern.T
    return common + np.diag(1 - np.diag(common))


def draw(
    pattern: np.ndarray,
    phi: np.ndarray,
    n: int,
    seed: int,
    *,
    clusters: np.ndarray | None = None,
    cluster_share: float = 0.0,
) -> pd.DataFrame:
    """Normal answers (n, p); ``cluster_share`` of the components' variance is common to the rows of a cluster."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(phi)
    components = rng.standard_normal((n, len(phi))) @ root.T
    if clusters is not None:
        codes = pd.factorize(clusters)[0]
        common = rng.standard_normal((codes.max() + 1, len(phi))) @ root.T
        components = np.sqrt(1 - cluster_share) * components + np.sqrt(cluster_share) * common[codes]
    uniqueness = 1 - np.diag(pattern @ phi @ pattern.T)
    answers = components @ pattern.T + rng.standard_normal((n, len(pattern))) * np.sqrt(uniqueness)
    return pd.DataFrame(answers, columns=item_names(len(pattern)))


def solve(
    data: pd.DataFrame | np.ndarray,
    k: int,
    extraction: str = "minres",
    rotation: str = "oblimin",
    n: float | None = None,
) -> Solution:
    """The solution of rows (n, p), or of a correlation matrix (p, p) given as an array."""
    if isinstance(data, pd.DataFrame):
        return find_components(data.corr(), len(data), n_components=k, extraction=extraction, rotation=rotation)
    names = item_names(len(data))
    return find_components(data, n, names, n_components=k, extraction=extraction, rotation=rotation)
