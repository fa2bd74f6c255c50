# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A sink of your own
#
# Events go to PostgreSQL, to Kafka, to files on disk — and wherever you write
# a class for. It is one method; what it has to promise is proven by the
# contract that the library's own sinks pass.
#
# **You need** `pip install auditlog-publisher`, and no service at all.

# %%
import os
import tempfile

from pathlib import Path
from uuid import UUID

import msgspec

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogPublisher,
    InMemorySink,
    Record,
    Resource,
)
from auditlog.errors import SinkUnavailableError
from auditlog.testing.contracts import SinkContract


# %% [markdown]
# ## One method, one promise
#
# When `write()` returns, all records are durable. Batches, retries, deadlines
# and order are the publisher's business.


# %%
class FileSink:
    """
    Appends bodies to a file; durable once `write()` returned.
    """

    def __init__(self, path):
        self._path = Path(path)

    def write(self, records):
        lines = b"".join(record.body + b"\n" for record in records)
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(lines)
                os.fsync(file.fileno())
        except OSError as exc:
            # The publisher tries again; it asks for no other translation.
            raise SinkUnavailableError(
                f"can't append to {self._path}: {exc.strerror}"
            ) from exc


# %%
def approval(number):
    return AuditEvent(
        event_type="Billing.Invoice.Approve",
        actor=Actor(id="alice"),
        resource=Resource(type="invoice", id=str(number)),
    )


with AuditLogPublisher(FileSink("events.jsonl")) as publisher:
    publisher.publish(approval(7))

stored = msgspec.json.decode(Path("events.jsonl").read_bytes())
assert stored["data"]["resource"]["id"] == "7"
[*stored]

# %% [markdown]
# ## Prove it
#
# Inherit from the contract, say how a sink is built and how it is read back.
# In your project pytest finds the class; here we call its tests ourselves.


# %%
class TestFileSink(SinkContract):
    stores_once = False  # a file doesn't know what it holds

    def make_sink(self):
        self.path = Path(tempfile.mkdtemp()) / "events.jsonl"
        self.path.touch()
        return FileSink(self.path)

    def read_back(self, sink):
        for body in self.path.read_bytes().splitlines():
            id_ = msgspec.json.decode(body)["id"]
            yield Record(event_id=UUID(id_), body=body)


def prove(contract):
    """
    What became of each promise of *contract*.
    """
    found = {}
    for name in dir(contract):
        if name.startswith("test_"):
            try:
                getattr(contract(), name)()
            except AssertionError:
                found[name.removeprefix("test_")] = "BROKEN"
            else:
                found[name.removeprefix("test_")] = "kept"
    return found


proven = prove(TestFileSink)
for promise, result in proven.items():
    print(f"{result:7} {promise.replace('_', ' ')}")

assert {*proven.values()} == {"kept"}

# %% [markdown]
# A proof that can't fail is none. A sink that loses the first record of each
# batch has to be noticed:


# %%
class LossySink(FileSink):
    def write(self, records):
        super().write(records[1:])


class TestLossySink(TestFileSink):
    def make_sink(self):
        super().make_sink()
        return LossySink(self.path)


broken = [name for name, how in prove(TestLossySink).items() if how != "kept"]
assert "event_is_stored_on_return" in broken
broken

# %% [markdown]
# ## Put it to use
#
# Beside a *journal* — `PostgresSink` in real life — a sink gets a relay: a
# thread and a position of its own, and the events in the journal's order, also
# those that were published while it was away.

# %%
journal = InMemorySink()

with AuditLogPublisher(
    journal, relays={"file": FileSink("relayed.jsonl")}
) as publisher:
    for number in range(3):
        publisher.publish(approval(number))
    publisher.wait_delivered(timeout=30)

lines = Path("relayed.jsonl").read_bytes().splitlines()
assert lines == [record.body for record in journal.records]
len(lines)

# %% [markdown]
# The to-do list for a sink that goes to production is in the documentation,
# under *Write a sink of your own*.
