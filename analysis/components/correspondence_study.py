"""How well the components of one rater and set of items match the declared scales, as rows of the results tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.common.status import Attempt, Status, attempt
from analysis.common.study_rows import StudyResult
from analysis.components.cfa import Cfa, cfa
from analysis.components.component_study import ComponentSettings, FoundComponents
from analysis.components.component_tables import why
from analysis.components.correspondence import Correspondence, correspondence
from analysis.components.correspondence_bootstrap import correspondence_with_intervals
from analysis.components.item_facts import ItemFacts

MEASURES = {
    "adjusted_rand": "adjusted_rand_index",
    "adjusted_rand_salient": "adjusted_rand_index_salient",
    "majority_share": "share_with_own_majority",
    "majority_components": "majority_components",
    "one_to_one_share": "share_one_to_one",
    "mean_target_congruence": "tucker_congruence",
}


def study_correspondence(found: FoundComponents, facts: ItemFacts, settings: ComponentSettings) -> StudyResult:
    """Rows of ``correspondence``, and of ``model_fit``, ``cfa_loadings`` and ``cfa_correlations`` for the confirmatory
    model of the declared scales.

    The whole is compared under its instrument, or under an empty instrument_id where several are joined. The model is
    fitted to the correlations the components were found in. Where no item has a subscale, an instrument with a total
    only is one scale, and the model has one factor. Raises :class:`AnalysisError` when fewer than two items
    belong to a scale.
    """
    solution = found.solution
    divided = any(item in facts.scales for item in solution.items)
    declared = facts.scales if divided else facts.only_scales
    scales = {item: declared[item] for item in solution.items if item in declared}
    if found.stability is None:
        compared = correspondence(solution, scales, threshold=settings.salience)
        whole = compared.to_frame()
    else:
        compared, whole = correspondence_with_intervals(found.stability, scales, threshold=settings.salience)
    instruments = {scale.split(".")[0] for scale in compared.scales}
    overall = pd.DataFrame(
        {
            "instrument_id": instruments.pop() if len(instruments) == 1 else "",
            "scale_id": "",
            "component": 0,
            "measure": whole["measure"].map(MEASURES),
            "estimate": whole["estimate"],
            "lower": whole.get("lower", np.nan),
            "upper": whole.get("upper", np.nan),
            "n_items": whole["n_items"],
        }
    )
    frame = pd.concat([overall, _by_scale(compared), _cross_table(compared)], ignore_index=True)
    reason = why(compared.status, compared.warnings)
    tried = attempt(cfa, solution.correlation, solution.n, solution.items, scales)
    return StudyResult(
        {
            "correspondence": frame.assign(status=compared.status, reason=reason),
            "model_fit": _fit_row(tried),
            **({} if tried.value is None else confirmatory_tables(tried.value, settings.level)),
        },
        compared.status,
        reason,
        (*compared.warnings, *(f"A priori model: {s}" for s in getattr(tried.value, "warnings", (tried.reason,)) if s)),
        {"n_items": len(compared.items), "n_components": solution.n_components},
    )


def confirmatory_tables(model: Cfa, level: float) -> dict[str, pd.DataFrame]:
    """Rows of ``cfa_loadings``, one per item, and ``cfa_correlations``, one per pair of scales, all standardised
    (lavaan's ``std.all``), with intervals at ``level``. Scales are named instrument.scale."""
    ended = {"status": model.status, "reason": why(model.status, model.warnings)}
    items = model.to_frame(level)
    scale = items["factor"].str.split(".", n=1, expand=True)
    loadings = pd.DataFrame(
        {
            "item_id": items["item"],
            "instrument_id": scale[0],
            "scale_id": scale[1],
            "loading": items["standardised_loading"],
            "standard_error": items["standardised_se"],
            "lower": items["standardised_lower"],
            "upper": items["standardised_upper"],
            "r_squared": items["r_squared"],
        }
    )
    pairs = model.factors_frame(level).query("factor != other_factor").reset_index(drop=True)
    one, other = (pairs[name].str.split(".", n=1) for name in ("factor", "other_factor"))
    correlations = pd.DataFrame(
        {
            "instrument_id": one.str[0],
            "scale_id": one.str[1],
            "other_instrument_id": other.str[0],
            "other_scale_id": other.str[1],
            "correlation": pairs["correlation"],
            "standard_error": pairs["correlation_se"],
            "lower": pairs["correlation_lower"],
            "upper": pairs["correlation_upper"],
        }
    )
    return {"cfa_loadings": loadings.assign(**ended), "cfa_correlations": correlations.assign(**ended)}


def _by_scale(compared: Correspondence) -> pd.DataFrame:
    frame = compared.scales_frame()
    named = frame["scale"].str.split(".", n=1, expand=True)
    parts = []
    for measure, column in (("tucker_congruence", "congruence"), ("share_with_own_majority", "share_on_majority")):
        component = 0 if measure == "tucker_congruence" else frame["majority_component"]
        parts.append(
            pd.DataFrame(
                {
                    "instrument_id": named[0],
                    "scale_id": named[1],
                    "component": component,
                    "measure": measure,
                    "estimate": frame[column],
                    "n_items": frame["n_items"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _cross_table(compared: Correspondence) -> pd.DataFrame:
    frame = compared.cross_table_frame()
    named = frame["scale"].str.split(".", n=1, expand=True)
    nowhere = frame["component"] == "none"
    return pd.DataFrame(
        {
            "instrument_id": named[0],
            "scale_id": named[1],
            "component": frame["component"].where(~nowhere, "0").astype(int),
            "measure": np.where(nowhere, "n_items_without_component", "n_items"),
            "estimate": frame["n_items"].astype(float),
            "n_items": frame.groupby("scale")["n_items"].transform("sum"),
        }
    )


def _fit_row(tried: Attempt[Any]) -> pd.DataFrame:
    row: dict[str, Any] = {"model": "a_priori", "status": tried.status.value}
    row["reason"] = None if tried.status is Status.OK else tried.reason
    if tried.value is not None:
        fit = tried.value.fit
        row |= {"chi_square": fit.chi2, "n_rows": fit.n}
        row |= {name: getattr(fit, name) for name in ("df", "p", "cfi", "tli", "srmr")}
        row |= {
            name: getattr(fit, name) for name in ("rmsea", "rmsea_lower", "rmsea_upper", "rmsea_close_p", "null_df")
        }
        row["null_chi_square"] = fit.null_chi2
        # As for the components, so that the two rows compare; lavaan's own counts the likelihood's constants too.
        row["bic"] = fit.chi2 - fit.df * np.log(fit.n)
        row["sabic"] = fit.chi2 - fit.df * np.log((fit.n + 2) / 24)
        row["reason"] = why(tried.value.status, tried.value.warnings)
    return pd.DataFrame([row])
