from datetime import UTC, date, datetime, timedelta, timezone
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from churn.online.stored import all_stored, stored_as

DIGEST = "ab" * 32
published = st.tuples(
    st.dates(date(1970, 1, 1), date(9999, 12, 31)),
    st.integers(0, 10**12 - 1),
    st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
)


@given(st.lists(published, unique=True), st.randoms(use_true_random=False))
def test_the_present_one_has_the_latest_cutoff_then_version_then_time(
    made: list[tuple[date, int, datetime]], order: Random
) -> None:
    ranked = [
        stored_as(cutoff, version, f"{at:064x}", moment) for at, (cutoff, version, moment) in enumerate(sorted(made))
    ]
    listed = order.sample([one.name for one in ranked], len(ranked))

    assert all_stored(listed) == ranked[::-1]


def test_times_are_compared_wherever_they_were_read_off() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    earlier = datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=2)))

    names = [stored_as(noon.date(), 7, DIGEST, at).name for at in (noon, earlier)]

    assert names[0] > names[1]


def test_what_else_lies_in_the_folder_is_passed_over() -> None:
    stored = stored_as(date(2026, 11, 22), 7, DIGEST, datetime(2026, 11, 22, tzinfo=UTC))
    others = ["", "current.json", f".{stored.name}", f"{stored.name}.part", stored.name.upper(), f"{DIGEST}.customers"]

    assert all_stored([*others, stored.name]) == [stored]
