"""The tables of a component analysis, column for column as the results tables have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.common.intervals import percentile_interval
from analysis.common.status import Attempt, Status
from analysis.common.study_rows import Rows
from analysis.components.component_labels import suggested_label, theme_counts, told_apart
from analysis.components.correspondence import WordingCheck
from analysis.components.general_factor import GeneralFactor, explained_common_variances
from analysis.components.item_facts import ItemFacts
from analysis.components.omega import Omega
from analysis.components.retention import Retention
from analysis.components.salience import Salience
from analysis.components.scale_reliability import ScaleReliability
from analysis.components.scores import Scores, ScoreWeights
from analysis.components.solution import Solution
from analysis.components.stability import Stability
from analysis.components.suitability import Suitability
from analysis.correlations.correlation import Correlations

INTERVAL_METHODS = {"feldt": "feldt", "bootstrap": "bootstrap_therapist"}
WHOLE_SOLUTION = "0"
"""Subject of reliability rows that are of all items of a solution and its general factor."""

COEFFICIENTS = {
    "alpha_raw": "alpha",
    "alpha_standardised": "alpha_standardised",
    "average_correlation": "average_correlation",
    "omega_model": "omega_model",
    "omega_total": "omega_total",
    "omega_hierarchical": "omega_hierarchical",
}


def why(status: str, warnings: tuple[str, ...]) -> str | None:
    """The sentence of a row whose status is not ``ok``."""
    return None if status == Status.OK else next(iter(warnings), f"It ended as {status.replace('_', ' ')}.")


def suitability_table(items: pd.DataFrame, found: Correlations, suited: Suitability) -> pd.DataFrame:
    """One row per item of ``items`` (see :func:`describe`) and one with an empty item_id for the whole set.

    Skewness and kurtosis are the bias-corrected ones of SPSS (adjusted Fisher-Pearson; G2).
    """
    left_out = {one.item: one for one in found.left_out}
    adequacy = dict(zip(suited.items, suited.msa, strict=True))
    multiple = dict(zip(suited.items, suited.smc, strict=True))
    cuts = {item: [round(float(cut), 6) for cut in found.thresholds[item]] for item in found.thresholds}
    names = list(items["item_id"])
    items = items.copy()
    items["kmo"] = [adequacy.get(item, np.nan) for item in names]
    items["smc"] = [multiple.get(item, np.nan) for item in names]
    items["thresholds"] = pd.Series([cuts.get(str(item)) for item in names], dtype=object)
    items["is_left_out"] = [item in left_out for item in names]
    items["status"] = [left_out[item].reason if item in left_out else "ok" for item in names]
    reasons = [f"Left out: {left_out[item].detail}." if item in left_out else None for item in names]
    items["reason"] = pd.Series(reasons, dtype=object)
    whole = pd.DataFrame(
        [
            {
                "item_id": "",
                "kmo": suited.kmo,
                "bartlett_chi_square": suited.bartlett_chi2,
                "bartlett_df": suited.bartlett_df,
                "bartlett_p": suited.bartlett_p,
                "log_determinant": suited.log_determinant,
                "determinant": suited.determinant,
                "rows_per_item": suited.rows_per_item,
                "smallest_n_of_pair": int(found.n_pairs.min()),
                "is_left_out": False,
                "status": suited.status,
                "reason": why(suited.status, suited.warnings),
            }
        ]
    )
    smallest = dict(zip(found.items, found.n_pairs.min(axis=0).astype(int), strict=True))
    items["smallest_n_of_pair"] = pd.array([smallest.get(item) for item in items["item_id"]], dtype="Int64")
    return pd.concat([whole, items], ignore_index=True)


def described_items(items: pd.DataFrame, n_rows: int, status: str, reason: str) -> pd.DataFrame:
    """The rows of ``suitability`` where items could not be correlated: how they were answered, and why not."""
    items = items.assign(is_left_out=False, status=status, reason=reason)
    whole = pd.DataFrame([{"item_id": "", "is_left_out": False, "status": status, "reason": reason}])
    whole["rows_per_item"] = n_rows / max(len(items), 1)
    return pd.concat([whole, items], ignore_index=True)


def describe(answers: pd.DataFrame) -> pd.DataFrame:
    """One row per item of ``answers``: item_id, n_answered, share_missing, mean, sd, skewness, kurtosis."""
    n_answered = answers.notna().sum().to_numpy()
    return pd.DataFrame(
        {
            "item_id": list(answers.columns),
            "n_answered": n_answered,
            "share_missing": 1 - n_answered / len(answers),
            "mean": answers.mean().to_numpy(),
            "sd": answers.std().to_numpy(),
            "skewness": answers.skew().to_numpy(),
            "kurtosis": answers.kurt().to_numpy(),
        }
    )


def retention_table(rules: Retention, chosen: str | None, level: float) -> pd.DataFrame:
    """One row per retention rule and position; ``chosen`` is the rule that decided, None when the study gave a number.

    Parallel analyses of common factors name the communalities in their variant (smc, minres).
    """
    frame = rules.to_frame().rename(columns={"component": "position", "retained": "is_retained"})
    counts = {rule.name: rule.n_components for rule in rules.rules}
    named = {name: _method_and_variant(name, level) for name in counts}
    frame["method"] = [named[rule][0] for rule in frame["rule"]]
    frame["variant"] = [named[rule][1] for rule in frame["rule"]]
    frame["n_suggested"] = [counts[rule] for rule in frame["rule"]]
    frame["is_chosen"] = frame["rule"] == chosen
    frame["status"] = rules.status
    frame["reason"] = why(rules.status, rules.warnings)
    return frame.drop(columns="rule")


def _method_and_variant(rule: str, level: float) -> tuple[str, str]:
    if not rule.startswith("parallel_"):
        return rule, ""
    _, kind, source, statistic = rule.split("_")
    variant = f"{source}_{'mean' if statistic == 'mean' else f'{100 * level:g}'}"
    return ("parallel_components", variant) if kind == "components" else ("parallel_factors", f"{kind}_{variant}")


def item_correlations_table(found: Correlations, solution: Solution | None) -> pd.DataFrame:
    """One row per pair of items, with the diagnostics of polychoric correlations and the solution's residuals."""
    table = found.to_frame().rename(columns={"item": "item_id", "other_item": "other_item_id", "n": "n_rows"})
    table["status"] = Status.OK.value
    if found.diagnostics is not None:
        names = {"chi2": "chi_square", "empty_cells": "n_empty_cells"}
        for column in ("standard_error", "chi2", "df", "p", "empty_cells"):
            table[names.get(column, column)] = found.diagnostics[column].to_numpy()
        bounded, settled = found.diagnostics["boundary"], found.diagnostics["converged"]
        table.loc[~settled.to_numpy(), "status"] = Status.NOT_CONVERGED.value
        table.loc[bounded.to_numpy(), "status"] = Status.BOUNDARY.value
    if solution is not None:
        first, second = np.triu_indices(len(solution.items), k=1)
        table["residual"] = solution.residuals[first, second]
    return table


