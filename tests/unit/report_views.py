"""Rows of the results tables on both views at once, on dyads, on items and on sites, made by hand."""

from __future__ import annotations

from typing import Any

from tests.unit.report_results import ITEMS, analysis, results
from tests.unit.report_warehouses import Rows

PEOPLE = {"n_rows": 90, "n_clients": 90, "n_therapists": 30, "n_sites": 2}
SCALES = ("wai_s.total", "calpas.total")


def results_and_views() -> Rows:
    """What :func:`tests.unit.report_results.results` makes, and all that sections on both views, dyads, items and
    sites show."""
    rows = results()
    for table, made in views().items():
        rows[table] = [*rows.get(table, []), *made]
    return rows


def views() -> Rows:
    """Paths, surfaces, variance parts, bias, gaps, correlations of items, and congruence of sites."""
    sites = analysis("site_congruence_joint_client", "site_congruence", "client", settings=_based_on())
    return {
        "results.analyses": [
            analysis("outcome_both", "outcome", "both", item_set=None),
            analysis("agreement_variance", "agreement", "both", item_set=None),
            sites,
        ],
        "results.outcome_effects": [*_paths(), *_surfaces()],
        "results.agreement": [*_parts(), *_bias()],
        "results.suitability": [_item(item, place) for place, item in enumerate(ITEMS)],
        "results.item_correlations": [
            {"analysis_id": "components_joint_client", "item_id": one, "other_item_id": other, "status": "ok"}
            | {"correlation": 0.71 - 0.1 * (place + at), "residual": 0.01 * at, "n_rows": 110 + place}
            for place, one in enumerate(ITEMS)
            for at, other in enumerate(ITEMS[place + 1 :])
        ],
        "results.congruence": [
            _site("site_01", 1, 0.97, "equal"),
            _site("site_01", 2, 0.62, "different"),
            {
                "analysis_id": "site_congruence_joint_client",
                "other_analysis_id": "components_joint_client",
                "site_id": "site_02",
                "alignment": "as_rotated",
                "component": 0,
                "other_component": 0,
                "comparison": "sites",
                "is_matched": False,
                "n_rows": 30,
                "status": "too_few_rows",
                "reason": "30 rows; at least 50 are needed on either side.",
            },
        ],
        "core.dyads": [{"dyad_id": f"dy_{n:02d}", "therapist_id": f"th_{n % 6}"} for n in range(24)],
        "core.dyad_gaps": [
            {"dyad_gap_id": 100 * n + at, "dyad_id": f"dy_{n:02d}", "session_id": "last", "theme": theme}
            | {"gap": float(n - 8 + at), "n_items": 2, "exceeds_error": n > 20}
            for at, theme in enumerate(("bond", "negative_sign"))
            for n in range(24)
        ],
    }


def _based_on() -> str:
    return '{"based_on": ["components_joint_client"]}'


def _item(item_id: str, place: int) -> dict[str, Any]:
    return {
        "analysis_id": "components_joint_client",
        "item_id": item_id,
        "kmo": 0.8,
        "mean": 5.25,
        "sd": 1.5,
        "skewness": -0.4,
        "kurtosis": 0.1,
        "n_answered": 118 - place,
        "share_missing": place / 120,
        "is_left_out": False,
        "status": "ok",
    }


def _site(site_id: str, component: int, value: float, mark: str) -> dict[str, Any]:
    return {
        "analysis_id": "site_congruence_joint_client",
        "other_analysis_id": "components_joint_client",
        "site_id": site_id,
        "alignment": "as_rotated",
        "component": component,
        "other_component": component,
        "comparison": "sites",
        "congruence": value,
        "lower": value - 0.1,
        "upper": min(1.0, value + 0.1),
        "is_matched": True,
        "mark": mark,
        "n_items": 6,
        "n_rows": 71,
        "status": "ok",
    }


def effect(model: str, term: str, estimate: float | None, **more: Any) -> dict[str, Any]:
    """A row of results.outcome_effects of both views."""
    row = {
        "analysis_id": "outcome_both",
        "outcome": "global_rating.total",
        "outcome_rater": "client",
        "model": model,
        "predictor": "wai_s.total",
        "term": term,
        "interval_method": "cluster_cr2",
        "predictor_rater": "both",
        "overlap_left_out": False,
        "estimate": estimate,
        "status": "ok",
        **PEOPLE,
    }
    return row | more


