"""The demo's truth is sound in itself, and can be found again in the answers that were drawn from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from analysis.components.components import find_components
from analysis.components.retention import retention
from demo.answers import StudyData, draw
from demo.model import COMPONENTS, INSTRUMENTS, RATERS, Population, population
from demo.people import People, make_people
from flows.settings.codebook import load_codebook

EXPECTED = {"client": 6, "therapist": 4}


@pytest.fixture(scope="module")
def model() -> Population:
    return population(load_codebook())


def drawn(model: Population, seed: int, **sizes: int) -> tuple[People, StudyData]:
    of_people, of_answers, _ = np.random.SeedSequence(seed).spawn(3)
    people = make_people(
        **{"clients": 176, "therapists": 60, "sites": 6, **sizes},
        early_sessions=(5,),
        rng=np.random.default_rng(of_people),
    )
    return people, draw(people, model, 2, np.random.default_rng(of_answers))


def keyed_last(model: Population, people: People, data: StudyData, rater: str) -> tuple[list[int], np.ndarray]:
    """Dyads with a form of the last session, and their keyed answers."""
    rows = [
        dyad.index for dyad in people.dyads if 1 in (dyad.sessions if rater == "client" else dyad.therapist_sessions)
    ]
    raw = data.alliance[rater][rows, 1].astype(float)
    both_ends = np.array([low + high for low, high in model.ranges])
    return rows, np.where([item.reverse_keyed for item in model.items], both_ends - raw, raw)


def test_every_item_has_one_component_of_each_rater(model: Population) -> None:
    for rater in RATERS:
        named = [
            (instrument, number)
            for component in COMPONENTS[rater]
            for instrument, numbers in component.items.items()
            for number in numbers
        ]
        assert sorted(named) == sorted((item.instrument_id, item.item_number) for item in model.items)
        assert len(COMPONENTS[rater]) == EXPECTED[rater]
        main = np.argmax(model.loadings[rater], axis=1)
        assert np.bincount(main, minlength=EXPECTED[rater]).min() >= 5
        assert model.uniqueness(rater).min() > 0.2


def test_all_47_items_of_the_three_instruments_take_part(model: Population) -> None:
    assert len(model.items) == 47
    assert {item.instrument_id for item in model.items} == set(INSTRUMENTS)


def test_correlations_are_oblique_within_and_modest_across_raters(model: Population) -> None:
    assert np.linalg.eigvalsh(model.joint)[0] > 0.2
    for rater in RATERS:
        off = model.phi[rater][np.triu_indices(EXPECTED[rater], 1)]
        assert off.min() > 0.1 and off.max() < 0.5
    assert model.cross_rater.min() >= 0.1 and model.cross_rater.max() <= 0.4


def test_five_of_six_and_three_of_four_components_predict(model: Population) -> None:
    for rater, n_predicting in (("client", 5), ("therapist", 3)):
        beta = model.beta(rater, rater)
        assert np.count_nonzero(beta) == n_predicting
        assert beta[beta > 0].min() >= 0.15 and beta.max() <= 0.35
        assert 0.2 < model.explained(rater) < 0.65


def test_effects_across_raters_follow_from_the_correlations(model: Population) -> None:
    """The covariance of outcome and components must be the same by either rater's regression."""
    covariance = model.cross_rater.T @ model.beta("client", "client")
    assert np.allclose(model.phi["therapist"] @ model.beta("client", "therapist"), covariance)


