-- What PostgresSink, PostgresReader and `auditlog db` say to the server.
--
-- {schema} stands for the schema. {durably} makes a single statement a durable
-- transaction that does not wait long for locks, in the one round trip that
-- it takes anyway: set_config(..., true) is SET LOCAL, and ends with it. A
-- synchronous_commit that is stronger than 'on' stays as it is.


-- insert_one --
INSERT INTO {schema}.event
       (id, occurred_at, event_type, actor, resource, outcome, tenant, body)
SELECT given.*
  FROM {durably},
       (VALUES (%(id)b::uuid, %(occurred_at)b::text::timestamptz,
                %(event_type)b::text, %(actor)b::text, %(resource)b::text,
                %(outcome)b::text, %(tenant)b::text, %(body)b::bytea)) AS given
    ON CONFLICT (id) DO NOTHING

-- begin_many --
-- Between two of its statements a transaction waits for its client: one that
-- vanished without a word is noticed within a minute, and not after the two
-- hours of the kernel's default.
SELECT set_config('tcp_keepalives_idle', '30', true),
       set_config('tcp_keepalives_interval', '10', true),
       set_config('tcp_keepalives_count', '3', true)

-- insert_many --
-- seq follows the order of the batch; rows go in by id, so that two of these
-- with the same events in another order cannot lock each other out.
INSERT INTO {schema}.event
       (seq, id, occurred_at, event_type, actor, resource, outcome, tenant,
        body) OVERRIDING SYSTEM VALUE
SELECT numbered.*
  FROM (SELECT nextval('{schema}.event_seq') AS seq, batch.*
          FROM {durably},
               unnest(%(id)b::uuid[], %(occurred_at)b::text[]::timestamptz[],
                      %(event_type)b::text[], %(actor)b::text[],
                      %(resource)b::text[], %(outcome)b::text[],
                      %(tenant)b::text[], %(body)b::bytea[])
               AS batch (id)) AS numbered
 ORDER BY numbered.id, numbered.seq
    ON CONFLICT (id) DO NOTHING

-- insert_in --
-- Through the caller's own connection, whatever its driver: values go as text,
-- and a colon begins a name. Into another database than that of the sink, if
-- that is known, nothing goes.
INSERT INTO {schema}.event
       (id, occurred_at, event_type, actor, resource, outcome, tenant, body)
SELECT CAST(CAST(:id AS text) AS uuid),
       CAST(CAST(:occurred_at AS text) AS timestamptz),
       CAST(:event_type AS text), CAST(:actor AS text),
       CAST(:resource AS text), CAST(:outcome AS text),
       CAST(:tenant AS text), CAST(:body AS bytea)
 WHERE COALESCE(CAST(:database AS text) = current_database(), true)
    ON CONFLICT (id) DO NOTHING
RETURNING 1

-- database --
SELECT CAST(current_database() AS text)

-- leaf_in --
SELECT leaf FROM {schema}.event WHERE id = CAST(CAST(:id AS text) AS uuid)

-- leaves --
SELECT id, leaf FROM {schema}.event WHERE id = ANY (%(ids)b::uuid[])


-- state --
SELECT sequence.last_value - (NOT sequence.is_called)::int,
       tree.last_seq, tree.size, pg_postmaster_start_time()
  FROM {schema}.event_seq AS sequence, {schema}.tree

-- writers --
-- The transactions that wrote an event and are still open.
SELECT virtualtransaction
  FROM pg_locks
 WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
   AND relation = '{schema}.event'::regclass
   AND database = (SELECT oid FROM pg_database
                    WHERE datname = current_database())

-- held_back --
-- The same, or some of them, the oldest first. Whose age and application may
-- not be seen by this role has none.
SELECT extract(epoch FROM clock_timestamp()
               - coalesce(activity.xact_start, prepared.prepared))::float8,
       locks.pid, nullif(activity.application_name, ''), prepared.gid
  FROM pg_locks AS locks
  LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
  LEFT JOIN pg_locks AS own
    ON own.locktype = 'transactionid' AND own.mode = 'ExclusiveLock'
   AND own.virtualtransaction = locks.virtualtransaction
  LEFT JOIN pg_prepared_xacts AS prepared
    ON locks.pid IS NULL AND prepared.transaction = own.transactionid
 WHERE locks.locktype = 'relation' AND locks.mode = 'RowExclusiveLock'
   AND locks.granted AND locks.relation = '{schema}.event'::regclass
   AND locks.database = (SELECT oid FROM pg_database
                          WHERE datname = current_database())
   AND (locks.virtualtransaction = ANY (%(writers)s::text[])
        OR %(writers)s::text[] IS NULL)
 ORDER BY 1 DESC NULLS LAST

