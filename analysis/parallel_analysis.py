"""Parallel analysis (Horn 1965): eigenvalues to be expected when items have nothing in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.cross_products import CrossProducts
from analysis.extraction import squared_multiple_correlations
from analysis.one_factor import one_factor_communalities
from analysis.resampling import Block, MapFunction
from analysis.status import AnalysisError, Status

KINDS = ("components", "smc", "minres")
"""Which eigenvalues: of R (principal components); of R with squared multiple correlations in the diagonal (common
factors, O'Connor 2000); of R with one-factor minres communalities there (common factors, psych ``fa.parallel``)."""

BLOCK = 50
"""Data sets per random stream. It is part of the result: another value draws other data sets from the same seed."""


@dataclass(frozen=True, eq=False)
class ParallelReference:
    """Eigenvalues (p,) of random data for one kind and source (``normal`` or ``permuted``): mean, sd and percentile."""

    kind: str
    source: str
    mean: np.ndarray
    sd: np.ndarray
    percentile: np.ndarray
    level: float
    replicates: int


def reduced_eigenvalues(stack: np.ndarray, kind: str) -> np.ndarray:
    """(B, p) eigenvalues, largest first, of each of ``stack`` (B, p, p) with the diagonal that ``kind`` puts in.

    Raises :class:`AnalysisError` for an unknown kind."""
    if kind not in KINDS:
        raise AnalysisError(f"Unknown kind of eigenvalues {kind!r}; known are {', '.join(KINDS)}.", Status.UNKNOWN_NAME)
    if kind != "components":
        diagonal = np.arange(stack.shape[-1])
        communality = squared_multiple_correlations(stack) if kind == "smc" else one_factor_communalities(stack)
        stack = stack.copy()
        stack[:, diagonal, diagonal] = communality
    return np.linalg.eigvalsh(stack)[:, ::-1]


def parallel_analysis(
    n: int,
    n_items: int,
    *,
    kinds: Sequence[str] = ("components", "smc"),
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    rows: np.ndarray | None = None,
    run: MapFunction = map,
) -> list[ParallelReference]:
    """References for normal data of ``n`` rows and ``n_items`` items, and for permuted ``rows`` (n, p) where given.

    Normal data are never made: their correlation matrix is drawn as a Wishart matrix by Bartlett's decomposition. Rows
    are permuted within each item, missing answers with them, and correlated pairwise. Percentiles are R's type 7.

    Each block of 50 data sets has its own stream spawned from ``seed``, so that ``run``, a drop-in for :func:`map`
    that may spread blocks over workers, changes nothing in the result.

    Raises :class:`AnalysisError` for fewer than 3 rows, 2 items or 2 replicates, or an unknown kind.
    """
    if n < 3 or n_items < 2 or replicates < 2:
        raise AnalysisError(
            f"Parallel analysis needs 3 rows, 2 items and 2 replicates, not {n}, {n_items} and {replicates}.",
            Status.TOO_FEW_ROWS if n < 3 else Status.INVALID_INPUT,
        )
    for kind in kinds:
        if kind not in KINDS:
            raise AnalysisError(f"Unknown kind of eigenvalues {kind!r}; known are {', '.join(KINDS)}.")
    normal_seed, permuted_seed = np.random.SeedSequence(seed).spawn(2)
    normal = partial(_normal_block, n=n, items=n_items, kinds=tuple(kinds))
    found = [_summaries("normal", list(run(normal, _blocks(normal_seed, replicates))), kinds, level, replicates)]
    if rows is not None:
        permuted = partial(_permuted_block, standard=_standardised(np.asarray(rows, dtype=float)), kinds=tuple(kinds))
        blocks = list(run(permuted, _blocks(permuted_seed, replicates)))
        found.append(_summaries("permuted", blocks, kinds, level, replicates))
    return [reference for references in found for reference in references]


def _blocks(seed: np.random.SeedSequence, replicates: int) -> list[Block]:
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    return [Block(*one) for one in zip(range(len(sizes)), sizes, seed.spawn(len(sizes)), strict=True)]


def _normal_block(block: Block, *, n: int, items: int, kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    rng, size = np.random.default_rng(block.seed), block.size
    if n - 1 >= items:
        # Rows of the Cholesky factor of a Wishart matrix, each scaled to unit length, give the correlation matrix.
        factor = np.zeros((size, items, items))
        below = np.tril_indices(items, -1)
        factor[:, below[0], below[1]] = rng.standard_normal((size, len(below[0])))
        degrees = n - 1 - np.arange(items)
        factor[:, np.arange(items), np.arange(items)] = np.sqrt(rng.chisquare(degrees, (size, items)))
        scaled = factor / np.sqrt(np.sum(factor**2, axis=2, keepdims=True))
    else:
        data = rng.standard_normal((size, items, n))
        data -= data.mean(axis=2, keepdims=True)
        scaled = data / np.sqrt(np.sum(data**2, axis=2, keepdims=True))
    stack = np.matmul(scaled, np.swapaxes(scaled, 1, 2))
    return {kind: reduced_eigenvalues(stack, kind) for kind in kinds}


def _permuted_block(block: Block, *, standard: np.ndarray, kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    """``standard`` (p, n), items in rows, so that each is permuted in place."""
    rng, size = np.random.default_rng(block.seed), block.size
    items, n = standard.shape
    complete = not np.any(np.isnan(standard))
    stack = np.empty((size, items, items))
    names = tuple(str(item) for item in range(items))
    for replicate in range(size):
        shuffled = rng.permuted(standard, axis=1)
        if complete:
            stack[replicate] = shuffled @ shuffled.T / n
        else:
            products = CrossProducts.from_rows(shuffled.T, names, origin=np.zeros(items))
            stack[replicate] = np.nan_to_num(products.pearson())
    return {kind: reduced_eigenvalues(stack, kind) for kind in kinds}


def _standardised(rows: np.ndarray) -> np.ndarray:
    """Items in rows, mean 0 and population variance 1 over what was answered."""
    if rows.ndim != 2 or np.any(np.isinf(rows)):
        raise AnalysisError("Rows to permute are a table of rows by items without infinite values.")
    rows = rows[~np.all(np.isnan(rows), axis=1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        standard = ((rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)).T
    if not np.all(np.isfinite(standard).any(axis=1)):
        raise AnalysisError("An item without variance cannot be permuted; leave it out.", Status.CONSTANT)
    return np.ascontiguousarray(standard)


def _summaries(
    source: str, blocks: list[dict[str, np.ndarray]], kinds: Sequence[str], level: float, replicates: int
) -> list[ParallelReference]:
    found = []
    for kind in kinds:
        values = np.concatenate([block[kind] for block in blocks])
        found.append(
            ParallelReference(
                kind,
                source,
                values.mean(axis=0),
                values.std(axis=0, ddof=1),
                np.quantile(values, level, axis=0),
                level,
                replicates,
            )
        )
    return found
