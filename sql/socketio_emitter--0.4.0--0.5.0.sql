-- The types of what clients receive.

CREATE  FUNCTION "sio_typescript"(
	"ns" text DEFAULT '/' /* Option < Text < '_ > > */
) RETURNS text /* Result < TextResult, ErrorReport > */
STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_typescript_wrapper';
COMMENT ON FUNCTION sio_typescript(text) IS
    'Returns a TypeScript module with the events that the live tables of a namespace send';

-- A schema that moves.

CREATE  FUNCTION "sio_check"() RETURNS INT /* Result < i32, ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_check_wrapper';
COMMENT ON FUNCTION sio_check() IS
    'Raises an error for the first watch that does not fit its table; returns the number of watches';

CREATE  FUNCTION _sio."problem"(
	"trigger" oid /* pg_sys :: Oid */
) RETURNS text /* Option < TextResult > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_problem_wrapper';

CREATE  FUNCTION _sio."altered"(
	"command" pg_ddl_command /* Command < '_ > */
) RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_altered_wrapper';

CREATE  FUNCTION _sio."dropped"(
	"command" pg_ddl_command /* Option < Command < '_ > > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_dropped_wrapper';

-- What becomes of the tables is told to the watches: names are followed, and what can't be is refused.
--
-- In PL/pgSQL, because what goes wrong in it can be caught before it keeps a command from running: also a library that is gone, or one
-- that a session has loaded before an update. Its own statements look at Postgres's catalogs only.
CREATE FUNCTION _sio.follow_schema() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
#variable_conflict use_column
BEGIN
    -- Where no trigger calls ours, the library isn't loaded. A snapshot of an earlier moment may not show that one does.
    IF current_setting('transaction_isolation') = 'read committed' AND NOT EXISTS (
        SELECT FROM pg_proc p
            JOIN pg_depend d ON d.refclassid = 1255 AND d.refobjid = p.oid AND d.classid = 2620 -- pg_proc, pg_trigger
        WHERE p.proname = 'sio_emit_changes'
    ) THEN
        RETURN;
    END IF;
    IF TG_EVENT = 'ddl_command_end' THEN
        PERFORM _sio.altered(c.command) FROM pg_event_trigger_ddl_commands() c;
    ELSE
        -- An ALTER says what of it cascades. A DROP isn't among these commands; what DROP OWNED revokes is.
        PERFORM _sio.dropped(c.command) FROM (VALUES (1)) once
            LEFT JOIN pg_event_trigger_ddl_commands() c ON c.command_tag IN ('ALTER FOREIGN TABLE', 'ALTER TABLE', 'ALTER TYPE');
    END IF;
EXCEPTION
    -- What is refused.
    WHEN dependent_objects_still_exist THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'socketio_emitter could not follow this command: %', SQLERRM
            USING ERRCODE = SQLSTATE, HINT = 'Run SELECT sio_check() in a new session to see whether the watches still fit their tables.';
END
$function$;
COMMENT ON FUNCTION _sio.follow_schema() IS 'Event trigger function: adapts watches to altered tables, or refuses the change';

-- Commands that can rename a column or change its type.
CREATE EVENT TRIGGER sio_altered ON ddl_command_end
    WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER MATERIALIZED VIEW', 'ALTER TABLE', 'ALTER TYPE', 'ALTER VIEW')
    EXECUTE FUNCTION _sio.follow_schema();
CREATE EVENT TRIGGER sio_dropped ON sql_drop EXECUTE FUNCTION _sio.follow_schema();
COMMENT ON EVENT TRIGGER sio_altered IS 'Adapts the watches of socketio_emitter to renamed and altered columns';
COMMENT ON EVENT TRIGGER sio_dropped IS 'Protects what watches of socketio_emitter depend on';
-- Dependencies hold in replicas, too.
ALTER EVENT TRIGGER sio_altered ENABLE ALWAYS;
ALTER EVENT TRIGGER sio_dropped ENABLE ALWAYS;

-- Nobody can call the new functions, whatever the database's default privileges say, but for what sio_watches and the event
-- triggers call: these run with the privileges of who alters a table. Values of pg_ddl_command exist in event triggers only, and
-- there alone Postgres tells what was dropped.
DO $block$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT DISTINCT p.oid::pg_catalog.regprocedure AS function,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
        WHERE p.oid OPERATOR(pg_catalog.=) ANY (ARRAY['@extschema@.sio_check()', '@extschema@.sio_typescript(text)',
                '_sio.problem(oid)', '_sio.altered(pg_ddl_command)',
                '_sio.dropped(pg_ddl_command)', '_sio.follow_schema()']::pg_catalog.regprocedure[]::pg_catalog.oid[])
            AND a.grantee OPERATOR(pg_catalog.<>) p.proowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', held.function, held.grantee);
    END LOOP;
END
$block$;
GRANT EXECUTE ON FUNCTION _sio.problem(oid) TO PUBLIC;
GRANT USAGE ON SCHEMA _sio TO PUBLIC;
GRANT EXECUTE ON FUNCTION _sio.altered(pg_ddl_command), _sio.dropped(pg_ddl_command) TO PUBLIC;

-- Live tables: further parameters, which sio_watches shows. Watches that are there stay as they are: what their triggers don't
-- declare, they don't do.

ALTER FUNCTION @extschema@.sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer) RENAME TO sio_watch_of_0_4;
ALTER FUNCTION @extschema@.sio_unwatch(regclass, text) RENAME TO sio_unwatch_of_0_4;
ALTER FUNCTION _sio.declaration(bytea) RENAME TO declaration_of_0_4;

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
	"batch" INT DEFAULT 500, /* Option < i32 > */
	"meta" bool DEFAULT true, /* Option < bool > */
	"everyone" bool DEFAULT false, /* Option < bool > */
	"filter" text DEFAULT NULL, /* Option < Text < '_ > > */
	"changed" text[] DEFAULT NULL, /* Option < TextArray < '_ > > */
	"keys" text DEFAULT 'column', /* Option < Text < '_ > > */
	"bigints" text DEFAULT 'number' /* Option < Text < '_ > > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_watch_of_0_5_wrapper';

CREATE  FUNCTION "sio_unwatch"(
	"table_name" regclass, /* Option < Regclass > */
	"name" text DEFAULT NULL, /* Option < Text < '_ > > */
	"if_exists" bool DEFAULT false /* Option < bool > */
) RETURNS INT /* Result < i32, ErrorReport > */
VOLATILE PARALLEL UNSAFE 
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_unwatch_of_0_5_wrapper';

