"""Which decoding rule a bound column gets: the form's settings, the codebook's range, what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flows.common.numbers import as_number
from flows.layout.decoding_rules import DECLARED_IN_FILE, Rule, make_rule
from flows.settings.codebook import Codebook
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.form_sources import FormSources, Target


@dataclass
class LabelTrouble:
    """What could not be used of a file's own value labels: names of the columns concerned."""

    without_labels: list[str] = field(default_factory=list)
    label_twice: list[str] = field(default_factory=list)
    out_of_range: list[str] = field(default_factory=list)


def rule_of_target(
    sources: FormSources,
    target: Target,
    column: DeliveredColumn | None,
    codebook: Codebook,
    decimal_mark: str,
    trouble: LabelTrouble,
) -> Rule:
    """The rule for one item or score; ``column`` is where its answers stand (the value column in long shape)."""
    form = sources.form
    instrument = codebook.instruments[form.instrument]
    if target.scale_id is None:
        item = next(each for each in codebook.items(form.instrument) if each.item_number == target.item_number)
        bounds, shift, step = codebook.item_range(item), form.shift, float(getattr(instrument, "step", 1.0))
    else:
        bounds, shift, step = (*_score_range(codebook, form.instrument, target.scale_id, form.shift), 0.0)
    from_file = {code.strip().lower(): DECLARED_IN_FILE for code in column.missing_values} if column else {}
    missing = {**from_file, **sources.missing}
    labels: Mapping[str, float] = {}
    if target.scale_id is None and form.labels == "from_file":
        labels = _labels_of_column(column, bounds, shift, missing, form.case_sensitive, trouble)
    elif target.scale_id is None and isinstance(form.labels, dict):
        labels = form.labels
    return make_rule(
        instrument_id=form.instrument,
        shift=shift,
        decimal_mark=decimal_mark,
        bounds=bounds,
        step=step,
        case_sensitive=form.case_sensitive,
        labels=labels,
        missing=missing,
    )


def _score_range(
    codebook: Codebook, instrument_id: str, scale_id: str, shift: float
) -> tuple[tuple[float, float], float]:
    # A sum over n items grows with n, its range and its shift with it.
    scale = next(each for each in codebook.scales(instrument_id) if each.scale_id == scale_id)
    items = {item.item_number: item for item in codebook.items(instrument_id)}
    ranges = [codebook.item_range(items[number]) for number in scale.item_numbers]
    if scale.method == "sum":
        return (sum(low for low, _ in ranges), sum(high for _, high in ranges)), shift * len(ranges)
    return (min(low for low, _ in ranges), max(high for _, high in ranges)), shift


def _labels_of_column(
    column: DeliveredColumn | None,
    bounds: tuple[float, float],
    shift: float,
    missing: dict[str, str],
    case_sensitive: bool,
    trouble: LabelTrouble,
) -> dict[str, float]:
    """Label -> code of one column; labels of missing codes are added to ``missing``."""
    if column is None or not column.value_labels:
        if column is not None:
            trouble.without_labels.append(column.name)
        return {}
    found: dict[str, float] = {}
    twice: set[str] = set()
    for code, label in column.value_labels.items():
        compared = label.strip() if case_sensitive else label.strip().lower()
        number = as_number(code)
        if code.strip().lower() in missing:
            missing.setdefault(label.strip().lower(), missing[code.strip().lower()])
        elif number is None or not bounds[0] <= number + shift <= bounds[1]:
            trouble.out_of_range.append(column.name)
        elif compared in found and found[compared] != number:
            twice.add(compared)
        else:
            found[compared] = number
    if twice:
        trouble.label_twice.append(column.name)
    # The number itself decodes as before: labels of a file stand beside the codes, they do not replace them.
    return {label: value for label, value in found.items() if label not in twice and as_number(label) is None}
