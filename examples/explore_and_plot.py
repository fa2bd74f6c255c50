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
# # Explore and plot
#
# What happened last week, when, and who did it? A week of events is stored in
# PostgreSQL, counted by hour and actor, and drawn.
#
# **You need** `pip install "auditlog-publisher[postgres,arrow,plot]" pandas`,
# and `CDK_DATABASE_URL` in the environment. No PostgreSQL at hand?
# `python with_services.py jupyter lab`, beside this notebook, starts one.

# %%
from sample_events import BURGLAR, TENANT, a_week

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    EventQuery,
    PostgresReader,
    PostgresSink,
)


config = AuditLogConfig.from_env()

with AuditLogPublisher(PostgresSink(config.database)) as publisher:
    for event in a_week():
        publisher.enqueue(event)

# %% [markdown]
# `sample_events.py` gives the same events with the same ids each time, so they
# are stored once, however often this cell runs.
#
# ## Look at them
#
# Nothing is read before it is asked for. As the value of a cell, events show
# themselves as a table.

# %%
reader = PostgresReader(config.database)
week = reader.read(EventQuery(tenants=[TENANT]))

assert week.count() == len(a_week())
week.head(3)

# %% [markdown]
# ## Count them
#
# One pass over the events, in memory that doesn't grow with their number.
# A day begins at midnight in the time zone that you name, and a day without
# events is a zero, not a hole.

# %%
days = week.events_per("day", by="outcome", tz="Europe/Berlin")

assert days.total == week.count()
days

# %% [markdown]
# Any field may tell them apart, and the largest groups may be enough.

# %%
print(week.events_per("weekday", by="actor", top=3, tz="Europe/Berlin"))

# %% [markdown]
# ## Draw them
#
# Colours and hatches can be told apart without seeing colours. What went wrong
# stands at the bottom of each bar, where its height can be read.

# %%
week.plot_activity(
    tz="Europe/Berlin", title="Kafka console, second week of 2026"
)

# %% [markdown]
# Thursday evening is dark where nobody works. Was somebody refused?
#
# ## Look closer
#
# The same, for the events that were denied, by the address that they came
# from.

# %%
denied = reader.read(EventQuery(tenants=[TENANT], outcomes=["denied"]))
by_address = denied.events_per("hour", by="source_ip").to_pandas()

by_address.loc[by_address.max(axis=1) > 1]

# %% [markdown]
# Seventeen denials in an hour, all from one address that isn't the office's.
# [Investigate an incident](investigate_an_incident.ipynb) goes on from here.

# %%
assert by_address[BURGLAR].max() == 17

figure = denied.plot_activity(tz="Europe/Berlin", title="What was denied")
figure.savefig("denied.png")
