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
# # Export for a SIEM
#
# A SIEM reads events in its own shape: other names, other limits. A *profile*
# is that shape. Here the same events go from the Kafka topic into files for
# Elastic, Splunk and ArcSight.
#
# **You need** `pip install "auditlog-publisher[postgres,kafka]"`, and the
# settings of the README in the environment. No PostgreSQL or Kafka at hand?
# `python with_services.py jupyter lab`, beside this notebook, starts both.

# %%
import json

from pathlib import Path

from sample_events import TENANT, a_week

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    EventQuery,
    JSONExporter,
    KafkaReader,
    LinesExporter,
)
from auditlog.profiles import CEF, ECS, PROFILES, SplunkHEC


config = AuditLogConfig.from_env()
events = a_week()

with AuditLogPublisher.from_config(config) as publisher:
    for event in events:
        publisher.enqueue(event)
    publisher.flush()
    publisher.wait_delivered(timeout=60)

topic = KafkaReader(
    config.cluster(config.publisher.cluster), config.publisher.topic_name
).read(EventQuery(tenants=[TENANT]))

# %% [markdown]
# ## One event in several shapes
#
# A profile is a pure function of an event: no settings elsewhere, no time, no
# network. So it can be looked at.

# %%
denied = next(event for event in events if event.outcome == "denied")

shown = ECS().convert(denied)
print(
    json.dumps(
        {k: shown[k] for k in ("@timestamp", "event", "user")}, indent=2
    )
)

# %%
print(CEF(vendor="Example", product="Console").line(denied).decode())

# %% [markdown]
# All that there are, with the version of the schema that each is made for:

# %%
for name, kind in PROFILES.items():
    print(f"{name:12} {kind.schema}")

# %% [markdown]
# ## Files
#
# An exporter takes a profile by its name, or as an object with your settings.
# A file is whole or not there, and memory stays flat.

# %%
reports = {
    "elastic": JSONExporter(profile="ecs").export(
        topic, "audit.ecs.jsonl", progress=False
    ),
    "splunk": JSONExporter(
        profile=SplunkHEC(host="console", splunk_index="audit")
    ).export(topic, "audit.hec.jsonl.gz", progress=False),
    "arcsight": LinesExporter(profile="cef").export(
        topic, "audit.cef", progress=False
    ),
}

for name, report in reports.items():
    print(f"{name:9} {report.rows} events, {report.cut} cut")

assert {report.rows for report in reports.values()} == {len(events)}

# %% [markdown]
# ## Again, with the same bytes
#
# Equal events give equal files, compressed ones too, so a checksum says
# whether anything is new.

# %%
again = JSONExporter(profile="ecs").export(
    topic, "again.ecs.jsonl", progress=False
)

assert again.sha256 == reports["elastic"].sha256

# %% [markdown]
# ## What doesn't fit is counted
#
# Splunk, for one, cuts a line of a file at 10,000 bytes, and then it is no
# JSON. A limit cuts the event by a documented rule instead, and the report
# says how many. The stored event is never cut.

# %%
short = JSONExporter(profile=ECS(max_line_bytes=4096))
long_event = denied.__class__(
    event_type="Kafka.Topic.Update",
    resource=denied.resource,
    metadata={"config": "x" * 20_000},
)

report = short.export([denied, long_event], "short.jsonl", progress=False)
longest = max(map(len, Path("short.jsonl").read_bytes().splitlines()))

assert longest <= 4096
print(f"{report.rows} events, {report.cut} cut")

# %% [markdown]
# How each SIEM is set up to read these files stands in `siem/`, beside this
# notebook, and is explained on a page for each in the documentation.
