"""Customers whose features are published, as the scoring pipeline does it."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import frames
from churn.bundle.bundle import Bundle
from churn.online.publish import PublishedCustomers, publish_rows

ROWS = 400


DAY = date(2026, 11, 21)


def customers(bundle: Bundle, seed: int = 3, rows: int = ROWS) -> pl.DataFrame:
    """Return customers with features, gaps and categories among them, in the order of their tokens."""
    frame = frames.snapshots(rows, DAY, seed).rename({"noise_0": "active_day_rate"}).drop("churned", "cutoff")
    draw = np.random.default_rng(seed)
    tokens = [f"cus_{draw.bytes(16).hex()}" for _ in range(rows - 2)] + ["cus_" + "0" * 32, "cus_" + "f" * 30 + "00"]
    return frame.with_columns(customer_id=pl.Series(tokens)).sort("customer_id")


def publish(folder: Path, bundle: Bundle, rows: pl.DataFrame, version: int = 1, day: date = DAY) -> PublishedCustomers:
    return publish_rows(rows, bundle.manifest.catalogue, folder, version=version, digest="ab" * 32, day=day)


def asked(*tokens: Any, **more: object) -> dict[str, object]:
    return {"jsonData": {"customers": list(tokens), **more}}


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
