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
# # First steps with `auditlog`
#
# An audit log in a notebook: publish events, ask for them, export them.
#
# **You need** `pip install "auditlog-publisher[postgres,kafka]" pandas`, and
# the settings of the README in the environment. No PostgreSQL or Kafka at
# hand? `python with_services.py jupyter lab`, beside this notebook, starts
# both.

# %%
from uuid import uuid4

import pandas as pd

from auditlog import (
    Actor,
    AuditEvent,
    AuditLogConfig,
    AuditLogPublisher,
    CSVExporter,
    EventQuery,
    KafkaReader,
    PostgresReader,
    Resource,
    context,
)


config = AuditLogConfig.from_env()
publisher = AuditLogPublisher.from_config(config)
publisher

# %% [markdown]
# ## Publish
#
# `publish()` returns once the event is committed. Who acts is bound once, and
# so is what ties these events together.

# %%
run = str(uuid4())

with context.bind(actor=Actor(id="alice"), correlation_id=run):
    for name in ["website-orders", "payments", "returns"]:
        publisher.publish(
            AuditEvent(
                event_type="Kafka.Topic.Create",
                resource=Resource(type="topic", id=name),
                metadata={"partitions": 3},
            )
        )

publisher.wait_delivered(timeout=30)

# %% [markdown]
# ## Ask
#
# Each iteration over `events` reads again.

# %%
events = PostgresReader(config.database).read(
    EventQuery(resources=["topic/*s"], text=run, order="newest")
)
[record.event.resource.id for record in events]

# %% [markdown]
# ## Export
#
# The topic holds the same events, byte for byte.

# %%
topic = KafkaReader(
    config.cluster(config.publisher.cluster), config.publisher.topic_name
).read(EventQuery(text=run))
assert sorted(r.body for r in topic) == sorted(r.body for r in events)

report = CSVExporter().export(topic, "audit.csv", progress=False)
assert (report.rows, report.skipped.total()) == (3, 0)

pd.read_csv("audit.csv")[["event_type", "actor_id", "resource_id", "outcome"]]

# %% [markdown]
# ## Close
#
# Stores what is still queued, and lets the connections go.

# %%
publisher.close()
