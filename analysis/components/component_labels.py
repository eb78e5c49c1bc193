"""What a component may be called: a suggestion from the themes and scales of the items that mark it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

LEADING_SHARE = 0.60
"""A theme or scale with at least this share of the items names a component alone."""

SECOND_SHARE = 0.25
"""A second theme is named when it has at least this share."""


def theme_counts(items: Sequence[str], themes: Mapping[str, str]) -> dict[str, float]:
    """Share of each theme in ``items``, most frequent first (ties by name); items without a theme are not counted."""
    counted = Counter(themes[item] for item in items if themes.get(item))
    total = sum(counted.values())
    ordered = sorted(counted, key=lambda theme: (-counted[theme], theme))
    return {theme: counted[theme] / total for theme in ordered}


def suggested_label(
    items: Sequence[str],
    themes: Mapping[str, str],
    scales: Mapping[str, str],
    reversed_items: Sequence[str],
    names: Mapping[str, str],
) -> str | None:
    """A suggestion such as ``Bond, understanding (mostly wai_s.bond; suggested)``; None without salient items.

    ``names`` are the themes' full names; a theme without one is named by its id. Where most items are reverse-keyed
    the label says so, as the component may then be their wording.

    >>> suggested_label(["a", "b", "c"], {"a": "bond", "b": "bond", "c": "bond"}, {}, [], {"bond": "Bond"})
    'Bond (suggested)'
    """
    if not items:
        return None
    shares = theme_counts(items, themes)
    said = [names.get(theme, theme.replace("_", " ").capitalize()) for theme in _leading(shares)]
    if not said:
        said = ["Items without a theme"]
    label = ", ".join([said[0], *(word[0].lower() + word[1:] for word in said[1:])])
    notes = []
    for scale, share in theme_counts(items, scales).items():
        if share >= LEADING_SHARE:
            notes.append(f"mostly {scale}")
    if 2 * sum(item in set(reversed_items) for item in items) > len(items):
        notes.append("reverse-keyed items")
    return f"{label} ({'; '.join([*notes, 'suggested'])})"


def told_apart(labels: Sequence[str | None], leading: Sequence[str]) -> list[str | None]:
    """The labels, with a component's leading item where several components of a solution would be called the same.

    >>> told_apart(["Bond (suggested)", "Bond (mostly wai_s.bond; suggested)", None], ["a_1", "b_2", "c_3"])
    ['Bond, led by a_1 (suggested)', 'Bond, led by b_2 (mostly wai_s.bond; suggested)', None]
    """
    names = Counter(label.partition(" (")[0] for label in labels if label)
    told: list[str | None] = []
    for label, item in zip(labels, leading, strict=True):
        name, bracket, notes = (label or "").partition(" (")
        told.append(f"{name}, led by {item}{bracket}{notes}" if label and names[name] > 1 else label)
    return told


def _leading(shares: Mapping[str, float]) -> list[str]:
    ordered = [theme for theme in shares if theme != "other"] or list(shares)
    if not ordered or shares[ordered[0]] >= LEADING_SHARE:
        return ordered[:1]
    return [theme for place, theme in enumerate(ordered[:3]) if place == 0 or shares[theme] >= SECOND_SHARE]
