from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn.scrub import SECRET, scrub, scrub_mapping, scrub_value

surroundings = st.text(st.characters(codec="utf-8", exclude_characters="@"), max_size=40)
separators = st.sampled_from(["", " ", "=", "/", '"', "'", "(", ",", "\n", "email:", "<"])


@given(surroundings, separators, st.emails(), separators, surroundings)
def test_no_address_survives_any_surroundings(before: str, left: str, address: str, right: str, after: str) -> None:
    text = scrub(before + left + address + right + after)

    assert "@" not in text


@given(st.emails())
def test_no_address_survives_in_nested_values(address: str) -> None:
    clean = scrub_mapping({address: {"rows": [(address,), {"path": Path("dt") / address.replace("/", "")}]}})

    assert address not in repr(clean)
    assert address.replace("/", "") not in repr(clean)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("object jane.doe@example.com.csv", "<email>"),
        ("query jane%40example.com", "<email>"),
        ("ключ иван@пример.рф", "<email>"),
        ('from "Jane Doe"@example.com', "<email>"),
        ("call +49 30 1234567", "<phone>"),
        ("call +14155552671", "<phone>"),
        ("call (212) 555-0187", "<phone>"),
        ("call 0171 123 45 67", "<phone>"),
        ("call 030/1234567", "<phone>"),
        ("call 01711234567", "<phone>"),
        ("card 4111111111111111", "<card>"),
        ("card 4111-1111-1111-1111", "<card>"),
        ("card 3782 822463 10005", "<card>"),
        ("account DE89370400440532013000", "<iban>"),
        ("account GB82 WEST 1234 5698 7654 32", "<iban>"),
        ("sent hvs.CAESIJ1234567890abcdef", SECRET),
        ("sent s.Ga5jyNq6kNfRMVQk2LY1j9iu", SECRET),
        ("header Bearer abc.def-ghi_jkl", SECRET),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", SECRET),
        ("key AKIAIOSFODNN7EXAMPLE", SECRET),
    ],
)
def test_recognised_value_is_masked_whole(text: str, mask: str) -> None:
    assert scrub(text) == f"{text.split()[0]} {mask}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter2 user=jo", "hunter2"),
        ('{"client_token": "abc123"}', "abc123"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("VAULT_TOKEN=root-1", "root-1"),
        ("https://jo:hunter2@vault.internal:8200/v1", "hunter2"),
    ],
)
def test_assigned_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "landing/activity/dt=2026-11-22/hour=04/part-00000.jsonl.gz",
        "2026-11-22T04:19:00.123456+00:00",
        "2026-11-22 04:19:00 +0000",
        "from 2026-11-01 to 2026-11-22, 541909 rows",
        "cus_0123456789abcdef0123456789abcdef",
        "12345678-1234-4234-8234-123456789012",
        "month 05-2026, day 05/2026",
        "version 1.2.3, Python 3.11.7, 127.0.0.1:8200",
        "_delta_log/00000000000000000010.json",
        "sha256 " + "0123456789" * 6 + "0123",
        "1764000000000000001 ns",
        "read=69659 appended=69404 duplicate=255 quarantined=0",
        "tokens: 12 new, 0 known",
        "amount 1234567.8900",
        "@step def ingest() -> Annotated[int, 'rows']",
        "4111111111111112",
    ],
)
def test_harmless_fact_stays_readable(text: str) -> None:
    assert scrub(text) == text


@given(st.integers(10**12, 10**18 - 1).map(str))
def test_exactly_one_check_digit_makes_a_card(stem: str) -> None:
    masked = [digit for digit in "0123456789" if scrub(stem + digit) == "<card>"]

    assert len(masked) == 1


@pytest.mark.parametrize(
    "key", ["token", "vault_token", "X-Vault-Token", "secret_id", "clientSecret", "PASSWORD", "Authorization"]
)
def test_value_under_a_secret_key_is_masked_whatever_it_is(key: str) -> None:
    assert scrub_mapping({key: "1234"}) == {key: SECRET}
    assert scrub_mapping({key: {"deep": 1}}) == {key: SECRET}
    assert scrub_mapping({key: None}) == {key: None}


@dataclass
class Customer:
    name: str
    mail: str


def test_values_of_any_type_become_plain_and_clean() -> None:
    facts = {
        "rows": 7,
        "share": 0.5,
        "worst": float("nan"),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "took": timedelta(seconds=1.5),
        "id": UUID(int=5),
        "raw": b"\xffa@b.co",
        "who": Customer("J", "j@x.io"),
        "error": ValueError("bad j@x.io"),
        "card": 4111111111111111,
        "done": True,
        "tokens": 3,
    }

    assert scrub_value(facts) == {
        "rows": 7,
        "share": 0.5,
        "worst": "nan",
        "at": "2026-01-02T03:00:00+00:00",
        "took": 1.5,
        "id": "00000000-0000-0000-0000-000000000005",
        "raw": "<email>",
        "who": {"name": "J", "mail": "<email>"},
        "error": "bad <email>",
        "card": "<card>",
        "done": True,
        "tokens": 3,
    }
