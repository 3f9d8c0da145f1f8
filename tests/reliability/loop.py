"""The main job as it runs for days: every hour ingested and watched, every day scored and asked whether to train.

A process of its own, `python -m tests.reliability.loop ROOT HOURS`, in which the clock can be put forward
(`moved_clock.py`): so do all that it starts. What it saw is written to ROOT/seen.json.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn.lake.table import open_version
from churn.landing.zone import LandingZone
from churn.settings import Settings, load_settings
from tests.reliability.askers import Askers, Logged
from tests.reliability.loop_settings import GOOD, WRONG, write_settings
from tests.reliability.moved_clock import MovedClock
from tests.reliability.seen import Seen, Sizes, Verdict, compared, disk
from tests.reliability.shop import DAY, HOUR, Shop

if TYPE_CHECKING:
    from typer.testing import Result

HISTORY_DAYS = 40
CUSTOMERS_AN_HOUR = 110
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Plan:
    """What is planted, in hours from the beginning; none: never.

    Attributes:
        wrong_model: a model that learned from wrong labels is approved by hand, whatever the gate says.
        turn: from then on everybody does 0.3 times as much, and who buys by app is gone six times as soon.
        failing_canary: the model in production fails a fifth of its requests as a canary.
    """

    wrong_model: int | None = 22
    turn: int | None = 104
    failing_canary: int | None = 170


class Loop:
    """One project and its simulated hours."""

    def __init__(self, root: Path, hours: int, plan: Plan, clock: MovedClock) -> None:
        self.root, self.hours, self.plan, self.clock = root, hours, plan, clock
        self.began = next_monday(clock.now())
        write_settings(root)
        self.settings: Settings = load_settings("dev", root)
        first = self.began - HISTORY_DAYS * DAY
        turns = None if plan.turn is None else self.began + plan.turn * HOUR
        zone = LandingZone(self.settings.landing.url)
        self.shop = Shop(zone, first, self.began + (hours + 1) * HOUR, turns=turns)
        self.askers = Askers(random.Random(7))
        self.logged = Logged(Path(self.settings.landing.url) / "predictions")
        self.seen = Seen(hours)
        self.hour = 0

    def run(self) -> None:
        """Bring a first model to production, then live through the hours."""
        from cli.demo_data import open_vault, prepare_stack
        from cli.zen import prepare_zenml

        prepare_zenml(self.root, verbosity="CRITICAL")
        prepare_stack(self.root)
        open_vault(self.settings, self.root)
        for day in range(HISTORY_DAYS):
            self.shop.upload_day(self.began + (day - HISTORY_DAYS) * DAY)
        self.clock.forward_to(self.began + 2 * MINUTE)
        self.churn("ingest", "--backfill")
        self.train()
        self.daily()
        for number in range(self.hours):
            self.hour = number
            self.one_hour(self.began + number * HOUR)

    def one_hour(self, start: datetime) -> None:
        """Let an hour pass, with all that is due in it and at its end."""
        self.shop.upload(start)
        with self.timed("predictions"):
            self.forward_to(start + 30 * MINUTE)
            self.askers.ask(self.url(), CUSTOMERS_AN_HOUR)
            if self.plan.failing_canary == self.hour:
                with self.askers.flowing(self.url()):
                    self.tell(f"drill: {_line(self.churn('drill', fails=True))}")
            if self.plan.wrong_model == self.hour:
                self.approve_a_wrong_model()
            self.until_logged()
        self.forward_to(start + HOUR + 5 * MINUTE)
        self.churn("ingest")
        self.forward_to(start + HOUR + 20 * MINUTE)
        self.watch()
        if self.hour and self.hour % 24 == 0:
            self.daily()
        self.seen.sizes.append(self.sizes())

    def forward_to(self, moment: datetime) -> None:
        """Put the clock forward, unless work has taken until then."""
        self.clock.forward(max(moment - self.clock.now(), timedelta()))

    def daily(self) -> None:
        """Score and publish everybody, then train if there is a reason to."""
        self.score()
        said = self.churn("train", "--if-needed").stdout
        self.tell(f"daily check: {said.splitlines()[0]}")
        if not said.startswith("wait"):
            self.promote()

    def score(self) -> None:
        """Score all customers; once they are served, theirs are the tokens that ask."""
        from churn.online.pointer import read_pointer
        from stacks.environment import customers_folder

        self.churn("score")
        rows = open_version(f"{self.settings.lake.url}/scores").scan(["customer_id", "scoring_date"]).collect()
        newest = rows.filter(rows["scoring_date"] == rows["scoring_date"].max())
        self.askers.tokens = sorted(newest["customer_id"].to_list())
        published = read_pointer(customers_folder())
        assert published
        self.askers.wait_for(self.url(), published[1])

    def train(self) -> None:
        """Train what stands in the settings, and bring the best of it to production."""
        self.churn("train")
        self.promote()

    def promote(self) -> None:
        """Promote the best of the newest models; where gate and person agree, roll it out among customers."""
        from cli.demo_models import train as newest_models
        from cli.demo_promotion import promote_best

        with self.timed("promote"):
            promoted = promote_best(newest_models(self.settings), ask=False)
        if promoted.stopped is not None:
            self.tell(f"version {promoted.version} goes no further: {promoted.stopped}")
            return
        self.tell(f"version {promoted.version} was approved")
        self.deploy(promoted.version)

    def deploy(self, version: str) -> None:
        """Roll a version out while customers ask."""
        if not self.askers.tokens:
            done = self.churn("deploy", version)
        else:
            with self.askers.flowing(self.url()):
                done = self.churn("deploy", version, fails=True)
        self.tell(f"deploy: {_line(done)}")

    def approve_a_wrong_model(self) -> None:
        """Train from wrong labels, hear what the gate says, and have a person approve it all the same."""
        from churn.ledger.changes import change_stage
        from churn.ledger.entry import Draft
        from churn.ledger.standing import standing
        from churn.promotion.request import NOTHING
        from steps.registry import active_ledger, active_registry

        write_settings(self.root, WRONG)
        version = self.churn("train").stdout.splitlines()[-1].split()[1].rstrip(":")
        write_settings(self.root, GOOD)
        refused = self.churn("promote", version, fails=True)
        self.tell(f"gate about the wrong version {version}, exit {refused.exit_code}: {_line(refused)}")
        ledger = active_ledger()
        now = standing(ledger.entries())
        staged = Draft(
            decision="promoted",
            phase="intent",
            actor="mallory",
            version=version,
            stage="staging",
            bundle_digest=now.digests[version],
        )
        change_stage(ledger, active_registry(), staged, lambda entries, now: None)
        approved = staged.model_copy(
            update={
                "decision": "approved",
                "phase": "committed",
                "stage": "production",
                "facts": {"replaces": now.holder("production") or NOTHING},
            }
        )
        ledger.record(lambda entries: [approved])
        self.tell(f"wrong version {version} was approved by hand")
        self.deploy(version)

    def watch(self) -> None:
        """Take the hourly look at the model."""
        from churn.monitoring.watched import Watched

        said = self.churn("monitor", "--json").stdout
        watched = Watched.model_validate_json(said[said.index("{") :])
        verdict = watched.verdict
        self.seen.verdicts.append(
            Verdict(
                self.hour, verdict.version, verdict.decision, watched.deed.kind, verdict.reason, tuple(verdict.blamed)
            )
        )
        if watched.deed.kind != "none":
            self.tell(f"{verdict.decision} about version {verdict.version}: {watched.deed.says}: {verdict.reason}")

    def until_logged(self) -> None:
        """Wait until what was answered lies in the landing zone: a second of the log's patience passes at once."""
        self.clock.forward(timedelta(seconds=5))
        deadline = time.monotonic() + 30
        while not (written := self.logged.holds(self.askers.answered)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not written:
            self.tell("not all that was answered was logged in time")

    def url(self) -> str:
        from stacks.deployer import active_deployment

        return active_deployment()[1].gateway_url()

    def tell(self, what: str) -> None:
        self.seen.told.append((self.hour, what))
        print(f"hour {self.hour}: {what}", flush=True)

    def churn(self, *words: str, fails: bool = False) -> "Result":
        """Run a command of the product in this process.

        Raises:
            AssertionError: it failed, and was not meant to.
        """
        from typer.testing import CliRunner

        from cli.main import app

        with self.timed(words[0]):
            done = CliRunner().invoke(app, list(words))
        if done.exit_code and not fails:
            raise AssertionError(f"hour {self.hour}: churn {' '.join(words)}: {done.output[-2000:]} {done.exception!r}")
        return done

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of the body to what was spent on such a thing."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seen.seconds[what] = self.seen.seconds.get(what, 0.0) + time.monotonic() - began

    def sizes(self) -> Sizes:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Sizes(
            self.hour + 1,
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(self.shop.uploaded.appended),
            len(self.askers.answered),
            disk(self.root / ".churn"),
        )

    def conclude(self) -> dict[str, Any]:
        """Hold what lies in the lake against what was uploaded and answered, and ask whether everything agrees."""
        from zenml.client import Client

        from churn.ingestion.journal import totals
        from churn.ingestion.quarantine import open_rows
        from steps.prune import HOURLY
        from steps.registry import active_ledger

        lake = self.settings.lake.url
        status = self.churn("status", "--json", fails=True)
        verified = self.churn("ledger", "verify", fails=True)
        uploaded = self.shop.uploaded

        return {
            "activity": compared(lake, "activity", uploaded.appended),
            "predictions": compared(lake, "predictions", self.logged.ids),
            "answered": {
                "wanted": len(self.askers.answered),
                "twice": len(self.askers.answered) - len(set(self.askers.answered)),
                "not logged": len(set(self.askers.answered) - self.logged.ids),
                "asked": self.askers.asked,
                "failed": self.askers.failed[:20],
            },
            "uploaded": {
                "read": uploaded.read,
                "appended": len(uploaded.appended),
                "duplicate": uploaded.duplicate,
                "quarantined": uploaded.quarantined,
            },
            "landed": {"uploaded": uploaded.size, "found": disk(self.root / ".churn")["landing/activity"]},
            "journal": totals(lake).to_dicts(),
            "quarantined": open_rows(lake).height,
            "runs": {name: Client().list_pipeline_runs(pipeline=name, size=1).total for name in HOURLY},
            "status": {"exit": status.exit_code, "disagreements": json.loads(status.stdout)["disagreements"]},
            "ledger": {"exit": verified.exit_code, "said": _line(verified)},
            "entries": [
                f"{self.hour_of(entry.at)}: {entry.decision} {entry.phase} {entry.version} {entry.stage} {entry.actor}"
                for entry in active_ledger().entries()
            ],
        }

    def hour_of(self, moment: datetime) -> int:
        return (moment - self.began) // HOUR


def next_monday(now: datetime) -> datetime:
    """Return the midnight that begins the next week: on whatever day this runs, the same things happen on a Friday."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (7 - now.weekday()) * DAY


def _line(result: "Result") -> str:
    """Return the last line that is meant for people."""
    said = [line for line in result.output.splitlines() if line.strip() and not line.startswith("{")]
    return said[-1] if said else ""


def main(root: Path, hours: int, plan: Plan) -> None:
    """Live through the hours and write down what was seen, also of hours that ended in a failure."""
    loop = Loop(root, hours, plan, MovedClock())
    os.environ["CHURN_ROOT"] = str(root)
    try:
        loop.run()
        loop.seen.final = loop.conclude()
    finally:
        (root / "seen.json").write_text(json.dumps(asdict(loop.seen), indent=1))
        for words in (["serve", "stop"], ["vault", "stop"]):
            loop.churn(*words, fails=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Plan(**json.loads(sys.argv[3])))