@pytest.mark.parametrize("seed", [2013, 1, 2])
@pytest.mark.parametrize("rater", RATERS)
def test_the_components_are_found_in_the_answers(model: Population, seed: int, rater: str) -> None:
    people, data = drawn(model, seed)
    rows, answers = keyed_last(model, people, data, rater)
    assert len(rows) == {"client": 176, "therapist": 133}[rater]
    correlation = np.corrcoef(answers.T)
    found = retention(correlation, len(rows), kinds=("components",), replicates=200, seed=1)
    assert found.choose("parallel_components_normal_percentile") == EXPECTED[rater]
    solution = find_components(correlation, len(rows), n_components=EXPECTED[rater], random_starts=0)
    truth = model.loadings[rater]
    ours = truth / np.linalg.norm(truth, axis=0)
    theirs = np.asarray(solution.pattern) / np.linalg.norm(solution.pattern, axis=0)
    congruence = ours.T @ theirs
    places = linear_sum_assignment(-np.abs(congruence))
    assert np.abs(congruence[places]).min() > 0.90


@pytest.fixture(scope="module")
def many(model: Population) -> tuple[People, StudyData]:
    return drawn(model, 3, clients=6000, therapists=1500, sites=60)


def test_components_have_the_stated_correlations_and_variance_shares(
    model: Population, many: tuple[People, StudyData]
) -> None:
    people, data = many
    last = data.components[:, -1, :]
    assert np.abs(np.corrcoef(last.T) - model.joint).max() < 0.06
    between_sessions = [np.corrcoef(data.components[:, 0, k], last[:, k])[0, 1] for k in range(10)]
    assert np.mean(between_sessions) == pytest.approx(0.60, abs=0.02)
    therapist = np.array([dyad.therapist_index for dyad in people.dyads])
    assert np.mean([intraclass(last[:, k], therapist) for k in range(10)]) == pytest.approx(0.13, abs=0.02)
    site = np.array([int(np.flatnonzero([s is dyad.site for s in people.sites])[0]) for dyad in people.dyads])
    assert np.mean([intraclass(last[:, k], site) for k in range(10)]) == pytest.approx(0.03, abs=0.01)


def test_outcomes_follow_the_stated_effects(model: Population, many: tuple[People, StudyData]) -> None:
    _, data = many
    last = {"client": data.components[:, -1, :6], "therapist": data.components[:, -1, 6:]}
    for rater in RATERS:
        for measure in (data.global_rating[rater].mean(axis=1), improvement(data, rater)):
            scaled = (measure - measure.mean()) / measure.std()
            beta = np.linalg.lstsq(last[rater], scaled, rcond=None)[0]
            truth = model.beta(rater, rater)
            # A measured outcome holds error, so effects shrink a little, all by the same share.
            assert np.abs(beta - truth).max() < 0.06
            assert abs(beta[truth == 0][0]) < 0.03
    assert np.corrcoef(data.gsi_pre, data.gsi_post)[0, 1] == pytest.approx(0.30, abs=0.04)


def improvement(data: StudyData, rater: str) -> np.ndarray:
    return -data.gsi_post if rater == "client" else -data.severity_post.mean(axis=1)


def intraclass(values: np.ndarray, groups: np.ndarray) -> float:
    """ICC(1) by one-way analysis of variance, for groups of unequal size."""
    sizes = np.bincount(groups)
    kept = sizes > 0
    sizes = sizes[kept]
    means = (np.bincount(groups, values)[kept]) / sizes
    between = (sizes * (means - values.mean()) ** 2).sum() / (len(sizes) - 1)
    within = ((values**2).sum() - (sizes * means**2).sum()) / (len(values) - len(sizes))
    size = (len(values) - (sizes**2).sum() / len(values)) / (len(sizes) - 1)
    return float((between - within) / (between + (size - 1) * within))


def test_clients_answer_high_and_skewed(model: Population, many: tuple[People, StudyData]) -> None:
    people, data = many
    level = {rater: keyed_last(model, people, data, rater)[1].mean() for rater in RATERS}
    assert level["client"] > level["therapist"]
    _, answers = keyed_last(model, people, data, "client")
    centred = answers - answers.mean(axis=0)
    skewness = (centred**3).mean(axis=0) / (centred**2).mean(axis=0) ** 1.5
    assert -1.0 < skewness.mean() < -0.2
