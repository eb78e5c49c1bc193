"""Fingerprints of sites: equal as long as nothing that a site's rows depend on has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.settings.codebook import Codebook

if TYPE_CHECKING:
    from flows.layout.layout import Layout
    from flows.settings.study import Study

# What study.yml says about resources, checks and analyses leaves the rows of a site as they are.
_WITHOUT_EFFECT = {"title", "memory_limit", "threads", "max_cell_bytes", "keep_versions", "thresholds", "analyses"}


def site_fingerprints(
    study: Study,
    codebook: Codebook,
    layout: Layout,
    delivery_hashes: Mapping[int, str],
    code_version: str,
    other: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """SHA-256 (hex) for each usable site of the study.

    ``delivery_hashes`` are content hashes by delivery number; ``other`` is further text by site that its rows depend
    on, such as the withdrawn clients. Deliveries count in the order in which they supersede each other, not by their
    numbers, so that what another site delivers makes no difference. Raises KeyError for a delivery without a hash.
    """
    common = {
        "study": study.settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
        "codebook": codebook.fingerprint(),
        "code_version": code_version,
    }
    deliveries: dict[str, list[list[Any]]] = {site_id: [] for site_id in study.sites}
    for delivery in sorted(layout.deliveries, key=lambda each: each.delivery_rank):
        header = delivery.header
        deliveries[header.site_id].append(
            [delivery.file.name, header.file_name, delivery_hashes[header.delivery_number], delivery.is_current]
        )
    for header in layout.uncovered:
        if header.site_id in deliveries:
            deliveries[header.site_id].append(["", header.file_name, delivery_hashes[header.delivery_number], False])
    return {
        site_id: _hash(
            {
                **common,
                "site": site.model_dump(mode="json"),
                "deliveries": deliveries[site_id],
                "other": (other or {}).get(site_id, ""),
            }
        )
        for site_id, site in study.sites.items()
    }


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
