-- The watches of all tables: read from their triggers, which are all there is of them.
CREATE VIEW @extschema@.sio_watches AS
SELECT t.tgrelid::pg_catalog.regclass AS table_name,
    -- As in 0.2.0 and 0.3.0: a view's collations can't be altered.
    d.name COLLATE pg_catalog."C" AS name,
    -- TRIGGER_TYPE_* in src/include/catalog/pg_trigger.h
    CASE WHEN t.type::pg_catalog.int4 OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 0
        THEN 'statement' ELSE 'row' END AS level,
    ARRAY(SELECT op FROM (VALUES (1, 4, 'insert'), (2, 16, 'update'), (3, 8, 'delete'), (4, 32, 'truncate'))
            AS ops (position, bit, op)
        WHERE (t.type::pg_catalog.int4 OPERATOR(pg_catalog.&) bit) OPERATOR(pg_catalog.<>) 0
        ORDER BY position) AS ops,
    d.ns COLLATE pg_catalog."C" AS ns,
    d.rooms COLLATE pg_catalog."C" AS rooms,
    d.event COLLATE pg_catalog."C" AS event,
    d.payload COLLATE pg_catalog."C" AS payload,
    d.old COLLATE pg_catalog."C" AS old,
    d.columns COLLATE pg_catalog."C" AS columns,
    d.except_columns COLLATE pg_catalog."C" AS except_columns,
    d.left_event COLLATE pg_catalog."C" AS left_event,
    d.batch,
    t.enabled,
    d.meta,
    d.everyone,
    d.filter COLLATE pg_catalog."C" AS filter,
    d.changed COLLATE pg_catalog."C" AS changed,
    d.keys COLLATE pg_catalog."C" AS keys,
    d.bigints COLLATE pg_catalog."C" AS bigints,
    (
        SELECT p.problem
        FROM pg_catalog.unnest(t.triggers) WITH ORDINALITY u (oid, position)
            -- Once for each.
            CROSS JOIN LATERAL (SELECT _sio.problem(u.oid) AS problem OFFSET 0) p
        WHERE p.problem IS NOT NULL
        ORDER BY u.position
        LIMIT 1
    ) COLLATE pg_catalog."C" AS problem
FROM (
    -- The triggers of a watch have the same arguments.
    SELECT tgrelid, tgargs,
        pg_catalog.array_agg(oid ORDER BY tgname) AS triggers,
        pg_catalog.bit_or(tgtype) AS type,
        pg_catalog.bool_and(tgenabled OPERATOR(pg_catalog.<>) 'D') AS enabled
    FROM pg_catalog.pg_trigger
    WHERE tgfoid OPERATOR(pg_catalog.=) '@extschema@.sio_emit_changes()'::pg_catalog.regprocedure
        AND tgparentid OPERATOR(pg_catalog.=) 0 -- a partition's copies aren't declared
    GROUP BY tgrelid, tgargs
) t
    CROSS JOIN LATERAL _sio.declaration(t.tgargs) d
WHERE d.name IS NOT NULL;
COMMENT ON VIEW @extschema@.sio_watches IS 'Watches of this database, with the parameters of sio_watch';
ALTER FUNCTION _sio.declaration(bytea) ROWS 1;
