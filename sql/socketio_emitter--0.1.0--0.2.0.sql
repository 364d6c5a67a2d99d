-- Rows of the attachments table are written once, read a few times and deleted: the quick compression, where
-- this Postgres has it, else none. A table that was here before the extension stays as it is, and so does what an
-- administrator has chosen.
DO $block$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.objid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments')
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND d.deptype OPERATOR(pg_catalog.=) 'e'
            AND e.extname OPERATOR(pg_catalog.=) 'socketio_emitter'
    ) OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments')
            AND a.attname OPERATOR(pg_catalog.=) 'payload'
            AND a.attstorage OPERATOR(pg_catalog.=) 'x' AND a.attcompression OPERATOR(pg_catalog.=) ''
    ) THEN
        RETURN;
    END IF;
    BEGIN
        ALTER TABLE @extschema@.socket_io_attachments ALTER COLUMN payload SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN
        ALTER TABLE @extschema@.socket_io_attachments ALTER COLUMN payload SET STORAGE EXTERNAL;
    END;
END
$block$;

-- Live tables.

CREATE  FUNCTION "sio_emit_changes"(

) RETURNS trigger /* Result < Done, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_emit_changes_wrapper';

CREATE  FUNCTION "sio_watch"(
	"table_name" regclass, /* Option < Regclass > */
	"rooms" text[] DEFAULT '{}', /* Option < TextArray < '_ > > */
	"event" text DEFAULT '$table:$op', /* Option < Text < '_ > > */
	"ns" text DEFAULT '/', /* Option < Text < '_ > > */
	"payload" text DEFAULT 'row', /* Option < Text < '_ > > */
	"columns" text[] DEFAULT NULL, /* Option < TextArray < '_ > > */
	"except_columns" text[] DEFAULT NULL, /* Option < TextArray < '_ > > */
	"left_event" text DEFAULT NULL, /* Option < Text < '_ > > */
	"level" text DEFAULT 'row', /* Option < Text < '_ > > */
	"ops" text[] DEFAULT '{insert,update,delete}', /* Option < TextArray < '_ > > */
	"name" text DEFAULT NULL, /* Option < Text < '_ > > */
	"old" text DEFAULT 'key', /* Option < Text < '_ > > */
	"batch" INT DEFAULT 500 /* Option < i32 > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_watch_wrapper';

CREATE  FUNCTION "sio_unwatch"(
	"table_name" regclass, /* Option < Regclass > */
	"name" text DEFAULT NULL /* Option < Text < '_ > > */
) RETURNS INT /* Result < i32, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_unwatch_wrapper';

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

COMMENT ON FUNCTION sio_emit_changes() IS
    'Trigger function: emits what was done to the table, as its key=value arguments declare';
COMMENT ON FUNCTION sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer) IS
    'Makes a table''s changes arrive in browsers: creates or replaces triggers of sio_emit_changes';
COMMENT ON FUNCTION sio_unwatch(regclass, text) IS
    'Drops the triggers that sio_watch made and returns the number of watches';

-- Nothing is anybody's until it is granted.
REVOKE ALL ON FUNCTION
    sio_emit_changes(),
    sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer),
    sio_unwatch(regclass, text)
FROM PUBLIC;
