"""The reciprocal one-with-many design against a bivariate mixed model in R's nlme (22, and 23 with sessions)."""

import golden
import pytest

from analysis.common.status import Status
from analysis.two_views.one_with_many import one_with_many


@pytest.mark.parametrize(("name", "key"), [("one_with_many", "complete"), ("one_with_many_missing", "missing")])
def test_variances_and_reciprocities_equal_nlme(name: str, key: str) -> None:
    data = golden.data(name)
    expected = golden.load("22_one_with_many")[key]
    found = one_with_many(data.client, data.therapist_rating, therapist=data.therapist)
    assert [found.client_mean, found.therapist_mean] == pytest.approx(expected["means"], abs=1e-5)
    assert found.log_likelihood == pytest.approx(expected["logLik"], abs=1e-6)
    for part in ("therapist", "dyad"):
        for rater in ("client", "therapist"):
            assert found.variance(rater, part).variance == pytest.approx(expected[part][rater], abs=1e-5)
        assert found.reciprocity(part).correlation == pytest.approx(expected[part]["correlation"], abs=1e-5)
    assert found.status is Status.OK


def test_several_sessions_of_a_dyad_equal_nlme() -> None:
    data = golden.data("one_with_many_sessions")
    expected = golden.load("23_one_with_many_sessions")
    found = one_with_many(data.client, data.therapist_rating, therapist=data.therapist, dyad=data.dyad)
    assert [found.client_mean, found.therapist_mean] == pytest.approx(expected["means"], abs=1e-4)
    assert found.log_likelihood == pytest.approx(expected["logLik"], abs=1e-5)
    for part in ("therapist", "dyad", "error"):
        for rater in ("client", "therapist"):
            assert found.variance(rater, part).variance == pytest.approx(expected[part][rater], abs=1e-4)
        assert found.reciprocity(part).correlation == pytest.approx(expected[part]["correlation"], abs=1e-4)
    assert found.status is Status.OK
