"""Resampling by cluster: seeds, weights, and the moments of many resamples at once.

A bootstrap replicate draws whole clusters (therapists) with replacement. It is held as a row of counts, one per
cluster, so that the moments of a whole block of replicates come out of one matrix product over per-cluster sums.

Replicates are drawn in blocks of fixed size, each with a seed of its own spawned from the study's seed. A block does
not know which worker runs it: one worker or many give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from analysis.common.arguments import one_of, seed_number, whole_number
from analysis.common.matrices import LARGEST, as_floats
from analysis.common.observations import labels
from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

BLOCK_SIZE = 50
MissingRule = Literal["pairwise", "complete"]
MISSING_RULES: tuple[str, ...] = ("pairwise", "complete")
# Per-cluster sums are held once when they fit in this many bytes, else made again for each block.
_SUMS_BYTES = 256 * 2**20
_CHUNK_CELLS = 2**22


class MapFunction(Protocol):
    """Anything that maps like the built-in :func:`map`: a process pool's ``map``, a Dask client's wrapper."""

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterable[Any]:
        """What ``function`` gives for each of ``items``, in their order."""
        ...


@dataclass(frozen=True)
class Block:
    """``size`` replicates that one worker draws and computes together, from a seed of their own."""

    number: int
    size: int
    seed: np.random.SeedSequence

    def weights(self, n_clusters: int) -> np.ndarray:
        """(size, n_clusters) how often each cluster is drawn in each replicate; every row sums to ``n_clusters``."""
        draws = np.random.default_rng(self.seed).integers(0, n_clusters, size=(self.size, n_clusters))
        offsets = np.arange(self.size)[:, None] * n_clusters
        return np.bincount((draws + offsets).ravel(), minlength=self.size * n_clusters).reshape(self.size, -1)

    def second(self) -> Block:
        """The block from which an independent second sample of the same replicates is drawn."""
        sequence = self.seed
        child = np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, 1))
        return Block(self.number, self.size, child)


def replicate_blocks(n_replicates: int, seed: int, block_size: int = BLOCK_SIZE) -> tuple[Block, ...]:
    """The blocks of ``n_replicates`` replicates. The numbers depend on ``seed`` and ``block_size``, not on workers.

    Raises :class:`AnalysisError` for fewer than one replicate, and a seed that is none.
    """
    n_replicates = whole_number(n_replicates, "The number of replicates of a bootstrap", 1)
    block_size, seed = whole_number(block_size, "The size of a block", 1), seed_number(seed)
    sizes = [min(block_size, n_replicates - start) for start in range(0, n_replicates, block_size)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    return tuple(Block(number, size, child) for number, (size, child) in enumerate(zip(sizes, seeds, strict=True)))


def weights_together(blocks: Iterable[Block], n_clusters: int, at_once: int = 500) -> Iterator[np.ndarray]:
    """The weights of ``blocks`` (b, n_clusters), consecutive blocks put together up to ``at_once`` replicates.

    For small problems, where a call costs more than what it computes. The bytes held stay bounded however many clusters
    there are, and what is put together does not depend on workers.
    """
    held: list[np.ndarray] = []
    most = max(min(at_once, _CHUNK_CELLS // max(n_clusters, 1)), 1)
    for block in blocks:
        if held and sum(map(len, held)) + block.size > most:
            yield np.concatenate(held)
            held = []
        held.append(block.weights(n_clusters))
    if held:
        yield np.concatenate(held)


def cluster_codes(clusters: Sequence[Any] | np.ndarray | pd.Series | None, n_rows: int) -> tuple[np.ndarray, int]:
    """Whole numbers 0..n_clusters-1 per row (in order of the sorted labels) and the number of clusters.

    Without ``clusters`` every row is its own. A row whose label is missing is a cluster of its own: it is known only
    not to be shown to belong with any other. Raises :class:`AnalysisError` for another number of labels than rows.
    """
    if clusters is None:
        return np.arange(n_rows), n_rows
    if np.ndim(clusters) == 0:
        raise AnalysisError(f"Clusters are one label per row, not {type(clusters).__name__}.")
    if len(clusters) != n_rows:
        raise AnalysisError(
            f"{several(len(clusters), 'cluster label')} for {several(n_rows, 'row')}; one per row is needed."
        )
    codes, n_named = labels(np.asarray(clusters, dtype=object))
    missing = codes < 0
    codes = np.where(missing, n_named + np.cumsum(missing) - 1, codes)
    return codes, n_named + int(missing.sum())


def joint_cluster_codes(left: Sequence[Any], right: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """Codes for two sets of rows whose clusters have common names: the same name gets the same code on both sides."""
    codes, n_clusters = cluster_codes([*left, *right], len(left) + len(right))
    return codes[: len(left)], codes[len(left) :], n_clusters


@dataclass(frozen=True)
class Moments:
    """Means (b, p), covariances and correlations (b, p, p) and numbers of rows (b,) of b resamples."""

    mean: np.ndarray
    covariance: np.ndarray
    correlation: np.ndarray
    n: np.ndarray


class ClusterSums:
    """Sums of products of the items within each cluster, from which the moments of any reweighting follow.

    Parameters
    ----------
    data: (n, p) answers, NaN where missing.
    codes, n_clusters: from :func:`cluster_codes`.
    missing: ``pairwise`` (each mean, variance and covariance from the rows that answered both items, as R's
        ``use = "pairwise"``) or ``complete`` (rows with a missing answer are left out).
    """

    def __init__(self, data: np.ndarray, codes: np.ndarray, n_clusters: int, missing: MissingRule = "pairwise") -> None:
        values = as_floats(data, "Answers must be numbers, or missing.")
        one_of(missing, MISSING_RULES, "missing-data rule of a bootstrap")
        if values.ndim != 2:
            raise AnalysisError(f"Data must be a table of rows by items; an array of shape {values.shape} was given.")
        if (np.abs(values) > LARGEST).any():
            raise AnalysisError(f"Data hold infinite values, or some beyond {LARGEST:g}; give missing answers as NaN.")
        keep = ~np.isnan(values).any(axis=1) if missing == "complete" else ~np.isnan(values).all(axis=1)
        values, kept = values[keep], np.asarray(codes)[keep]
        if not len(values):
            raise AnalysisError("No row holds an answer: nothing can be resampled.", Status.NO_DATA)
        order = np.argsort(kept, kind="stable")
        self.n_items = values.shape[1]
        self.n_clusters = n_clusters
        self.complete = not np.isnan(values).any()
        with np.errstate(invalid="ignore"):
            answered = (~np.isnan(values)).sum(axis=0)
            # Centred, because sums of squares of raw answers lose digits when the mean is far from zero.
            self.centre = np.nansum(values, axis=0) / np.maximum(answered, 1)
        self._values = (values - self.centre)[order]
        self._codes = kept[order]
        self._upper = np.triu_indices(self.n_items)
        self._fits = self._n_sums() * len(np.unique(self._codes)) * 8 <= _SUMS_BYTES
        self._held: list[tuple[np.ndarray, np.ndarray]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Without the held sums: a worker makes them again faster than it would receive them."""
        return {**self.__dict__, "_held": []}

    def moments(self, weights: np.ndarray) -> Moments:
        """Moments of each resample; ``weights`` (b, n_clusters) counts how often each cluster is drawn.

        A correlation that cannot be formed (a constant item, a pair nobody answered) is NaN.
        """
        weights = np.asarray(weights, dtype=float)
        totals = np.zeros((len(weights), self._n_sums()))
        if self._fits and not self._held:
            self._held = list(self._chunks())
        for present, sums in self._held or self._chunks():
            totals += weights[:, present] @ sums
        return self._moments_complete(totals) if self.complete else self._moments_pairwise(totals)

    def _n_sums(self) -> int:
        p, pairs = self.n_items, len(self._upper[0])
        return 1 + p + pairs if self.complete else 2 * pairs + 2 * p * p + 1

    def _chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cluster codes and their sums (clusters, n_sums), some thousand rows at a time."""
        present, starts = np.unique(self._codes, return_index=True)
        ends = np.append(starts[1:], len(self._codes))
        per_chunk = max(_CHUNK_CELLS // self._n_sums(), 1)
        first = 0
        while first < len(present):
            last = max(int(np.searchsorted(ends, starts[first] + per_chunk, side="right")), first + 1)
            rows = slice(starts[first], ends[last - 1])
            products = self._products(self._values[rows])
            yield present[first:last], np.add.reduceat(products, starts[first:last] - starts[first], axis=0)
            first = last

    def _products(self, values: np.ndarray) -> np.ndarray:
        rows, columns = self._upper
        ones = np.ones((len(values), 1))
        if self.complete:
            return np.hstack([ones, values, values[:, rows] * values[:, columns]])
        answered = (~np.isnan(values)).astype(float)
        filled = np.nan_to_num(values)
        beside = (len(values), -1)
        return np.hstack(
            [
                ones,
                answered[:, rows] * answered[:, columns],
                filled[:, rows] * filled[:, columns],
                (filled[:, :, None] * answered[:, None, :]).reshape(beside),
                (filled[:, :, None] ** 2 * answered[:, None, :]).reshape(beside),
            ]
        )

    def _square(self, flat: np.ndarray) -> np.ndarray:
        full = np.empty((len(flat), self.n_items, self.n_items))
        full[:, self._upper[0], self._upper[1]] = flat
        full[:, self._upper[1], self._upper[0]] = flat
        return full

    def _moments_complete(self, totals: np.ndarray) -> Moments:
        n = totals[:, 0]
        sums = totals[:, 1 : 1 + self.n_items]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums / n[:, None]
            products = self._square(totals[:, 1 + self.n_items :]) - n[:, None, None] * _outer(mean, mean)
            covariance = products / (n - 1)[:, None, None]
            deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        return Moments(mean + self.centre, covariance, _correlate(covariance, _outer(deviation, deviation)), n)

    def _moments_pairwise(self, totals: np.ndarray) -> Moments:
        p, pairs = self.n_items, len(self._upper[0])
        cuts = np.cumsum([1, pairs, pairs, p * p])
        n_rows, n, products, sums, squares = np.split(totals, cuts, axis=1)
        n, products = self._square(n), self._square(products)
        sums, squares = sums.reshape(-1, p, p), squares.reshape(-1, p, p)
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = (products - sums * np.swapaxes(sums, 1, 2) / n) / (n - 1)
            variance = (squares - sums**2 / n) / (n - 1)
            mean = np.diagonal(sums, axis1=1, axis2=2) / np.diagonal(n, axis1=1, axis2=2)
            scale = np.sqrt(np.maximum(variance, 0) * np.maximum(np.swapaxes(variance, 1, 2), 0))
        return Moments(mean + self.centre, covariance, _correlate(covariance, scale), n_rows[:, 0])


def _outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return left[:, :, None] * right[:, None, :]


def _correlate(covariance: np.ndarray, scale: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where(scale > 1e-12, covariance / scale, np.nan)
    diagonal = np.arange(correlation.shape[-1])
    known = ~np.isnan(correlation[:, diagonal, diagonal])
    correlation[:, diagonal, diagonal] = np.where(known, 1.0, np.nan)
    return correlation
