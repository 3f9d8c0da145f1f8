from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.drift.persistence import Drift, drifts
from churn.drift.reference import Reference, reference_of
from churn.drift.settings import DriftSettings
from churn.drift.window import ColumnDrift, WindowDrift, measure_window
from churn.features.catalogue import Feature

SETTINGS = DriftSettings()
START = datetime(2026, 3, 1, tzinfo=UTC)
CATALOGUE = (Feature("amount", "numeric", ""), Feature("plan", "categorical", ""))


def customers(rows: int, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    amount = np.where(draw.uniform(size=rows) < 0.3, 0.0, draw.lognormal(3, 1, rows))
    plan = draw.choice(np.array(["basic", "plus", None], dtype=object), rows, p=[0.6, 0.3, 0.1]).tolist()
    return pl.DataFrame({"amount": amount, "plan": plan, "score": draw.beta(2, 5, rows)})


REFERENCE = reference_of(customers(5_000, 0), CATALOGUE, customers(5_000, 0)["score"].to_numpy())


def measured(frame: pl.DataFrame, number: int = 0, settings: DriftSettings = SETTINGS) -> WindowDrift:
    start = START + timedelta(hours=6 * number)
    return measure_window(REFERENCE, frame, start, start + timedelta(hours=6), settings)


def column(frame: pl.DataFrame, name: str) -> ColumnDrift:
    return measured(frame).column(name)


def alarm(frames: list[pl.DataFrame], name: str = "amount", settings: DriftSettings = SETTINGS) -> Drift:
    windows = [measured(frame, number, settings) for number, frame in enumerate(frames)]
    return next(drift for drift in drifts(REFERENCE, windows, settings) if drift.name == name)


def test_customers_like_those_of_the_reference_are_not_flagged() -> None:
    window = measured(customers(2_000))

    assert [found.name for found in window.columns if found.flagged or found.broken] == []
    assert [found.name for found in window.columns] == ["amount", "plan", "score"]


@given(st.permutations(range(60)))
def test_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    frame = customers(60)

    assert measured(frame[order]) == measured(frame)


def test_a_shift_is_flagged() -> None:
    found = column(customers(1_000).with_columns(pl.col("amount") * 1.8), "amount")

    assert found.flagged
    assert found.effect is not None
    assert found.effect > 0.1
    assert found.broken is None


def test_many_customers_alone_flag_nothing() -> None:
    """Beyond any doubt another distribution, and too close to matter."""
    found = column(customers(60_000).with_columns(pl.col("amount") * 1.15), "amount")

    assert found.adjusted is not None
    assert found.adjusted < 1e-5
    assert not found.flagged


def test_few_customers_are_not_tested_whatever_they_show() -> None:
    found = column(customers(SETTINGS.min_rows - 1).with_columns(pl.col("amount") * 1_000), "amount")

    assert (found.adjusted, found.flagged, found.broken) == (None, False, None)


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_missing_column_is_a_broken_input(nothing: float | None) -> None:
    found = column(customers(500).with_columns(amount=pl.lit(nothing, pl.Float64)), "amount")

    assert found.missing == 1
    assert found.flagged
    assert found.broken is not None
    assert "missing for 100% of the customers, 0% when" in found.broken


@pytest.mark.parametrize("factor", [100, 0.01])
def test_another_unit_is_a_broken_input(factor: float) -> None:
    found = column(customers(500).with_columns(pl.col("amount") * factor), "amount")

    assert found.flagged
    assert found.scale == pytest.approx(factor, rel=0.2)
    assert found.broken is not None


def test_a_category_that_the_reference_has_not_is_counted_as_unknown() -> None:
    frame = customers(1_000).with_columns(plan=pl.when(pl.int_range(1_000) < 50).then(pl.lit("new")).otherwise("plan"))

    found = column(frame, "plan")

    assert found.unknown == 0.05
    assert found.flagged
    assert found.missing == pytest.approx(0.1, abs=0.03)


def test_every_row_is_in_one_bin() -> None:
    frame = customers(700).with_columns(amount=pl.when(pl.int_range(700) < 7).then(None).otherwise("amount"))

    assert [sum(found.counts) for found in measured(frame).columns] == [700, 700, 700]
    assert column(frame, "amount").counts[-1] == 7


def test_a_constant_feature_that_changes_downwards_is_flagged() -> None:
    constant = reference_of(pl.DataFrame({"amount": [1.0] * 1_000}), CATALOGUE[:1], np.linspace(0, 1, 1_000))
    frame = pl.DataFrame({"amount": [0.0] * 500, "score": np.linspace(0, 1, 500)})

    window = measure_window(constant, frame, START, START, SETTINGS)

    assert window.column("amount").flagged
    assert not window.column("score").flagged


def test_a_feature_that_never_had_a_value_may_go_on_without() -> None:
    never = reference_of(pl.DataFrame({"amount": [None] * 1_000}, {"amount": pl.Float64}), CATALOGUE[:1], np.ones(5))
    frame = pl.DataFrame({"amount": [None] * 500, "score": [1.0] * 500}, {"amount": pl.Float64, "score": pl.Float64})

    assert not measure_window(never, frame, START, START, SETTINGS).column("amount").flagged


def test_rows_that_may_repeat_a_customer_count_for_less() -> None:
    frame = customers(400).with_columns(pl.col("amount") * 1.2)
    many: tuple[Reference, ...] = reference_of(customers(400, 0), CATALOGUE, np.ones(5), cutoffs=6)
    once = reference_of(customers(400, 0), CATALOGUE, np.ones(5))

    p_values = [measure_window(one, frame, START, START, SETTINGS).column("amount").p_value for one in (many, once)]

    assert p_values[0] > p_values[1]


def shifted(seed: int, factor: float = 1.8) -> pl.DataFrame:
    return customers(600, seed).with_columns(pl.col("amount") * factor)


def test_an_alarm_needs_k_of_the_last_n_windows() -> None:
    two = [customers(600, 1), customers(600, 2), shifted(3), shifted(4)]

    assert (alarm(two).flagged, alarm(two).persistent) == (2, False)
    assert alarm([*two, shifted(5)]).persistent
    assert not alarm([shifted(1), shifted(2), shifted(3), *(customers(600, seed) for seed in (4, 5))]).persistent


def test_windows_with_few_customers_count_for_nothing() -> None:
    few = [shifted(seed).head(50) for seed in range(3)]

    assert (alarm(few).tested, alarm(few).persistent) == (0, False)


def test_what_swings_back_within_the_windows_is_no_alarm() -> None:
    day = [shifted(1, 1.8), shifted(2, 1 / 1.8), shifted(3, 1.8), shifted(4, 1 / 1.8)]

    found = alarm(day)

    assert found.flagged == 4
    assert found.effect < SETTINGS.min_effect
    assert not found.persistent


def test_no_window_is_no_alarm() -> None:
    assert not any(drift.persistent for drift in drifts(REFERENCE, [], SETTINGS))


def test_more_windows_than_are_looked_at_are_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4 windows can never be flagged"):
        DriftSettings(flagged=5, windows=4)
