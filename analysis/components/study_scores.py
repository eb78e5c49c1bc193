"""Component scores of a study's rows by the study's method, or why there are none.

Some methods need more of a solution than others: Bartlett's and Anderson and Rubin's cannot be had with a Heywood case.
The components are what they are without scores, so that an analysis loses only what rests on scores.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.common.status import attempt
from analysis.components.scores import Scores
from analysis.components.solution import Solution


def scores_or_why(answers: pd.DataFrame, solution: Solution, method: str, make: Callable[[], Scores]) -> Scores:
    """What ``make`` gives for the rows of ``answers``; where it raises :class:`AnalysisError`, scores of NaN with the
    error's status and sentence.

    >>> from analysis.common.status import AnalysisError, Status
    >>> from analysis.components.components import find_components
    >>> def heywood() -> Scores:
    ...     raise AnalysisError("A uniqueness is zero.", Status.HEYWOOD)
    >>> found = find_components(np.full((3, 3), 0.5) + 0.5 * np.eye(3), 100, list("abc"), n_components=1)
    >>> told = scores_or_why(pd.DataFrame(np.ones((2, 3)), columns=list("abc")), found, "bartlett", heywood)
    >>> told.status, told.warnings, told.scores.tolist()
    ('heywood', ('No scores: A uniqueness is zero.',), [[nan], [nan]])
    """
    tried = attempt(make)
    if tried.value is not None:
        return tried.value
    nothing = np.full((len(answers), solution.n_components), np.nan)
    answered = answers[list(solution.items)].notna().sum(axis=1).to_numpy()
    return Scores(
        nothing,
        answered,
        nothing.copy(),
        answers.index.to_numpy(),
        method,
        tried.status.value,
        (f"No scores: {tried.reason}",),
    )
