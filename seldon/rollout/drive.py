"""The way of a canary: up when the judge says so, back when it must, and never left alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from churn.errors import ChurnError
from churn.log import get_logger
from churn.rollout.baseline import Baseline, UnfitBaseline, baseline_of
from churn.rollout.counters import Counters, Signals
from churn.rollout.history import Look, look_of, thinned
from churn.rollout.judge import judge
from churn.rollout.verdict import RolloutVerdict
from seldon.deployment import Deployment, DeploymentNotReady, GenerationRefused
from seldon.gateway.state import Desired, Server, Track
from seldon.rollout.outcome import UNKNOWN, Cost, Ending, Progress, RolloutOutcome
from seldon.rollout.plan import RolloutPlan
from seldon.rollout.reconcile import reconcile
from seldon.rollout.smoke import SmokeTestFailed, SmokeTestSlow, smoke_test

log = get_logger(__name__)

_ENDINGS: dict[str, Ending] = {
    "ROLLBACK": "rolled_back",
    "INCONCLUSIVE": "inconclusive",
    "INVALID": "invalid",
}
_MISSES = 2
"""Looks in a row at which a canary whose process lives is not ready, before it goes."""
_CATCHES_UP = timedelta(seconds=30)
"""Longest wait for the log before a cost is told."""

_End = tuple[Ending, str]
"""How a rollout ended, and why."""


class RolloutOvertaken(ChurnError):
    """Somebody else has changed the deployment while this rollout ran."""


def now_utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass
class Rollout:
    """One rollout of one version.

    Attributes:
        deployment: where it happens.
        plan: what is to happen.
        cost: what the canary has cost since a moment.
        watch: sees what goes on.
        smoke: whether the candidate must pass a smoke test first; a drill is to reach customers.
        cut_short: how it ended, after an error or Ctrl-C; none where it had not changed the deployment yet.
    """

    deployment: Deployment
    plan: RolloutPlan
    cost: Callable[[datetime], Cost]
    watch: Callable[[Progress], None] = lambda progress: None
    clock: Callable[[], datetime] = now_utc
    sleep: Callable[[float], None] = time.sleep
    smoke: bool = True
    cut_short: RolloutOutcome | None = field(default=None, init=False)
    _began: datetime = field(init=False)
    _history: list[Look] = field(default_factory=list, init=False)
    _verdicts: dict[int, RolloutVerdict] = field(default_factory=dict, init=False)
    _generation: int | None = field(default=None, init=False)
    _missed: int = field(default=0, init=False)
    _met_customers: bool = field(default=False, init=False)

    def run(self) -> RolloutOutcome:
        """Bring the candidate to all customers, or take it back; afterwards `finish` makes it stable.

        What a rollout that was cut short has left behind is cleared away first. Whatever ends this one early, an error
        or Ctrl-C, takes the canary away.

        Raises:
            ChurnError: the deployment does not do what it is told.
        """
        began = self.clock()
        if self.plan.stable is not None:
            reconcile(self.deployment, self.plan.place, self.plan.stable, self.plan.ready_seconds)
        self._began = began
        with self._taken_back_on_error():
            ending, reason = self._go(began)
            if ending != "passed":
                self.withdraw(reason)
        return self._outcome(ending, reason, Cost() if ending == "passed" else self._costs(began))

    def finish(self, set_production: Callable[[], None]) -> None:
        """Have the candidate entered as production, then make it the one stable server.

        Raises:
            ChurnError: it could not be entered; the candidate is taken away.
        """
        with self._taken_back_on_error():
            self._require_mine()
            set_production()
        self._apply(stable=self.plan.candidate, canary=None)

    def _go(self, began: datetime) -> _End:
        try:
            if self.plan.stable is None:
                return self._first()
            return self._all_at_once() if self.plan.strategy == "blue_green" else self._climb(began)
        except (DeploymentNotReady, GenerationRefused, RolloutOvertaken, UnfitBaseline) as error:
            return "failed", str(error)

    def _first(self) -> _End:
        """A first version has nothing to be compared with: it serves once the smoke test has passed."""
        self._apply(stable=self.plan.candidate, canary=None)
        return self._smoked("stable") or (
            "passed",
            "the first version: its smoke test passed, and there is no other to compare it with",
        )

    def _all_at_once(self) -> _End:
        self._apply(canary=self.plan.candidate)
        failed = self._smoked("canary")
        if failed:
            return failed
        self._apply(canary=self.plan.candidate, weight=100)
        self._tell("100 %", 100, "blue/green, without a judge")
        return "passed", "blue/green: its smoke test passed"

    def _climb(self, began: datetime) -> _End:
        self._apply(canary=self.plan.candidate)
        failed = self._smoked("canary")
        if failed:
            return failed
        settings = self.plan.settings
        baseline = self._baseline(began)
        started = self.clock()
        counters = [self._counted()]
        for number, step in enumerate(settings.steps):
            self._apply(canary=self.plan.candidate, weight=step.weight, mirror=step.weight == 0)
            since = self.clock()
            while True:
                self.sleep(self.plan.peek_seconds)
                now = self.clock()
                self._require_mine()
                requests = self.deployment.requests(started)
                verdict = judge(
                    requests,
                    settings=settings,
                    baseline=baseline,
                    promise=self.plan.promise,
                    step=number,
                    since=since,
                    now=now,
                    counters=_up_to(counters, requests["at"].max()),
                    signals=self._signals(),
                )
                counters.append(self._counted())
                self._history.append(look_of(verdict))
                self._verdicts[number] = verdict
                self._tell("shadow" if step.weight == 0 else f"{step.weight} %", step.weight, verdict.reason, verdict)
                if verdict.next != "wait":
                    break
            if verdict.next == "return":
                return _ENDINGS[verdict.decision], verdict.reason
        self._apply(canary=self.plan.candidate, weight=100)
        self._tell("100 %", 100, verdict.reason, verdict)
        return "passed", verdict.reason

    def _counted(self) -> tuple[datetime, Counters]:
        """Return the counters and a moment at which they had been read."""
        counters = self.deployment.counters()
        return self.clock(), counters

    def _baseline(self, began: datetime) -> Baseline:
        """Freeze how stable behaves, from what it answered lately; where that is too little, wait for more."""
        since = began - timedelta(hours=self.plan.baseline_hours)
        while True:
            now = self.clock()
            try:
                return baseline_of(self.deployment.requests(since), self.plan.settings)
            except UnfitBaseline as error:
                if now - began >= timedelta(hours=self.plan.baseline_hours):
                    raise
                self._tell("baseline", 0, str(error))
            self.sleep(self.plan.peek_seconds)

    def _smoked(self, track: Track) -> _End | None:
        """Ask the new server before any customer does; says why it goes back, if it does."""
        if not self.smoke:
            return None
        weight = 100 if track == "stable" else 0
        self._tell("smoke test", weight, "health, known predictions and their time")
        try:
            took = smoke_test(
                self.deployment.url(track), self.plan.candidate, self.plan.golden, self.plan.smoke_seconds
            )
        except (SmokeTestFailed, SmokeTestSlow) as error:
            return "rolled_back" if isinstance(error, SmokeTestFailed) else "failed", str(error)
        self._tell("smoke test", weight, f"passed, {1000 * took:.1f} ms")
        return None

    def _signals(self) -> Signals:
        seen = self.deployment.observe()
        if seen is None:
            raise RolloutOvertaken(f"{self._name}: somebody stopped it in the middle of a rollout")
        canary = seen.canary
        if canary is None or canary.restarts:
            return Signals(unhealthy=seen.fault or "its server died")
        # When the gateway starts anew, it finds neither server healthy at first, and not both at the same moment.
        missed = not canary.ready and seen.stable is not None and seen.stable.ready
        self._missed = self._missed + 1 if missed else 0
        if self._missed >= _MISSES:
            return Signals(unhealthy=seen.fault or "its server is not ready")
        wrong = canary.digest if canary.digest != self.plan.candidate.digest else None
        return Signals(wrong_digest=wrong)

    def _costs(self, began: datetime) -> Cost:
        """Return what the canary has cost, once the log has caught up with its end."""
        if not self._met_customers:
            return Cost()
        ended = self.clock()
        while self.clock() - ended < _CATCHES_UP:
            last = self.deployment.requests(began)["at"].max()
            if isinstance(last, datetime) and last > ended:
                break
            self.sleep(self.plan.peek_seconds)
        return self.cost(began)

    def withdraw(self, reason: str) -> None:
        """Take the candidate away: at once, and not by a weight of nought; another rollout's is left alone."""
        desired = self.deployment.desired()
        if desired is not None and desired.rollout not in (None, self.plan.rollout):
            log.warning("not_taken_back", deployment=self._name, rollout=self.plan.rollout, runs=desired.rollout)
            return
        self._generation = None  # it goes, whoever changed what meanwhile
        log.warning("rolled_back", deployment=self._name, version=self.plan.candidate.version, reason=reason)
        if self.plan.stable is None:
            self.deployment.stop()
        else:
            self._apply(canary=None)
        self._tell("rollback", 0, reason)

    @contextmanager
    def _taken_back_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            reason = f"{type(error).__name__} while it was rolled out"
            touched = self._generation is not None
            self.withdraw(reason)
            if touched:
                self.cut_short = self._outcome("cut_short", reason, self._cost_so_far())
            raise

    def _cost_so_far(self) -> Cost:
        """Return the cost as far as the log has come; what ended the rollout may keep it from being read."""
        try:
            return self.cost(self._began) if self._met_customers else Cost()
        except ChurnError:
            return UNKNOWN

    def _outcome(self, ending: Ending, reason: str, cost: Cost) -> RolloutOutcome:
        return RolloutOutcome(
            version=self.plan.candidate.version,
            replaced=self.plan.stable.version if self.plan.stable else None,
            deployment=str(self.plan.place),
            ending=ending,
            reason=reason,
            began=self._began,
            ended=self.clock(),
            cost=cost,
            verdicts=tuple(self._verdicts.values()),
            history=tuple(thinned(self._history)),
        )

    def _apply(
        self, *, canary: Server | None, stable: Server | None = None, weight: int = 0, mirror: bool = False
    ) -> None:
        self._require_mine()
        desired = self.deployment.desired()
        generation = desired.generation + 1 if desired else 1
        self._generation = generation
        self._met_customers |= weight > 0
        self.deployment.apply(
            Desired(
                namespace=self.plan.place.namespace,
                deployment=self.plan.place.deployment,
                generation=generation,
                stable=stable or self.plan.stable,
                canary=canary,
                canary_weight=weight,
                mirror=mirror,
                salt=self.plan.rollout,
                rollout=self.plan.rollout,
            ),
            timeout=self.plan.ready_seconds,
        )

    def _require_mine(self) -> None:
        desired = self.deployment.desired()
        if self._generation is not None and desired is not None and desired.generation != self._generation:
            raise RolloutOvertaken(
                f"{self._name}: somebody else changed it while version {self.plan.candidate.version} was rolled out"
            )

    def _tell(self, stage: str, weight: int, says: str, verdict: RolloutVerdict | None = None) -> None:
        self.watch(Progress(at=self.clock(), stage=stage, weight=weight, says=says, verdict=verdict))

    @property
    def _name(self) -> str:
        return f"deployment {self.plan.place}"


def _up_to(counters: Sequence[tuple[datetime, Counters]], last: object) -> list[Counters]:
    """Return what was counted before the last request whose records are there: the log may not lag behind that."""
    return [counted for at, counted in counters if isinstance(last, datetime) and at <= last]
