"""What component analyses know of items besides their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What the codebook says of items, by item id: theme, subscale (``wai_s.bond``; items without one are not in it),
    lowest and highest answer, those reverse-keyed; the themes' full names; and the one scale (``haq_ii.total``) of
    items whose instrument has no subscales."""

    themes: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reversed_items: frozenset[str] = frozenset()
    theme_names: Mapping[str, str] = field(default_factory=dict)
    only_scales: Mapping[str, str] = field(default_factory=dict)
