"""
One round: writers and relays at work, faults, and the oracle at the end.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import threading
import time

from collections import Counter
from pathlib import Path
from uuid import uuid4

import attrs

from auditlog import AuditLogPublisher, PostgresSink, SpoolSink
from auditlog.errors import AuditLogError
from auditlog.testing.services import create_database, drop_database
from tests.hammer import crew, faults
from tests.hammer.look import look, prepare
from tests.hammer.notes import read_notes
from tests.hammer.oracle import violations
from tests.hammer.relaying import NAME
from tests.hammer.watch import Watch
from tests.kafka_tools import admin, create


EVIDENCE = Path("build/hammer")
# Seconds that everything may take once all is well again.
DRAIN = 90.0
WRITERS = {"hasty", "rude"}
RELAYS = {"eager", "unfenced", "advisory"}
ENDED = "(over)"


@attrs.frozen
class Plan:
    """
    What a seed decides.

    Attributes:
        three: Whether there are three brokers, of which one may be away.

        falls: Whether the one broker may be killed.

        pooled: Whether all go to the database through a pooler.

        poisoned: Whether some events are too large for the topic.

        spooled: Whether writers have a fallback for the database.

        variant: What is to be wrong, to see whether the oracle notices.
    """

    seed: int
    seconds: float
    writers: int
    three: bool
    falls: bool
    pooled: bool
    poisoned: bool
    spooled: bool
    batch_events: int
    variant: str | None

    @classmethod
    def of(cls, seed, seconds, variant=None):
        chance = random.Random(seed)
        return cls(
            seed=seed,
            seconds=seconds,
            writers=8,
            three=seed % 10 == 0,
            falls=seed % 10 == 5,
            pooled=seed % 4 == 1,
            poisoned=seed % 3 == 0,
            spooled=seed % 10 in {2, 4, 9},
            batch_events=chance.choice([8, 64, 512]),
            variant=variant,
        )

    def __str__(self):
        found = ["3 brokers" if self.three else "1 broker"]
        found += ["pooler"] * self.pooled + ["poison"] * self.poisoned
        found += ["fallback"] * self.spooled
        return ", ".join(found)


@attrs.define
class Report:
    """
    What a round has come to.
    """

    plan: Plan
    faults: Counter = attrs.field(factory=Counter)
    counts: dict[str, int] = attrs.field(factory=dict)
    violations: list[str] = attrs.field(factory=list)
    seconds: float = 0.0

    def __str__(self):
        what = ", ".join(f"{k} {v}" for k, v in self.counts.items())
        which = ", ".join(f"{k} {v}" for k, v in sorted(self.faults.items()))
        end = "".join(f"\n  BROKEN {each}" for each in self.violations)
        return (
            f"seed {self.plan.seed} ({self.plan}) {self.seconds:.1f} s: "
            f"{what}; {which}{end}"
        )


class Stage:
    """
    Where a round takes place.

    Attributes:
        url: The database, past all that stands between.
    """

    def __init__(self, bench, plan, folder):
        self.bench, self.plan, self.folder = bench, plan, folder
        self.happened = []
        self.over = threading.Event()
        self.topic = f"hammer-{plan.seed}-{uuid4().hex[:6]}"
        name = self.topic.replace("-", "_")
        self.url = create_database(bench.postgres.url, name)
        prepare(self.url)
        self._make_topic()
        self._make_crew()

    def _make_topic(self):
        if self.plan.three:
            self.address = self.bench.cluster.bootstrap_servers
            more = {"replicas": 3, "min_insync_replicas": 2}
        else:
            self.address, more = self.bench.broker.bootstrap_servers, {}
        if self.plan.poisoned:
            more["max_message_bytes"] = 9_000
        create(self.address, self.topic, partitions=3, **more)

    def _make_crew(self):
        plan, bench = self.plan, self.bench
        gate = bench.pooler if plan.pooled else bench.database_proxy
        common = {
            "url": bench.through(self.url, gate.port),
            "pooled": plan.pooled,
        }
        self.writers = [
            crew.Member(
                "writer",
                f"writer-{number}",
                self.folder,
                seed=f"{plan.seed} {number}",
                kind=plan.variant if plan.variant in WRITERS else "writer",
                slow=0.0 if number % 2 else 0.03,
                poison=0.004 if plan.poisoned else 0.0,
                spool=self.spool(number) if plan.spooled else None,
                **common,
            )
            for number in range(plan.writers)
        ]
        proxied = bench.broker_proxy.address
        self.relays = [
            crew.Member(
                "relay",
                f"relay-{number}",
                self.folder,
                address=self.address if plan.three else proxied,
                topic=self.topic,
                kind=kind,
                batch_events=plan.batch_events,
                **common,
            )
            for number, kind in enumerate(self._relay_kinds())
        ]

    def spool(self, number):
        return str(self.folder / f"writer-{number}.spool")

    def unspool(self):
        """
        Move what writers left that were killed, or had no time.
        """
        for path in sorted(self.folder.glob("*.spool")):
            publisher = AuditLogPublisher(
                PostgresSink(self.url), fallback=SpoolSink(path)
            )
            with publisher:
                publisher.flush(DRAIN)

    def _relay_kinds(self):
        if self.plan.variant in RELAYS:
            return [self.plan.variant] * 2
        return ["relay", "publisher"]

    @property
    def members(self):
        return [*self.writers, *self.relays]

    def hold(self, seconds):
        """
        Let a fault last, at most as long as the round.
        """
        self.over.wait(seconds)

    def hit(self, lane, choices):
        """
        One fault after the other, until the time is up.
        """
        chance = random.Random(f"{self.plan.seed} {lane}")
        deadline = time.monotonic() + self.plan.seconds
        while time.monotonic() < deadline:
            fault = chance.choices([*choices], [*choices.values()])[0]
            self.hold(chance.uniform(0.05, 0.4))
            name = fault.__name__.replace("_", " ")
            self.note(name)
            self.note(f"{name}: {fault(self, chance) or ''} {ENDED}")

    def note(self, what):
        self.happened.append((time.time(), what))

    def drained(self):
        """
        Whether all is delivered in time; else why not.
        """
        deadline = time.monotonic() + DRAIN
        journal = PostgresSink(self.url)
        try:
            with contextlib.closing(journal):
                size = journal.size(timeout=DRAIN)
                while journal.position(NAME) < size:
                    if time.monotonic() > deadline:
                        at = journal.position(NAME)
                        return f"delivered {at} of {size} in {DRAIN:g} s"
                    time.sleep(0.02)
        except AuditLogError as exc:
            return f"can't ask the journal: {exc}"
        return None

    def close(self):
        for each in self.members:
            if each.process is not None:
                each.kill()
        self.bench.heal()
        drop_database(self.bench.postgres.url, self.topic.replace("-", "_"))
        with admin(self.address) as client:
            client.delete_topics([self.topic])


def run(bench, seed, *, seconds=3.0, variant=None):
    """
    Run the round of *seed*; its evidence stays if a promise was broken.
    """
    plan = Plan.of(seed, seconds, variant)
    report = Report(plan)
    folder = EVIDENCE / str(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    stage = Stage(bench, plan, folder)
    with contextlib.closing(stage):
        _play(stage, report)
        _judge(stage, report)
    report.seconds = time.monotonic() - began
    if not report.violations:
        shutil.rmtree(folder)
    return report


def _play(stage, report):
    """
    The faults, then peace until all is delivered.
    """
    for each in stage.members:
        each.start()
    with Watch(stage.url) as watch:
        _hit(stage)
        stage.bench.heal()
        ended = crew.end(stage.writers, DRAIN)
        stage.unspool()
        problem = stage.drained()
    ended += crew.end(stage.relays, 60)
    report.violations += [*ended, *([problem] if problem else [])]
    stage.watch = watch


def _hit(stage):
    lanes = {
        "processes": faults.TO_PROCESSES,
        "services": _to_services(stage.plan),
    }
    failures = []

    def hit(lane):
        try:
            stage.hit(lane, lanes[lane])
        except BaseException as exc:
            failures.append(exc)
            raise

    threads = [threading.Thread(target=hit, args=(lane,)) for lane in lanes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failures:
        raise failures[0]


def _to_services(plan):
    if plan.three:
        broker = faults.TO_CLUSTER
    else:
        broker = faults.TO_FALLEN_BROKER if plan.falls else faults.TO_BROKER
    pooler = faults.TO_POOLER if plan.pooled else {}
    return {**faults.TO_DATABASE, **pooler, **broker}


def _judge(stage, report):
    noted = read_notes(stage.folder)
    seen = look(stage.url, stage.address, stage.topic)
    report.violations += violations(noted, seen)
    report.faults = Counter(
        what for _, what in stage.happened if not what.endswith(ENDED)
    )
    first = {each.index for each in seen.messages}
    naive = {str(each) for each in stage.watch.seen}
    report.counts = {
        "attempted": len(noted.attempted),
        "acknowledged": len(noted.acknowledged),
        "stored": len(seen.stored),
        "sent": len(seen.messages),
        "twice": len(seen.messages) - len(first),
        "dead": len(seen.dead),
        "naive lost": len(seen.stored.keys() - naive),
    }
    if report.violations:
        _keep(stage, report, seen)


def _keep(stage, report, seen):
    """
    What somebody needs who looks for the reason.
    """
    folder = stage.folder
    (folder / "report").write_text(f"{report}\n")
    began = stage.happened[0][0] if stage.happened else 0
    lines = [f"{at - began:8.3f} {what}\n" for at, what in stage.happened]
    (folder / "faults").write_text("".join(lines))
    journal = [f"{index} {event_id}\n" for index, event_id in seen.entries]
    (folder / "journal").write_text("".join(journal))
    topic = [f"{json.dumps(attrs.asdict(m))}\n" for m in seen.messages]
    (folder / "topic.jsonl").write_text("".join(topic))
    for server in (stage.bench.postgres, stage.bench.broker):
        (folder / f"{server.name}.log").write_text(server.log_tail(2000))