-- status --
-- One statement, so that all of it was so at one moment. One row for each
-- relay, or one alone; a relay that never ran is at 0. Before version 17 an
-- infinite time can't be subtracted from.
WITH journal AS (
    SELECT tree.size, fresh.waiting, fresh.age
      FROM {schema}.tree, LATERAL (
        SELECT count(*) AS waiting,
               extract(epoch FROM clock_timestamp() - min(recorded_at))::float8
               AS age
          FROM {schema}.event
         WHERE seq > tree.last_seq) AS fresh
), known AS (
    SELECT relay FROM {schema}.delivery
     UNION
    SELECT unnest(%(relays)s::text[])
), relays AS (
    SELECT relay, coalesce(position, 0) AS position, holder,
           CASE WHEN isfinite(expires_at) THEN
           extract(epoch FROM expires_at - clock_timestamp())::float8
           END AS expires_in
      FROM known LEFT JOIN {schema}.delivery USING (relay)
)
SELECT journal.size, journal.waiting, journal.age, relay, position,
       greatest(journal.size + journal.waiting - position, 0),
       coalesce((
           SELECT extract(epoch FROM clock_timestamp()
                          - event.recorded_at)::float8
             FROM {schema}.entry JOIN {schema}.event ON event.id = event_id
            WHERE idx > position
            ORDER BY idx LIMIT 1), journal.age),
       (SELECT count(*)
          FROM {schema}.dead_letter
         WHERE dead_letter.relay = relays.relay AND redriven_at IS NULL),
       CASE WHEN expires_in > 0 THEN holder END,
       CASE WHEN expires_in > 0 THEN expires_in END
  FROM journal LEFT JOIN relays ON true
 ORDER BY relay

-- lock_tree --
SELECT size, last_seq FROM {schema}.tree FOR UPDATE SKIP LOCKED

-- number --
WITH next AS (
    SELECT id, leaf, seq, row_number() OVER (ORDER BY seq) AS place
      FROM {schema}.event
     WHERE seq > %(last_seq)s AND seq <= %(safe)s
     ORDER BY seq
     LIMIT %(limit)s
), numbered AS (
    INSERT INTO {schema}.entry (idx, event_id, leaf)
    SELECT %(size)s + place, id, leaf FROM next
), found AS (
    SELECT count(*) AS count, max(seq) AS last FROM next
)
UPDATE {schema}.tree
   SET size = size + found.count,
       last_seq = CASE WHEN found.count = %(limit)s THEN found.last
                       ELSE %(safe)s END
  FROM found
RETURNING size, last_seq

-- read_journal --
SELECT event.id, event.body, entry.idx, event.recorded_at
  FROM {schema}.entry JOIN {schema}.event ON event.id = entry.event_id
 WHERE entry.idx > %(after)s
 ORDER BY entry.idx
 LIMIT %(limit)s


-- position --
SELECT position FROM {schema}.delivery WHERE relay = %(relay)s

-- acquire --
INSERT INTO {schema}.delivery AS delivery (relay, epoch, holder, expires_at)
SELECT %(relay)s, 1, %(holder)s,
       clock_timestamp() + make_interval(secs => %(ttl)s)
  FROM {durably}
    ON CONFLICT (relay) DO UPDATE
   SET epoch = delivery.epoch + 1, holder = excluded.holder,
       expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
 WHERE delivery.expires_at < clock_timestamp()
RETURNING epoch, position

-- advance --
WITH moved AS (
    UPDATE {schema}.delivery
       SET position = %(position)s,
           expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
      FROM {durably}
     WHERE relay = %(relay)s AND epoch = %(epoch)s
       AND position <= %(position)s
    RETURNING relay
), kept AS (
    INSERT INTO {schema}.dead_letter AS kept
           (relay, idx, event_id, reason, attempts, body)
    SELECT moved.relay, letter.*
      FROM moved,
           unnest(%(idx)b::bigint[], %(event_id)b::uuid[], %(reason)b::text[],
                  %(attempts)b::bigint[], %(body)b::bytea[]) AS letter
        ON CONFLICT (relay, idx) DO UPDATE
       SET reason = excluded.reason, at = excluded.at,
           attempts = kept.attempts + excluded.attempts
)
SELECT relay FROM moved

-- dead_letters --
SELECT event_id, body, idx, at, reason, attempts
  FROM {schema}.dead_letter
 WHERE relay = %(relay)s AND redriven_at IS NULL AND idx > %(after)s
 ORDER BY idx
 LIMIT %(limit)s