def components_table(
    solution: Solution,
    judged: Salience,
    stability: Stability | None,
    weights: ScoreWeights | None,
    facts: ItemFacts,
    wording: WordingCheck,
    general: GeneralFactor | None,
) -> pd.DataFrame:
    """One row per component: variance, how it is marked, how well scores determine it, and a suggested label."""
    k = solution.n_components
    table = solution.components_frame()
    lower = upper = congruence = np.full(k, np.nan)
    if stability is not None:
        variance = np.einsum("bij,bpj,bpi->bi", stability.phis, stability.patterns, stability.patterns)
        lower, upper, _ = percentile_interval(variance / len(solution.items), stability.level)
        congruence = stability.congruence.mean(axis=0)
    table["variance_share_lower"], table["variance_share_upper"] = lower, upper
    table["variance_of_pattern"] = np.sum(solution.pattern**2, axis=0)
    table["variance_of_structure"] = np.sum(solution.structure**2, axis=0)
    table["stability"] = congruence
    if stability is not None:
        drawn = stability.components_frame()
        table["stability_p05"] = drawn["congruence_p05"]
        table["share_refits_fair"], table["share_refits_equal"] = drawn["share_fair"], drawn["share_equal"]
    table["determinacy"] = np.full(k, np.nan) if weights is None else weights.validity
    table["determinacy_squared"] = np.full(k, np.nan) if weights is None else weights.determinacy
    table["minimum_correlation"] = 2 * table["determinacy_squared"] - 1
    table["general_loading"] = np.full(k, np.nan) if general is None else general.second_order
    table["wording_p"] = wording.p_value
    table["gathers_reverse_keyed"] = wording.gathers
    marked = [[item for item, hit in zip(solution.items, judged.salient[:, c], strict=True) if hit] for c in range(k)]
    table["n_salient_items"] = [len(items) for items in marked]
    table["n_items_strongest"] = np.bincount(judged.strongest, minlength=k)
    table["share_reverse_keyed"] = [
        sum(item in facts.reversed_items for item in items) / len(items) if items else np.nan for items in marked
    ]
    labels = [
        suggested_label(items, facts.themes, facts.scales, list(facts.reversed_items), facts.theme_names)
        for items in marked
    ]
    leading = [solution.items[place] for place in np.argmax(np.abs(solution.pattern), axis=0)]
    table["suggested_label"] = told_apart(labels, leading)
    table["themes"] = pd.Series([theme_counts(items, facts.themes) for items in marked], dtype=object)
    table["status"] = [solution.status if items else Status.TOO_FEW_ITEMS.value for items in marked]
    table["reason"] = [
        why(solution.status, solution.warnings) if items else "No item has a salient loading on it." for items in marked
    ]
    return table


