"""Every model of outcome and agreement on 100,000 dyads, without bootstrap, beside the least-squares fit of its design.

Prints JSON: CPU seconds of each, the ratio to `numpy.linalg.lstsq` of the same columns (no standard errors, nothing
read or checked), the same for statsmodels' MixedLM and, where R has it, lme4, and the largest memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.outcome.association import correlate
from analysis.outcome.mixed_models import random_intercept, within_between
from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import actor_partner
from analysis.two_views.agreement import agree
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.response_surface import response_surface
from analysis.two_views.truth_and_bias import truth_and_bias
from benchmarks.large_dyads import LargeDyads, large_dyads

R_SCRIPT = Path(__file__).with_name("lme4.R")
Job = tuple[Callable[[], Any], np.ndarray, np.ndarray]


def jobs(d: LargeDyads) -> dict[str, Job]:
    """Name of the model: how it is run, its design and its outcome (or outcomes, one per column)."""
    one = np.ones(len(d.client))
    x = np.column_stack(list(d.scores.values()))
    predictors = np.column_stack([one, x])
    views = np.column_stack([one, d.client, d.therapist])
    surface = np.column_stack([views, d.client**2, d.client * d.therapist, d.therapist**2])
    both = np.column_stack([d.client_outcome, d.therapist_outcome])
    y, t, s = d.client_outcome, d.therapist_id, d.site_id
    # Two raters' ratings are one outcome with a mean for each rater.
    raters = np.kron(np.eye(2), one[:, None])
    ratings = np.r_[d.client, d.therapist]
    levels = np.column_stack([predictors, x - x.mean(axis=0)])
    # Where ratings are missing and dyads have one session or two, hardly two therapists are alike in numbers.
    rng = np.random.default_rng(2)
    client, therapist = (np.where(rng.random(len(one)) < 0.2, np.nan, rating) for rating in (d.client, d.therapist))
    uneven = np.where(rng.random(len(one)) < 0.3, np.arange(len(one)), len(one) + np.arange(len(one)) // 2)
    given = ~np.isnan(np.r_[client, therapist])
    return {
        "correlation": (lambda: correlate(d.client, y, cluster=t), views[:, :2], y),
        "regression, CR2": (lambda: regress(y, d.scores, cluster=t), predictors, y),
        "random intercept of therapists": (lambda: random_intercept(y, d.scores, cluster=t), predictors, y),
        "therapists in sites": (lambda: random_intercept(y, d.scores, cluster=t, outer=s), predictors, y),
        "within and between therapists": (lambda: within_between(y, d.scores, cluster=t, outer=s), levels, y),
        "agreement": (lambda: agree(d.client, d.therapist, cluster=t), views[:, :2], d.therapist),
        "actor-partner": (
            lambda: actor_partner(d.client, d.therapist, y, d.therapist_outcome, cluster=t),
            views,
            both,
        ),
        "response surface": (lambda: response_surface(y, d.client, d.therapist, cluster=t), surface, y),
        "one with many": (lambda: one_with_many(d.client, d.therapist, therapist=t), raters, ratings),
        "one with many, two sessions": (
            lambda: one_with_many(d.client, d.therapist, therapist=t, dyad=d.paired),
            raters,
            ratings,
        ),
        "one with many, uneven sessions and gaps": (
            lambda: one_with_many(client, therapist, therapist=t, dyad=uneven),
            raters[given],
            ratings[given],
        ),
        "truth and bias, two sessions": (
            lambda: truth_and_bias(d.therapist, d.client, dyad=d.paired, cluster=t),
            views,
            d.therapist,
        ),
    }


def run(n: int, therapists: int, sites: int, repeats: int, rivals: bool) -> dict[str, Any]:
    """All figures: the least over ``repeats`` rounds in which a model and its least squares take turns."""
    data = large_dyads(n, therapists, sites)
    before = _peak_mb()
    table = {}
    for name, (model, design, outcome) in jobs(data).items():
        model()
        own, plain = [], []
        for _ in range(repeats):
            plain.append(_cpu(lambda d=design, y=outcome: np.linalg.lstsq(d, y, rcond=None)))
            own.append(_cpu(model))
        seconds, least = min(own), min(plain)
        table[name] = {"seconds": seconds, "least squares": least, "ratio": seconds / least}
    found: dict[str, Any] = {
        "dyads": n,
        "therapists": therapists,
        "sites": sites,
        "models": table,
        "peak memory before any model, MB": before,
        "peak memory, MB": _peak_mb(),
    }
    return found | ({"mixed model, seconds": _rivals(data, table)} if rivals else {})


def _rivals(d: LargeDyads, table: dict[str, dict[str, float]]) -> dict[str, float]:
    """The model of therapists' intercepts by statsmodels and by lme4, of the same data in the same run."""
    import statsmodels.api as sm

    design = sm.add_constant(np.column_stack(list(d.scores.values())))
    found = {
        "ours": table["random intercept of therapists"]["seconds"],
        "ours, therapists in sites": table["therapists in sites"]["seconds"],
        "statsmodels MixedLM": _cpu(lambda: sm.MixedLM(d.client_outcome, design, groups=d.therapist_id).fit(reml=True)),
    }
    if shutil.which("Rscript") is None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dyads.csv"
        labels = {"y": d.client_outcome, "therapist": d.therapist_id, "site": d.site_id}
        pd.DataFrame({**d.scores, **labels}).to_csv(file, index=False)
        ended = subprocess.run(["Rscript", str(R_SCRIPT), str(file)], capture_output=True, text=True, check=False)
    return found | (json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {})


def _cpu(function: Callable[[], Any]) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dyads", type=int, default=100_000)
    parser.add_argument("--therapists", type=int, default=5000)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args()
    sizes = (options.dyads, options.therapists, options.sites)
    print(json.dumps(run(*sizes, options.repeats, not options.no_rivals)))


if __name__ == "__main__":
    main()