def _paths() -> list[dict[str, Any]]:
    rows = []
    for scale in SCALES:
        for whose, view, term, estimate in (
            ("client", "client", "actor", 0.47),
            ("client", "therapist", "partner", 0.12),
            ("therapist", "therapist", "actor", 0.41),
            ("therapist", "client", "partner", -0.03),
        ):
            limits = {"lower": estimate - 0.2, "upper": estimate + 0.2, "p": 0.004, "p_holm": 0.03}
            named = {"outcome_rater": whose, "predictor_rater": view, "predictor": scale}
            rows.append(effect("actor_partner", term, estimate, **named, **limits))
        both = {"outcome_rater": "both", "predictor": scale}
        rows.append(effect("actor_partner", "equal_paths", None, **both, p=0.21, interval_method=""))
        rows.append(effect("actor_partner", "ratio_client", 0.26, **both, lower=-3.0, upper=3.0))
        boot = {"lower": -0.2, "upper": 0.7, "interval_method": "bootstrap_therapist"}
        rows.append(effect("actor_partner", "ratio_client", 0.26, **both, **boot))
        rows.append(effect("actor_partner", "variance_explained", 0.31, predictor=scale, interval_method=""))
    return rows


def _surfaces() -> list[dict[str, Any]]:
    rows = []
    for scale in SCALES:
        for term, estimate, p_holm in (
            ("b0", 5.5, None),
            ("a1", 1.2, 0.001),
            ("a2", 0.1, 0.9),
            ("a3", 0.2, 0.8),
            ("a4", -0.6, 0.02),
            ("a5", 0.3, 0.9),
        ):
            limits = {"lower": estimate - 0.5, "upper": estimate + 0.5, "p": 0.01, "p_holm": p_holm}
            rows.append(effect("response_surface", term, estimate, predictor=scale, **limits))
        for term, value in (("variance_explained", 0.44), ("share_client_higher", 0.4)):
            rows.append(effect("response_surface", term, value, predictor=scale, interval_method=""))
        rows.append(effect("response_surface", "additive_instead", 0.43, predictor=scale, p=0.35, interval_method=""))
    too_few = {"outcome": "phq_9.total", "interval_method": "", "n_rows": 22, "status": "too_few_rows"}
    why = "22 dyads have the outcome and both views; the study asks for at least 50."
    rows += [effect("response_surface", "a1", None, predictor=scale, reason=why, **too_few) for scale in SCALES]
    return rows


def agreement(statistic: str, rater: str, estimate: float | None, **more: Any) -> dict[str, Any]:
    """A row of results.agreement on parts of the variance, or bias."""
    row = {
        "analysis_id": "agreement_variance",
        "scope": "scale",
        "subject": "wai_s.total",
        "other_subject": "wai_s.total",
        "rater": rater,
        "statistic": statistic,
        "interval_method": "",
        "estimate": estimate,
        "n_dyads": 90,
        "status": "ok",
        **(PEOPLE | {"n_rows": 170}),
    }
    return row | more


def _parts() -> list[dict[str, Any]]:
    rows = []
    for rater in ("client", "therapist"):
        for part, share in (("therapist", 0.15), ("dyad", 0.5), ("error", 0.35)):
            rows.append(agreement(f"{part}_variance", rater, 0.4 * share, lower=0.2 * share, upper=0.8 * share))
            rows.append(agreement(f"{part}_share", rater, share))
    limits = {"lower": -0.2, "upper": 0.9, "p": 0.09, "p_holm": 0.09, "interval_method": "fisher_z"}
    rows.append(agreement("therapist_reciprocity", "", 0.55, **limits))
    return rows


def _bias() -> list[dict[str, Any]]:
    limits = {"lower": 0.3, "upper": 0.5, "p": 0.001, "p_holm": 0.002, "interval_method": "cluster_cr2"}
    nothing = {"status": "underidentified", "reason": "Fewer than two dyads have three sessions or more that differ."}
    return [
        agreement("directional_bias", "client", 0.4, **limits),
        agreement("tracking_between", "client", 0.45, **limits),
        agreement("tracking_sd", "client", None, interval_method="q_profile", n_dyads=0, **nothing),
    ]
