"""Polychoric correlations: two-step maximum likelihood (Olsson 1979), all pairs of items at once.

Step one takes the thresholds of each item from its margin; step two maximises the likelihood of each pair's table over
the correlation alone, by Fisher scoring. An empty cell adds nothing to the likelihood and nothing is added to it
unless asked: ``empty_cell=0.5`` is psych's continuity correction, which psych's ``polychoric`` makes only where it
takes the thresholds from each pair's own table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.common.arguments import one_of, real_number, whole_number
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several
from analysis.correlations.pair_counts import PairCounts

__all__ = ["PairCounts", "Polychoric", "bivariate_normal_cdf", "polychoric"]

THRESHOLDS = ("item", "pair", "psych")
"""Where thresholds come from, see :func:`polychoric`."""

LIMIT = 0.9999
"""Estimates stop here; a pair that arrives has a likelihood without an inner maximum (``boundary``)."""

FLAT = 10.0
"""A standard error from here on is a likelihood that no longer rises, as beside an empty cell of a 2 x 2 table: the
estimate could be any further on, and is put at the limit."""

PAIRS_AT_ONCE = 1024
CELLS_AT_ONCE = 2**18
"""Cells of tables worked on together, each with up to 200 nodes of an integral: bounds the memory."""

MOST_CATEGORIES = 128
"""More kinds of answers are measurements: their tables are nearly empty, and take memory by the square."""

INFINITE = 40.0
"""Stands for an infinite threshold: the normal density underflows there."""


@dataclass(frozen=True, eq=False)
class Polychoric:
    """matrix (p, p); ``thresholds`` per item (categories - 1,); and per pair (upper triangle by rows): n,
    standard_error (thresholds taken as known), chi2 and df (likelihood ratio of the table against bivariate normality),
    empty_cells, iterations, converged, boundary."""

    items: tuple[str, ...]
    matrix: np.ndarray
    thresholds: dict[str, np.ndarray]
    n: np.ndarray
    standard_error: np.ndarray
    chi2: np.ndarray
    df: np.ndarray
    empty_cells: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
    boundary: np.ndarray
    status: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per pair: item, other_item, correlation, n, standard_error, chi2, df, p, empty_cells, iterations,
        converged, boundary."""
        first, second = np.triu_indices(len(self.items), k=1)
        names = np.array(self.items, dtype=object)
        return pd.DataFrame(
            {
                "item": names[first],
                "other_item": names[second],
                "correlation": self.matrix[first, second],
                "n": self.n,
                "standard_error": self.standard_error,
                "chi2": self.chi2,
                "df": self.df,
                "p": np.where(self.df > 0, special.chdtrc(np.maximum(self.df, 1), self.chi2), np.nan),
                "empty_cells": self.empty_cells,
                "iterations": self.iterations,
                "converged": self.converged,
                "boundary": self.boundary,
            }
        )


