"""Extraction, rotation and fit against R: psych 2.2.9, GPArotation, and base-R solutions driven to convergence."""

import golden
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from analysis.components.components import find_components
from analysis.components.extraction import extract
from analysis.components.solution import Solution

SETS = {
    "bfi_complete": ("bfi_complete_pearson_cor", 2436, 5),
    "bfi_pairwise": ("bfi_pairwise_pearson_cor", 2800, 5),
    "bfi_polychoric": ("bfi_complete_polychoric_cor", 2436, 5),
    "harman74": ("harman74_cor", 145, 4),
    "holzinger9": ("holzinger9_cor", 301, 3),
    "sim55": ("sim55_cor", 1000, 6),
    "thurstone": ("thurstone_cor", 213, 3),
}
TIGHT_EXTRACTION = {"uls": "minres", "ml": "ml"}
PSYCH_EXTRACTION = {"minres": "minres", "uls": "minres", "ml": "ml", "pa": "paf", "principal": "components"}
TIGHT_ROTATIONS = (
    "none",
    "varimax",
    "varimax_raw",
    "promax_kaiser",
    "promax_stats",
    "oblimin",
    "oblimin_kaiser",
    "quartimin",
    "quartimax",
    "equamax",
    "geominQ",
)


def our_rotation(name: str, extraction: str) -> str:
    """psych's word for a rotation in ours: its principal() takes promax from stats, its fa() normalises rows."""
    if name == "promax":
        return "promax_stats" if extraction == "principal" else "promax_kaiser"
    return {"Promax": "promax_stats", "geominQ": "geomin"}.get(name, name)


def phi_of(result: dict, size: int) -> np.ndarray:
    return np.eye(size) if result["Phi"] is None else golden.matrix(result["Phi"]).to_numpy()


def found(name: str, extraction: str, rotation: str, **options) -> Solution:
    file, n, components = SETS[name]
    return find_components(
        golden.correlation(file), n, n_components=components, extraction=extraction, rotation=rotation, **options
    )


@pytest.mark.parametrize("method", ["uls", "ml"])
@pytest.mark.parametrize("name", SETS)
def test_extraction_reaches_the_optimum_of_r(name, method):
    file, _, components = SETS[name]
    reference = golden.load(f"01_efa_{name}")["tight"][method]
    ours = extract(golden.correlation(file).to_numpy(), components, TIGHT_EXTRACTION[method])
    np.testing.assert_allclose(ours.uniqueness[0], reference["uniquenesses"], atol=1e-8)
    np.testing.assert_allclose(ours.objective[0], reference["objective"], atol=1e-11)
    assert ours.converged[0]
    assert not ours.heywood.any()


@pytest.mark.parametrize("rotation", TIGHT_ROTATIONS)
@pytest.mark.parametrize("method", ["uls", "ml"])
@pytest.mark.parametrize("name", SETS)
def test_rotation_agrees_with_converged_r(name, method, rotation):
    reference = golden.load(f"01_efa_{name}")["tight"][method]["rotations"][rotation]
    solution = found(name, TIGHT_EXTRACTION[method], our_rotation(rotation, "fa"), random_starts=0)
    components = SETS[name][2]
    np.testing.assert_allclose(solution.pattern, golden.matrix(reference["loadings"]), atol=1e-6)
    np.testing.assert_allclose(solution.phi, phi_of(reference, components), atol=1e-6)
    np.testing.assert_allclose(solution.structure, golden.matrix(reference["Structure"]), atol=1e-6)
    np.testing.assert_allclose(solution.communality, reference["communality"], atol=1e-7)
    np.testing.assert_allclose(solution.variance, reference["SS_loadings"], atol=1e-5)
    if reference["criterion"] is not None:
        np.testing.assert_allclose(solution.diagnostics["rotation_criterion"], reference["criterion"], atol=1e-8)
    assert solution.status == "ok"


STARTS = {"bfi_pairwise": "bfi_pairwise_pearson_cor", "harman74": "harman74_cor", "sim55": "sim55_cor"}


