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
# # Investigate an incident with DuckDB
#
# Carol says that she didn't work on Thursday evening, but the audit log says
# that she did. Who was it, how did they come in, and what did they do? One
# export to JSON Lines, and SQL on the file.
#
# **You need** `pip install "auditlog-publisher[postgres,arrow]" duckdb`, and
# `CDK_DATABASE_URL` in the environment. No PostgreSQL at hand?
# `python with_services.py jupyter lab`, beside this notebook, starts one.

# %%
import duckdb

from sample_events import BURGLAR, TENANT, a_week

from auditlog import (
    AuditLogConfig,
    AuditLogPublisher,
    EventQuery,
    JSONExporter,
    PostgresReader,
    PostgresSink,
)


config = AuditLogConfig.from_env()

with AuditLogPublisher(PostgresSink(config.database)) as publisher:
    for event in a_week():
        publisher.enqueue(event)

# %% [markdown]
# ## Take a copy
#
# An investigation begins with a copy that doesn't change. The report's SHA-256
# goes into the notes: whoever has the file can see that it is still the same.

# %%
events = PostgresReader(config.database).read(EventQuery(tenants=[TENANT]))
report = JSONExporter().export(events, "week.jsonl", progress=False)

print(report.rows, "events")
assert report.skipped.total() == 0

# %% [markdown]
# ## Lay it out
#
# DuckDB reads the file as it is: each line is one event, a CloudEvents object
# with who, what and how it ended below `data`. All times are UTC.

# %%
duckdb.sql("""
    CREATE OR REPLACE VIEW log AS
    SELECT
        time::TIMESTAMP AS occurred_at,
        type AS event_type,
        data.actor.id AS actor,
        data.request.sourceIp AS address,
        data.resource.type || '/' || data.resource.id AS resource,
        data.outcome AS outcome
    FROM read_json('week.jsonl')
""")
duckdb.sql("""
    SELECT outcome, count(*) AS events
    FROM log
    GROUP BY ALL
    ORDER BY events DESC
""")

# %% [markdown]
# ## Who was refused?
#
# Most denials within a minute, by actor and address:

# %%
bursts = duckdb.sql("""
    SELECT
        actor,
        address,
        date_trunc('minute', occurred_at) AS minute,
        count(*) AS denied
    FROM log
    WHERE outcome = 'denied'
    GROUP BY ALL
    ORDER BY denied DESC, minute
    LIMIT 4
""")
bursts

# %%
address = bursts.fetchall()[0][1]

assert address == BURGLAR

# %% [markdown]
# ## Did they come in?
#
# The first success after denials from the same address:

# %%
duckdb.sql(
    """
    SELECT occurred_at, event_type, actor, outcome
    FROM log
    WHERE address = $address
    QUALIFY outcome = 'success'
        AND lag(outcome) OVER (ORDER BY occurred_at) = 'denied'
    """,
    params={"address": address},
)

# %% [markdown]
# They did, as Carol, after sixteen guesses. Was she ever there before?

# %%
duckdb.sql("""
    SELECT
        address,
        count(*) AS events,
        min(occurred_at) AS first_event,
        max(occurred_at) AS last_event
    FROM log
    WHERE actor = 'carol'
    GROUP BY ALL
    ORDER BY first_event
""")

# %% [markdown]
# ## What did they do?

# %%
acts = duckdb.sql(
    """
    SELECT
        strftime(occurred_at, '%H:%M:%S') AS clock,
        event_type,
        resource,
        outcome
    FROM log
    WHERE address = $address AND event_type <> 'Iam.User.Login'
    ORDER BY occurred_at
    """,
    params={"address": address},
)
acts

# %%
found = {row[2] for row in acts.fetchall()}

assert "serviceaccount/backup2" in found

# %% [markdown]
# They read payments, and made themselves an account to come back with:
# `backup2` has to go, and Carol needs a new password. They also tried to
# delete the copy of the audit log, and were refused.
#
# ## Without a file
#
# What a reader gives is a table for DuckDB, too: it is read anew for each
# query, batch by batch.

# %%
live = duckdb.sql("SELECT count(*) FROM events").fetchall()[0][0]

assert live == report.rows

# %% [markdown]
# Has anybody used the new account?

# %%
since = PostgresReader(config.database).read(
    EventQuery(tenants=[TENANT], actors=["backup2"])
)
used = duckdb.sql("SELECT count(*) AS events FROM since").fetchall()[0][0]

assert used == 0
print("events by backup2:", used)
