-- The tables of an audit log, version 1. {schema} stands for their schema.

-- Events as they were written. Nothing here is ever changed.
CREATE TABLE {schema}.event (
    seq         bigint      NOT NULL
                GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {schema}.event_seq),
    id          uuid        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What can be asked for without a look into the body.
    occurred_at timestamptz NOT NULL,
    event_type  text        NOT NULL COLLATE "C",
    actor       text                 COLLATE "C",
    resource    text        NOT NULL COLLATE "C",
    outcome     text        NOT NULL COLLATE "C",
    tenant      text                 COLLATE "C",
    -- The truth: these bytes are published and hashed as they are.
    body        bytea       NOT NULL,
    leaf        bytea       NOT NULL
                GENERATED ALWAYS AS (sha256('\x00'::bytea || body)) STORED,
    CONSTRAINT event_id PRIMARY KEY (id),
    CONSTRAINT event_seq_once UNIQUE (seq)
);

-- Finds a stretch of time in a long log, at next to no cost for writers.
CREATE INDEX event_occurred_at ON {schema}.event
    USING brin (occurred_at) WITH (pages_per_range = 32, autosummarize = on);

-- The one gapless order, assigned once, by whoever reads first.
CREATE TABLE {schema}.entry (
    idx      bigint NOT NULL,
    event_id uuid   NOT NULL,
    leaf     bytea  NOT NULL,
    CONSTRAINT entry_idx PRIMARY KEY (idx),
    CONSTRAINT entry_event_id UNIQUE (event_id)
);

-- How far the order has come: {schema}.entry has *size* rows, and every event
-- with a seq up to *last_seq* is in it.
CREATE TABLE {schema}.tree (
    one      boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    size     bigint  NOT NULL DEFAULT 0,
    last_seq bigint  NOT NULL DEFAULT 0
);
INSERT INTO {schema}.tree DEFAULT VALUES;

-- How far each relay has come, and who runs it until when.
CREATE TABLE {schema}.delivery (
    relay      text        NOT NULL PRIMARY KEY,
    position   bigint      NOT NULL DEFAULT 0,
    epoch      bigint      NOT NULL DEFAULT 0,
    holder     text,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);

-- What a relay's sink will never take.
CREATE TABLE {schema}.dead_letter (
    relay    text        NOT NULL,
    idx      bigint      NOT NULL,
    event_id uuid        NOT NULL,
    reason   text        NOT NULL,
    attempts bigint      NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    body     bytea       NOT NULL,
    -- When the sink took it after all.
    redriven_at timestamptz,
    PRIMARY KEY (relay, idx)
);

-- For people: events with their index, bodies that can be looked into.
CREATE VIEW {schema}.event_json WITH (security_invoker = true) AS
SELECT entry.idx, event.recorded_at, event.occurred_at, event.event_type,
       event.actor, event.resource, event.outcome, event.tenant, event.id,
       convert_from(event.body, 'UTF8')::json AS body
  FROM {schema}.event LEFT JOIN {schema}.entry ON entry.event_id = event.id;

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table %.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON {schema}.event EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON {schema}.entry EXECUTE FUNCTION {schema}.refuse_change();

CREATE TABLE {schema}.schema_version (
    version    integer     NOT NULL PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO {schema}.schema_version (version) VALUES (1);
