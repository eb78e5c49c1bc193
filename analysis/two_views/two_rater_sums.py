"""What the likelihood of two raters' ratings needs of the rows: counts and sums, by kind of unit and of therapist.

A unit (what rows lie in: a dyad, or a therapist where each dyad has one row) enters through how often each rater rated
it and through sums of ratings. Units with the same counts are of one type and share their matrices; of their sums only
products are needed. Therapists with the same numbers of units of the same types are of one class and share theirs, and
what they enter with (one, and the sums of their units by type) is needed in products only too. So the therapists of a
class are replaced by as few rows as have the same products. An evaluation then costs what types, classes and these rows
do, whatever the number of ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

N_SUMS = 4
"""A unit's sums: both raters' of rows rated by both, the first's of rows rated by the first only, the second's
likewise."""
NOTHING = 1e-14
"""Part of the largest eigenvalue of products below which an eigenvalue is rounding."""


@dataclass(frozen=True, eq=False)
class Types:
    """Units with the same counts: counts (3, K) of rows by pattern, units (K,) of each type, products (4, 4, K) of
    their sums over the units."""

    counts: np.ndarray
    units: np.ndarray
    products: np.ndarray


@dataclass(frozen=True, eq=False)
class Classes:
    """What units lie in, with the same units by type: how many there are of each class (G,), and how many units of each
    type a member has (G, K)."""

    members: np.ndarray
    units: sparse.csr_array


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that stand for the members of the classes, sorted by class: weight (R,) in place of one, class (R,), where a
    class starts (G,), and sums of the units by type (R, 4 K; the four of a type side by side)."""

    weight: np.ndarray
    of_class: np.ndarray
    starts: np.ndarray
    sums: sparse.csr_array


def unit_types(
    values: np.ndarray, patterns: Sequence[np.ndarray], units: np.ndarray, n_units: int
) -> tuple[Types, np.ndarray, np.ndarray]:
    """Types of the units of rows, the type of each unit (n_units,) and its sums (4, n_units).

    ``values`` (n, 2) are zero where missing, ``patterns`` say which rows were rated by both, the first only, the second
    only; ``units`` (n,) is the unit of each row.
    """
    counts = np.stack([_count(units, rows, n_units) for rows in patterns])
    columns = ((patterns[0], 0), (patterns[0], 1), (patterns[1], 0), (patterns[2], 1))
    sums = np.stack([_count(units, rows, n_units, values[:, j]) for rows, j in columns])
    radix = counts.max(axis=1) + 1
    code = (counts[0] * radix[1] + counts[1]) * radix[2] + counts[2]
    _, first, of_unit, units_of = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    products = np.zeros((N_SUMS, N_SUMS, len(first)))
    for i in range(N_SUMS):
        for j in range(i + 1):
            made = np.bincount(of_unit, weights=sums[i] * sums[j], minlength=len(first))
            products[i, j] = products[j, i] = made
    return Types(counts[:, first].astype(float), units_of.astype(float), products), of_unit, sums


