"""Landing objects with people in every place an uploader might put them."""

import gzip
import io
import json
from pathlib import Path

import polars as pl

from tests.world import START, World, make_event

KEPT = "outlet-visible"
"""A harmless value that must be found, or the search finds nothing at all."""

WORDS = (
    *("anna.mueller-weiss", "j.grossmann+shop", "kundin.privat"),  # e-mail addresses
    *("Jürgen", "Großmann", "Zoëlina", "Grünwald", "Łukasz", "Hannelore", "Kesselring"),
    *("5550187", "555 01 87", "370400440532013000", "3704 0044 0532 0130 00", "4111111111111111"),
    *("Königstraße", "Lindenallee", "203.0.113.77", "1975-03-14", "19750314"),
)
"""What must be found nowhere."""

PERSON: dict[str, object] = {
    "email": "anna.mueller-weiss@example.de",
    "name": "Jürgen Großmann",
    "first_name": "Zoëlina",
    "last_name": "Grünwald",
    "phone": "+49 171 555 01 87",
    "address": "Königstraße 12b, 70173 Stuttgart",
    "birth_date": "1975-03-14",
    "ip_address": "203.0.113.77",
}
IBAN = "DE89 3704 0044 0532 0130 00"
CUSTOMERS = ("anna.mueller-weiss@example.de", "Jürgen Großmann", "+491715550187", "DE89370400440532013000", "Łukasz")


def upload_people(world: World) -> None:
    """Fill all three streams; most rows are bad or lose something, some are sound."""
    world.upload([make_event(n, customer_id=name, channel=KEPT) for n, name in enumerate(CUSTOMERS)], "part-0.jsonl")
    world.upload([make_event(10 + n, **PERSON, note=f"call {IBAN}") for n in range(3)], "part-1.jsonl")
    world.upload(
        [make_event(20, **{"anna.mueller-weiss@example.de": "x", "Zoëlina Grünwald": 1, "tel 1715550187": 2})],
        "part-2.jsonl",
    )
    attributes = {
        "note": "ask Jürgen",
        "store": "Königstraße 12",
        "discount": "+49 171 5550187",
        "Łukasz": {"a": [IBAN]},
    }
    world.upload([make_event(30, attributes=attributes), make_event(31, attributes=str(PERSON))], "part-3.jsonl")
    world.upload([make_event(32, store=IBAN, discount="DE89370400440532013000")], "part-4.jsonl")
    world.upload(_wrong_values(), "part-5.jsonl")
    broken = [
        '{"customer_id": "Jürgen Großmann", "event',
        '["anna.mueller-weiss@example.de"]',
        '"Königstraße 12b"',
        "j.grossmann+shop",
    ]
    world.upload("\n".join(broken).encode() + b'\n{"name": "Gro\xdf 5550187', "part-6.jsonl")
    world.upload(b"event_id,customer_id,event_time,event_type\nx,Hannelore Kesselring,+49 171 5550187\n", "part-7.csv")
    world.upload(b"70,Hannelore Kesselring,Lindenallee 4,kundin.privat@example.org\n71,Zoe,x,y\n", "part-8.csv")
    world.upload(b"Hannelore,Hannelore,Kesselring\n1,2,3\n", "part-9.csv")
    world.upload(gzip.compress(json.dumps(PERSON).encode() * 50)[:-9], "part-10.jsonl.gz")
    world.upload(_parquet()[:-9], "part-11.parquet")
    world.upload(_parquet(), "part-12.parquet")
    for number, name in enumerate(_NAMES):
        world.upload([make_event(100 + number)], name)
    for stream, more in (("customers", {"country": PERSON["email"]}), ("subscriptions", {"plan": PERSON["email"]})):
        sound: dict[str, object] = {
            "customer_id": "Jürgen Großmann",
            "valid_from": START.isoformat(),
            "status": "active",
            **PERSON,
        }
        world.upload([sound, {**sound, **more}], "anna.mueller-weiss.jsonl", stream=stream)
    _misplace(world.root / "landing" / "activity")


_NAMES = (
    "anna.mueller-weiss@example.de.jsonl",
    "Jürgen Großmann.jsonl",
    "export_Hannelore_Kesselring_20260301.jsonl",
    "kundin.privat-part-1.jsonl",
    "+491715550187.jsonl",
    "DE89370400440532013000.jsonl",
)


def _wrong_values() -> list[dict[str, object]]:
    wrong: list[dict[str, object]] = [
        {"event_time": "Königstraße 12b"},
        {"event_time": PERSON["email"]},
        {"amount": PERSON["phone"]},
        {"quantity": IBAN},
        {"event_type": PERSON["email"]},
        {"item_id": "j.grossmann+shop@example.com"},
        {"session_id": "kundin.privat@example.org"},
        {"event_id": PERSON["email"]},
        {"currency": "Königstraße" * 40},
        {"channel": PERSON},
        {"plan": ["Zoëlina", "Grünwald"]},
        {"customer_id": PERSON},
        {"customer_id": "Jürgen\x00Großmann"},
        {"country": "Łukasz\n5550187"},
    ]
    return [make_event(50 + number, **row) for number, row in enumerate(wrong)]


def _parquet() -> bytes:
    buffer = io.BytesIO()
    frame = pl.DataFrame([make_event(80 + n) for n in range(3)]).with_columns(
        pl.Series("contact", [PERSON["email"]] * 3),
        pl.Series("attributes", [{"Zoëlina": "Jürgen Großmann"}] * 3),
        pl.Series("plan_note", [b"Lindenallee 4"] * 3),
        pl.Series("item_id", [[PERSON["phone"]]] * 3),
    )
    frame.write_parquet(buffer, metadata={"author": "Hannelore Kesselring"})
    return buffer.getvalue()


def _misplace(stream: Path) -> None:
    for name in (
        "Jürgen Großmann.jsonl",
        "dt=2026-03-01/hour=10/anna.mueller-weiss@example.de.xlsx",
        "Kesselring/a.csv",
    ):
        (stream / name).parent.mkdir(parents=True, exist_ok=True)
        (stream / name).write_text(json.dumps(make_event(200, **PERSON)))
