"""One line in plain words on what became of an analysis, for progress and the summary of a refresh.

Its answers to the questions of the study are findings: :mod:`flows.analysing.answers`.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis.common.study_rows import StudyResult
from analysis.common.wording import several
from flows.analysing.registry import Analysis

_WHAT = {
    "components": "Components",
    "correspondence": "Match of components with declared scales",
    "reliability": "Reliability of scales",
    "congruence": "Likeness of client and therapist components",
    "site_congruence": "Likeness of each site's components to the others'",
    "emphasis": "Themes stressed by client and therapist",
    "outcome": "Outcome on components",
    "outcome_scales": "Outcome on scale scores",
    "agreement": "Client with therapist components",
    "agreement_scales": "Client with therapist scale scores",
    "agreement_variance": "Variance of therapists and dyads, bias and tracking",
    "outcome_both": "Outcome on both views",
    "sites": "Effects across sites",
}
_LEVEL = 0.05


def headline(analysis: Analysis, n_rows: int, result: StudyResult) -> str:
    """What it is, of how many rows, how it ended and the figure to look at first.

    A p value is called significant only after the Holm adjustment within its family.
    """
    who = "" if analysis.rater == "both" else f", {analysis.rater}"
    items = f" ({analysis.item_set}{who})" if analysis.item_set else f" ({analysis.rater})"
    line = f"{_WHAT[analysis.kind]}{items}: "
    if not result.frames or all(not len(frame) for frame in result.frames.values()):
        return line + f"not run, {result.reason}"
    said = _HEADLINES[analysis.kind](result)
    status = "" if result.status == "ok" else f"; {result.status.replace('_', ' ')}: {result.reason}"
    return line + f"{several(n_rows, 'row')}; {said}{status}"


def _range(values: pd.Series) -> str:
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} to {high}"


def _components(result: StudyResult) -> str:
    if "components" not in result.frames:
        return "no components"
    table = result.frames["components"]
    carried = several(len(table), "component carries", "components carry")
    return f"{carried} {table['variance_share'].sum():.0%} of the variance"


def _correspondence(result: StudyResult) -> str:
    table = result.frames["correspondence"].set_index("measure")["estimate"]
    rand, share = table.get("adjusted_rand_index"), table.get("share_with_own_majority")
    if pd.isna(rand) or not isinstance(share, pd.Series):
        return "one scale only"
    return f"adjusted Rand index {rand:.2f}, {share.iloc[0]:.0%} of the items with their scale's majority"


def _reliability(result: StudyResult) -> str:
    table = result.frames["reliability"]
    alpha = table[(table["coefficient"] == "alpha") & (table["item_id"] == "")]["estimate"].dropna()
    return f"alpha of {several(len(alpha), 'scale')} {_range(alpha)}" if len(alpha) else "no alpha"


def _congruence(result: StudyResult) -> str:
    table = result.frames["congruence"]
    pairs = table[table["is_matched"] & (table["alignment"] == "as_rotated")]["congruence"].abs()
    return f"congruence of {several(len(pairs), 'matched pair')} {_range(pairs)}"


def _site_congruence(result: StudyResult) -> str:
    table = result.frames["congruence"]
    pairs = table[table["is_matched"].astype(bool) & (table["alignment"] == "target")]["congruence"].abs()
    if pairs.isna().all():
        return "no site has enough rows of its own"
    n_sites, every = table.loc[table["component"] > 0, "site_id"].nunique(), table["site_id"].nunique()
    return f"{n_sites} of {several(every, 'site')} compared, congruence {_range(pairs)}"


def _emphasis(result: StudyResult) -> str:
    table = result.frames["emphasis"]
    if table["p"].isna().all():
        return f"{several(table['subject'].nunique(), 'theme')} compared without a test"
    loading = table[(table["measure"] == "mean_loading") & (table["p_holm"] < _LEVEL)]
    more = sorted(loading[loading["difference"] > 0]["subject"])
    less = sorted(loading[loading["difference"] < 0]["subject"])
    said = [f"{who} more: {', '.join(names)}" for who, names in (("clients", more), ("therapists", less)) if names]
    return ("; ".join(said) or "no difference in loadings is significant").replace("_", " ")


def _significant(tests: pd.DataFrame, one: str, many: str | None = None) -> str:
    n = int((tests["p_holm"] < _LEVEL).sum())
    return f"{n} of {several(len(tests), one, many)} {'is' if n == 1 else 'are'} significant"


def _outcome(result: StudyResult) -> str:
    table = result.frames["outcome_effects"]
    table = table[~table["overlap_left_out"].astype(bool)]
    tests = table[(table["model"] == "regression") & (table["term"] == "slope")]
    if not len(tests):
        tests = table[(table["model"] == "correlation") & (table["interval_method"] == "cluster_jackknife")]
    outcomes = tests.groupby(["outcome", "outcome_rater"]).ngroups
    return f"{_significant(tests, 'effect')}, on {several(outcomes, 'outcome')}"


def _agreement(result: StudyResult) -> str:
    table = result.frames["agreement"]
    tests = table[(table["statistic"] == "pearson") & (table["interval_method"] == "cluster_jackknife")]
    if not len(tests):
        return "no correlation"
    return f"{_significant(tests, 'correlation')}, from {tests['estimate'].min():.2f} to {tests['estimate'].max():.2f}"


def _parts(result: StudyResult) -> str:
    table = result.frames["agreement"]
    shares = table[(table["statistic"] == "therapist_share") & table["estimate"].notna()]
    if not len(shares):
        return "no therapist variance"
    return f"therapists' share of the variance {shares['estimate'].min():.0%} to {shares['estimate'].max():.0%}"


def _both(result: StudyResult) -> str:
    table = result.frames["outcome_effects"]
    tests = table[table["family"].notna() & table["p_holm"].notna()]
    return _significant(tests, "path or surface parameter", "paths and surface parameters")


def _sites(result: StudyResult) -> str:
    pooled = result.frames["site_effects"].query("level == 'pooled' and method == 'reml_knapp_hartung'")
    number = several(len(pooled), "effect")
    if not pooled["i2"].notna().any():
        return f"{number} of one site"  # which has none to differ from
    return f"{number} pooled over sites, median I2 {pooled['i2'].median():.0%}"


_HEADLINES: dict[str, Callable[[StudyResult], str]] = {
    "components": _components,
    "correspondence": _correspondence,
    "reliability": _reliability,
    "congruence": _congruence,
    "site_congruence": _site_congruence,
    "emphasis": _emphasis,
    "outcome": _outcome,
    "outcome_scales": _outcome,
    "agreement": _agreement,
    "agreement_scales": _agreement,
    "agreement_variance": _parts,
    "outcome_both": _both,
    "sites": _sites,
}