def loadings_table(
    solution: Solution,
    judged: Salience,
    stability: Stability | None,
    weights: ScoreWeights | None,
    general: GeneralFactor | None,
) -> pd.DataFrame:
    """One row per item and component."""
    table = solution.to_frame().rename(columns={"item": "item_id"})
    size = np.abs(solution.pattern)
    order = np.argsort(-size, axis=1, kind="stable")
    ranked = np.take_along_axis(size, order, axis=1)
    gaps = np.full_like(size, np.nan)
    np.put_along_axis(gaps, order[:, :-1], ranked[:, :-1] - ranked[:, 1:], axis=1)
    strongest = np.zeros(size.shape, dtype=bool)
    strongest[np.arange(len(size)), judged.strongest] = True
    table["is_salient"], table["is_strongest"] = judged.salient.ravel(), strongest.ravel()
    table["gap_to_next"] = gaps.ravel()
    items = judged.to_frame()
    table["cross_loadings"] = np.repeat(items["cross_loadings"].to_numpy(), size.shape[1])
    table["n_salient"] = np.repeat(items["n_salient"].to_numpy(), size.shape[1])
    if general is not None:
        table["general_loading"] = np.repeat(general.general, size.shape[1])
        table["group_loading"] = general.group.ravel()
        table["general_share"] = np.repeat(general.item_explained_common_variance, size.shape[1])
    table["score_weight"] = np.nan if weights is None else weights.weights.ravel()
    table["standard_error"] = table["lower"] = table["upper"] = table["share_on_component"] = np.nan
    if stability is not None:
        drawn = stability.to_frame(judged.threshold)
        table["share_salient"] = drawn["share_salient"]
        table["standard_error"], table["lower"] = drawn["loading_se"], drawn["loading_lower"]
        table["upper"], table["share_on_component"] = drawn["loading_upper"], drawn["share_strongest"]
    return table


def component_correlations_table(solution: Solution, stability: Stability | None) -> pd.DataFrame:
    """One row per ordered pair of components."""
    table = solution.correlations_frame().assign(standard_error=np.nan, lower=np.nan, upper=np.nan)
    if stability is not None:
        drawn = stability.correlations_frame()
        table["standard_error"], table["correlation_bias"] = drawn["correlation_se"], drawn["correlation_bias"]
        table["lower"], table["upper"] = drawn["correlation_lower"], drawn["correlation_upper"]
    return table


def scores_table(rows: Rows, solution: Solution, scores: Scores) -> pd.DataFrame:
    """One row per row of ``rows`` and component. The standard error is that of regression scores: what the items the
    row answered leave of the component, sqrt(1 - determinacy); other methods have none."""
    n, k = scores.scores.shape
    keys = rows.keys.loc[rows.keys.index.repeat(k), ["client_id", "dyad_id", "session_id", "site_id", "therapist_id"]]
    table = keys.reset_index(drop=True)
    table[["dyad_id", "session_id"]] = table[["dyad_id", "session_id"]].fillna("")
    table["method"] = "unit" if scores.method == "unit_weighted" else scores.method
    table["component"] = np.tile(np.arange(1, k + 1), n)
    table["score"] = scores.scores.ravel()
    left = np.sqrt(np.clip(1 - scores.determinacy, 0, 1)).ravel()
    table["standard_error"] = left if scores.method == "regression" else np.nan
    table["n_answered"] = scores.answered.ravel()
    table["n_items"] = len(solution.items)
    return table