-- redriven --
UPDATE {schema}.dead_letter
   SET redriven_at = clock_timestamp()
  FROM {durably}
 WHERE relay = %(relay)s AND idx = %(idx)s AND redriven_at IS NULL

-- refused_again --
UPDATE {schema}.dead_letter
   SET reason = %(reason)s, attempts = attempts + 1, at = clock_timestamp()
  FROM {durably}
 WHERE relay = %(relay)s AND idx = %(idx)s AND redriven_at IS NULL

-- renew --
UPDATE {schema}.delivery
   SET expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
  FROM {durably}
 WHERE relay = %(relay)s AND epoch = %(epoch)s
RETURNING relay

-- release --
UPDATE {schema}.delivery
   SET expires_at = '-infinity', holder = NULL
 WHERE relay = %(relay)s AND epoch = %(epoch)s


-- last_seq --
SELECT max(seq) FROM {schema}.event

-- id_at_seq --
SELECT id FROM {schema}.event WHERE seq = %(at)s

-- bounds --
-- Not min(seq), which would be looked for along the index on seq, row by row.
-- Only by time: other filters would be applied to a whole stretch of time
-- before the first page, and to its rows again in their pages.
SELECT min(seq + 0), max(seq + 0)
  FROM {schema}.event
 WHERE seq <= %(last)s AND {times}

-- horizon --
-- The last event that is there, the last one with an index, when the server
-- was started, and whether it is a standby, which knows no writers.
SELECT (SELECT max(seq) FROM {schema}.event),
       (SELECT event.seq
          FROM {schema}.entry JOIN {schema}.event ON event.id = entry.event_id
         ORDER BY entry.idx DESC LIMIT 1),
       pg_postmaster_start_time(), pg_is_in_recovery()

-- count --
-- The rows of an index are enough where no filter needs others.
SELECT count(*)
  FROM (SELECT FROM {schema}.event WHERE {filters} LIMIT %(limit)s) AS found

-- page_oldest --
SELECT event.id, event.body, entry.idx, event.recorded_at, event.seq
  FROM {schema}.event
  LEFT JOIN {schema}.entry ON entry.event_id = event.id
 WHERE event.seq BETWEEN %(first)s AND %(last)s AND {filters}
 ORDER BY event.seq
 LIMIT %(limit)s

-- bodies_oldest --
SELECT event.body, event.seq
  FROM {schema}.event
 WHERE event.seq BETWEEN %(first)s AND %(last)s AND {filters}
 ORDER BY event.seq
 LIMIT %(limit)s

-- bodies_newest --
SELECT event.body, event.seq
  FROM {schema}.event
 WHERE event.seq BETWEEN %(first)s AND %(last)s AND {filters}
 ORDER BY event.seq DESC
 LIMIT %(limit)s

-- event_at_seq --
SELECT event.id, event.body, entry.idx, event.recorded_at
  FROM {schema}.event
  LEFT JOIN {schema}.entry ON entry.event_id = event.id
 WHERE event.seq = %(at)s

-- page_newest --
SELECT event.id, event.body, entry.idx, event.recorded_at, event.seq
  FROM {schema}.event
  LEFT JOIN {schema}.entry ON entry.event_id = event.id
 WHERE event.seq BETWEEN %(first)s AND %(last)s AND {filters}
 ORDER BY event.seq DESC
 LIMIT %(limit)s


