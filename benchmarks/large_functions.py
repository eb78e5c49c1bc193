"""What a refresh calls of outcome and both views, on 100,000 dyads held as frames, without bootstrap.

These functions choose ratings, run many models and write tidy rows. Prints JSON: CPU seconds of each, how many models
it ran, the least-squares fits of their designs (`numpy.linalg.lstsq` of as many rows and columns, nothing read or
checked), the ratio, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.study_rows import Rows
from analysis.outcome.outcome_study import OutcomeSettings, Predictors, study_outcomes
from analysis.outcome.rating_choice import RatingRule, choose
from analysis.outcome.site_study import site_rows, study_sites
from analysis.two_views.both_raters import PairedViews, study_outcome_on_both, study_variance_parts
from analysis.two_views.paired_emphasis import paired_emphasis
from analysis.two_views.two_views import PairSettings, study_scale_agreement
from benchmarks.large_dyads import LargeDyads, large_dyads

N_SCALES = 3
N_ITEMS = 47
SEED = 1
Shape = tuple[int, int, int]
"""Rows, columns and outcomes of a design."""

MODELS: dict[str, tuple[tuple[str, ...], Callable[..., Shape]]] = {
    "correlate": (
        ("analysis.outcome.outcome_effects", "analysis.outcome.site_study", "analysis.two_views.agreement"),
        lambda x, y, covariates=None, **_: (len(x), 2 + len(covariates or {}), 1),
    ),
    "regress": (
        ("analysis.outcome.outcome_effects",),
        lambda y, x, covariates=None, **_: (len(y), 1 + _width(x) + _width(covariates), 1),
    ),
    "random_intercept": (("analysis.outcome.outcome_models",), lambda y, x=None, **_: (len(y), 1 + _width(x), 1)),
    "within_between": (("analysis.outcome.outcome_models",), lambda y, x, **_: (len(y), 1 + 2 * _width(x), 1)),
    "stepwise": (("analysis.outcome.outcome_models",), lambda y, x, **_: (len(y), 1 + _width(x), 1)),
    "agree": (("analysis.two_views.two_views",), lambda a, b, **_: (len(a), 2, 1)),
    "paired_difference": (("analysis.two_views.paired_emphasis",), lambda a, b, **_: (len(a), 1, 1)),
    "one_with_many": (("analysis.two_views.both_raters",), lambda a, b, **_: (2 * len(a), 2, 1)),
    "truth_and_bias": (("analysis.two_views.both_raters",), lambda a, b, **_: (len(a), 3, 1)),
    "response_surface": (("analysis.two_views.both_raters",), lambda z, x, y, **_: (len(z), 6, 1)),
    "actor_partner": (("analysis.two_views.both_raters",), lambda x, y, one, other, **_: (len(x), 3, 2)),
}
"""Where each model is called by name, and the design that its arguments make."""


def _width(columns: Any) -> int:
    return 0 if columns is None else len(columns.columns) if isinstance(columns, pd.DataFrame) else len(columns)


@contextmanager
def counted() -> Iterator[Counter[Shape]]:
    """The designs of all models that are run inside."""
    found: Counter[Shape] = Counter()
    kept = []
    for name, (modules, shape) in MODELS.items():
        for module in map(importlib.import_module, modules):
            if not hasattr(module, name):
                continue
            model = getattr(module, name)

            def run(*given: Any, _model: Any = model, _shape: Any = shape, **named: Any) -> Any:
                found[_shape(*given, **named)] += 1
                return _model(*given, **named)

            kept.append((module, name, model))
            setattr(module, name, run)
    try:
        yield found
    finally:
        for module, name, model in kept:
            setattr(module, name, model)


def jobs(d: LargeDyads) -> dict[str, Callable[[], Any]]:
    """Name of what is asked, and the call."""
    n = len(d.client)
    keys = pd.DataFrame({"unit_id": [f"u{at:06d}" for at in range(n)]}).assign(
        client_id=[f"c{at:06d}" for at in range(n)],
        dyad_id=lambda frame: frame["unit_id"],
        therapist_id=d.therapist_id,
        site_id=d.site_id,
        session_id="last",
        form_date=pd.Timestamp(2024, 1, 20),
    )
    outcomes = pd.concat(
        [
            _measured(keys, d.client_outcome + np.random.default_rng(SEED).normal(size=n), "client", "pre"),
            _measured(keys, d.client_outcome, "client", "post"),
            _measured(keys, d.therapist_outcome, "therapist", "post"),
        ],
        ignore_index=True,
    )
    settings, pairs = OutcomeSettings(0, 50, 0.95, SEED), PairSettings(0, 50, 0.95, SEED)
    rows = pd.DataFrame(d.scores)
    components = Predictors(rows, Rows(rows, keys), "client", True)
    scores = [_scales(d, rating) for rating in (d.client, d.therapist)]
    of_scales = Predictors(scores[0], Rows(scores[0], keys), "client", False)
    paired = keys.assign(dyad_id=d.paired, unit_id=d.paired, client_id=d.paired, session_id=["a", "b"] * (n // 2))
    sessions = PairedViews(scores[0], scores[1], paired, np.tile([False, True], n // 2), False)
    once = PairedViews(scores[0], scores[1], keys, np.ones(n, dtype=bool), False)
    return {
        "outcome on components": lambda: study_outcomes(components, outcomes, settings),
        "outcome on scales": lambda: study_outcomes(of_scales, outcomes, settings),
        "outcome on both views": lambda: study_outcome_on_both(once, outcomes, RatingRule(), None, pairs),
        "agreement of scales": lambda: study_scale_agreement(keys, *scores, pairs),
        "variance parts, two sessions": lambda: study_variance_parts(sessions, pairs),
        "emphasis, paired answers": _emphasis(d),
        "effects across sites": lambda: _across_sites(components, outcomes),
    }


def _measured(keys: pd.DataFrame, values: np.ndarray, rater: str, phase: str) -> pd.DataFrame:
    people = keys[["unit_id", "client_id", "dyad_id"]]
    return people.assign(
        outcome="target_complaints.total", rater=rater, phase=phase, benefit=values, form_date=pd.Timestamp(2024, 3, 1)
    )


def _scales(d: LargeDyads, rating: np.ndarray) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    return pd.DataFrame({f"s{at}.total": rating + 0.5 * rng.normal(size=len(rating)) for at in range(N_SCALES)})


def _emphasis(d: LargeDyads) -> Callable[[], pd.DataFrame]:
    rng = np.random.default_rng(SEED)
    items = [f"i{at:02d}" for at in range(N_ITEMS)]
    sides = [
        pd.DataFrame(
            np.clip(np.rint(rating[:, None] + rng.normal(size=(len(rating), N_ITEMS)) - 1), 1, 7), columns=items
        )
        for rating in (d.client, d.therapist)
    ]
    themes = {item: f"theme {at % 11}" for at, item in enumerate(items)}
    ranges = dict.fromkeys(items, (1.0, 7.0))
    return lambda: paired_emphasis(*sides, themes, ranges, cluster=d.therapist_id)


def _across_sites(predictors: Predictors, outcomes: pd.DataFrame) -> Any:
    frames = []
    for (outcome, rater), measured in outcomes[outcomes["phase"] == "post"].groupby(["outcome", "rater"]):
        chosen = choose(predictors.values, predictors.rows.keys, measured, predictors.rule)
        for name, column in chosen.values.items():
            effect = f"client.{name}.{rater}.{outcome}"
            scores = column.to_numpy(dtype=float)
            frames.append(site_rows(effect, "outcome_effects", scores, chosen.benefit, chosen.keys, 0.95, (5, 3)))
    return study_sites(frames)


def least_squares(shapes: Counter[Shape], repeats: int) -> float:
    """Seconds of plain fits of as many designs of these shapes, each the least of ``repeats``."""
    total = 0.0
    for (n, columns, outcomes), times in shapes.items():
        rng = np.random.default_rng(SEED)
        design, y = rng.normal(size=(n, columns)), rng.normal(size=(n, outcomes))
        took = min(_cpu(lambda x=design, y=y: np.linalg.lstsq(x, y, rcond=None)) for _ in range(repeats))
        total += times * took
    return total


def run(n: int, therapists: int, sites: int, repeats: int, wanted: Sequence[str] = ()) -> dict[str, Any]:
    """All figures; of each function the least CPU seconds over ``repeats`` runs."""
    table = {}
    for name, job in jobs(large_dyads(n, therapists, sites)).items():
        if wanted and name not in wanted:
            continue
        with counted() as shapes:
            job()
        seconds = min(_cpu(job) for _ in range(repeats))
        plain = least_squares(shapes, 3)
        models = sum(shapes.values())
        table[name] = {"seconds": seconds, "models": models, "least squares": plain, "ratio": seconds / plain}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"dyads": n, "functions": table, "peak memory, MB": peak}


def _cpu(function: Callable[[], Any]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dyads", type=int, default=100_000)
    parser.add_argument("--therapists", type=int, default=5000)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    print(json.dumps(run(options.dyads, options.therapists, options.sites, options.repeats, options.only)))


if __name__ == "__main__":
    main()
