"""How much a refresh has to do is decided from fingerprints alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.refreshing.scope import Published, decide_scope

CODE = "0.1.0+aaaa"
STATES = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["1", "2"]))


def decide(
    before: dict[str, str] | None, now: dict[str, str], *, code: str = CODE, study: str = "s", full: bool = False
):
    published = None if before is None else Published(before, "s", CODE)
    return decide_scope(published, site_states=now, study_state=study, code_version=code, full=full)


def test_the_first_refresh_builds_everything() -> None:
    scope = decide(None, {"a": "1"})
    assert (scope.kind, scope.changed_sites) == ("full", ("a",))


def test_nothing_new_when_all_fingerprints_are_equal() -> None:
    assert decide({"a": "1", "b": "1"}, {"a": "1", "b": "1"}).kind == "nothing_new"


def test_only_the_site_that_changed_is_built() -> None:
    scope = decide({"a": "1", "b": "1"}, {"a": "1", "b": "2"})
    assert (scope.kind, scope.changed_sites) == ("incremental", ("b",))


def test_a_new_site_or_one_that_left_makes_everything_anew() -> None:
    """The tables' columns hold the names of the published sites and no others."""
    for before, now in (({"a": "1", "b": "1"}, {"a": "1"}), ({"a": "1"}, {"a": "1", "b": "1"})):
        scope = decide(before, now)
        assert (scope.kind, scope.changed_sites) == ("full", ("a", "b"))


def test_another_threshold_needs_a_refresh_but_no_site() -> None:
    scope = decide({"a": "1"}, {"a": "1"}, study="other")
    assert (scope.kind, scope.changed_sites) == ("incremental", ())


def test_other_code_builds_everything_and_forgets_sites_that_left() -> None:
    scope = decide({"a": "1", "gone": "1"}, {"a": "1"}, code="0.1.0+bbbb")
    assert (scope.kind, scope.changed_sites) == ("full", ("a", "gone"))


@given(STATES, STATES)
def test_every_difference_is_built_and_nothing_else(before: dict[str, str], now: dict[str, str]) -> None:
    scope = decide(before, now)
    differing = {s for s in {*before, *now} if before.get(s) != now.get(s)}
    assert set(scope.changed_sites) == ({*before, *now} if scope.kind == "full" else differing)
    assert (scope.kind == "nothing_new") == (not differing)
    assert scope.kind != "incremental" or set(before) == set(now)
