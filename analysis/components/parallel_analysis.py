"""Parallel analysis (Horn 1965): eigenvalues to be expected when items have nothing in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.arguments import MOST_ROWS, one_of, seed_number, whole_number
from analysis.common.matrices import LARGEST, as_floats
from analysis.common.observations import check_level
from analysis.common.resampling import Block, MapFunction
from analysis.common.status import AnalysisError, Status
from analysis.components.extraction import squared_multiple_correlations
from analysis.components.one_factor import one_factor_communalities
from analysis.components.tridiagonal import tridiagonal_eigenvalues, tridiagonal_forms
from analysis.correlations.cross_products import CrossProducts

KINDS = ("components", "smc", "minres")
"""Which eigenvalues: of R (principal components); of R with squared multiple correlations in the diagonal (common
factors, O'Connor 2000); of R with one-factor minres communalities there (common factors, psych ``fa.parallel``)."""

BLOCK = 50
"""Data sets per random stream. It is part of the result: another value draws other data sets from the same seed."""

Forms = dict[str, tuple[np.ndarray, np.ndarray]]
"""Of each kind, tridiagonal matrices (diagonals, off-diagonals) that have the eigenvalues of a block's data sets."""

_IN_CACHE = 25
"""Matrices that are made at once in the same memory, which stays near the processor. Not part of the result."""


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

    def to_frame(self) -> pd.DataFrame:
        """One row per component: kind, source, component, mean, sd, percentile, level, replicates."""
        return pd.DataFrame(
            {
                "kind": self.kind,
                "source": self.source,
                "component": np.arange(1, len(self.mean) + 1),
                "mean": self.mean,
                "sd": self.sd,
                "percentile": self.percentile,
                "level": self.level,
                "replicates": self.replicates,
            }
        )


def reduced_eigenvalues(stack: np.ndarray, kind: str) -> np.ndarray:
    """(B, p) eigenvalues, largest first, of each of ``stack`` (B, p, p) with the diagonal that ``kind`` puts in.

    Raises :class:`AnalysisError` for an unknown kind."""
    return np.linalg.eigvalsh(_reduced(stack, kind))[:, ::-1]


def _reduced(stack: np.ndarray, kind: str) -> np.ndarray:
    """``stack`` (B, p, p), with communalities in the diagonal where ``kind`` wants them."""
    one_of(kind, KINDS, "kind of eigenvalues")
    if kind != "components":
        diagonal = np.arange(stack.shape[-1])
        communality = squared_multiple_correlations(stack) if kind == "smc" else one_factor_communalities(stack)
        stack = stack.copy()
        stack[:, diagonal, diagonal] = communality
    return stack


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
    that may spread blocks over workers, changes nothing in the result. A block ends with tridiagonal matrices; the
    eigenvalues of all blocks are then found together (:mod:`analysis.components.tridiagonal`).

    Raises :class:`AnalysisError` for fewer than 3 rows, 2 items or 2 replicates, an unknown kind, a level outside 0 to
    1, a seed that is none, and rows to permute that are no table of as many items with variance.

    >>> components, smc = parallel_analysis(200, 6, replicates=200, seed=1)
    >>> components.kind, components.mean.round(1).tolist(), smc.mean.round(1).tolist()
    ('components', [1.2, 1.1, 1.0, 1.0, 0.9, 0.8], [0.3, 0.1, 0.1, -0.0, -0.1, -0.2])
    """
    n = whole_number(n, "The number of rows of a parallel analysis", 3, int(MOST_ROWS), status=Status.TOO_FEW_ROWS)
    n_items = whole_number(n_items, "The number of items of a parallel analysis", 2)
    replicates = whole_number(replicates, "The number of random data sets", 2)
    if isinstance(kinds, str) or not isinstance(kinds, Sequence):
        raise AnalysisError("Kinds of eigenvalues are given as a list of their names.")
    kinds = [one_of(kind, KINDS, "kind of eigenvalues") for kind in kinds]
    check_level(level)
    seed = seed_number(seed)
    normal_seed, permuted_seed = np.random.SeedSequence(seed).spawn(2)
    normal = partial(_normal_block, n=n, items=n_items, kinds=tuple(kinds))
    blocks = {"normal": list(run(normal, _blocks(normal_seed, replicates)))}
    if rows is not None:
        permuted = partial(_permuted_block, standard=_standardised(rows, n_items), kinds=tuple(kinds))
        blocks["permuted"] = list(run(permuted, _blocks(permuted_seed, replicates)))
    return _summaries(blocks, kinds, level, replicates)


def _blocks(seed: np.random.SeedSequence, replicates: int) -> list[Block]:
    sizes = [min(BLOCK, replicates - start) for start in range(0, replicates, BLOCK)]
    return [Block(*one) for one in zip(range(len(sizes)), sizes, seed.spawn(len(sizes)), strict=True)]


def _normal_block(block: Block, *, n: int, items: int, kinds: tuple[str, ...]) -> Forms:
    rng, size = np.random.default_rng(block.seed), block.size
    stacks = _bartlett(rng, size, n, items) if n > items else _normal_rows(rng, size, n, items)
    return _forms(stacks, kinds)


def _bartlett(rng: np.random.Generator, size: int, n: int, items: int) -> Iterator[np.ndarray]:
    """Correlations of normal data: rows of the Cholesky factor of a Wishart matrix, each scaled to unit length, have
    them as their products."""
    below, diagonal = np.flatnonzero(np.tri(items, k=-1)), np.arange(items) * (items + 1)
    normal = rng.standard_normal((size, len(below)))
    lengths = np.sqrt(rng.chisquare(n - 1 - np.arange(items), (size, items)))
    factors, stack = np.zeros((2, min(size, _IN_CACHE), items, items))
    for start in range(0, size, _IN_CACHE):
        part = slice(start, start + _IN_CACHE)
        factor = factors[: len(lengths[part])]
        cells = factor.reshape(len(factor), -1)
        cells[:, below] = normal[part]
        cells[:, diagonal] = lengths[part]
        yield _products(factor, stack[: len(factor)])


def _normal_rows(rng: np.random.Generator, size: int, n: int, items: int) -> Iterator[np.ndarray]:
    for start in range(0, size, _IN_CACHE):
        data = rng.standard_normal((min(_IN_CACHE, size - start), items, n))
        yield _products(data - data.mean(axis=2, keepdims=True), np.empty((len(data), items, items)))


def _products(rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write cosines between the rows of each matrix to ``out`` (B, p, p); ``rows`` (B, p, m) are scaled in place."""
    rows /= np.sqrt(np.einsum("bij,bij->bi", rows, rows))[:, :, None]
    return np.matmul(rows, np.swapaxes(rows, 1, 2), out=out)


def _permuted_block(block: Block, *, standard: np.ndarray, kinds: tuple[str, ...]) -> Forms:
    """``standard`` (p, n), items in rows, so that each is permuted in place."""
    return _forms(_permuted(np.random.default_rng(block.seed), block.size, standard), kinds)


def _permuted(rng: np.random.Generator, size: int, standard: np.ndarray) -> Iterator[np.ndarray]:
    items, n = standard.shape
    complete = not np.any(np.isnan(standard))
    stack, shuffled = np.empty((min(size, _IN_CACHE), items, items)), np.empty_like(standard)
    names = tuple(str(item) for item in range(items))
    if complete:
        standard = standard / np.sqrt(n)
    for start in range(0, size, _IN_CACHE):
        part = stack[: size - start]
        for correlation in part:
            # Into memory that is there: numpy takes half as long again to make its own.
            rng.permuted(standard, axis=1, out=shuffled)
            if complete:
                np.matmul(shuffled, shuffled.T, out=correlation)
            else:
                products = CrossProducts.from_rows(shuffled.T, names, origin=np.zeros(items))
                correlation[:] = np.nan_to_num(products.pearson())
        yield part


def _forms(stacks: Iterator[np.ndarray], kinds: tuple[str, ...]) -> Forms:
    """Of a block's correlation matrices, some at a time in the same memory."""
    parts = [{kind: tridiagonal_forms(_reduced(stack, kind)) for kind in kinds} for stack in stacks]
    return {kind: _joined([part[kind] for part in parts]) for kind in kinds}


def _joined(forms: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    diagonals, beside = zip(*forms, strict=True)
    return np.concatenate(diagonals), np.concatenate(beside)


def _standardised(answers: Any, n_items: int) -> np.ndarray:
    """Items in rows, mean 0 and population variance 1 over what was answered."""
    rows = as_floats(answers, "Rows to permute hold values that are not numbers.")
    if rows.ndim != 2 or rows.shape[1] != n_items or np.any(np.abs(rows) > LARGEST):
        raise AnalysisError(f"Rows to permute are a table of rows by {n_items} items without infinite values.")
    rows = rows[~np.all(np.isnan(rows), axis=1)]
    if np.isnan(rows).all(axis=0).any():
        raise AnalysisError("An item without answers cannot be permuted; leave it out.", Status.NO_DATA)
    with np.errstate(invalid="ignore", divide="ignore"):
        standard = ((rows - np.nanmean(rows, axis=0)) / np.nanstd(rows, axis=0)).T
    if not np.all(np.isfinite(standard).any(axis=1)):
        raise AnalysisError("An item without variance cannot be permuted; leave it out.", Status.CONSTANT)
    return np.ascontiguousarray(standard)


def _summaries(
    blocks: Mapping[str, list[Forms]], kinds: Sequence[str], level: float, replicates: int
) -> list[ParallelReference]:
    """The references of each source, kind by kind. Eigenvalues of one kind are found together, whatever the source."""
    eigenvalues = {}
    for kind in kinds:
        found = tridiagonal_eigenvalues(*_joined(block[kind] for source in blocks.values() for block in source))
        eigenvalues[kind] = dict(zip(blocks, np.split(found, len(blocks)), strict=True))
    return [
        ParallelReference(
            kind,
            source,
            eigenvalues[kind][source].mean(axis=0),
            eigenvalues[kind][source].std(axis=0, ddof=1),
            np.quantile(eigenvalues[kind][source], level, axis=0),
            level,
            replicates,
        )
        for source in blocks
        for kind in kinds
    ]
