"""Makes a deployment what its file asks for, step by step, and never lets a request see a step that is half done.

A server is started, found ready, and found healthy by Envoy before a route names it. A route stops naming a server, and
Envoy follows, before the server gets the time to finish what it has and ends. So each step can be interrupted: the next
supervisor reads the route that is live, finds the processes, and goes on.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from datetime import UTC, datetime

from churn.log import get_logger
from seldon.gateway import access_log, admin, process_logs
from seldon.gateway import child as children
from seldon.gateway.child import Child, Run
from seldon.gateway.clusters import clusters
from seldon.gateway.envoy import NAME, Envoy
from seldon.gateway.folder import DeploymentFolder, FolderDamaged
from seldon.gateway.kept import Kept, Probes
from seldon.gateway.ports import NoFreePort, free_port
from seldon.gateway.report import observed
from seldon.gateway.routes import live_split, prefix, routes
from seldon.gateway.settings import GatewaySettings
from seldon.gateway.split import Slot, Split, next_split, servers
from seldon.gateway.state import Desired, Server, Track

log = get_logger(__name__)

_LOOK_EVERY = 0.05
_LOOK_WHEN_SETTLED = 0.5
_NOWHERE = "/seldon/"


class Supervisor:
    """One deployment's keeper; it runs in the process that holds the folder's lock."""

    def __init__(
        self,
        folder: DeploymentFolder,
        settings: GatewaySettings,
        server_command: tuple[str, ...],
        environ: Mapping[str, str],
        choice: random.Random,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._server_command = server_command
        self._environ = environ
        self._choice = choice
        self._desired: Desired | None = None
        self._desired_stamp = 0
        self._fault: str | None = None
        self._live = self._read_live()
        self._kept: dict[Slot, Kept] = {}
        self._leaving: dict[Slot, float] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._envoy = Envoy(folder, settings, choice)
        self._reported = ""
        self._confirmed = self._live.generation
        self._settled, self._looked = False, 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the deployment until `stop` is set, then end everything.

        What goes wrong here ends the supervisor only: the servers and Envoy go on, and the next supervisor finds them.
        """
        self._read_desired()
        left_over = self._find()
        while not stop.is_set():
            await self._careful_step()
            await asyncio.gather(*(process.stop(self._settings.stop_seconds) for process in left_over))
            left_over = []
            await asyncio.sleep(_LOOK_EVERY)
        await self._end()

    def _find(self) -> list[Child]:
        """Take over what an earlier supervisor left: keep what is still wanted, return what is not."""
        found = children.find(self._folder)
        wanted = servers(self._desired) if self._desired else {}
        strays: list[Child] = []
        envoy: tuple[Child | None, Run | None] = (None, None)
        for run, process in found:
            if run.name == NAME:
                envoy = (process, run)
            elif run.slot and (run.slot in self._live.slots or wanted.get(run.slot.track) == run.slot.server):
                self._keep(run.slot, process, run)
            else:
                strays += [process] if process else []
                children.forget(self._folder, run.name)
        for slot in self._live.slots:
            if slot not in self._kept:
                self._keep(slot)
        self._write_configuration()
        other = self._envoy.begin(*envoy)
        log.info("supervisor_started", deployment=str(self._folder.path), found=[run.name for run, p in found if p])
        return [*strays, *([other] if other else [])]

    async def _careful_step(self) -> None:
        """Go on after what passes, such as a full disk; what serves needs no supervisor to go on serving."""
        try:
            await self._step()
        except (OSError, NoFreePort) as error:
            log.error("step_failed", reason=str(error))

    async def _step(self) -> None:
        self._read_desired()
        self._check_keepers()
        now = asyncio.get_running_loop().time()
        if self._settled and now - self._looked < _LOOK_WHEN_SETTLED:
            return
        self._looked = now
        slots = self._wanted_slots()
        hosts = await asyncio.to_thread(admin.hosts, self._envoy.admin_port) if self._envoy.kept.ready else {}
        usable = {slot.name for slot, kept in self._kept.items() if kept.ready and _healthy(hosts, slot)}
        if self._desired is not None:
            refused = {slot.name for slot, kept in self._kept.items() if kept.refusal}
            split = next_split(self._live, self._desired, slots, usable, refused)
            if split != self._live:
                log.info("route", **split.model_dump(mode="json", exclude={"stable", "canary"}), **_names(split))
            self._live = split
        self._write_configuration()
        follows = self._envoy.kept.ready and await asyncio.to_thread(self._envoy.follows_routes)
        self._confirmed = self._live.generation if follows else self._confirmed
        if follows or not self._envoy.kept.ready:
            self._let_go(set(slots.values()) | set(self._live.slots), hosts)
        access_log.roll(self._folder, self._settings, self._envoy.admin_port, datetime.now(UTC))
        process_logs.tidy(self._folder, self._settings)
        self._report(slots, usable, follows)

    def _wanted_slots(self) -> dict[Track, Slot]:
        """Return a slot for each wanted server, the running one if there is one, and start those that are missing."""
        found: dict[Track, Slot] = {}
        for track, server in (servers(self._desired) if self._desired else {}).items():
            mine = [slot for slot in self._kept if (slot.track, slot.server) == (track, server)]
            mine = [slot for slot in mine if slot not in self._leaving] or [self._new_slot(track, server)]
            found[track] = next((slot for slot in mine if slot in self._live.slots), mine[0])
            if found[track] not in self._kept:
                self._keep(found[track])
        return found

    def _new_slot(self, track: Track, server: Server) -> Slot:
        taken = {slot.port for slot in self._kept}
        return Slot(track=track, server=server, port=free_port(taken, self._choice))

    def _keep(self, slot: Slot, process: Child | None = None, run: Run | None = None) -> None:
        timeout = self._settings.probe_timeout_seconds
        probes = Probes(
            ready=lambda: admin.serves(slot.server, slot.port, timeout), alive=lambda: admin.lives(slot.port, timeout)
        )
        kept = Kept(
            run or Run(name=slot.name, command=self._command(slot), slot=slot),
            probes,
            self._folder,
            self._settings,
            self._environ,
            memory_mb=self._settings.server_memory_mb,
            persistent=slot.track == "stable",
        )
        self._kept[slot] = kept
        kept.begin(process, was_ready=slot in self._live.slots)

    def _command(self, slot: Slot) -> tuple[str, ...]:
        """Return the command line of a server; the folder is named after the deployment, its parent the namespace."""
        options = {
            "--bundle": slot.server.bundle,
            "--digest": slot.server.digest,
            "--version": slot.server.version,
            "--track": slot.track,
            "--namespace": self._folder.path.parent.name,
            "--deployment": self._folder.path.name,
            "--host": "127.0.0.1",
            "--port": str(slot.port),
            "--log-to": self._settings.landing,
            **({"--drill": str(slot.server.drill)} if slot.server.drill else {}),
        }
        words = (word for option in options.items() for word in option)
        return (*self._server_command, *words, *self._settings.server_options)

    def _let_go(self, wanted: set[Slot], hosts: Mapping[str, admin.Host]) -> None:
        """End the servers that no route names any more, as soon as they have answered what they had."""
        now = asyncio.get_running_loop().time()
        for slot in [slot for slot in self._kept if slot not in wanted]:
            since = self._leaving.setdefault(slot, now)
            host = hosts.get(slot.name)
            idle = now - since > self._settings.settle_seconds and (host is None or host.active == 0)
            if idle or not self._envoy.kept.ready:
                self._remove(slot)
            elif now - since > self._settings.drain_seconds:
                log.warning("drain_cut_short", process=slot.name, requests=host.active if host else 0)
                self._remove(slot)

    def _remove(self, slot: Slot) -> None:
        kept = self._kept.pop(slot)
        self._leaving.pop(slot, None)
        log.info("process_removed", process=slot.name)
        task = asyncio.create_task(self._ended(kept), name=str(kept.child.pid if kept.child else 0))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _ended(self, kept: Kept) -> None:
        await kept.end(self._settings.stop_seconds)

    def _write_configuration(self) -> None:
        """Clusters first: a route must never name one that Envoy does not know."""
        self._envoy.put_clusters(clusters(self._kept, self._settings))
        path = prefix(self._desired) if self._desired else _NOWHERE
        self._envoy.put_routes(routes(self._live, path, self._settings))

    def _read_desired(self) -> None:
        try:
            stamp = self._folder.desired_file.stat().st_mtime_ns
            if stamp != self._desired_stamp:
                self._desired_stamp = stamp
                self._desired, self._fault, self._settled = self._folder.desired(), None, False
                self._try_again()
        except FileNotFoundError:
            return
        except FolderDamaged as error:
            self._fault = str(error)

    def _try_again(self) -> None:
        """A new wish is a new chance for a server that was given up."""
        for slot in [slot for slot, kept in self._kept.items() if kept.refusal and slot not in self._live.slots]:
            self._remove(slot)

    def _read_live(self) -> Split:
        try:
            return live_split(self._folder.routes.read_bytes())
        except FileNotFoundError:
            return Split()
        except ValueError as error:
            log.error("routes_unreadable", file=str(self._folder.routes), reason=str(error))
            return Split()

    def _check_keepers(self) -> None:
        """Stop with what stopped a keeper, rather than go on without one; and leave ports that others have."""
        for kept in (self._envoy.kept, *self._kept.values()):
            if kept.failure is not None:
                raise kept.failure
        if self._envoy.kept.refusal and not self._settings.port:
            self._envoy.elsewhere()

    def _report(self, slots: Mapping[Track, Slot], usable: set[str], follows: bool) -> None:
        draining = [kept.child.pid for slot, kept in self._kept.items() if slot in self._leaving and kept.child]
        ending = [int(task.get_name()) for task in self._ending]
        state = observed(
            self._desired,
            self._live,
            self._kept,
            slots,
            self._envoy,
            usable=usable,
            follows=follows,
            confirmed=self._confirmed,
            draining=[pid for pid in (*draining, *ending) if pid],
            fault=self._fault,
            supervisor_pid=os.getpid(),
        )
        self._settled = state.ready and not state.draining
        report = state.model_dump_json(indent=1)
        if report != self._reported:
            self._folder.write(self._folder.observed_file, report)
            self._reported = report

    async def _end(self) -> None:
        """End Envoy first, so that no request meets a server that is gone; then the servers, all at once."""
        patience = self._settings.stop_seconds
        if self._envoy.kept.ready:
            await asyncio.to_thread(admin.drain, self._envoy.admin_port, self._settings.drain_seconds)
        await self._envoy.kept.end(patience)
        await asyncio.gather(*(kept.end(patience) for kept in self._kept.values()), *self._ending)
        self._folder.observed_file.unlink(missing_ok=True)
        log.info("supervisor_stopped", deployment=str(self._folder.path))


def _healthy(hosts: Mapping[str, admin.Host], slot: Slot) -> bool:
    return slot.name in hosts and hosts[slot.name].healthy


def _names(split: Split) -> dict[str, str]:
    return {slot.track: slot.name for slot in split.slots}
