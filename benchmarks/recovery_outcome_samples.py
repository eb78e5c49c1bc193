"""Simulated studies of known truth, and what the analyses of outcome and the two views make of each sample.

Every function draws one sample and gives :class:`Found` values: a quantity, its truth, a method, and what the method
says of it. The naive method beside ours takes rows for independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.common.pooling import pool_correlations
from analysis.outcome.association import correlate
from analysis.outcome.mixed_models import random_intercept
from analysis.outcome.regression import Coefficient, regress
from analysis.two_views.actor_partner import actor_partner
from analysis.two_views.agreement import agree
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.paired_ratings import paired_difference
from analysis.two_views.response_surface import response_surface
from analysis.two_views.truth_and_bias import truth_and_bias

OURS, NAIVE, MIXED, BOOTSTRAP = "robust to therapists", "rows independent", "mixed model", "bootstrap by therapist"
PREDICTOR_SHARE, OUTCOME_SHARE = 0.3, 0.2
"""Share of the variance of predictors, and of what they leave of the outcome, that lies between therapists."""


@dataclass(frozen=True)
class Found:
    """What one method says of one quantity in one sample; NaN where it says nothing."""

    quantity: str
    truth: float
    method: str
    estimate: float
    lower: float
    upper: float
    p: float = float("nan")


@dataclass(frozen=True)
class Design:
    """How many therapists there are and how many clients each has, from the least to the most."""

    name: str
    therapists: int
    least: int
    most: int

    def therapist(self, rng: np.random.Generator) -> np.ndarray:
        """The therapist of each dyad."""
        return np.repeat(np.arange(self.therapists), rng.integers(self.least, self.most + 1, self.therapists))


Sample = Callable[[np.random.Generator], Iterator[Found]]


def shared(rng: np.random.Generator, group: np.ndarray, share: float) -> np.ndarray:
    """Standard normal values of which ``share`` of the variance is common to the rows of a group."""
    common = rng.normal(size=int(group.max()) + 1)[group]
    return np.sqrt(share) * common + np.sqrt(1 - share) * rng.normal(size=len(group))


def outcome(design: Design, rng: np.random.Generator) -> Iterator[Found]:
    """Three components predict an outcome, one of them not at all."""
    therapist = design.therapist(rng)
    x = {name: shared(rng, therapist, PREDICTOR_SHARE) for name in ("a", "b", "c")}
    y = 0.3 * x["a"] + 0.2 * x["c"] + shared(rng, therapist, OUTCOME_SHARE)
    truths = {"a": 0.3, "b": 0.0}
    models = {
        OURS: regress(y, x, cluster=therapist),
        NAIVE: regress(y, x, covariance="classical"),
        MIXED: random_intercept(y, x, cluster=therapist),
    }
    for term, truth in truths.items():
        for method, model in models.items():
            yield _of(f"slope {truth:g}", truth, method, model[term])
    for term, truth in truths.items():
        r = correlate(x[term], y, cluster=therapist)
        population = truth / np.sqrt(0.3**2 + 0.2**2 + 1)
        quantity = f"correlation {population:.2g}"
        yield Found(quantity, population, OURS, r.r, r.cluster_ci_lower, r.cluster_ci_upper, r.cluster_p)
        yield Found(quantity, population, NAIVE, r.r, r.ci_lower, r.ci_upper, r.p)


def bootstrapped(design: Design, replicates: int, rng: np.random.Generator) -> Iterator[Found]:
    """A correlation of zero and one of .4 with the bootstrap by therapist beside the other intervals."""
    therapist = design.therapist(rng)
    x = shared(rng, therapist, PREDICTOR_SHARE)
    noise = shared(rng, therapist, OUTCOME_SHARE)
    for truth in (0.0, 0.4):
        y = truth * x + np.sqrt(1 - truth**2) * noise
        r = correlate(x, y, cluster=therapist, n_bootstrap=replicates, seed=int(rng.integers(2**31)))
        yield Found(f"correlation {truth:g}", truth, OURS, r.r, r.cluster_ci_lower, r.cluster_ci_upper, r.cluster_p)
        yield Found(f"correlation {truth:g}", truth, NAIVE, r.r, r.ci_lower, r.ci_upper, r.p)
        yield Found(f"correlation {truth:g}", truth, BOOTSTRAP, r.r, r.boot_ci_lower, r.boot_ci_upper)


def therapist_share(design: Design, share: float, rng: np.random.Generator) -> Iterator[Found]:
    """The share of an outcome's variance that lies between therapists, and the test that there is none."""
    therapist = design.therapist(rng)
    found = random_intercept(shared(rng, therapist, share), cluster=therapist)
    yield Found(
        f"therapist share {share:g}", share, MIXED, found.icc, found.icc_ci_lower, found.icc_ci_upper, found.cluster_p
    )


