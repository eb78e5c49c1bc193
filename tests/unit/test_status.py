"""Statuses: an error of ours becomes a status and a sentence, a fault of the program does not."""

import numpy as np
import pytest

from analysis.common.status import AnalysisError, Status, attempt, most_serious
from analysis.components.components import find_components
from analysis.components.solution import Solution


def test_attempt_hands_back_the_value_with_its_status_and_warnings():
    done = attempt(find_components, np.eye(4) * 0.5 + 0.5, 4, n_components=1)
    assert done.value is not None
    assert done.status is Status.TOO_FEW_ROWS
    assert done.reason == "4 rows for 4 items; more rows than items are needed."


def test_attempt_turns_our_error_into_status_and_sentence():
    done = attempt(find_components, np.eye(4), 2, n_components=1)
    assert done.value is None
    assert done.status is Status.TOO_FEW_ROWS
    assert done.reason == "n is 2; components need at least 3 rows."


def test_attempt_lets_faults_of_the_program_through():
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        attempt(broken)


def test_most_serious():
    assert most_serious([]) is Status.OK
    assert most_serious(["heywood", Status.NOT_CONVERGED, "ok"]) is Status.NOT_CONVERGED
    with pytest.raises(ValueError, match="fine"):
        most_serious(["fine"])


def test_a_solution_of_the_wrong_shape_is_refused():
    with pytest.raises(AnalysisError, match="phi has shape"):
        Solution(("a", "b"), np.eye(2), 10, "minres", "none", np.ones((2, 1)), np.eye(2), np.ones(2), "ok", ())