-- Takes a trigger's arguments apart for sio_watches.
CREATE  FUNCTION _sio."declaration"(
	"arguments" bytea /* Bytea < '_ > */
) RETURNS TABLE (
	"name" text,  /* Option < TextResult > */
	"ns" text,  /* TextResult */
	"rooms" text[],  /* Vec < TextResult > */
	"event" text,  /* TextResult */
	"payload" text,  /* TextResult */
	"old" text,  /* TextResult */
	"columns" text[],  /* :: std :: option :: Option < Vec < TextResult > > */
	"except_columns" text[],  /* :: std :: option :: Option < Vec < TextResult > > */
	"left_event" text,  /* Option < TextResult > */
	"batch" INT,  /* Option < i32 > */
	"meta" bool,  /* bool */
	"everyone" bool,  /* bool */
	"filter" text,  /* Option < TextResult > */
	"changed" text[],  /* :: std :: option :: Option < Vec < TextResult > > */
	"keys" text,  /* TextResult */
	"bigints" text  /* TextResult */
)
IMMUTABLE STRICT PARALLEL SAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_declaration_of_0_5_wrapper';

CREATE OR REPLACE VIEW @extschema@.sio_watches AS
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
ALTER FUNCTION _sio.declaration(bytea) ROWS 1;

-- Who could call the functions that are replaced can call the new ones, and nobody else, whatever the database's default
-- privileges say.
DO $block$
DECLARE
    replaced record;
    held record;
BEGIN
    FOR replaced IN
        SELECT before::pg_catalog.regprocedure AS before, now::pg_catalog.regprocedure AS now FROM (VALUES
            ('@extschema@.sio_watch_of_0_4(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer)', '@extschema@.sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer, boolean, boolean, text, text[], text, text)'),
            ('@extschema@.sio_unwatch_of_0_4(regclass, text)', '@extschema@.sio_unwatch(regclass, text, boolean)'),
            ('_sio.declaration_of_0_4(bytea)', '_sio.declaration(bytea)')) f (before, now)
    LOOP
        FOR held IN
            SELECT CASE
                    WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                    ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
                END AS grantee
            FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
            WHERE p.oid OPERATOR(pg_catalog.=) replaced.now AND a.grantee OPERATOR(pg_catalog.<>) p.proowner
        LOOP
            EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', replaced.now, held.grantee);
        END LOOP;
        FOR held IN
            SELECT CASE
                    WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                    ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
                END AS grantee,
                CASE WHEN pg_catalog.bool_or(a.is_grantable) THEN ' WITH GRANT OPTION' ELSE '' END AS further
            FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
            WHERE p.oid OPERATOR(pg_catalog.=) replaced.before AND a.grantee OPERATOR(pg_catalog.<>) p.proowner
            GROUP BY a.grantee
        LOOP
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s%s', replaced.now, held.grantee, held.further);
        END LOOP;
        EXECUTE pg_catalog.format('DROP FUNCTION %s', replaced.before);
    END LOOP;
END
$block$;

COMMENT ON FUNCTION sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer, boolean, boolean, text, text[], text, text) IS
    'Sends the changes of a table to clients: creates or replaces triggers that call sio_emit_changes';

COMMENT ON FUNCTION sio_unwatch(regclass, text, boolean) IS
    'Drops triggers created by sio_watch; returns the number of watches dropped';