def classes_and_rows(of_unit: np.ndarray, sums: np.ndarray, above: np.ndarray, n_types: int) -> tuple[Classes, Rows]:
    """Classes of what units lie in (``above``, one per unit), and the rows that stand for their members.

    ``of_unit`` is the type of each unit, ``sums`` (4, units) its sums.
    """
    code = above.astype(np.int64) * n_types + of_unit
    found, cell, in_cell = np.unique(code, return_inverse=True, return_counts=True)
    cell_sums = np.stack([np.bincount(cell, weights=column, minlength=len(found)) for column in sums], axis=1)
    starts = _starts(found // n_types)
    of_member, n_classes = _same_cells(found % n_types, in_cell, starts)
    order = np.argsort(of_member, kind="stable")
    members = np.bincount(of_member, minlength=n_classes)
    first = order[np.cumsum(members) - members]
    sizes = np.diff(np.r_[starts, len(found)])[first]
    cells = _ranges(starts[first], sizes)
    types = (found % n_types)[cells]
    units = sparse.csr_array((in_cell[cells].astype(float), types, np.r_[0, np.cumsum(sizes)]), (n_classes, n_types))
    classes = Classes(members.astype(float), units)
    weight, of_class, sums = _few_rows(cell_sums, starts, sizes, members, order)
    size = sizes[of_class]
    # A row has the cells of its class, one after the other, each with four sums.
    at = N_SUMS * types[_ranges(_before(sizes)[of_class], size)][:, None] + np.arange(N_SUMS)
    by_row = sparse.csr_array((sums.ravel(), at.ravel(), np.r_[0, np.cumsum(N_SUMS * size)]))
    by_row.resize((len(weight), N_SUMS * n_types))
    by_row.eliminate_zeros()
    return classes, Rows(weight, of_class, _starts(of_class), by_row)


def _few_rows(
    cell_sums: np.ndarray, starts: np.ndarray, sizes: np.ndarray, members: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Few rows with the products of many where a class has many members, else the members: weight (R,), class (R,) in
    order, and the sums (cells of all rows, 4) one row after the other.

    ``cell_sums`` (cells, 4) of a member begin at ``starts``; a member of a class has ``sizes`` cells; ``order`` are the
    members class by class.
    """
    many = members > N_SUMS * sizes + 1
    of_class = np.repeat(np.arange(len(members)), members)
    alone = ~many[of_class]
    weights, classes = [np.ones(int(alone.sum()))], [of_class[alone]]
    kept = [cell_sums[_ranges(starts[order[alone]], sizes[of_class[alone]])]]
    ends = np.cumsum(members)
    for at in np.flatnonzero(many):
        own = starts[order[ends[at] - members[at] : ends[at]]]
        sums = cell_sums[own[:, None] + np.arange(sizes[at])].reshape(len(own), -1)
        made = _shortened(np.column_stack([np.ones(len(own)), sums]))
        weights.append(made[:, 0])
        classes.append(np.full(len(made), at))
        kept.append(made[:, 1:].reshape(-1, N_SUMS))
    row_class = np.concatenate(classes)
    by_class = np.argsort(row_class, kind="stable")
    size = sizes[row_class]
    cells = _ranges(_before(size)[by_class], size[by_class])
    return np.concatenate(weights)[by_class], row_class[by_class], np.concatenate(kept)[cells]


def _shortened(table: np.ndarray) -> np.ndarray:
    """Rows with the same products as the rows of ``table`` (n, k), at most k of them."""
    values, vectors = np.linalg.eigh(table.T @ table)
    told = values > NOTHING * values[-1]
    made: np.ndarray = np.sqrt(values[told])[:, None] * vectors[:, told].T
    return made


def _same_cells(types: np.ndarray, units: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, int]:
    """Which groups of cells, each beginning at ``starts``, are equal in type and units cell by cell; how many differ.

    Cell after cell the groups are numbered anew by what they were and what this cell is, so nothing is hashed.
    """
    _, kind = np.unique(types.astype(np.int64) * (int(units.max()) + 1) + units, return_inverse=True)
    kinds = int(kind.max()) + 1
    sizes = np.diff(np.r_[starts, len(types)])
    found = np.zeros(len(starts), dtype=np.int64)
    n_found = 1
    for at in range(int(sizes.max())):
        longer = np.flatnonzero(sizes > at)
        different, code = np.unique(found[longer] * kinds + kind[starts[longer] + at], return_inverse=True)
        # Groups that ended keep their numbers, so that none is taken for one that goes on.
        found[longer] = n_found + code
        n_found += len(different)
    different, found = np.unique(found, return_inverse=True)
    return found, len(different)


def _count(units: np.ndarray, rows: np.ndarray, n_units: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Counts, or sums of ``weights``, of the ``rows`` (a mask) by unit."""
    if rows.all():
        return np.bincount(units, weights=weights, minlength=n_units)
    return np.bincount(units[rows], weights=None if weights is None else weights[rows], minlength=n_units)


def _starts(groups: np.ndarray) -> np.ndarray:
    """Where each group of sorted ``groups`` begins."""
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])


def _before(sizes: np.ndarray) -> np.ndarray:
    """Where each group begins when groups of these sizes follow each other."""
    made: np.ndarray = np.cumsum(sizes) - sizes
    return made


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The numbers from each start on, as many as its size, one range after the other."""
    first = np.repeat(starts - _before(sizes), sizes)
    return first + np.arange(len(first))
