-- The watches of all tables: read from their triggers, which are all there is of them.
CREATE VIEW @extschema@.sio_watches AS
WITH ends AS (
    -- tgargs has a zero byte behind each argument.
    SELECT t.oid AS trigger, t.tgargs AS arguments, i AS "end",
        pg_catalog.lag(i, 1, 0) OVER (PARTITION BY t.oid ORDER BY i) AS before
    FROM pg_catalog.pg_trigger t,
        pg_catalog.generate_series(1, pg_catalog.length(t.tgargs)) i
    WHERE t.tgfoid OPERATOR(pg_catalog.=) '@extschema@.sio_emit_changes()'::pg_catalog.regprocedure
        AND t.tgparentid OPERATOR(pg_catalog.=) 0 -- a partition's copies aren't declared
        AND pg_catalog.get_byte(t.tgargs, i OPERATOR(pg_catalog.-) 1) OPERATOR(pg_catalog.=) 0
), texts AS (
    SELECT trigger, "end" AS position, pg_catalog.convert_from(
            pg_catalog.substring(arguments, before OPERATOR(pg_catalog.+) 1,
                "end" OPERATOR(pg_catalog.-) before OPERATOR(pg_catalog.-) 1),
            pg_catalog.getdatabaseencoding()) AS argument
    FROM ends
), arguments AS (
    SELECT trigger, position,
        pg_catalog.split_part(argument, '=', 1) AS key,
        pg_catalog.substr(argument,
            pg_catalog.strpos(argument, '=') OPERATOR(pg_catalog.+) 1) AS value
    FROM texts
), declarations AS (
    SELECT trigger,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'watch') AS name,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'ns') AS ns,
        pg_catalog.array_agg(value ORDER BY position)
            FILTER (WHERE key OPERATOR(pg_catalog.=) 'room') AS rooms,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'event') AS event,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'payload') AS payload,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'old') AS old,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'columns') AS columns,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'except_columns') AS except_columns,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'left_event') AS left_event,
        pg_catalog.max(value) FILTER (WHERE key OPERATOR(pg_catalog.=) 'batch') AS batch
    FROM arguments
    GROUP BY trigger
), watches AS (
    -- The triggers of a watch have the same arguments.
    SELECT t.tgrelid,
        pg_catalog.bit_or(t.tgtype) AS type,
        pg_catalog.bool_and(t.tgenabled OPERATOR(pg_catalog.<>) 'D') AS enabled,
        d.name, d.ns, d.rooms, d.event, d.payload, d.old, d.columns, d.except_columns, d.left_event, d.batch
    FROM declarations d JOIN pg_catalog.pg_trigger t ON t.oid OPERATOR(pg_catalog.=) d.trigger
    WHERE d.name IS NOT NULL
    GROUP BY t.tgrelid, d.name, d.ns, d.rooms, d.event, d.payload, d.old, d.columns, d.except_columns,
        d.left_event, d.batch
)
SELECT tgrelid::pg_catalog.regclass AS table_name,
    name,
    -- TRIGGER_TYPE_* in src/include/catalog/pg_trigger.h
    CASE WHEN type::pg_catalog.int4 OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 0
        THEN 'statement' ELSE 'row' END AS level,
    ARRAY(SELECT op FROM (VALUES (1, 4, 'insert'), (2, 16, 'update'), (3, 8, 'delete'), (4, 32, 'truncate'))
            AS ops (position, bit, op)
        WHERE (type::pg_catalog.int4 OPERATOR(pg_catalog.&) bit) OPERATOR(pg_catalog.<>) 0
        ORDER BY position) AS ops,
    coalesce(ns, '/') AS ns,
    coalesce(rooms, '{}') AS rooms,
    coalesce(event, '$table:$op') AS event,
    coalesce(payload, 'row') AS payload,
    coalesce(old, 'key') AS old,
    CASE WHEN columns IS NOT NULL THEN ARRAY(
        SELECT CASE WHEN pg_catalog.left(found[1], 1) OPERATOR(pg_catalog.=) '"'
            THEN pg_catalog.replace(pg_catalog.substr(found[1], 2,
                pg_catalog.length(found[1]) OPERATOR(pg_catalog.-) 2), '""', '"')
            ELSE pg_catalog.lower(found[1]) END
        FROM pg_catalog.regexp_matches(columns, '("(?:[^"]|"")*"|[^,"\s]+)', 'g')
            WITH ORDINALITY AS matches (found, position)
        ORDER BY position) END AS columns,
    CASE WHEN except_columns IS NOT NULL THEN ARRAY(
        SELECT CASE WHEN pg_catalog.left(found[1], 1) OPERATOR(pg_catalog.=) '"'
            THEN pg_catalog.replace(pg_catalog.substr(found[1], 2,
                pg_catalog.length(found[1]) OPERATOR(pg_catalog.-) 2), '""', '"')
            ELSE pg_catalog.lower(found[1]) END
        FROM pg_catalog.regexp_matches(except_columns, '("(?:[^"]|"")*"|[^,"\s]+)', 'g')
            WITH ORDINALITY AS matches (found, position)
        ORDER BY position) END AS except_columns,
    left_event,
    -- Nobody has looked at the arguments of a trigger that was written by hand.
    CASE WHEN batch IS NULL THEN 500
        WHEN batch OPERATOR(pg_catalog.~) '^[0-9]{1,9}$' THEN batch::pg_catalog.int4 END AS batch,
    enabled
FROM watches;
REVOKE ALL ON @extschema@.sio_watches FROM PUBLIC; -- whatever the database's default privileges say
COMMENT ON VIEW @extschema@.sio_watches IS 'Tables whose changes are emitted, as sio_watch was told';
