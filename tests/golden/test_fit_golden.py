"""Every fit statistic psych prints (01_efa; VSS of 04_nfactors), and what else follows from its solutions."""

import golden
import numpy as np
import pytest

from analysis.components.components import find_components
from analysis.components.scores import score_weights
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
EXTRACTIONS = {"minres": "minres", "uls": "minres", "ml": "ml", "pa": "paf", "principal": "components"}
# Chi-square follows the square of what psych's optimiser leaves of the discrepancy; nothing for the closed form.
LOOSE = {"minres": 1e-5, "uls": 1e-5, "ml": 1e-5, "pa": 1e-9, "principal": 1e-9}
STATISTICS = {
    "objective": "objective", "chi2": "STATISTIC", "p": "PVAL", "df": "dof", "null_chi2": "null_chisq",
    "null_df": "null_dof", "tli": "TLI", "bic": "BIC", "sabic": "SABIC",
    "empirical_chi2": "chi", "empirical_p": "EPVAL",
    "rmsr": "rms", "rmsr_corrected": "crms", "explained": "fit", "explained_off_diagonal": "fit_off",
}  # fmt: skip
VSS = {
    "df": "dof", "chi2": "chisq", "p": "prob", "rmsea": "RMSEA", "bic": "BIC", "sabic": "SABIC",
    "empirical_chi2": "eChisq", "rmsr": "SRMR", "rmsr_corrected": "eCRMS", "empirical_bic": "eBIC", "explained": "fit",
}  # fmt: skip


@pytest.mark.parametrize("method", EXTRACTIONS)
@pytest.mark.parametrize("name", SETS)
def test_fit_statistics_are_those_of_psych(name: str, method: str) -> None:
    file, n, components = SETS[name]
    theirs = golden.load(f"01_efa_{name}")["psych"][method]["none"]["fit"]
    early = {"tolerance": 1e-3, "max_iterations": 50} if method == "pa" else {}
    found = find_components(
        golden.correlation(file), n, n_components=components, extraction=EXTRACTIONS[method], rotation="none", **early
    )
    for ours, key in STATISTICS.items():
        expected = golden.number(theirs[key])
        if np.isnan(expected):
            # psych::principal stops at chi-square; the other figures of components follow from it as for factors.
            assert method == "principal"
            continue
        np.testing.assert_allclose(
            getattr(found.fit, ours), expected, rtol=LOOSE[method], atol=LOOSE[method], err_msg=f"{ours} ({key})"
        )
    if theirs["RMSEA"] is not None:
        limits = [golden.number(theirs["RMSEA"][key]) for key in ("RMSEA", "lower", "upper")]
        # R's uniroot stops at 1e-4 of the noncentrality.
        np.testing.assert_allclose([found.fit.rmsea, found.fit.rmsea_lower, found.fit.rmsea_upper], limits, atol=1e-5)


@pytest.mark.parametrize("name", ["bfi_complete", "holzinger9", "sim47x176", "sim55"])
def test_fit_by_number_of_components_is_that_of_vss(name: str) -> None:
    reference = golden.load("04_nfactors")[name]
    theirs = reference["VSS"]["stats"]
    if name == "sim47x176":
        matrix = golden.data(name).corr()
    else:
        matrix = golden.correlation({"bfi_complete": "bfi_complete_pearson_cor"}.get(name, f"{name}_cor"))
    for place, df in enumerate(theirs["dof"]):
        found = find_components(matrix, reference["n"], n_components=place + 1, rotation="none")
        if found.status not in ("ok", "local_minima") or df <= 6:
            # Near or at a Heywood case the minimum is flat and psych stops on the way to it; ours is no worse.
            assert np.sum(found.residuals[~np.eye(len(matrix), dtype=bool)] ** 2) <= (
                theirs["eChisq"][place] / reference["n"] * (1 + 1e-5)
            )
            continue
        for ours, key in VSS.items():
            expected = golden.number(theirs[key][place])
            np.testing.assert_allclose(
                getattr(found.fit, ours), expected, rtol=2e-5, atol=2e-5, err_msg=f"{place + 1} components, {key}"
            )
        assert found.complexity.mean() == pytest.approx(theirs["complex"][place], abs=2e-4)


def _psychs_solution(name: str, result: dict, extraction: str) -> Solution:
    file, n, components = SETS[name]
    loadings = golden.matrix(result["loadings"])
    phi = np.eye(components) if result["Phi"] is None else golden.matrix(result["Phi"]).to_numpy()
    correlation = golden.correlation(file).to_numpy()
    uniqueness = np.array(result["uniquenesses"])
    return Solution(
        tuple(loadings.index), correlation, n, extraction, "psych", loadings.to_numpy(), phi, uniqueness, "ok", ()
    )


@pytest.mark.parametrize("method", EXTRACTIONS)
@pytest.mark.parametrize("name", SETS)
def test_everything_derived_from_loadings_and_phi_is_that_of_psych(name: str, method: str) -> None:
    """psych's own loadings and Phi in, so that what follows from them must agree exactly, for every rotation."""
    for rotation, result in golden.load(f"01_efa_{name}")["psych"][method].items():
        ours = _psychs_solution(name, result, EXTRACTIONS[method])
        exact = {"atol": 1e-10, "err_msg": rotation}
        np.testing.assert_allclose(ours.communality, result["communality"], **exact)
        np.testing.assert_allclose(ours.complexity, result["complexity"], rtol=1e-9, err_msg=rotation)
        if result["Structure"] is not None:
            np.testing.assert_allclose(ours.structure, golden.matrix(result["Structure"]), **exact)
        table = golden.matrix(result["Vaccounted"])
        if method == "principal":
            _principal_variances(ours, table, rotation)
        else:
            np.testing.assert_allclose(ours.variance, table.loc["SS loadings"], **exact)
            np.testing.assert_allclose(ours.variance_share, table.loc["Proportion Var"], **exact)
        if method != "principal" and result["R2_scores"] is not None:
            weights = score_weights(ours)
            np.testing.assert_allclose(weights.weights, golden.matrix(result["weights"]), atol=1e-8, err_msg=rotation)
            np.testing.assert_allclose(weights.determinacy, result["R2_scores"], atol=1e-8, err_msg=rotation)
            correlations = golden.matrix(result["r_scores"])
            np.testing.assert_allclose(weights.score_correlations, correlations, atol=1e-8, err_msg=rotation)


def _principal_variances(ours: Solution, table, rotation: str) -> None:
    """psych::principal counts oblique components by Phi L'L as well, but orders them by the sums of L^2 alone."""
    np.testing.assert_allclose(ours.variance, table.loc["SS loadings"], atol=1e-10, err_msg=rotation)
    assert ours.variance.sum() == pytest.approx(ours.communality.sum(), abs=1e-10)
