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
# The settings come from the environment, as in the README;
# `pip install "auditlog-publisher[postgres,kafka]" pandas` brings the rest.

# %%
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
print(publisher)

# %% [markdown]
# ## Publish
#
# `publish()` returns once the event is committed. Who acts is bound once.

# %%
with context.bind(actor=Actor(id="alice")):
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
    EventQuery(resources=["topic/*s"], order="newest")
)
[(record.index, record.event.resource.id) for record in events]

# %% [markdown]
# ## Export
#
# The topic holds the same events, byte for byte.

# %%
topic = KafkaReader(
    config.cluster(config.publisher.cluster), config.publisher.topic_name
)
assert sorted(r.body for r in topic) == sorted(r.body for r in events)

report = CSVExporter().export(topic, "audit.csv", progress=False)
assert (report.rows, report.skipped.total()) == (3, 0)

pd.read_csv("audit.csv")[["event_type", "actor_id", "resource_id", "outcome"]]

# %%
publisher.close()