def fit_table(solution: Solution) -> pd.DataFrame:
    """The fit of the solution to its correlations, one row."""
    fit = solution.fit
    row: dict[str, Any] = {
        "model": "components",
        "chi_square": fit.chi2,
        "n_rows": solution.n,
        "status": solution.status,
        "reason": why(solution.status, solution.warnings),
    }
    row |= {name: getattr(fit, name) for name in ("df", "p", "tli", "cfi", "rmsr", "bic")}
    row |= {name: getattr(fit, name) for name in ("rmsea", "rmsea_lower", "rmsea_upper", "objective", "null_df")}
    row |= {name: getattr(fit, name) for name in ("rmsr_corrected", "empirical_p", "sabic", "explained_off_diagonal")}
    return pd.DataFrame([row | {"null_chi_square": fit.null_chi2, "empirical_chi_square": fit.empirical_chi2}])


def reliability_table(
    found: ScaleReliability, scope: str, rows: Rows, whole: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per set of items and coefficient, one per item left out, and the rows of the ``whole`` solution."""
    measures = found.to_frame()
    table = pd.DataFrame(
        {
            "subject": measures["name"],
            "coefficient": measures["measure"].map(COEFFICIENTS),
            "item_id": "",
            "estimate": measures["estimate"],
            "standard_error": measures["se"],
            "lower": measures["lower"],
            "upper": measures["upper"],
            "interval_method": measures["method"].map(INTERVAL_METHODS),
            "n_items": measures["n_items"],
            "n_rows": measures["n"],
            "status": measures["status"],
            "reason": [
                None if status == Status.OK else reason
                for status, reason in zip(measures["status"], measures["reason"], strict=True)
            ],
        }
    )
    parts = [table, _item_rows(found)]
    if whole is not None:
        parts.append(whole.assign(n_rows=rows.people["n_rows"]))
    made = pd.concat([part for part in parts if len(part)], ignore_index=True)
    people = {name: value for name, value in rows.people.items() if name != "n_rows"}
    return made.assign(scope=scope, **people)


def _item_rows(found: ScaleReliability) -> pd.DataFrame:
    items = found.items_frame()
    sizes = items.groupby("name")["item"].transform("size")
    parts = [
        pd.DataFrame(
            {
                "subject": items["name"],
                "coefficient": coefficient,
                "item_id": items["item"],
                "estimate": items[column],
                "n_items": sizes - left_out,
                "n_rows": items["n"],
                "status": Status.OK.value,
            }
        )
        for coefficient, column, left_out in (
            ("alpha", "alpha_if_deleted", 1),
            ("alpha_standardised", "alpha_standardised_if_deleted", 1),
            ("item_rest_correlation", "item_rest", 0),
        )
    ]
    return pd.concat(parts, ignore_index=True)


def whole_solution_rows(
    solution: Solution, whole: Attempt[Omega], general: Attempt[GeneralFactor], stability: Stability | None
) -> pd.DataFrame:
    """Rows of ``reliability`` for all items of a solution: the omegas, and how much a general factor carries."""
    found, factor = whole.value, general.value
    rows = [
        _whole_row(coefficient, whole, np.nan if found is None else getattr(found, name))
        for coefficient, name in (
            ("omega_total", "total"),
            ("omega_hierarchical", "hierarchical"),
            ("omega_limit", "limit"),
            ("explained_common_variance", "explained_common_variance"),
        )
    ]
    rows.append(_whole_row("uncontaminated_share", general, np.nan if factor is None else factor.uncontaminated_share))
    if stability is not None and factor is not None and solution.n_components > 1:
        drawn = explained_common_variances(stability.patterns, stability.phis)
        lower, upper, error = percentile_interval(drawn, stability.level)
        rows[3] |= {"lower": float(lower), "upper": float(upper), "standard_error": float(error)}
        rows[3]["interval_method"] = INTERVAL_METHODS["bootstrap"]
    return pd.DataFrame(rows).assign(n_items=len(solution.items))


def _whole_row(coefficient: str, tried: Attempt[Any], estimate: float) -> dict[str, Any]:
    if tried.status is Status.OK and np.isnan(estimate):
        tried = Attempt(None, Status.NOT_APPLICABLE, "One component only: no general factor can be told from it.")
    return {
        "subject": WHOLE_SOLUTION,
        "coefficient": coefficient,
        "item_id": "",
        "estimate": estimate,
        "status": tried.status.value,
        "reason": tried.reason if tried.status is not Status.OK else None,
    }
