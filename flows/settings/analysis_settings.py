"""Settings of the analyses (``analyses`` in study.yml). The defaults follow the reference study."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from flows.settings.settings_types import Rater, Settings, Slug, problem, text_as

RetentionRule = Literal[
    "parallel",
    "parallel_mean",
    "parallel_permuted",
    "parallel_permuted_mean",
    "parallel_factors",
    "parallel_factors_mean",
    "parallel_smc",
    "parallel_smc_mean",
    "map",
    "map_2000",
    "kaiser",
    "empirical_kaiser",
]
RotationWord = Literal[
    "none",
    "varimax",
    "varimax_raw",
    "quartimax",
    "quartimax_kaiser",
    "equamax",
    "equamax_kaiser",
    "geomin_orthogonal",
    "promax",
    "promax_kaiser",
    "promax_stats",
    "promax_raw",
    "oblimin",
    "oblimin_kaiser",
    "quartimin",
    "quartimin_kaiser",
    "geomin",
    "geomin_kaiser",
    "target_orthogonal",
    "target_oblique",
    "procrustes",
]
BUILT_IN_ITEM_SETS = ("each_instrument", "joint")


class ItemSet(Settings):
    """Items analysed together.

    ``each_instrument`` stands for one set per alliance instrument and ``joint`` for all of them joined; a set of the
    study's own names ``instruments``, ``items`` (item ids), or both.
    """

    name: Slug = Field(description="each_instrument, joint, or a name of the study's own")
    instruments: tuple[Slug, ...] = Field(default=(), description="Instruments whose items all belong to the set")
    items: tuple[Slug, ...] = Field(default=(), description="Item ids that belong to the set, such as wai_s_04")

    @model_validator(mode="after")
    def _has_members(self) -> ItemSet:
        own = bool(self.instruments or self.items)
        if self.name in BUILT_IN_ITEM_SETS and own:
            raise problem(f"the item set {self.name} is built in", "give the study's own set another name")
        if self.name not in BUILT_IN_ITEM_SETS and not own:
            raise problem(
                f"the item set {self.name} names no items",
                "add `instruments` or `items`, or use each_instrument or joint",
            )
        return self


class ComponentCount(Settings):
    """How many components one item set of one rater gets, instead of what the general rule says."""

    item_set: Slug | None = Field(default=None, description="The item set, or every one when left out")
    rater: Rater | None = Field(default=None, description="The rater, or both when left out")
    n: Annotated[int, Field(ge=1)] | None = Field(default=None, description="A fixed number of components")
    rule: RetentionRule | None = Field(default=None, description="A rule that chooses the number")

    @model_validator(mode="after")
    def _one_way(self) -> ComponentCount:
        if (self.n is None) == (self.rule is None):
            raise problem("say the number of components once", "give either `n` or `rule`")
        return self


class ComponentNumber(Settings):
    """The number of components: a rule or a number for all, and exceptions by item set and rater."""

    rule: RetentionRule | None = Field(default=None, description="The rule that chooses the number")
    n: Annotated[int, Field(ge=1)] | None = Field(default=None, description="A fixed number of components")
    exceptions: tuple[ComponentCount, ...] = Field(default=(), description="The first one that fits is taken")

    @model_validator(mode="after")
    def _one_way(self) -> ComponentNumber:
        if self.rule is not None and self.n is not None:
            raise problem("say the number of components once", "give either `n` or `rule`")
        return self

    def chosen(self, item_set: str, rater: str) -> int | RetentionRule:
        """The number of components, or the rule that chooses it, for one item set and rater."""
        for exception in self.exceptions:
            if exception.item_set in (None, item_set) and exception.rater in (None, rater):
                return exception.n if exception.n is not None else _rule(exception.rule)
        return self.n if self.n is not None else _rule(self.rule)


def _rule(rule: RetentionRule | None) -> RetentionRule:
    return "parallel" if rule is None else rule


def _number_or_rule(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"n": value}
    if isinstance(value, str):
        # 2.5 is a wrong number, and no rule.
        return {"n": value} if value.lstrip("+-").replace(".", "", 1).isdigit() else {"rule": value}
    return value


class AnalysisSettings(Settings):
    """Which analyses run, and how."""

    item_sets: tuple[
        Annotated[ItemSet, BeforeValidator(text_as("name"), json_schema_input_type=ItemSet | str)], ...
    ] = Field(
        default=(ItemSet(name="each_instrument"), ItemSet(name="joint")),
        description="Items analysed together: each_instrument, joint, or sets of the study's own",
    )
    raters: tuple[Rater, ...] = Field(default=("client", "therapist"), min_length=1, description="Whose forms")
    session_rule: Slug = Field(
        default="last",
        description="Which session of a dyad counts: last (its last one), mean (of all), or a session of the study",
    )
    missing: Literal["pairwise", "complete", "em"] = Field(
        default="pairwise", description="Missing-data rule; em goes with pearson"
    )
    correlation: Literal["pearson", "polychoric"] = Field(default="pearson", description="Kind of correlation")
    polychoric_thresholds: Literal["item", "pair", "psych"] = Field(
        default="item", description="Where a polychoric correlation takes its thresholds from"
    )
    empty_cell: float = Field(
        default=0.0, ge=0, le=1, description="What a polychoric correlation adds to an empty cell of its table"
    )
    extraction: Literal["minres", "ml", "paf", "paf_psych", "paf_spss", "components"] = Field(
        default="minres", description="Extraction"
    )
    rotation: RotationWord = Field(default="oblimin", description="Rotation, with its variant in its name")
    oblimin_gamma: float = Field(
        default=0.0, ge=-10, le=1, description="Gamma of oblimin, which SPSS calls delta: lower is less oblique"
    )
    promax_power: float = Field(default=4.0, gt=1, le=10, description="Power of promax, which SPSS calls kappa")
    geomin_delta: float = Field(default=0.01, gt=0, le=1, description="Delta of geomin")
    extraction_starts: int = Field(
        default=10, ge=0, le=255, description="Starts of minres and ml beside the usual one; the lowest end is taken"
    )
    rotation_starts: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Random starts beside the unrotated one; 10 for oblique rotations when left out"
    )
    parallel_samples: int = Field(default=1000, ge=2, le=100_000, description="Data sets of parallel analysis")
    parallel_percentile: float = Field(
        default=95.0, ge=50, lt=100, description="Percentile of their eigenvalues that is held against"
    )
    n_components: Annotated[
        ComponentNumber,
        BeforeValidator(_number_or_rule, json_schema_input_type=ComponentNumber | RetentionRule | int),
    ] = Field(default=ComponentNumber(), description="A rule, a number, or either with exceptions")
    salience: float = Field(default=0.40, gt=0, lt=1, description="A loading counts from this absolute size on")
    scores: Literal["regression", "bartlett", "ten_berge", "anderson_rubin", "unit_weighted"] = Field(
        default="regression", description="How component scores are made"
    )
    bootstrap: int = Field(default=1000, ge=0, le=100_000, description="Bootstrap samples; 0 for none")
    seed: int = Field(default=1, ge=0, description="Seed of everything random")
    min_rows: int = Field(default=50, ge=3, description="An analysis with fewer rows says so and does not run")
    workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes that share the analyses and their loops, the refresh one of them; the numbers are "
        "the same",
    )
    scheduler: str | None = Field(
        default=None,
        pattern=r"^(local|(tcp|tls|ucx|ws|wss)://\S+)$",
        description="Runs the loops on Dask: local, or the address of a scheduler such as tcp://host:8786",
    )
    outcome_session: Slug = Field(
        default="same",
        description="Which rating predicts an outcome: same (as session_rule), last_before or mean_before (the "
        "outcome), or a session of the study; components stay those of session_rule",
    )
    outcome_dyad: Literal["own", "first", "longest", "only"] = Field(
        default="own",
        description="Which dyad of a client with several: own (each with the outcome that names it), first, longest, "
        "or only (such clients are left out)",
    )
    outcome_after: Literal["leave_out", "flag"] = Field(
        default="leave_out", description="What becomes of a rating dated after the outcome"
    )

    component_uncertainty: bool = Field(
        default=False,
        description="Carry the bootstrap of the components through to outcome and agreement: intervals that do not "
        "take the loadings as known",
    )
    few_dyads: int = Field(
        default=10,
        ge=1,
        description="A figure of fewer dyads is marked; that of a single site is withheld",
    )
    few_therapists: int = Field(default=3, ge=1, description="The same for therapists, where therapists are known")

    @property
    def few(self) -> tuple[int, int]:
        """Dyads and therapists below which a figure rests on few."""
        return self.few_dyads, self.few_therapists

    @model_validator(mode="after")
    def _once_each(self) -> AnalysisSettings:
        named: dict[str, list[str]] = {"item set": [each.name for each in self.item_sets], "rater": [*self.raters]}
        for what, names in named.items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise problem(f"the {what} {twice[0]} is named twice", "name it once")
        return self

    @model_validator(mode="after")
    def _go_together(self) -> AnalysisSettings:
        if self.correlation == "polychoric" and self.missing == "em":
            raise problem(
                "polychoric correlations have no EM variant", "write `missing: pairwise` or `missing: complete`"
            )
        return self
