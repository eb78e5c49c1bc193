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
from typing import TypeAlias

import numpy as np
from scipy import sparse

from analysis.common.observations import renumber

N_SUMS = 4
"""A unit's sums: both raters' of rows rated by both, the first's of rows rated by the first only, the second's
likewise."""
NOTHING = 1e-14
"""Part of the largest eigenvalue of products below which an eigenvalue is rounding."""
SPREAD = 8
"""Codes up to so many times their number are numbered by counting, those further apart by sorting."""
MANY = 2
"""How many times the rows that would stand for them members of a class have to be, to be worth replacing."""
DENSE = 4
"""A matrix is kept as a whole where one in so many elements is not zero."""


@dataclass(frozen=True, eq=False)
class Types:
    """Units with the same counts: counts (3, K) of rows by pattern, units (K,) of each type, products (4, 4, K) of
    their sums over the units."""

    counts: np.ndarray
    units: np.ndarray
    products: np.ndarray


Matrix: TypeAlias = np.ndarray | sparse.csr_array


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows (R) that stand for the members of the classes, sorted by class.

    weight (R,) in place of one; members (R,): how many its class has at the first row of a class, else none; units
    (R, K): how many of each type a member has, and all_units (R, K): members times so many; sums (R, C) of the units,
    of the ``columns`` (C,) that occur of the 4 K (the four of a type side by side).
    """

    weight: np.ndarray
    members: np.ndarray
    units: Matrix
    all_units: Matrix
    sums: Matrix
    columns: np.ndarray


def unit_types(
    values: np.ndarray, patterns: Sequence[np.ndarray], units: np.ndarray, n_units: int
) -> tuple[Types, np.ndarray, np.ndarray]:
    """Types of the units of rows, the type of each unit (n_units,) and its sums (4, n_units).

    ``values`` (n, 2) are zero where missing, ``patterns`` say which rows were rated by both, the first only, the second
    only; ``units`` (n,) is the unit of each row.
    """
    counts = np.bincount(units + n_units * (patterns[1] + 2 * patterns[2]), minlength=3 * n_units).reshape(3, -1)
    of_both_or_alone = units + n_units * ~patterns[0]
    first, second = (np.bincount(of_both_or_alone, column, minlength=2 * n_units) for column in values.T)
    sums = np.stack([first[:n_units], second[:n_units], first[n_units:], second[n_units:]])
    radix = counts.max(axis=1) + 1
    code = (counts[0] * radix[1] + counts[1]) * radix[2] + counts[2]
    of_unit, kinds = _numbered(code)
    of_type = np.stack([kinds // (radix[1] * radix[2]), kinds // radix[2] % radix[1], kinds % radix[2]])
    products = np.zeros((N_SUMS, N_SUMS, len(kinds)))
    for i in range(N_SUMS):
        for j in range(i + 1):
            products[i, j] = products[j, i] = np.bincount(of_unit, sums[i] * sums[j], minlength=len(kinds))
    return Types(of_type.astype(float), np.bincount(of_unit).astype(float), products), of_unit, sums


def rows_above(of_unit: np.ndarray, sums: np.ndarray, above: np.ndarray, n_types: int) -> Rows:
    """Rows that stand for what units lie in (``above``, one per unit).

    ``of_unit`` is the type of each unit, ``sums`` (4, units) its sums.
    """
    cell, found = _numbered(above.astype(np.int64) * n_types + of_unit)
    in_cell = np.bincount(cell)
    cell_sums = np.stack([np.bincount(cell, weights=column, minlength=len(found)) for column in sums], axis=1)
    starts = _starts(found // n_types)
    of_member, n_classes = _same_cells(found % n_types, in_cell, starts)
    order = np.argsort(of_member, kind="stable")
    members = np.bincount(of_member, minlength=n_classes)
    first = order[np.cumsum(members) - members]
    sizes = np.diff(np.r_[starts, len(found)])[first]
    weight, of_class, row_sums = _few_rows(cell_sums, starts, sizes, members, order)
    # A row has the cells of its class, one after the other, each with four sums.
    cells = _ranges(starts[first][of_class], sizes[of_class])
    types, ends = (found % n_types)[cells], np.r_[0, np.cumsum(sizes[of_class])]
    units = sparse.csr_array((in_cell[cells].astype(float), types, ends), (len(weight), n_types))
    by_type = (N_SUMS * types[:, None] + np.arange(N_SUMS)).ravel()
    by_row = sparse.csr_array((row_sums.ravel(), by_type, N_SUMS * ends), (len(weight), N_SUMS * n_types))
    by_row.eliminate_zeros()
    column, columns = renumber(by_row.indices)
    by_row = sparse.csr_array((by_row.data, column, by_row.indptr), (len(weight), len(columns)))
    of_row = np.where(np.r_[True, of_class[1:] != of_class[:-1]], members[of_class], 0).astype(float)
    of_all = units.data * np.repeat(of_row, sizes[of_class])
    all_units = sparse.csr_array((of_all, types, ends), units.shape)
    return Rows(weight, of_row, _packed(units), _packed(all_units), _packed(by_row), columns)


def _packed(matrix: sparse.csr_array) -> Matrix:
    """The matrix without its zeros left out, if these are not many: then it is quicker to use, and little larger."""
    return matrix.toarray() if matrix.nnz * DENSE > np.prod(matrix.shape) else matrix


def _few_rows(
    cell_sums: np.ndarray, starts: np.ndarray, sizes: np.ndarray, members: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Few rows with the products of many where a class has many members, else the members: weight (R,), class (R,) in
    order, and the sums (cells of all rows, 4) one row after the other.

    ``cell_sums`` (cells, 4) of a member begin at ``starts``; a member of a class has ``sizes`` cells; ``order`` are the
    members class by class.
    """
    many = members > MANY * (N_SUMS * sizes + 1)
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
    kind, found_kinds = _numbered(types.astype(np.int64) * (int(units.max()) + 1) + units)
    kinds = len(found_kinds)
    sizes = np.diff(np.r_[starts, len(types)])
    found = np.zeros(len(starts), dtype=np.int64)
    n_found = 1
    for at in range(int(sizes.max())):
        longer = np.flatnonzero(sizes > at)
        code, different = _numbered(found[longer] * kinds + kind[starts[longer] + at])
        # Groups that ended keep their numbers, so that none is taken for one that goes on.
        found[longer] = n_found + code
        n_found += len(different)
    found, different = _numbered(found)
    return found, len(different)


def _numbered(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers 0, 1, ... of whole ``codes`` from 0 in order, and the codes that occur."""
    if codes.max(initial=0) < SPREAD * len(codes):
        return renumber(codes)
    found, numbers = np.unique(codes, return_inverse=True)
    return numbers, found


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
