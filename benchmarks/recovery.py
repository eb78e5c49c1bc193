"""The recovery study: how well components of known populations are found again, and whether intervals hold.

    python -m benchmarks.recovery                     # writes docs/explanation/recovery.md (some minutes)
    python -m benchmarks.recovery --samples 20 --only 1 2    # a look at the first two populations, writes nothing

Samples of each population go the way of a study: correlations, retention rules, minres and oblimin with random starts,
bootstrap. Intervals are held against the population's own solution of the same kind, which a very large sample gives;
bias and congruence against the loadings that made the data. Seeds are fixed: the same numbers come out anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.bias_correction import bias_corrected_correlation
from analysis.common.intervals import percentile_interval
from analysis.common.status import AnalysisError
from analysis.components.alignment import align_columns, match_columns
from analysis.components.components import find_components
from analysis.components.parallel_analysis import ParallelReference, parallel_analysis, reduced_eigenvalues
from analysis.components.retention import empirical_kaiser_reference, leading, minimum_average_partial
from analysis.components.solution import Solution
from analysis.components.stability import bootstrap_solution
from analysis.correlations.correlation import correlate
from benchmarks.recovery_page import page
from benchmarks.recovery_populations import POPULATIONS, Population

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "recovery.md"
OUT = Path(__file__).resolve().parent / "out" / "recovery.json"
LARGE = 100_000
LEVEL = 0.95
SEED = 2013
RULES = ("parallel", "parallel_minres", "parallel_smc", "map", "map_2000", "kaiser", "empirical_kaiser")


@dataclass(frozen=True, eq=False)
class Target:
    """What a sample is held against: the loadings behind the data (truth) and the population's own solution."""

    truth: np.ndarray
    pattern: np.ndarray
    phi: np.ndarray


def study(population: Population, samples: int, replicates: int, number: int) -> dict[str, Any]:
    """One row of the table: means over ``samples`` samples of ``population``, the ``number``-th of the study."""
    seeds = np.random.SeedSequence([SEED, number]).spawn(samples + 1)
    target = _target(population, seeds[0])
    references = parallel_analysis(
        population.n, population.n_items, kinds=("components", "minres", "smc"), replicates=500, seed=SEED
    )
    measured = [_measure(population, target, references, seed, replicates) for seed in seeds[1:]]
    means = pd.DataFrame(measured).mean()
    return {"population": population.name, "n_items": population.n_items, "k": population.n_components, **means}


def _target(population: Population, seed: np.random.SeedSequence) -> Target:
    rows, _ = replace(population, missing=0.0).draw(LARGE, seed)
    truth = population.loadings()
    solution = _solve(population, rows)
    match = match_columns(truth, solution.pattern)
    pattern = solution.pattern[:, match.right] * match.signs
    phi = solution.phi[np.ix_(match.right, match.right)] * np.outer(match.signs, match.signs)
    return Target(truth, pattern, phi)


def _solve(population: Population, rows: np.ndarray) -> Solution:
    found = correlate(rows, method=population.correlation)
    return find_components(found, n_components=population.n_components)


def _measure(
    population: Population,
    target: Target,
    references: list[ParallelReference],
    seed: np.random.SeedSequence,
    replicates: int,
) -> dict[str, float]:
    rows, therapists = population.draw(population.n, seed)
    try:
        solution = _solve(population, rows)
    except AnalysisError:
        return {"clean": 0.0}
    result = {f"right_{rule}": float(kept == population.n_components) for rule, kept in _kept(solution, references)}
    pattern, phi, congruence = align_columns(solution.pattern[None], solution.phi[None], target.truth)
    salient = target.truth >= 0.3
    result |= {
        "clean": float(solution.status in ("ok", "local_minima")),
        "congruence": float(congruence.mean()),
        "congruence_least": float(congruence.min()),
        "bias_salient": float((pattern[0] - target.truth)[salient].mean()),
        "bias_other": float((pattern[0] - target.truth)[~salient].mean()),
        "rmse": float(np.sqrt(np.mean((pattern[0] - target.truth) ** 2))),
        "bias_phi": float((phi[0] - population.correlations())[np.triu_indices(len(phi[0]), 1)].mean()),
    }
    if replicates and population.correlation == "pearson":
        clusters = therapists if population.by_therapist else None
        result |= _coverage(solution, rows, clusters, target, replicates, seed)
    return result


def _kept(solution: Solution, references: list[ParallelReference]) -> Iterator[tuple[str, int]]:
    """How many components each rule keeps; the parallel analyses by the 95th percentile of normal data."""
    matrix, names = solution.correlation, {"components": "parallel", "minres": "parallel_minres", "smc": "parallel_smc"}
    for reference in references:
        yield names[reference.kind], leading(reduced_eigenvalues(matrix[None], reference.kind)[0], reference.percentile)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    yield "map", int(np.nanargmin(minimum_average_partial(matrix, 2)))
    yield "map_2000", int(np.nanargmin(minimum_average_partial(matrix, 4)))
    yield "kaiser", leading(eigenvalues, np.ones(len(eigenvalues)))
    yield "empirical_kaiser", leading(eigenvalues, empirical_kaiser_reference(eigenvalues, solution.n))


def _coverage(
    solution: Solution,
    rows: np.ndarray,
    clusters: np.ndarray | None,
    target: Target,
    replicates: int,
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    """Shares of the 95 % intervals that hold the population's value: salient loadings, the others, correlations."""
    number = int(seed.generate_state(2)[1])
    try:
        drawn = bootstrap_solution(rows, solution, seed=number, clusters=clusters, replicates=replicates, level=LEVEL)
    except AnalysisError:
        return {}
    match = match_columns(target.pattern, solution.pattern)
    order, signs = match.right, match.signs
    lower, upper, _ = percentile_interval(drawn.patterns[:, :, order] * signs, LEVEL)
    held = (lower <= target.pattern) & (target.pattern <= upper)
    both = np.ix_(np.arange(len(drawn.phis)), order, order)
    turned = np.outer(signs, signs)
    found = bias_corrected_correlation(solution.phi[np.ix_(order, order)] * turned, drawn.phis[both] * turned, LEVEL)
    pairs = np.triu_indices(len(order), 1)
    inside = (found.lower <= target.phi) & (target.phi <= found.upper)
    salient = target.truth >= 0.3
    return {
        "coverage_salient": float(held[salient].mean()),
        "coverage_other": float(held[~salient].mean()),
        "coverage_phi": float(inside[pairs].mean()),
        "width_salient": float((upper - lower)[salient].mean()),
    }


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of populations; prints them and writes nothing")
    options = parser.parse_args()
    numbers = options.only or range(1, len(POPULATIONS) + 1)
    rows = []
    for number in numbers:
        rows.append(study(POPULATIONS[number - 1], options.samples, options.replicates, number))
        print(
            "  ".join(f"{key}: {value:.3g}" if key != "population" else value for key, value in rows[-1].items()),
            flush=True,
        )
    if options.only is None:
        table = pd.DataFrame(rows)
        OUT.parent.mkdir(exist_ok=True)
        table.to_json(OUT, orient="records", indent=1)
        PAGE.write_text(page(table, options.samples, options.replicates, LARGE), encoding="utf-8")


if __name__ == "__main__":
    main()