def polychoric(
    counts: PairCounts,
    *,
    thresholds: str = "item",
    empty_cell: float = 0.0,
    tolerance: float = 1e-9,
    max_iterations: int = 100,
) -> Polychoric:
    """Polychoric correlations of ``counts``.

    ``thresholds``: ``item`` takes them from all rows that answered the item (lavaan; psych's ``tetrachoric``), ``pair``
    from the pair's own table, after ``empty_cell`` was added to its empty cells. ``psych`` does as psych's
    ``polychoric`` 2.2.9: those of the item, and nothing added to empty cells, where all items have the same highest
    answer; else (and there only psych warns that it sets ``global`` to FALSE) those of the pair's own table, whose
    margins are not rescaled after ``empty_cell`` was added, so that they sum to more than 1.

    Raises :class:`AnalysisError` when an item has fewer than two categories or more than :data:`MOST_CATEGORIES`, or a
    pair no row in common.

    >>> answers = np.repeat([[1., 1.], [1., 2.], [2., 1.], [2., 2.]], [40, 10, 10, 40], axis=0)
    >>> bool(abs(polychoric(PairCounts.from_rows(answers, ("a", "b"))).matrix[0, 1] - np.sin(np.pi * .3)) < 1e-9)
    True
    """
    one_of(thresholds, THRESHOLDS, "source of thresholds")
    empty_cell = real_number(empty_cell, "What is added to an empty cell", 0, 1)
    tolerance = real_number(tolerance, "The tolerance", 0, beyond=True)
    max_iterations = whole_number(max_iterations, "The number of iterations", 1)
    if thresholds == "psych" and len({float(kinds[-1]) for kinds in counts.categories if len(kinds)}) < 2:
        thresholds, empty_cell = "item", 0.0
    margins = counts.margins()
    _check_categories(counts.items, margins)
    size = len(counts.items)
    first, second = np.triu_indices(size, k=1)
    cuts = {item: _cuts(margin) for item, margin in zip(counts.items, margins, strict=True)}
    columns: list[list[np.ndarray]] = []
    at_once = max(min(PAIRS_AT_ONCE, CELLS_AT_ONCE // max(map(len, margins), default=1) ** 2), 1)
    for start in range(0, len(first), at_once):
        i, j = first[start : start + at_once], second[start : start + at_once]
        tables = _pair_tables(counts, i, j)
        if np.any(tables.sum(axis=(1, 2)) == 0):
            raise AnalysisError("A pair of items has no row in common.", Status.NO_DATA)
        columns.append(_estimate(tables, counts, i, j, cuts, thresholds, empty_cell, tolerance, max_iterations))
    rho, n, error, chi2, df, empty, iterations, converged = (
        [np.concatenate(parts) for parts in zip(*columns, strict=True)] if columns else [np.zeros(0)] * 8
    )
    matrix = np.eye(size)
    matrix[first, second] = matrix[second, first] = rho
    boundary = np.abs(rho) >= LIMIT
    status, sentences = _judge(converged.astype(bool), boundary)
    return Polychoric(
        counts.items,
        matrix,
        cuts,
        n.astype(int),
        error,
        chi2,
        df.astype(int),
        empty.astype(int),
        iterations.astype(int),
        converged.astype(bool),
        boundary,
        status.value,
        sentences,
    )


def _check_categories(items: Sequence[str], margins: Sequence[np.ndarray]) -> None:
    many = [item for item, margin in zip(items, margins, strict=True) if len(margin) > MOST_CATEGORIES]
    if many:
        raise AnalysisError(
            f"Polychoric correlations are of ordered answers, at most {MOST_CATEGORIES} kinds of them; there are more "
            f"of: {', '.join(many)}. Correlate these by pearson."
        )
    flat = [item for item, margin in zip(items, margins, strict=True) if np.sum(margin > 0) < 2]
    if flat:
        raise AnalysisError(f"Fewer than two answers were used of: {', '.join(flat)}.", Status.CONSTANT)


def _judge(converged: np.ndarray, boundary: np.ndarray) -> tuple[Status, tuple[str, ...]]:
    sentences = []
    if np.any(boundary):
        at_limit = several(int(boundary.sum()), "polychoric correlation")
        sentences.append(f"{at_limit} at the limit of {LIMIT}: an empty cell can leave a likelihood without a maximum.")
    if not np.all(converged | boundary):
        unsettled = several(int(np.sum(~converged & ~boundary)), "polychoric correlation")
        sentences.append(f"{unsettled} did not converge.")
        return Status.NOT_CONVERGED, tuple(sentences)
    return (Status.BOUNDARY if sentences else Status.OK), tuple(sentences)


def bivariate_normal_cdf(h: np.ndarray, k: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """P(X < h, Y < k) of standard bivariate normals, h (P, A), k (P, B), rho (P,): (P, A, B), accurate to 1e-9 for
    |rho| <= .9999.

    Drezner & Wesolowsky (1990) as Genz (2004) writes it: Phi(h) Phi(k) plus an integral over the angle whose sine runs
    from 0 to rho, by Gauss-Legendre quadrature, with more nodes where the integrand turns sharply.

    >>> zero = np.zeros((1, 1))
    >>> round(float(bivariate_normal_cdf(zero, zero, np.array([0.5]))[0, 0, 0]), 10)
    0.3333333333
    """
    result = special.ndtr(h)[:, :, None] * special.ndtr(k)[:, None, :]
    half_squares = (h**2)[:, :, None] / 2 + (k**2)[:, None, :] / 2
    product = h[:, :, None] * k[:, None, :]
    size = np.abs(rho)
    for low, high, nodes in ((0.0, 0.6, 10), (0.6, 0.85, 16), (0.85, 0.96, 32), (0.96, 1.0, 200)):
        here = np.flatnonzero((size > low) & (size <= high))
        if here.size == 0:
            continue
        x, w = special.roots_legendre(nodes)
        angle = np.arcsin(rho[here])
        theta = angle[:, None] * (x + 1) / 2
        sine, cosine2 = np.sin(theta)[:, None, None, :], (np.cos(theta) ** 2)[:, None, None, :]
        density = np.exp((product[here][..., None] * sine - half_squares[here][..., None]) / cosine2)
        result[here] += (density @ w) * (angle / (4 * np.pi))[:, None, None]
    return result


def _cuts(margin: np.ndarray) -> np.ndarray:
    return special.ndtri(np.cumsum(margin)[:-1] / margin.sum())


def _pair_tables(counts: PairCounts, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """(P, K, K) tables of the pairs, padded with zeros to the largest number of categories."""
    offsets = counts.offsets
    sizes = np.diff(offsets)
    widest = int(sizes.max())
    steps = np.arange(widest)
    rows = np.minimum(offsets[i][:, None] + steps, offsets[-1] - 1)
    columns = np.minimum(offsets[j][:, None] + steps, offsets[-1] - 1)
    inside = (steps < sizes[i][:, None])[:, :, None] & (steps < sizes[j][:, None])[:, None, :]
    return np.where(inside, counts.table[rows[:, :, None], columns[:, None, :]], 0.0)


def _padded(cuts: list[np.ndarray], width: int) -> np.ndarray:
    result = np.full((len(cuts), width), INFINITE)
    for row, cut in enumerate(cuts):
        result[row, : len(cut)] = np.clip(cut, -INFINITE, INFINITE)
    return result


def _estimate(
    tables: np.ndarray,
    counts: PairCounts,
    i: np.ndarray,
    j: np.ndarray,
    cuts: dict[str, np.ndarray],
    thresholds: str,
    empty_cell: float,
    tolerance: float,
    max_iterations: int,
) -> list[np.ndarray]:
    """Correlation, n, standard error, chi2, df, empty cells, iterations and convergence of a block of pairs."""
    n = tables.sum(axis=(1, 2))
    sizes = np.diff(counts.offsets)
    used_rows, used_columns = tables.sum(axis=2) > 0, tables.sum(axis=1) > 0
    inside = used_rows[:, :, None] & used_columns[:, None, :]
    empty = np.sum(inside & (tables == 0), axis=(1, 2))
    df = (used_rows.sum(axis=1) - 1) * (used_columns.sum(axis=1) - 1) - 1
    if empty_cell:
        tables = np.where(inside & (tables == 0), empty_cell, tables)
    width = int(sizes.max()) - 1
    if thresholds == "item":
        padded = _padded([cuts[item] for item in counts.items], width)
        h, k = padded[i], padded[j]
    else:
        total = (n if thresholds == "psych" else tables.sum(axis=(1, 2)))[:, None]
        with np.errstate(divide="ignore"):
            h = np.clip(special.ndtri(np.minimum(np.cumsum(tables.sum(axis=2), axis=1)[:, :-1] / total, 1)), -40, 40)
            k = np.clip(special.ndtri(np.minimum(np.cumsum(tables.sum(axis=1), axis=1)[:, :-1] / total, 1)), -40, 40)
    rho, iterations, converged = _fisher_scoring(tables, h, k, tolerance, max_iterations)
    cells, slopes = _cells(h, k, rho)
    information = tables.sum(axis=(1, 2)) * np.sum(slopes**2 / np.maximum(cells, 1e-12), axis=(1, 2))
    flat = information < FLAT**-2
    if np.any(flat):
        rho = np.where(flat & (rho != 0), np.sign(rho) * LIMIT, rho)
        cells, slopes = _cells(h, k, rho)
        information = np.where(flat, 0.0, information)
    expected = np.maximum(cells, 1e-300) * tables.sum(axis=(1, 2))[:, None, None]
    chi2 = 2 * np.sum(np.where(tables > 0, special.xlogy(tables, tables / expected), 0.0), axis=(1, 2))
    with np.errstate(divide="ignore"):
        # At the limit of the correlation the likelihood is flat: no information, an infinite standard error.
        error = 1 / np.sqrt(information)
    return [rho, n, error, chi2, df, empty, iterations, converged]


def _cells(h: np.ndarray, k: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell probabilities (P, K, K) and their derivatives by rho."""
    pairs, width = h.shape
    grid = np.zeros((pairs, width + 2, width + 2))
    slope = np.zeros_like(grid)
    grid[:, 1:-1, 1:-1] = bivariate_normal_cdf(h, k, rho)
    grid[:, 1:-1, -1], grid[:, -1, 1:-1], grid[:, -1, -1] = special.ndtr(h), special.ndtr(k), 1.0
    left = (1 - rho**2)[:, None, None]
    exponent = (h**2)[:, :, None] + (k**2)[:, None, :] - 2 * rho[:, None, None] * h[:, :, None] * k[:, None, :]
    slope[:, 1:-1, 1:-1] = np.exp(-exponent / (2 * left)) / (2 * np.pi * np.sqrt(left))
    return np.diff(np.diff(grid, axis=1), axis=2), np.diff(np.diff(slope, axis=1), axis=2)


def _fisher_scoring(
    tables: np.ndarray, h: np.ndarray, k: np.ndarray, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maximise the likelihood of each table over rho; each step that lowers it is halved."""
    pairs = len(tables)
    total = tables.sum(axis=(1, 2))
    rho = _category_correlation(tables, total)
    likelihood = np.full(pairs, -np.inf)
    step, iterations = np.zeros(pairs), np.zeros(pairs, dtype=int)
    converged = np.zeros(pairs, dtype=bool)
    active = np.arange(pairs)
    for _ in range(max_iterations):
        cells, slopes = _cells(h[active], k[active], rho[active])
        floored = np.maximum(cells, 1e-12)
        n = tables[active]
        reached = np.sum(n * np.log(floored), axis=(1, 2))
        worse = reached < likelihood[active] - 1e-9 * np.abs(likelihood[active])
        score = np.sum(n * slopes / floored, axis=(1, 2))
        information = total[active] * np.sum(slopes**2 / floored, axis=(1, 2))
        proposed = np.clip(score / np.maximum(information, 1e-300), -0.5, 0.5)
        target = rho[active] + proposed
        # A step beyond the limit goes half the way that is left, so that an inner maximum near it is not jumped over.
        edge = np.sign(target) * LIMIT
        proposed = np.where(np.abs(target) > LIMIT, (edge - rho[active]) / 2, proposed)
        proposed = np.where(worse, -step[active] / 2, proposed)
        likelihood[active] = np.where(worse, likelihood[active], reached)
        step[active] = np.where(worse, step[active] / 2, proposed)
        rho[active] = rho[active] + proposed
        iterations[active] += 1
        small = np.abs(proposed) < tolerance
        stuck = LIMIT - np.abs(rho[active]) < 1e-6
        converged[active] = small
        rho[active] = np.where(stuck, np.sign(rho[active]) * LIMIT, rho[active])
        active = active[~small & ~stuck]
        if active.size == 0:
            break
    return rho, iterations, converged


def _category_correlation(tables: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Pearson correlation of category numbers: a starting value."""
    scores = np.arange(tables.shape[1], dtype=float)
    rows, columns = tables.sum(axis=2) / total[:, None], tables.sum(axis=1) / total[:, None]
    mean_row, mean_column = rows @ scores, columns @ scores
    variance = (rows @ scores**2 - mean_row**2) * (columns @ scores**2 - mean_column**2)
    covariance = np.einsum("prc,r,c->p", tables, scores, scores) / total - mean_row * mean_column
    with np.errstate(invalid="ignore", divide="ignore"):
        start = covariance / np.sqrt(variance)
    return np.clip(np.nan_to_num(start), -0.95, 0.95)
