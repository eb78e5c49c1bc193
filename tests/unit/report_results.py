"""Rows of the results tables for tests of the report, made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.unit.report_warehouses import Rows

PEOPLE = {"n_rows": 120, "n_clients": 118, "n_therapists": 40, "n_sites": 2}
ITEMS = tuple(f"wai_s_{n:02d}" for n in range(1, 7))


def analysis(analysis_id: str, kind: str, rater: str, **more: Any) -> dict[str, Any]:
    """A row of results.analyses that ended as ok."""
    row = {
        "analysis_id": analysis_id,
        "kind": kind,
        "item_set": "joint",
        "rater": rater,
        "session_rule": "last",
        "extraction": "minres",
        "rotation": "oblimin",
        "n_components_rule": "parallel",
        "salience": 0.4,
        "confidence": 0.95,
        "seed": 7,
        "n_bootstrap": 1000,
        "settings": "{}",
        "items_left_out": "{}",
        "unverified_keys": "[]",
        "fingerprint": "abcdef0123456789",
        "status": "ok",
        "warnings": "[]",
        "n_items": 6,
        **PEOPLE,
    }
    return row | more


def results(label: str = "Bond") -> Rows:
    """Two component solutions, effects on one outcome, and agreement; ``label`` names every first component."""
    client = analysis("components_joint_client", "components", "client", n_components=2)
    therapist = analysis("components_joint_therapist", "components", "therapist", n_components=2)
    rows: Rows = {
        "results.analyses": [
            client,
            therapist,
            analysis("correspondence_joint_client", "correspondence", "client"),
            analysis("outcome_joint_client", "outcome", "client", settings=_based_on(client)),
            analysis("outcome_joint_therapist", "outcome", "therapist", settings=_based_on(therapist)),
            analysis("agreement_joint", "agreement", "both", settings=_based_on(client, therapist)),
        ],
        "results.correspondence": [
            _correspondence("", 0, "adjusted_rand_index", 0.31),
            _correspondence("total", 1, "n_items", 3.0),
            _correspondence("total", 2, "n_items", 2.0),
            _correspondence("total", 0, "n_items_without_component", 1.0),
        ],
    }
    for one in ("components_joint_client", "components_joint_therapist"):
        for table, made in _solution(one, label):
            rows.setdefault(table, []).append(made)
    rows["results.outcome_effects"] = _effects()
    rows["results.agreement"] = _agreement()
    return rows


def _based_on(*analyses: dict[str, Any]) -> str:
    return json.dumps({"based_on": [one["analysis_id"] for one in analyses]})


def _correspondence(scale: str, component: int, measure: str, estimate: float) -> dict[str, Any]:
    return {
        "analysis_id": "correspondence_joint_client",
        "instrument_id": "wai_s" if scale else "",
        "scale_id": scale,
        "component": component,
        "measure": measure,
        "estimate": estimate,
        "n_items": 6,
        "status": "ok",
    }


def _solution(one: str, label: str) -> list[tuple[str, dict[str, Any]]]:
    """Rows of one analysis of two components, each with the name of its table."""
    suited = {"item_id": "", "kmo": 0.87, "bartlett_chi_square": 512.3, "bartlett_df": 15, "bartlett_p": 1e-9}
    suited |= {"rows_per_item": 20.0, "smallest_n_of_pair": 110, "status": "ok"}
    made = [("results.suitability", suited), *_retention()]
    for component, name in ((1, f"{label} (suggested)"), (2, "Negative sign (suggested)")):
        made += _component(component, name)
    return [(table, {"analysis_id": one} | row) for table, row in made]


def _retention() -> Iterator[tuple[str, dict[str, Any]]]:
    observed, reference = (2.9, 1.6, 0.6, 0.4, 0.3, 0.2), (1.3, 1.15, 1.05, 0.95, 0.85, 0.7)
    rule = {"method": "parallel_components", "variant": "normal_95", "n_suggested": 2, "is_chosen": True}
    kaiser = {"method": "kaiser", "variant": "", "n_suggested": 3, "is_chosen": False}
    for position, (own, other) in enumerate(zip(observed, reference, strict=True), start=1):
        values = {"position": position, "observed": own, "reference": other, "is_retained": position < 3}
        for each in (rule, kaiser):
            yield "results.retention", each | values | {"status": "ok"}


def _component(component: int, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    key = {"component": component}
    shares = {"variance_share": 0.3 / component, "variance_share_lower": 0.1, "variance_share_upper": 0.4}
    facts = {"n_salient_items": 3, "share_reverse_keyed": 0.0, "determinacy": 0.93, "stability": 0.97}
    yield "results.components", key | {"suggested_label": name, "status": "ok"} | shares | facts
    alpha = {"scope": "component", "subject": str(component), "coefficient": "alpha", "item_id": ""}
    yield "results.reliability", alpha | {"estimate": 0.88, "lower": 0.8, "upper": 0.92, "status": "ok"}
    for other in (1, 2):
        values = {"other_component": other, "correlation": 1.0 if other == component else 0.27}
        yield "results.component_correlations", key | values | {"lower": 0.1, "upper": 0.4}
    for place, item_id in enumerate(ITEMS):
        own = place // 3 + 1 == component
        loading = 0.81 - 0.05 * place if own else -0.07
        yield (
            "results.loadings",
            key | {"item_id": item_id, "loading": loading, "is_salient": own, "is_strongest": own},
        )


def _effects() -> list[dict[str, Any]]:
    rows = []
    for rater in ("client", "therapist"):
        key = {
            "analysis_id": f"outcome_joint_{rater}",
            "outcome": "wai_s.total",
            "outcome_rater": "client",
            "predictor_rater": rater,
            "overlap_left_out": False,
            "status": "ok",
            **PEOPLE,
        }
        for component in (1, 2):
            named = {"predictor": f"component_{component}", "model": "correlation", "term": "r", "estimate": 0.36}
            for method, lower, upper in (
                ("fisher_z", 0.19, 0.51),
                ("cluster_jackknife", 0.14, 0.55),
                ("bootstrap_therapist", 0.15, 0.54),
            ):
                interval = {"interval_method": method, "lower": lower, "upper": upper, "p": 0.004, "p_holm": 0.008}
                rows.append(key | named | interval)
            slope = {"predictor": f"component_{component}", "model": "regression", "term": "slope", "estimate": 0.21}
            rows.append(key | slope | {"interval_method": "cluster_cr2", "lower": -0.02, "upper": 0.44, "p": 0.07})
        whole = {"predictor": "", "model": "regression", "term": "r_squared", "estimate": 0.18, "interval_method": ""}
        rows.append(key | whole)
    return rows


def _agreement() -> list[dict[str, Any]]:
    key = {"analysis_id": "agreement_joint", "rater": "", "status": "ok", "n_dyads": 120, **PEOPLE}
    rows = []
    for client in ("1", "2"):
        for therapist in ("1", "2"):
            pair = {"scope": "component", "subject": client, "other_subject": therapist, "statistic": "pearson"}
            values = {"estimate": 0.31 if client == therapist else -0.04, "lower": -0.1, "upper": 0.45, "p_holm": 0.03}
            rows.append(key | pair | values | {"interval_method": "cluster_jackknife"})
    for statistic, estimate in (("mean_difference", 0.42), ("icc_a1", 0.37), ("icc_c1", 0.41), ("pearson", 0.43)):
        scale = {"scope": "scale", "subject": "wai_s.total", "other_subject": "wai_s.total", "statistic": statistic}
        values = {"estimate": estimate, "lower": estimate - 0.2, "upper": estimate + 0.2}
        rows.append(key | scale | values | {"interval_method": "bootstrap_therapist"})
    return rows