def sites(tau: float, rng: np.random.Generator) -> Iterator[Found]:
    """Six sites whose correlations differ by ``tau`` (on Fisher's z), once around zero and once around .3."""
    n = rng.integers(20, 40, 6)
    noise = rng.normal(size=6) / np.sqrt(n - 3)
    for truth in (0.0, 0.3):
        z = np.arctanh(truth) + tau * rng.normal(size=6) + noise
        methods = {"REML, Knapp-Hartung": True, "DerSimonian-Laird, z": False}
        for method, knapp_hartung in methods.items():
            kind = "REML" if knapp_hartung else "DL"
            found = pool_correlations(np.tanh(z), n, method=kind, knapp_hartung=knapp_hartung)
            yield Found(
                f"pooled correlation {truth:g}", truth, method, found.estimate, found.ci_lower, found.ci_upper, found.p
            )


def _two_raters(
    design: Design, correlation: float, sessions: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratings (n, 2), therapist and dyad of each row. Variances: therapist .3 and .5, dyad 1 and .8, error .5 both;
    effects of therapists and dyads correlate by ``correlation``."""

    def pair(n: int, first: float, second: float, r: float) -> np.ndarray:
        covariance = r * np.sqrt(first * second)
        return rng.multivariate_normal([0.0, 0.0], [[first, covariance], [covariance, second]], size=n)

    of_dyad = design.therapist(rng)
    therapist, dyad = np.repeat(of_dyad, sessions), np.repeat(np.arange(len(of_dyad)), sessions)
    error = pair(len(dyad), 0.5, 0.5, 0.0) if sessions > 1 else 0.0
    effects = (
        pair(design.therapists, 0.3, 0.5, correlation)[therapist] + pair(len(of_dyad), 1.0, 0.8, correlation)[dyad]
    )
    return effects + error, therapist, dyad


def views(design: Design, correlation: float, sessions: int, rng: np.random.Generator) -> Iterator[Found]:
    """One therapist, several clients, both rating: variances and reciprocities."""
    ratings, therapist, dyad = _two_raters(design, correlation, sessions, rng)
    options = {"dyad": dyad} if sessions > 1 else {}
    found = one_with_many(ratings[:, 0], ratings[:, 1], therapist=therapist, **options)
    parts = {("client", "therapist"): 0.3, ("therapist", "therapist"): 0.5, ("client", "dyad"): 1.0}
    told = {(part.rater, part.part) for part in found.variances}
    for (rater, part), truth in parts.items():
        if (rater, part) in told:
            one = found.variance(rater, part)
            name = f"{part} variance of {rater}s, {truth:g}"
            yield Found(name, truth, "one with many", one.variance, one.ci_lower, one.ci_upper)
    for one in found.reciprocities:
        truth = correlation if one.part != "error" else 0.0
        name = f"reciprocity of {one.part}s {truth:g}" if one.part != "error" else "reciprocity of errors 0"
        yield Found(name, truth, "one with many", one.correlation, one.ci_lower, one.ci_upper, one.p)


def tracking(design: Design, rng: np.random.Generator) -> Iterator[Found]:
    """Five sessions per dyad: therapists .4 below the clients on average and tracking .5 within dyads, which differs
    by therapist (SD .2), and, in a second judgement, neither on average."""
    of_dyad = design.therapist(rng)
    therapist, dyad = np.repeat(of_dyad, 5), np.repeat(np.arange(len(of_dyad)), 5)
    level, change = shared(rng, of_dyad, 0.2)[dyad], rng.normal(size=len(dyad))
    noise = 0.5 * rng.normal(size=design.therapists)[therapist] + 0.5 * rng.normal(size=len(of_dyad))[dyad]
    noise = noise + rng.normal(size=len(dyad))
    for bias, slope in ((-0.4, 0.5), (0.0, 0.0)):
        own = slope + 0.2 * rng.normal(size=design.therapists)[therapist]
        judged = bias + 0.6 * level + own * change + noise
        found = truth_and_bias(judged, level + change, dyad=dyad, cluster=therapist)
        naive = regress(judged - (level + change).mean(), _levels(level + change, dyad), covariance="classical")
        for effect, truth in (("directional_bias", bias), ("tracking_within", slope)):
            yield _of(f"{effect.replace('_', ' ')} {truth:g}", truth, OURS, found[effect])
            yield _of(f"{effect.replace('_', ' ')} {truth:g}", truth, NAIVE, naive[_TERMS[effect]])


_TERMS = {"directional_bias": "(intercept)", "tracking_within": "within"}


def _levels(truth: np.ndarray, dyad: np.ndarray) -> dict[str, np.ndarray]:
    means = (np.bincount(dyad, weights=truth) / np.bincount(dyad))[dyad]
    return {"within": truth - means, "between": means - truth.mean()}


def both_outcomes(design: Design, rng: np.random.Generator) -> Iterator[Found]:
    """Actor paths of .4 and partner paths of zero on both raters' outcomes."""
    therapist = design.therapist(rng)
    common = shared(rng, therapist, PREDICTOR_SHARE)
    x = [0.6 * common + 0.8 * shared(rng, therapist, PREDICTOR_SHARE) for _ in range(2)]
    rest = shared(rng, therapist, OUTCOME_SHARE)
    y = [0.4 * view + 0.5 * rest + 0.8 * shared(rng, therapist, OUTCOME_SHARE) for view in x]
    for method, errors in ((OURS, "CR2"), (NAIVE, "ML")):
        found = actor_partner(*x, *y, cluster=therapist, errors=errors)
        yield _of("actor path of clients 0.4", 0.4, method, found["actor_client"])
        yield _of("partner path of clients 0", 0.0, method, found["partner_client"])


def surface(design: Design, rng: np.random.Generator) -> Iterator[Found]:
    """Outcome rises along agreement (a1 .6), falls with disagreement (a4 -.3), and nothing else."""
    therapist = design.therapist(rng)
    common = shared(rng, therapist, PREDICTOR_SHARE)
    x, y = (0.7 * common + 0.7 * shared(rng, therapist, PREDICTOR_SHARE) for _ in range(2))
    z = 0.3 * x + 0.3 * y - 0.075 * (x - y) ** 2 + shared(rng, therapist, OUTCOME_SHARE)
    for method, options in ((OURS, {"cluster": therapist}), (NAIVE, {"covariance": "classical"})):
        found = response_surface(z, x, y, centre=0.0, **options)
        for name, truth in (("a1", 0.6), ("a3", 0.0), ("a4", -0.3)):
            yield _of(f"{name} {truth:g}", truth, method, found[name])


def gaps(design: Design, replicates: int, rng: np.random.Generator) -> Iterator[Found]:
    """Client and therapist rate the same dyads: no difference on average, ICC of .5 for consistency."""
    therapist = design.therapist(rng)
    common = shared(rng, therapist, 0.2)
    a, b = (common + shared(rng, therapist, 0.3) for _ in range(2))
    for method, cluster in ((OURS, therapist), (NAIVE, None)):
        found = paired_difference(a, b, cluster=cluster)
        yield Found("mean difference 0", 0.0, method, found.difference, found.ci_lower, found.ci_upper, found.p)
    agreed = agree(a, b, cluster=therapist, n_bootstrap=replicates, seed=int(rng.integers(2**31)))["icc_c_1"]
    yield Found("ICC(C,1) 0.5", 0.5, NAIVE, agreed.estimate, agreed.ci_lower, agreed.ci_upper)
    yield Found("ICC(C,1) 0.5", 0.5, BOOTSTRAP, agreed.estimate, agreed.boot_ci_lower, agreed.boot_ci_upper)


def _of(quantity: str, truth: float, method: str, found: Coefficient) -> Found:
    """Anything with estimate, interval and p."""
    return Found(quantity, truth, method, found.estimate, found.ci_lower, found.ci_upper, found.p)


DESIGNS = {
    "five": Design("5 therapists of 10 to 15 clients", 5, 10, 15),
    "twelve": Design("12 therapists of 1 to 15 clients", 12, 1, 15),
    "thirty": Design("30 therapists of 1 to 15 clients", 30, 1, 15),
    "many": Design("60 therapists of 1 to 5 clients", 60, 1, 5),
    "alone": Design("100 therapists of one client", 100, 1, 1),
}


def studies(replicates: int) -> dict[str, dict[str, Sample]]:
    """Title of each table, and by name of the design what draws and analyses one sample of it."""
    twelve, thirty, many = DESIGNS["twelve"], DESIGNS["thirty"], DESIGNS["many"]
    mixed = {f"{d.name}, share {s:g}": partial(therapist_share, d, s) for d in (twelve, thirty) for s in (0.0, 0.2)}
    one = {f"{thirty.name}, reciprocity {r:g}": partial(views, thirty, r, 1) for r in (0.0, 0.4)} | {
        f"{thirty.name}, 3 sessions, reciprocity 0.4": partial(views, thirty, 0.4, 3)
    }
    return {
        "Outcome: slopes and correlations": {d.name: partial(outcome, d) for d in DESIGNS.values()},
        "Bootstrap by therapist": {d.name: partial(bootstrapped, d, replicates) for d in (twelve, thirty)},
        "Therapists' share of an outcome": mixed,
        "Actor and partner paths": {d.name: partial(both_outcomes, d) for d in (twelve, thirty)},
        "Response surface": {d.name: partial(surface, d) for d in (thirty, many)},
        "Agreement": {d.name: partial(gaps, d, replicates) for d in (twelve, thirty)},
        "One therapist, many clients": one,
        "Bias and tracking over sessions": {d.name: partial(tracking, d) for d in (twelve, thirty)},
        "Six sites of 20 to 39 dyads": {f"sites differ by {tau:g}": partial(sites, tau) for tau in (0.0, 0.15)},
    }
