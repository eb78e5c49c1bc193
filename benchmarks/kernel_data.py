"""The data of the kernel benchmark: ordinal answers with a known structure, written where R can read them too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

LARGE, SMALL = "answers_1000x55.csv", "answers_176x47.csv"
"""Files of five-category answers: 55 items of 1000 rows in six components, 47 items of 176 rows in five."""


def ordinal_answers(n: int, items: int, components: int, seed: int) -> pd.DataFrame:
    """Answers 1 to 5 (n, items) of oblique simple structure: loadings .5 to .75, component correlations .3."""
    rng = np.random.default_rng(seed)
    loadings = np.zeros((items, components))
    loadings[np.arange(items), np.arange(items) % components] = rng.uniform(0.5, 0.75, items)
    phi = np.full((components, components), 0.3) + 0.7 * np.eye(components)
    common = rng.standard_normal((n, components)) @ np.linalg.cholesky(phi).T @ loadings.T
    unique = np.sqrt(1 - np.einsum("ik,kl,il->i", loadings, phi, loadings))
    latent = common + rng.standard_normal((n, items)) * unique
    cuts = np.array([-1.5, -0.6, 0.2, 1.0])
    answers = 1 + (latent[:, :, None] > cuts).sum(axis=2)
    return pd.DataFrame(answers, columns=[f"q{number:02d}" for number in range(1, items + 1)])


def write_data(folder: Path) -> None:
    """Write both files to ``folder``."""
    ordinal_answers(1000, 55, 6, 1).to_csv(folder / LARGE, index=False)
    ordinal_answers(176, 47, 5, 2).to_csv(folder / SMALL, index=False)
