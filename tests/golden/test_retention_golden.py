"""Number of components against R: psych's fa.parallel and VSS, Velicer's MAP, the empirical Kaiser criterion."""

import golden
import numpy as np
import pytest

from analysis.components.parallel_analysis import parallel_analysis, reduced_eigenvalues
from analysis.components.retention import empirical_kaiser_reference, minimum_average_partial, retention

BFI = [f"{scale}{number}" for scale in "ACENO" for number in range(1, 6)]
HOLZINGER = [f"x{number}" for number in range(1, 10)]
SETS = {
    "bfi_complete": ("bfi_complete", BFI),
    "holzinger9": ("holzinger1939", HOLZINGER),
    "sim47x176": ("sim47x176", None),
    "sim55": ("sim55", None),
}


def matrix_of(name: str) -> tuple[np.ndarray, int]:
    file, items = SETS[name]
    data = golden.data(file)
    data = data if items is None else data[items]
    return np.corrcoef(data.to_numpy(dtype=float).T), len(data)


@pytest.mark.parametrize("name", SETS)
def test_closed_forms(name):
    reference = golden.load("04_nfactors")[name]
    matrix, n = matrix_of(name)
    eigenvalues = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(eigenvalues, reference["eigenvalues_R"], atol=1e-10)
    for power, key in ((2, "velicer1976"), (4, "revised2000_power4")):
        theirs = reference["MAP"][key]
        ours = minimum_average_partial(matrix, power)
        assert ours[0] == pytest.approx(theirs["m0"], abs=1e-12)
        # The last values divide by variances near zero.
        np.testing.assert_allclose(ours[1:-3], golden.vector(theirs["values"])[: len(ours) - 4], atol=1e-8)
    np.testing.assert_allclose(
        minimum_average_partial(matrix)[1 : 1 + len(reference["MAP"]["psych_VSS_map"])],
        reference["MAP"]["psych_VSS_map"],
        atol=1e-10,
    )
    np.testing.assert_allclose(empirical_kaiser_reference(eigenvalues, n), reference["EKC"]["reference"], atol=1e-10)
    smc = reduced_eigenvalues(matrix[None], "smc")[0]
    np.testing.assert_allclose(smc, reference["pa_smc"]["observed"], atol=1e-8)
    # psych's one-factor minres has optim's tolerance.
    minres = reduced_eigenvalues(matrix[None], "minres")[0]
    np.testing.assert_allclose(minres, reference["fa_parallel"]["fa_values"], atol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_every_rule_retains_what_r_retains(name):
    reference = golden.load("04_nfactors")[name]
    matrix, n = matrix_of(name)
    found = retention(matrix, n, replicates=200, seed=11)
    counts = reference["fa_parallel"]["counts_first_below"]
    expected = {
        "kaiser": reference["kaiser_count"],
        "parallel_components_normal_mean": counts["sim_pc_mean"],
        "parallel_components_normal_percentile": counts["sim_pc_q95"],
        "parallel_minres_normal_mean": counts["sim_fa_mean"],
        "parallel_minres_normal_percentile": counts["sim_fa_q95"],
        "parallel_smc_normal_mean": reference["pa_smc"]["count_mean"],
        "parallel_smc_normal_percentile": reference["pa_smc"]["count_q95"],
        "map_1976": reference["MAP"]["velicer1976"]["nfactors"],
        "map_2000": reference["MAP"]["revised2000_power4"]["nfactors"],
        "empirical_kaiser": reference["EKC"]["nfactors"],
    }
    assert {rule: found.choose(rule) for rule in expected} == expected


@pytest.mark.parametrize("name", ["holzinger9", "sim47x176"])
def test_simulated_eigenvalues_have_the_distribution_of_r(name):
    reference = golden.load("04_nfactors")[name]
    matrix, n = matrix_of(name)
    simulated = reference["fa_parallel"]["simulated"]
    theirs = {"components": simulated["sim_pc"], "minres": simulated["sim_fa"], "smc": reference["pa_smc"]}
    for ours in parallel_analysis(n, len(matrix), kinds=tuple(theirs), replicates=600, seed=3):
        other = theirs[ours.kind]
        sd = golden.vector(other["sd"])
        error = sd * np.sqrt(1 / 600 + 1 / 1000)
        z = (ours.mean - golden.vector(other["mean"])) / error
        # 47 correlated z values: the largest of independent ones would exceed 4.5 once in three thousand runs.
        assert np.abs(z).max() < 4.5
        np.testing.assert_allclose(ours.sd, sd, rtol=0.2)
        assert np.abs(ours.percentile - golden.vector(other["q95"])).max() < 6 * (2 * error).max()


def test_permuted_eigenvalues_have_the_distribution_of_r():
    reference = golden.load("04_nfactors")["holzinger9"]["fa_parallel"]["simulated"]["resample_pc"]
    rows = golden.data("holzinger1939")[HOLZINGER].to_numpy()
    ours = parallel_analysis(301, 9, kinds=("components",), replicates=600, seed=4, rows=rows)[1]
    # psych resamples with replacement, we permute: the same to the order of 1 / n.
    np.testing.assert_allclose(ours.mean, golden.vector(reference["mean"]), atol=0.012)
    np.testing.assert_allclose(ours.percentile, golden.vector(reference["q95"]), atol=0.03)


def test_eigenvalues_and_percentiles_of_fixed_data():
    reference = golden.load("04_nfactors")["fixed_sims"]
    data = golden.data("pa_fixed_sims_60x8")
    stack = np.array([np.corrcoef(one.drop(columns="sim").to_numpy().T) for _, one in data.groupby("sim")])
    for kind, prefix in (("components", "pc"), ("smc", "smc")):
        values = reduced_eigenvalues(stack, kind)
        np.testing.assert_allclose(values, golden.matrix(reference[f"{prefix}_eigen"]), atol=1e-8)
        np.testing.assert_allclose(np.quantile(values, 0.95, axis=0), reference[f"{prefix}_q95_type7"], atol=1e-8)
        np.testing.assert_allclose(values.mean(axis=0), reference[f"{prefix}_mean"], atol=1e-8)