@pytest.mark.parametrize("components", [4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("name", STARTS)
def test_a_single_start_ends_in_the_minimum_where_that_of_r_ends(name, components):
    """Of several minima. R stops at 1e-5 and after 1000 rounds, we go on from there: 2e-5, or lower."""
    for rotation, reference in golden.load("26_rotation_starts")[name][str(components)].items():
        kwargs = {"n_components": components, "rotation": our_rotation(rotation, "fa")}
        alone, beside = (
            find_components(golden.correlation(STARTS[name]), 1000, random_starts=starts, **kwargs).diagnostics
            for starts in (0, 20)
        )
        if reference["identity_converged"]:
            assert alone["rotation_criterion"] == pytest.approx(reference["identity"], abs=2e-5), rotation
        else:
            assert alone["rotation_criterion"] < reference["identity"]
        lowest = min(beside["rotation_criterion"], reference["best_of_random"])
        assert bool(beside["rotation_first_is_best"]) == (alone["rotation_criterion"] < lowest + 2e-5), rotation


@pytest.mark.parametrize("rotation", ["oblimin", "oblimin_kaiser", "geominQ"])
@pytest.mark.parametrize("name", SETS)
def test_random_starts_find_no_better_criterion_than_fifty_of_r(name, rotation):
    reference = golden.load(f"01_efa_{name}")["tight"]["uls"]["rotations"][rotation]["random_starts"]
    solution = found(name, "minres", our_rotation(rotation, "fa"), random_starts=20, seed=5)
    assert solution.diagnostics["rotation_criterion"] == pytest.approx(reference["best"], abs=2e-6)
    assert solution.diagnostics["rotation_starts"] == 21
    assert bool(solution.diagnostics["rotation_first_is_best"]) == reference["identity_is_best"]


def aligned(ours: Solution, loadings: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R's columns in our order and sign."""
    products = ours.pattern.T @ loadings
    _, columns = linear_sum_assignment(-np.abs(products))
    signs = np.sign(products[np.arange(len(columns)), columns])
    return loadings[:, columns] * signs, phi[np.ix_(columns, columns)] * np.outer(signs, signs)


@pytest.mark.parametrize("extraction", ["minres", "uls", "ml", "pa", "principal"])
@pytest.mark.parametrize("name", SETS)
def test_psych_users_get_their_numbers(name, extraction):
    components = SETS[name][2]
    # psych's pa stops when the communalities' sum changes by less than 1e-3, at most 50 times.
    early = {"tolerance": 1e-3, "max_iterations": 50} if extraction == "pa" else {}
    for rotation, reference in golden.load(f"01_efa_{name}")["psych"][extraction].items():
        ours = found(name, PSYCH_EXTRACTION[extraction], our_rotation(rotation, extraction), random_starts=0, **early)
        loadings = golden.matrix(reference["loadings"]).to_numpy()
        loadings, phi = aligned(ours, loadings, phi_of(reference, components))
        # stats::varimax stops at 1e-5 and leaves up to 2e-3; so do the promax rotations built on it.
        loose = 2e-3 if "max" in rotation.lower() else 1e-3
        np.testing.assert_allclose(ours.pattern, loadings, atol=loose, err_msg=rotation)
        np.testing.assert_allclose(ours.phi, phi, atol=loose, err_msg=rotation)


@pytest.mark.parametrize("extraction", ["minres", "ml"])
@pytest.mark.parametrize("name", SETS)
def test_fit_statistics_are_those_of_psych(name, extraction):
    reference = golden.load(f"01_efa_{name}")["psych"][extraction]["oblimin"]
    solution = found(name, extraction, "oblimin", random_starts=0)
    fit, theirs = solution.fit, reference["fit"]
    # chi-square follows the square of psych's own optimiser tolerance, hence relative.
    assert fit.objective == pytest.approx(theirs["objective"], abs=1e-6)
    assert fit.chi2 == pytest.approx(theirs["STATISTIC"], rel=1e-5)
    assert fit.df == theirs["dof"]
    assert fit.p == pytest.approx(theirs["PVAL"], abs=1e-5)
    assert fit.tli == pytest.approx(theirs["TLI"], abs=1e-5)
    assert fit.bic == pytest.approx(theirs["BIC"], abs=1e-2)
    assert fit.rmsr == pytest.approx(theirs["rms"], abs=1e-6)
    assert fit.null_chi2 == pytest.approx(theirs["null_chisq"], rel=1e-9)
    rmsea = theirs["RMSEA"]
    # R's uniroot stops at 1e-4 of the noncentrality.
    np.testing.assert_allclose(
        [fit.rmsea, fit.rmsea_lower, fit.rmsea_upper],
        [golden.number(rmsea[key]) for key in ("RMSEA", "lower", "upper")],
        atol=1e-5,
    )


def test_variance_explained_after_oblique_rotation_is_that_of_psych():
    reference = golden.load("01_efa_bfi_complete")["psych"]["minres"]["oblimin"]
    theirs = golden.matrix(reference["Vaccounted"])
    solution = found("bfi_complete", "minres", "oblimin", random_starts=0)
    frame = solution.components_frame()
    np.testing.assert_allclose(frame["variance"], theirs.loc["SS loadings"], atol=1e-4)
    np.testing.assert_allclose(frame["variance_share"], theirs.loc["Proportion Var"], atol=1e-5)
    np.testing.assert_allclose(frame["cumulative_share"], theirs.loc["Cumulative Var"], atol=1e-5)
    np.testing.assert_allclose(frame["common_share"], theirs.loc["Proportion Explained"], atol=1e-5)
    np.testing.assert_allclose(solution.complexity, reference["complexity"], atol=1e-3)
    assert solution.variance.sum() == pytest.approx(solution.communality.sum(), abs=1e-12)


def test_simulated_truth_of_sim55_is_recovered():
    truth = golden.data("sim55_true_loadings", index_col=0).to_numpy()
    phi = golden.data("sim55_true_phi", index_col=0).to_numpy()
    solution = find_components(golden.correlation("sim55_cor"), 1000, n_components=6)
    products = solution.pattern.T @ truth
    rows, columns = linear_sum_assignment(-np.abs(products))
    lengths = np.outer(np.linalg.norm(solution.pattern, axis=0), np.linalg.norm(truth, axis=0))
    congruence = np.abs(products / lengths)[rows, columns]
    assert congruence.min() > 0.97
    signs = np.sign(products[rows, columns])
    ours = solution.phi * np.outer(signs, signs)
    assert np.abs(ours - phi[np.ix_(columns, columns)]).max() < 0.15
