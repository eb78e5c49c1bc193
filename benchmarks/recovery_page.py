"""The page of the recovery study: its tables, and sentences that name what does not hold."""

from __future__ import annotations

import pandas as pd

NOMINAL = 0.95
CLOSE = 0.03
"""Coverage this far from 95 % is called out."""

RULES = {
    "right_parallel": "parallel, components",
    "right_parallel_minres": "parallel, factors (minres)",
    "right_parallel_smc": "parallel, factors (SMC)",
    "right_map": "MAP 1976",
    "right_map_2000": "MAP 2000",
    "right_empirical_kaiser": "empirical Kaiser",
    "right_kaiser": "Kaiser",
}
COVERED = {
    "coverage_salient": "salient loadings",
    "coverage_other": "other loadings",
    "coverage_phi": "component correlations",
}

HEAD = """# Are known components found again?

Made by `python -m benchmarks.recovery`; change nothing here by hand. {samples} samples of each population, seeds fixed,
each analysed as a study is: Pearson correlations of what was answered, minres, oblimin with random starts, {replicates}
bootstrap samples. Populations are in `benchmarks/recovery_populations.py`: loadings .55 to .80, component
correlations .30, answers in seven categories where the name does not say otherwise.

## How many components

Share of samples (%) in which a rule keeps the right number; parallel analysis by the 95th percentile of normal data.

"""

ESTIMATES = """
## Loadings and component correlations

With the right number of components. Congruence is Tucker's phi with the loadings that made the data: mean over
components, and the least of them. Bias is estimate minus truth: answers in few categories correlate less than what is
behind them, and small samples mix components. Clean: share of samples (%) without a Heywood case or another warning of
the extraction.

"""

COVERAGE = """
## Do the 95 % intervals hold

Share (%) of bootstrap intervals that hold the population's value, which here is that of the same analysis of {large:,}
rows: what a study of this kind would find if it were endless. Width is that of the intervals of salient loadings.

Salient loadings are covered some three points too seldom. Refits are rotated to the sample's own solution, so that how
far the rotation itself would move in another sample is left out of their intervals; matching and signing columns only
(`alignment="columns"` of `bootstrap_solution`) covers about one point more. Another point is lost here to the
{replicates} bootstrap samples, where a study has 1000. Correlations of components are biased towards zero in small
samples with many components, more than the intervals' correction knows. The component of method is the one that oblimin
finds worst: it takes simple structure for granted, which method does not have.

"""


def page(table: pd.DataFrame, samples: int, replicates: int, large: int = 100_000) -> str:
    """The page in Markdown, from one row per population."""
    text = HEAD.format(samples=samples, replicates=replicates)
    text += _markdown(table, {"population": "population", "n_items": "items", "k": "components"} | RULES, percent=RULES)
    text += ESTIMATES + _markdown(
        table,
        {
            "population": "population",
            "congruence": "congruence",
            "congruence_least": "least",
            "bias_salient": "bias, salient",
            "bias_other": "bias, other",
            "rmse": "RMSE",
            "bias_phi": "bias, correlations",
            "clean": "clean",
        },
        percent=("clean",),
    )
    held = table[table["coverage_salient"].notna()]
    text += COVERAGE.format(large=large, replicates=replicates)
    text += _markdown(held, {"population": "population"} | COVERED | {"width_salient": "width"}, percent=COVERED)
    return text + "\n" + "\n".join(_what_does_not_hold(held)) + "\n"


def _what_does_not_hold(held: pd.DataFrame) -> list[str]:
    sentences = ["Where coverage is more than three points from 95 %:", ""]
    for column, words in COVERED.items():
        off = held[(held[column] - NOMINAL).abs() > CLOSE]
        named = "; ".join(
            f"{name} ({100 * share:.0f} %)" for name, share in zip(off["population"], off[column], strict=True)
        )
        sentences.append(f"- {words}: {named or 'nowhere'}.")
    return sentences


def _markdown(table: pd.DataFrame, columns: dict[str, str], percent: object) -> str:
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in table.to_dict("records"):
        cells = [_cell(row[column], column in percent) for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: object, percent: bool) -> str:
    if percent:
        return f"{100 * float(value):.0f}"
    return f"{value:.3f}".replace("0.", ".", 1) if isinstance(value, float) else str(value)