-- objects --
-- What a schema consists of, in words that are the same for any schema and
-- any version of the server. Below NOT NULL, 18 has constraints of its own.
SELECT described.*
  FROM pg_namespace AS home, LATERAL (
    SELECT 'table ' || relname, concat_ws(
               ' ', relkind, relpersistence, 'with ' || reloptions::text,
               CASE WHEN relrowsecurity THEN 'row security' END)
      FROM pg_class
     WHERE relnamespace = home.oid AND relkind IN ('r', 'p', 'v', 'S')
     UNION ALL
    SELECT 'sequence ' || relname, format(
               '%%s by %%s from %%s to %%s, %%s at a time%%s', seqtypid::regtype,
               seqincrement, seqmin, seqmax, seqcache,
               CASE WHEN seqcycle THEN ', again and again' END)
      FROM pg_class JOIN pg_sequence ON seqrelid = pg_class.oid
     WHERE relnamespace = home.oid
     UNION ALL
    SELECT format('column %%s.%%s', relname, attname), concat_ws(
               ' ', format_type(atttypid, atttypmod),
               'COLLATE ' || nullif(collname, 'default'),
               CASE WHEN attnotnull THEN 'NOT NULL' END,
               'IDENTITY ' || nullif(attidentity::text, ''),
               'GENERATED ' || nullif(attgenerated::text, ''),
               'AS ' || pg_get_expr(adbin, adrelid))
      FROM pg_class
      JOIN pg_attribute ON attrelid = pg_class.oid
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      LEFT JOIN pg_collation ON pg_collation.oid = attcollation
     WHERE relnamespace = home.oid AND relkind IN ('r', 'p')
       AND attnum > 0 AND NOT attisdropped
     UNION ALL
    SELECT format('constraint %%s.%%s', relname, conname),
           pg_get_constraintdef(pg_constraint.oid)
      FROM pg_constraint JOIN pg_class ON conrelid = pg_class.oid
     WHERE relnamespace = home.oid AND contype IN ('c', 'p', 'u')
     UNION ALL
    SELECT 'index ' || relname, concat_ws(
               ' ', replace(pg_get_indexdef(indexrelid),
                            quote_ident(home.nspname) || '.', ''),
               CASE WHEN NOT indisvalid THEN 'invalid' END)
      FROM pg_index JOIN pg_class ON indexrelid = pg_class.oid
     WHERE relnamespace = home.oid
     UNION ALL
    SELECT format('trigger %%s.%%s', relname, tgname), concat_ws(
               ' ', replace(pg_get_triggerdef(pg_trigger.oid),
                            quote_ident(home.nspname) || '.', ''),
               CASE WHEN tgenabled NOT IN ('O', 'A') THEN 'disabled' END)
      FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid
     WHERE relnamespace = home.oid AND NOT tgisinternal
     UNION ALL
    SELECT 'function ' || proname, md5(prosrc)
      FROM pg_proc
     WHERE pronamespace = home.oid) AS described (name, definition)
 WHERE home.nspname = %(schema)s
 ORDER BY name COLLATE "C"

-- lacking --
-- Which of some privileges a role has not; one on what is absent, for one.
SELECT wanted.place
  FROM unnest(%(kinds)s::text[], %(names)s::text[], %(columns)s::text[],
              %(actions)s::text[])
       WITH ORDINALITY AS wanted (kind, name, col, action, place)
  LEFT JOIN pg_namespace ON nspname = %(schema)s
  LEFT JOIN pg_class
    ON relnamespace = pg_namespace.oid AND relname = wanted.name
  LEFT JOIN pg_attribute
    ON attrelid = pg_class.oid AND attname = wanted.col
 WHERE NOT coalesce(
           CASE WHEN wanted.kind = 'SCHEMA' THEN
                has_schema_privilege(%(role)s, pg_namespace.oid, action)
                WHEN wanted.kind = 'SEQUENCE' THEN
                has_sequence_privilege(%(role)s, pg_class.oid, action)
                WHEN wanted.col = '' THEN
                has_table_privilege(%(role)s, pg_class.oid, action)
                ELSE has_column_privilege(%(role)s, pg_class.oid, attnum,
                                          action)
           END, false)
 ORDER BY wanted.place

-- absent_roles --
SELECT name
  FROM unnest(%(roles)s::text[]) WITH ORDINALITY AS given (name, place)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
 ORDER BY place

-- unconnectable --
-- Those that may not connect, where PUBLIC may not.
SELECT name, current_database()
  FROM unnest(%(roles)s::text[]) AS given (name)
 WHERE NOT has_database_privilege(name, current_database(), 'CONNECT')

-- clock --
SELECT extract(epoch FROM clock_timestamp())::float8

-- standing --
-- Who we are, whether we may drop what makes the tables append-only, whether
-- we may look for the version, and whether the server takes writes.
SELECT current_user::text,
       coalesce(bool_or(pg_has_role(relowner, 'USAGE')), false),
       coalesce(bool_or(relname = 'schema_version'
                        AND has_schema_privilege(relnamespace, 'USAGE')
                        AND has_column_privilege(pg_class.oid, 'version',
                                                 'SELECT')), false),
       pg_is_in_recovery(),
       coalesce(bool_or(has_schema_privilege(pg_namespace.oid, 'CREATE')),
                has_database_privilege(current_database(), 'CREATE'))
  FROM pg_namespace
  LEFT JOIN pg_class
    ON relnamespace = pg_namespace.oid
   AND relname IN ('event', 'entry', 'schema_version')
 WHERE nspname = %(schema)s


-- event_by_id --
SELECT event.id, event.body, entry.idx, event.recorded_at
  FROM {schema}.event
  LEFT JOIN {schema}.entry ON entry.event_id = event.id
 WHERE event.id = %(event_id)s
