"""Columns of what dbt reads and writes."""

import polars as pl

from churn.contracts.model import DECIMAL, TIMESTAMP

_SUM = pl.Decimal(28, 4)
_CODE, _COUNT = pl.String(), pl.Int64()

SEQUENCE = "ingest_seq"
CUTOFF = "cutoff"
CUSTOMER = "customer_id"
LABEL = "churned"

ACTIVITY = "activity"
EVENTS = pl.Schema(
    {
        "event_id": _CODE,
        CUSTOMER: _CODE,
        "event_time": TIMESTAMP,
        "event_type": _CODE,
        "amount": DECIMAL,
        "quantity": DECIMAL,
        "channel": _CODE,
        "item_id": _CODE,
        "session_id": _CODE,
        "country": _CODE,
        "plan": _CODE,
        "available_at": TIMESTAMP,
        SEQUENCE: _COUNT,
    }
)
_RECORD = {CUSTOMER: _CODE, "record_id": _CODE, "valid_from": TIMESTAMP, "available_at": TIMESTAMP}
RECORDS = {
    "customers": pl.Schema(
        {**_RECORD, "country": _CODE, "segment": _CODE, "age_band": _CODE, "income_band": _CODE, "household": _CODE}
    ),
    "subscriptions": pl.Schema({**_RECORD, "plan": _CODE, "status": _CODE, "price": DECIMAL}),
}
"""Slowly changing records; a snapshot may lack them."""

_DAY = {CUSTOMER: _CODE, "event_day": pl.Date(), "available_day": pl.Date()}
DAYS, VALUES = "customer_days", "customer_day_values"
ROLLUPS = {
    DAYS: pl.Schema(
        {
            **_DAY,
            "event_type": _CODE,
            "events": _COUNT,
            "amount": _SUM,
            "amount_without_sign": _SUM,
            "quantity": _SUM,
            "night": _COUNT,
            "morning": _COUNT,
            "afternoon": _COUNT,
            "evening": _COUNT,
            "country": _CODE,
            "plan": _CODE,
            SEQUENCE: _COUNT,
        }
    ),
    VALUES: pl.Schema({**_DAY, "item_id": _CODE, "channel": _CODE, "session_id": _CODE, SEQUENCE: _COUNT}),
}
"""What is kept of the events; `ingest_seq` is the newest commit of the range a row was made from."""
