import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from churn.bundle.bundle import Bundle, inputs_of
from churn.bundle.errors import UnfitInput
from churn.features.words import GROUPS, Wording, wording
from churn.scoring import score as scoring
from churn.scoring.reasons import Explainer, _beside, explainer_of, spoken
from churn.scoring.score import score_rows
from churn.scoring.settings import REASONS, ScoringSettings
from churn.training.frames import MISSING

EVERYONE = ScoringSettings(reasons_for="everyone")


@pytest.fixture(scope="module")
def explainer(bundle: Bundle) -> Explainer:
    return explainer_of(bundle)


def test_scores_and_profit_are_those_of_the_bundle(bundle: Bundle, rows: pl.DataFrame) -> None:
    scored, costs = score_rows(bundle, rows, ScoringSettings()), bundle.manifest.settings.costs

    assert scored["customer_id"].to_list() == rows["customer_id"].to_list()
    assert scored["score"].to_numpy() == pytest.approx(bundle.predict(rows), abs=1e-6)
    assert (scored["contacted"] == (scored["score"] >= bundle.manifest.threshold)).all()
    profit = scored["score"] * costs.success_rate * costs.saved_margin - costs.contact_cost
    assert scored["expected_profit"].to_list() == pytest.approx(profit.to_list())


@pytest.mark.parametrize("batch", [1, 7, 599, 600])
def test_neither_scores_nor_reasons_depend_on_the_batch(
    bundle: Bundle, rows: pl.DataFrame, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = rows.head(100) if batch == 1 else rows
    whole = score_rows(bundle, some, EVERYONE)
    monkeypatch.setattr(scoring, "BATCH", batch)

    parts = score_rows(bundle, some, EVERYONE)

    assert parts["score"].to_numpy() == pytest.approx(whole["score"].to_numpy(), abs=1e-6)
    assert parts["contacted"].equals(whole["contacted"])
    assert parts["topic"].equals(whole["topic"])


def test_who_is_near_the_threshold_is_decided_alone_as_the_api_would(near: Bundle, rows: pl.DataFrame) -> None:
    golden = near.manifest.golden[8]
    alike = pl.DataFrame([golden.inputs] * 50, schema={f.name: f.dtype for f in near.manifest.catalogue})
    some = pl.concat([rows.head(450).select(alike.columns), alike]).with_row_index("customer_id")

    scored = score_rows(near, some.cast({"customer_id": pl.String}), ScoringSettings())

    alone = near.predict(alike.head(1))[0]
    assert set(scored["score"].tail(50)) == {alone}
    assert set(scored["contacted"].tail(50)) == {bool(alone >= near.manifest.threshold)}


def test_only_contacts_are_explained_unless_everyone_is_wanted(bundle: Bundle, rows: pl.DataFrame) -> None:
    contacts, everyone = score_rows(bundle, rows, ScoringSettings()), score_rows(bundle, rows, EVERYONE)

    assert contacts.filter(~pl.col("contacted"))["reason_1"].null_count() == (~contacts["contacted"]).sum()
    assert contacts.filter("contacted").equals(everyone.filter("contacted"))
    assert everyone.filter(~pl.col("contacted"))["reason_1"].drop_nulls().len() > 0


def test_fewer_reasons_are_the_strongest_ones(bundle: Bundle, rows: pl.DataFrame) -> None:
    three, one = (
        score_rows(bundle, rows, EVERYONE),
        score_rows(bundle, rows, EVERYONE.model_copy(update={"reasons": 1})),
    )

    assert one["reason_1"].equals(three["reason_1"])
    assert one["reason_2"].null_count() == one.height
    assert three["reason_2"].null_count() < three.height


def test_a_reason_is_what_the_served_graph_says_when_the_group_is_made_typical(
    bundle: Bundle, rows: pl.DataFrame, explainer: Explainer
) -> None:
    scored = score_rows(bundle, rows, EVERYONE)
    silent = scored.with_row_index().filter(topic=GROUPS["silence"])
    at = silent["index"].to_list()
    usual = rows[at].with_columns(recency_days=pl.lit(explainer.typical["recency_days"]))

    lost = silent["score"].to_numpy() - bundle.predict(usual)

    assert silent.height > 20
    assert (lost >= 0.01 - 1e-6).mean() > 0.9  # the others were asked the other way round
    assert silent["reason_1"].str.contains(r"^last active \d+ days ago \(typical of who stays: [\d.]+\)$").all()


def test_longer_silence_is_never_a_weaker_reason(bundle: Bundle, rows: pl.DataFrame, explainer: Explainer) -> None:
    longer = rows.with_columns(recency_days=pl.col("recency_days") + 30)

    def added(frame: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        columns = inputs_of(frame, bundle.manifest.catalogue)
        return explainer.given(columns, frame.height)["silence"]

    assert (added(longer) >= added(rows) - 1e-6).all()


def test_a_feature_that_the_model_does_not_look_at_is_never_named(
    bundle: Bundle, rows: pl.DataFrame, explainer: Explainer
) -> None:
    looked_at = {name for names in explainer.groups.values() for name in names}
    assert not {"constant", "never"} & looked_at

    changed = rows.with_columns(constant=pl.lit(9e6), never=pl.lit(7.0))
    scored = score_rows(bundle, changed, EVERYONE)

    for reason in REASONS:
        assert not scored[reason].str.contains("constant|never ").any()


def test_where_groups_stand_in_for_each_other_they_are_asked_one_by_one(bundle: Bundle, rows: pl.DataFrame) -> None:
    settings = EVERYONE.model_copy(update={"least_effect": 0.15})
    explainer = explainer_of(bundle)
    columns = inputs_of(rows, bundle.manifest.catalogue)
    scores = bundle.score(columns)
    lost = np.stack(list(explainer.added(columns, scores).values())).max(axis=0)
    gained = np.stack(list(explainer.given(columns, rows.height).values())).max(axis=0)
    hidden = (lost < 0.15) & (gained > 0.16)

    scored = score_rows(bundle, rows, settings)

    assert hidden.sum() > 0
    assert scored.filter(pl.Series(hidden))["topic"].null_count() == 0


def test_no_rows_are_no_scores(bundle: Bundle, rows: pl.DataFrame) -> None:
    assert score_rows(bundle, rows.clear(), EVERYONE).height == 0


def test_rows_of_other_features_are_refused(bundle: Bundle, rows: pl.DataFrame) -> None:
    with pytest.raises(UnfitInput, match="tenure_days are missing"):
        score_rows(bundle, rows.drop("tenure_days"), EVERYONE)


@settings(max_examples=40)
@example(value=3e38)
@given(value=st.one_of(st.floats(width=32, allow_infinity=False), st.just(float("nan"))))
def test_every_number_can_be_said(value: float) -> None:
    [said] = spoken(np.array([value], dtype=np.float32), Wording("other", "x {} y", absent="nothing"))

    assert said == "nothing" if np.isnan(value) else said.startswith("x ") and said.endswith(" y")


@pytest.mark.parametrize(
    ("feature", "value", "said"),
    [
        ("recency_days", 40.0, "last active 40 days ago"),
        ("purchase_recency_days", float("nan"), "never bought anything"),
        ("active_day_rate", 0.0271, "active on 2.7 % of their days"),
        ("amount_90d", 1234.56, "1235 spent in the last 90 days"),
        ("overdue_ratio", 2.345, "silent for 2.3 times their usual gap"),
        ("events_7d", float("nan"), "unknown: … events in the last 7 days"),
        ("plan", "gold", "plan gold"),
        ("plan", MISSING, "plan unknown"),
    ],
)
def test_values_read_as_a_person_would_say_them(feature: str, value: float | str, said: str) -> None:
    kind = object if isinstance(value, str) else np.float32

    assert spoken(np.array([value], dtype=kind), wording(feature)).to_list() == [said]


def test_a_typical_value_is_said_in_words_beside_a_sentence_that_has_no_value() -> None:
    words = wording("events_trend")
    values, typical = np.array([np.nan, 0.5], dtype=np.float32), np.array([1.02], dtype=np.float32)

    unknown, known = _beside(spoken(values, words), typical, words)

    level = "events of the last month at {} % of the quarter's level"
    assert unknown == f"no activity in the last 90 days (typical of who stays: {level.format(102)})"
    assert known == f"{level.format(50)} (typical of who stays: 102 %)"
