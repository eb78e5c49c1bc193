"""One measurement of the kernel benchmark in a process of its own: prints CPU seconds, or why there are none.

python -m benchmarks.kernel_tasks fit <folder with the data>
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from analysis.components.components import find_components
from analysis.components.parallel_analysis import parallel_analysis
from analysis.components.stability import bootstrap_solution
from analysis.correlations.correlation import correlate
from benchmarks.kernel_data import LARGE, SMALL

REPLICATES = 1000
REPLICATES_OF_LOOP = 20
Task = Callable[[pd.DataFrame, pd.DataFrame], Callable[[], object]]


def _fit(large: pd.DataFrame, small: pd.DataFrame, starts: int = 0) -> Callable[[], object]:
    return lambda: find_components(correlate(large), n_components=6, extraction_starts=starts, random_starts=starts)


def _fit_starts(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    return _fit(large, small, starts=10)


def _bootstrap(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    solution = find_components(correlate(large), n_components=6)
    return lambda: bootstrap_solution(large, solution, seed=1, replicates=REPLICATES)


def _parallel_components(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    n, items = small.shape
    return lambda: parallel_analysis(n, items, kinds=("components",), replicates=REPLICATES, seed=1)


def _parallel_rows(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    n, items = small.shape
    rows = small.to_numpy(dtype=float)
    return lambda: parallel_analysis(n, items, kinds=("components",), replicates=REPLICATES, seed=1, rows=rows)


def _parallel_factors(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    n, items = small.shape
    return lambda: parallel_analysis(n, items, kinds=("minres",), replicates=REPLICATES, seed=1)


def _polychoric(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    return lambda: correlate(small, method="polychoric")


def _factor_analyzer(data: np.ndarray) -> np.ndarray:
    from factor_analyzer import FactorAnalyzer

    rival = FactorAnalyzer(n_factors=6, rotation="oblimin", method="minres")
    rival.fit(data)
    return rival.loadings_


def _fit_factor_analyzer(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    values = large.to_numpy(dtype=float)
    return lambda: _factor_analyzer(values)


def _bootstrap_factor_analyzer(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    """What a user writes: resample the rows, fit, match columns and signs to the full solution, once per replicate."""
    values = large.to_numpy(dtype=float)
    full = _factor_analyzer(values)

    def loop() -> np.ndarray:
        rng = np.random.default_rng(1)
        aligned = []
        for _ in range(REPLICATES_OF_LOOP):
            loadings = _factor_analyzer(values[rng.integers(0, len(values), len(values))])
            products = full.T @ loadings
            _, order = linear_sum_assignment(-np.abs(products))
            aligned.append(loadings[:, order] * np.sign(products[np.arange(6), order]))
        return np.array(aligned)

    return loop


def _polychoric_ordinalcorr(large: pd.DataFrame, small: pd.DataFrame) -> Callable[[], object]:
    from ordinalcorr import polychoric

    columns = [small[name].to_numpy() for name in small]

    def loop() -> list[float]:
        return [polychoric(columns[i], columns[j]) for i in range(len(columns)) for j in range(i)]

    return loop


TASKS: dict[str, Task] = {
    "fit": _fit,
    "fit_starts": _fit_starts,
    "bootstrap": _bootstrap,
    "parallel_components": _parallel_components,
    "parallel_rows": _parallel_rows,
    "parallel_factors": _parallel_factors,
    "polychoric": _polychoric,
    "fit_factor_analyzer": _fit_factor_analyzer,
    "bootstrap_factor_analyzer": _bootstrap_factor_analyzer,
    "polychoric_ordinalcorr": _polychoric_ordinalcorr,
}


def least_cpu_seconds(work: Callable[[], object], repeats: int = 5, enough_seconds: float = 3.0) -> float:
    """The least CPU seconds of up to ``repeats`` calls after one to warm up; a call of many seconds runs only once."""
    found: list[float] = []
    for attempt in range(repeats + 1):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
        if sum(found) > enough_seconds and (attempt or found[0] > enough_seconds):
            break
    return min(found[1:] or found)


def main(task: str, folder: Path) -> None:
    """Measure ``task`` and print what came of it."""
    warnings.simplefilter("ignore")
    large, small = (pd.read_csv(folder / name) for name in (LARGE, SMALL))
    try:
        work = TASKS[task](large, small)
    except ModuleNotFoundError as error:
        print(f"The package {error.name} is not installed.")
        return
    print(least_cpu_seconds(work))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
