"""A real ingester process that can be killed: at any time from outside, or by itself at the k-th boundary."""

import io
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from churn.ingestion import journal, quarantine
from churn.lake.files import StagedFiles
from churn.lake.table import Pinned
from churn.landing.storage import LocalStorage
from churn.landing.zone import LandingZone
from churn.log import configure_logging
from churn.privacy.subjects import SubjectMap
from tests.reliability.killable import KILLED, Boundaries, Children, Countdown
from tests.world import START, World, world_in

BOUNDARIES: Boundaries = (
    (LandingZone, "objects"),
    (LocalStorage, "read"),
    (SubjectMap, "tokenise"),
    (quarantine, "add"),
    (Pinned, "append"),
    (journal, "catch_up"),
    (StagedFiles, "write"),
    (StagedFiles, "_put"),
    (DeltaTable, "create"),
    (DeltaTable, "create_write_transaction"),
)
"""What stands between reading and acknowledging."""


def _half(_: object, part: pl.DataFrame, full: str, *, statistics: bool) -> Callable[[], object]:
    """Return what leaves half of a file behind."""
    whole = io.BytesIO()
    part.write_parquet(whole, statistics=statistics)
    return lambda: Path(full).write_bytes(whole.getvalue()[: whole.tell() // 2])


def ingest(root: str, hours: int, batch_objects: int, crash_at: int | None, barrier: Barrier | None = None) -> None:
    """Run one ingestion in this process and write down which boundaries it passed."""
    with open(f"{root}/log", "a") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    configure_logging(json=True)
    countdown = Countdown(crash_at)
    if crash_at is not None:
        countdown.arm(BOUNDARIES, {"_put": _half})
    world = world_in(Path(root), batch_objects=batch_objects)
    if barrier is not None:
        barrier.wait()
    world.ingest(START.replace(hour=START.hour + hours))
    Path(f"{root}/passed.json").write_text(json.dumps(countdown.passed))


class Ingesters(Children):
    """Starts ingesters of a world."""

    def __init__(self) -> None:
        super().__init__(__name__)

    def start(
        self,
        world: World,
        hours: int,
        *,
        crash_at: int | None = None,
        barrier: Barrier | None = None,
    ) -> ForkServerProcess:
        batch_objects = world.settings.ingestion.batch_objects
        return self.run(ingest, str(world.root), hours, batch_objects, crash_at, barrier)

    def crash_after(self, world: World, hours: int, seconds: float) -> bool:
        """Start an ingester, kill it after this time and tell whether it was still at work."""
        child = self.start(world, hours)
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            child.kill()
        code = self.finish(child)
        assert code in (0, KILLED), (world.root / "log").read_text()[-2000:]
        return code == KILLED
