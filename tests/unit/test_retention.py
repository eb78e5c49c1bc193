"""Retention and suitability: counts for known truths, seeds and workers, bad input, factor_analyzer as witness."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analysis.common.status import AnalysisError, Status
from analysis.components import one_factor
from analysis.components.extraction import extract
from analysis.components.one_factor import one_factor_communalities
from analysis.components.parallel_analysis import KINDS, parallel_analysis
from analysis.components.retention import minimum_average_partial, retention
from analysis.components.suitability import suitability
from tests.unit.component_truths import loadings_of, phi_of, population, sample

SAMPLE = sample(population(loadings_of(3, 6), phi_of(3, 0.2)), 400, 1)
MATRIX = np.corrcoef(SAMPLE.T)


def test_rules_find_the_three_components_that_are_there():
    found = retention(MATRIX, 400, rows=SAMPLE, replicates=100)
    counts = dict(found.counts_frame().itertuples(index=False))
    assert {rule: count for rule, count in counts.items() if count != 3} == {}
    # kaiser, three kinds by two sources by two statistics, MAP twice, empirical Kaiser
    assert len(counts) == 1 + 12 + 2 + 1
    frame = found.to_frame()
    assert frame.query("retained").groupby("rule").size().eq(3).all()


@pytest.mark.parametrize("components", [2, 4, 6])
def test_parallel_analysis_is_mostly_right(components):
    truth = population(loadings_of(components, 6), phi_of(components, 0.2))
    right = [
        retention(np.corrcoef(sample(truth, 300, seed).T), 300, kinds=("components",), replicates=50).choose()
        for seed in range(10)
    ]
    assert np.mean(np.array(right) == components) >= 0.9


def test_noise_has_no_component_more_often_than_not():
    counts = [
        retention(
            np.corrcoef(np.random.default_rng(seed).normal(size=(200, 10)).T),
            200,
            kinds=("components",),
            replicates=100,
        ).choose()
        for seed in range(60)
    ]
    # The 95th percentile of the first eigenvalue is exceeded by chance in 5 % of samples.
    assert np.mean(np.array(counts) > 0) < 0.17


def test_seed_decides_and_workers_do_not():
    first = parallel_analysis(120, 8, kinds=KINDS, replicates=130, seed=5, rows=SAMPLE[:120, :8])
    with ThreadPoolExecutor(3) as pool:
        second = parallel_analysis(120, 8, kinds=KINDS, replicates=130, seed=5, rows=SAMPLE[:120, :8], run=pool.map)
    other = parallel_analysis(120, 8, kinds=KINDS, replicates=130, seed=6, rows=SAMPLE[:120, :8])
    for one, two, three in zip(first, second, other, strict=True):
        assert one.mean.tobytes() == two.mean.tobytes()
        assert one.percentile.tobytes() == two.percentile.tobytes()
        assert one.mean.tobytes() != three.mean.tobytes()


def test_wishart_draws_have_the_eigenvalues_of_normal_data():
    generator = np.random.default_rng(0)
    plain = np.array([np.linalg.eigvalsh(np.corrcoef(generator.normal(size=(40, 6)).T))[::-1] for _ in range(2000)])
    drawn = parallel_analysis(40, 6, kinds=("components",), replicates=2000, seed=1)[0]
    error = plain.std(axis=0) * np.sqrt(2 / 2000)
    assert np.abs((drawn.mean - plain.mean(axis=0)) / error).max() < 4
    np.testing.assert_allclose(drawn.sd, plain.std(axis=0), rtol=0.1)


def test_fewer_rows_than_items():
    drawn = parallel_analysis(10, 15, kinds=("components",), replicates=60)[0]
    np.testing.assert_allclose(drawn.mean[9:], 0.0, atol=1e-10)
    assert drawn.mean.sum() == pytest.approx(15)
    found = retention(np.corrcoef(SAMPLE[:10].T), 10, replicates=20)
    assert found.status == "too_few_rows"


def test_permuting_keeps_missing_answers_missing():
    rows = SAMPLE[:200, :6].copy()
    rows[np.random.default_rng(3).random(rows.shape) < 0.2] = np.nan
    normal, permuted = parallel_analysis(200, 6, kinds=("components",), replicates=300, rows=rows)
    # 200 rows with a fifth missing are as 128 rows per pair: random eigenvalues spread further.
    assert permuted.mean[0] > normal.mean[0]
    assert permuted.mean.sum() == pytest.approx(6)


@pytest.mark.parametrize("routine", ["dsyevx", "dposv"])
def test_one_factor_shortcut_does_without_what_lapack_did_not_finish(monkeypatch, routine):
    generator = np.random.default_rng(6)
    stack = np.array([np.corrcoef(generator.normal(size=(80, 12)).T) for _ in range(20)])
    expected = one_factor_communalities(stack)
    lapack = getattr(one_factor, routine)

    def unfinished(*arguments, **options):
        *found, _ = lapack(*arguments, **options)
        return *(np.full_like(part, np.nan, dtype=float) for part in found), 1

    monkeypatch.setattr(one_factor, routine, unfinished)
    assert_allclose(one_factor_communalities(stack), expected, rtol=0, atol=1e-9)


def test_one_factor_shortcut_is_the_general_extraction():
    generator = np.random.default_rng(4)
    stack = np.array([np.corrcoef(generator.normal(size=(80, 12)).T) for _ in range(20)] + [MATRIX[:12, :12]])
    general = extract(stack, 1).loadings[:, :, 0] ** 2
    close = np.abs(one_factor_communalities(stack) - general).max(axis=1) < 1e-4
    # Pure noise may have two minima; a real factor has not.
    assert close.mean() > 0.9
    assert close[-1]


def test_map_of_an_identity_matrix_retains_nothing():
    assert retention(np.eye(6), 100, replicates=0).choose("map_1976") == 0
    assert minimum_average_partial(np.eye(6))[0] == 0.0


def test_without_n_only_what_needs_none():
    found = retention(MATRIX, None)
    assert [rule.name for rule in found.rules] == ["kaiser", "map_1976", "map_2000"]
    assert "unknown" in found.warnings[0]


def test_bad_input():
    with pytest.raises(AnalysisError, match="missing or infinite"):
        retention(np.full((3, 3), np.nan), 100)
    with pytest.raises(AnalysisError, match="need at least 2"):
        retention(np.eye(1), 100)
    with pytest.raises(AnalysisError) as error:
        retention(MATRIX, 2)
    assert error.value.status is Status.TOO_FEW_ROWS
    with pytest.raises(AnalysisError) as unknown:
        retention(MATRIX, 400, replicates=0).choose("scree")
    assert unknown.value.status is Status.UNKNOWN_NAME
    with pytest.raises(AnalysisError) as constant:
        parallel_analysis(30, 2, rows=np.ones((30, 2)))
    assert constant.value.status is Status.CONSTANT


def test_factor_analyzer_agrees_on_kmo_and_bartlett():
    from factor_analyzer import calculate_bartlett_sphericity, calculate_kmo

    ours = suitability(MATRIX, 400)
    per_item, overall = calculate_kmo(SAMPLE)
    chi2, _ = calculate_bartlett_sphericity(SAMPLE)
    assert ours.kmo == pytest.approx(overall, abs=1e-10)
    np.testing.assert_allclose(ours.msa, per_item, atol=1e-10)
    assert ours.bartlett_chi2 == pytest.approx(chi2, rel=1e-10)


def test_suitability_of_a_singular_matrix_has_a_status():
    rows = np.column_stack([SAMPLE[:, :3], SAMPLE[:, 0]])
    found = suitability(np.corrcoef(rows.T), 400)
    assert found.status == "singular"
    assert np.isnan(found.kmo)
    assert np.isnan(found.bartlett_chi2)
    with pytest.raises(AnalysisError):
        suitability(np.full((2, 2), np.nan), 10)
    with pytest.raises(AnalysisError):
        suitability(np.ones((2, 3)), 10)


def test_suitability_frame():
    frame = suitability(MATRIX, 400).to_frame()
    assert len(frame) == 19
    assert frame["item"].isna().sum() == 1
    assert frame.loc[0, "rows_per_item"] == pytest.approx(400 / 18)
