"""Decoding rules: how a text becomes a number. Equal rules are kept once, whatever number of columns use them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flows.common.numbers import as_number, spellings

DECLARED_IN_FILE = "declared in the file"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way of decoding.

    ``labels`` (label, number at the source) and ``missing`` (code, reason) are as compared: trimmed, in lower case
    (labels keep their case with ``case_sensitive``). ``shift`` is added to labels' numbers and to numbers alike;
    ``min_value`` and ``max_value`` hold after it.
    """

    instrument_id: str
    shift: float
    decimal_mark: str
    min_value: float
    max_value: float
    step: float
    case_sensitive: bool
    labels: tuple[tuple[str, float], ...]
    missing: tuple[tuple[str, str], ...]

    @property
    def labels_only(self) -> bool:
        """Whether a number that is no label is no answer: so where labels are numbers themselves."""
        return any(as_number(label, self.decimal_mark) is not None for label, _ in self.labels)


def make_rule(
    *,
    instrument_id: str,
    shift: float,
    decimal_mark: str,
    bounds: tuple[float, float],
    step: float,
    case_sensitive: bool,
    labels: Mapping[str, float],
    missing: Mapping[str, str],
) -> Rule:
    """A rule in which labels and codes that are numbers are found in every usual spelling (``99``, ``99.0``)."""
    given = tuple(labels.items()), tuple(missing.items())
    compared, codes = _spelled_out(*given, decimal_mark, case_sensitive)
    return Rule(
        instrument_id,
        float(shift),
        decimal_mark,
        float(bounds[0]),
        float(bounds[1]),
        float(step),
        case_sensitive,
        compared,
        codes,
    )


# Most columns of a study share a handful of label maps and codes.
@lru_cache(maxsize=1024)
def _spelled_out(
    labels: tuple[tuple[str, float], ...], missing: tuple[tuple[str, str], ...], decimal_mark: str, case_sensitive: bool
) -> tuple[tuple[tuple[str, float], ...], tuple[tuple[str, str], ...]]:
    compared: dict[str, float] = {}
    for label, value in labels:
        compared.setdefault(_composed(label if case_sensitive else label.lower()), value)
    codes = {_composed(code.lower()): reason for code, reason in missing}
    for label, value in tuple(compared.items()):
        for spelling in spellings(label, decimal_mark):
            compared.setdefault(spelling, value)
    for code, reason in tuple(codes.items()):
        for spelling in spellings(code, decimal_mark):
            if spelling not in compared:
                codes.setdefault(spelling, reason)
    return tuple(sorted(compared.items())), tuple(sorted(codes.items()))


def _composed(text: str) -> str:
    # A file's own labels may write an accent as a sign of its own; cells are compared with it as one.
    return unicodedata.normalize("NFC", text.strip())


@dataclass
class RuleBook:
    """All rules of a layout, numbered from 1 in the order in which they are first asked for."""

    _numbers: dict[Rule, int] = field(default_factory=dict)

    def number(self, rule: Rule) -> int:
        """The rule's ``rule_id``."""
        return self._numbers.setdefault(rule, len(self._numbers) + 1)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of ``layout_rules``, ``layout_labels`` and ``layout_missing``."""
        return {
            "layout_rules": [
                {
                    "rule_id": number,
                    "instrument_id": rule.instrument_id,
                    "shift": rule.shift,
                    "decimal_mark": rule.decimal_mark,
                    "min_value": rule.min_value,
                    "max_value": rule.max_value,
                    "step": rule.step,
                    "case_sensitive": rule.case_sensitive,
                    "labels_only": rule.labels_only,
                }
                for rule, number in self._numbers.items()
            ],
            "layout_labels": [
                {"rule_id": number, "label": label, "value": value}
                for rule, number in self._numbers.items()
                for label, value in rule.labels
            ],
            "layout_missing": list(self._missing_rows()),
        }

    def _missing_rows(self) -> Iterator[dict[str, Any]]:
        for rule, number in self._numbers.items():
            for code, reason in rule.missing:
                yield {"rule_id": number, "code": code, "reason": reason}
