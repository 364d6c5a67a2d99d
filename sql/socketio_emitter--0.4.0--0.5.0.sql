-- sio_watch and sio_unwatch get further parameters, so they are dropped and made anew. What depends on them (an SQL function with
-- BEGIN ATOMIC) would keep on calling what was dropped: Postgres refuses that, in terms that help nobody.
DO $block$
DECLARE
    depending text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0), ', ') INTO depending
    FROM pg_catalog.pg_depend d
    WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND d.refobjid OPERATOR(pg_catalog.=) ANY (ARRAY[
            '@extschema@.sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer)',
            '@extschema@.sio_unwatch(regclass, text)']::pg_catalog.regprocedure[]::pg_catalog.oid[]);
    IF depending IS NOT NULL THEN
        RAISE EXCEPTION 'cannot update socketio_emitter to 0.5.0 because other objects depend on sio_watch or sio_unwatch: %', depending
            USING ERRCODE = 'dependent_objects_still_exist',
                HINT = 'Drop them, run ALTER EXTENSION socketio_emitter UPDATE, and create them again: these functions get further parameters. pg_get_functiondef() returns a function''s definition.';
    END IF;
END
$block$;

-- The types of what clients receive.

CREATE  FUNCTION "sio_typescript"(
	"ns" text DEFAULT '/' /* Option < Text < '_ > > */
) RETURNS text /* Result < TextResult, ErrorReport > */
STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_typescript_wrapper';
COMMENT ON FUNCTION sio_typescript(text) IS
    'Returns a TypeScript module with the events that the live tables of a namespace send';

-- sio_emit with a payload of type json: row_to_json() and json_build_object() return one.
--
-- A procedure, so that the function's name stays unique, by which it is granted. Called as a function it is an error whose hint says
-- what works, CALL. Where the payload is a literal, NULL or a parameter of no type yet, Postgres chooses the function: for texts of any
-- type it prefers text to a domain (func_select_candidate in src/backend/parser/parse_func.c). The domain is over varchar because a
-- "char" has no implicit cast to that.
CREATE DOMAIN _sio.namespace AS pg_catalog.varchar;
COMMENT ON DOMAIN _sio.namespace IS 'Has Postgres prefer the function sio_emit to the procedure';
CREATE PROCEDURE @extschema@.sio_emit(
    ns _sio.namespace, rooms pg_catalog.text[], event pg_catalog.text, payload pg_catalog.json,
    except_rooms pg_catalog.text[] DEFAULT '{}', "volatile" pg_catalog.bool DEFAULT false,
    compress pg_catalog.bool DEFAULT NULL, binaries pg_catalog.bytea[] DEFAULT '{}'
) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $procedure$
    SELECT @extschema@.sio_emit(ns::pg_catalog.text, rooms, event, payload::pg_catalog.jsonb, except_rooms, "volatile", compress, binaries);
$procedure$;
COMMENT ON PROCEDURE @extschema@.sio_emit(_sio.namespace, text[], text, json, text[], boolean, boolean, bytea[]) IS
    'Like the function sio_emit, with a payload of type json; it needs EXECUTE on that';

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

CREATE  FUNCTION _sio."protect"(
	"trigger" oid /* pg_sys :: Oid */
) RETURNS VOID
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_protect_wrapper';

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
    IF TG_EVENT = 'ddl_command_start' THEN
        -- pg_upgrade makes the triggers anew, and these event triggers after them, so that nothing was told of any. Of which it was told,
        -- depends on this function, too.
        PERFORM _sio.protect(t.oid) FROM pg_proc p JOIN pg_trigger t ON t.tgfoid = p.oid AND t.tgparentid = 0 -- no partition's copy
        WHERE p.proname = 'sio_emit_changes' AND NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = 2620 AND d.objid = t.oid AND d.refclassid = 1255 AND d.refobjid = '_sio.follow_schema'::regproc
        )
        LIMIT 500; -- each locks a table; the next command goes on
    ELSIF TG_EVENT = 'ddl_command_end' THEN
        PERFORM _sio.altered(c.command) FROM pg_event_trigger_ddl_commands() c;
    ELSE
        -- An ALTER says what of it cascades. A DROP isn't among these commands; what DROP OWNED revokes is.
        PERFORM _sio.dropped(c.command) FROM (VALUES (1)) once
            LEFT JOIN pg_event_trigger_ddl_commands() c ON c.command_tag IN ('ALTER FOREIGN TABLE', 'ALTER TABLE', 'ALTER TYPE');
    END IF;
EXCEPTION
    -- What is refused; and what passes, such as somebody's lock: the command goes well when it is tried again, while one that nobody
    -- has followed leaves watches that break writes. So is a stack that the caller has left too little of. The name of a class stands
    -- for all of it.
    WHEN dependent_objects_still_exist OR lock_not_available OR transaction_rollback OR insufficient_resources OR statement_too_complex THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'socketio_emitter could not follow this command: %', SQLERRM
            USING ERRCODE = SQLSTATE, HINT = 'Run SELECT sio_check() in a new session to see whether the watches still fit their tables.';
END
$function$;
COMMENT ON FUNCTION _sio.follow_schema() IS 'Event trigger function: adapts watches to altered tables, or refuses the change';

-- Commands that can rename or move something that a watch refers to, or change a column's type; and a new trigger depends on what it refers to.
CREATE EVENT TRIGGER sio_altered ON ddl_command_end
    WHEN TAG IN ('ALTER AGGREGATE', 'ALTER COLLATION', 'ALTER DOMAIN', 'ALTER EXTENSION', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION',
        'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER OPERATOR', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA',
        'ALTER SEQUENCE', 'ALTER TABLE', 'ALTER TEXT SEARCH CONFIGURATION', 'ALTER TEXT SEARCH DICTIONARY', 'ALTER TYPE',
        'ALTER VIEW', 'CREATE SCHEMA', 'CREATE TRIGGER')
    EXECUTE FUNCTION _sio.follow_schema();
CREATE EVENT TRIGGER sio_dropped ON sql_drop EXECUTE FUNCTION _sio.follow_schema();
-- The same commands, and those that drop what functions and filters refer to, if only with CASCADE.
CREATE EVENT TRIGGER sio_begun ON ddl_command_start
    WHEN TAG IN ('ALTER AGGREGATE', 'ALTER COLLATION', 'ALTER DOMAIN', 'ALTER EXTENSION', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION',
        'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER OPERATOR', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA',
        'ALTER SEQUENCE', 'ALTER TABLE', 'ALTER TEXT SEARCH CONFIGURATION', 'ALTER TEXT SEARCH DICTIONARY', 'ALTER TYPE', 'ALTER VIEW',
        'CREATE AGGREGATE', 'CREATE CAST', 'CREATE DOMAIN', 'CREATE FUNCTION', 'CREATE OPERATOR', 'CREATE SCHEMA', 'CREATE TRIGGER',
        'CREATE TYPE', 'DROP ACCESS METHOD', 'DROP AGGREGATE', 'DROP CAST', 'DROP COLLATION', 'DROP DOMAIN', 'DROP EXTENSION',
        'DROP FOREIGN DATA WRAPPER', 'DROP FOREIGN TABLE', 'DROP FUNCTION', 'DROP INDEX', 'DROP LANGUAGE', 'DROP MATERIALIZED VIEW',
        'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY', 'DROP OWNED', 'DROP PROCEDURE', 'DROP ROUTINE', 'DROP SCHEMA',
        'DROP SEQUENCE', 'DROP SERVER', 'DROP TABLE', 'DROP TEXT SEARCH CONFIGURATION', 'DROP TEXT SEARCH DICTIONARY',
        'DROP TEXT SEARCH PARSER', 'DROP TEXT SEARCH TEMPLATE', 'DROP TRANSFORM', 'DROP TYPE', 'DROP VIEW')
    EXECUTE FUNCTION _sio.follow_schema();
COMMENT ON EVENT TRIGGER sio_altered IS 'Adapts the watches of socketio_emitter to renamed and altered columns';
COMMENT ON EVENT TRIGGER sio_dropped IS 'Protects what watches of socketio_emitter depend on';
COMMENT ON EVENT TRIGGER sio_begun IS 'Tells Postgres what watches of socketio_emitter depend on, where it has not been told';
-- Dependencies hold in replicas, too.
ALTER EVENT TRIGGER sio_altered ENABLE ALWAYS;
ALTER EVENT TRIGGER sio_dropped ENABLE ALWAYS;
ALTER EVENT TRIGGER sio_begun ENABLE ALWAYS;

-- Nobody can call the new functions, whatever the database's default privileges say, but for what sio_watches and the event
-- triggers call, which run with the privileges of who alters a table, and the procedure that calls sio_emit with those of who calls
-- it. Values of pg_ddl_command exist in event triggers only, and there alone Postgres tells what was dropped; what a trigger depends
-- on is recorded once, whoever asks for it.
DO $block$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT DISTINCT o.member,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM (
                SELECT pg_catalog.format('ROUTINE %s', p.oid::pg_catalog.regprocedure) AS member, proowner AS owner,
                    coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) AS acl
                FROM pg_catalog.pg_proc p
                WHERE p.oid OPERATOR(pg_catalog.=) ANY (ARRAY['@extschema@.sio_check()', '@extschema@.sio_typescript(text)',
                    '_sio.problem(oid)', '_sio.altered(pg_ddl_command)',
                    '_sio.dropped(pg_ddl_command)', '_sio.protect(oid)', '_sio.follow_schema()',
                    '@extschema@.sio_emit(_sio.namespace, text[], text, json, text[], boolean, boolean, bytea[])']::pg_catalog.regprocedure[]::pg_catalog.oid[])
                UNION ALL
                SELECT 'DOMAIN _sio.namespace', typowner, coalesce(typacl, pg_catalog.acldefault('T', typowner))
                FROM pg_catalog.pg_type WHERE oid OPERATOR(pg_catalog.=) '_sio.namespace'::pg_catalog.regtype
            ) o, pg_catalog.aclexplode(o.acl) a
        WHERE a.grantee OPERATOR(pg_catalog.<>) o.owner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', held.member, held.grantee);
    END LOOP;
END
$block$;
GRANT EXECUTE ON FUNCTION _sio.problem(oid) TO PUBLIC;
GRANT EXECUTE ON PROCEDURE @extschema@.sio_emit(_sio.namespace, text[], text, json, text[], boolean, boolean, bytea[]) TO PUBLIC;
GRANT USAGE ON SCHEMA _sio TO PUBLIC;
GRANT EXECUTE ON FUNCTION _sio.altered(pg_ddl_command), _sio.dropped(pg_ddl_command), _sio.protect(oid) TO PUBLIC;

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

-- A list that clients can follow, in the events' own form.
CREATE  FUNCTION "sio_row"(
	"record" record, /* Option < Record < '_ > > */
	"watch" text DEFAULT NULL /* Option < Text < '_ > > */
) RETURNS jsonb /* Result < Option < JsonbResult > , ErrorReport > */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_row_wrapper';
CREATE  FUNCTION "sio_snapshot"() RETURNS text /* Result < TextResult, ErrorReport > */
STRICT STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_snapshot_wrapper';

-- Questions to the servers.
CREATE FUNCTION "sio_servers"(
	"ns" text DEFAULT '/', /* Option < Text < '_ > > */
	"settle" interval DEFAULT '250 ms' /* Option < Interval > */
) RETURNS TABLE (
	"uid" text,  /* TextResult */
	"node" text,  /* Option < TextResult > */
	"answered_after" interval  /* Interval */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_servers_wrapper';
CREATE FUNCTION "sio_fetch_sockets"(
	"ns" text, /* Option < Text < '_ > > */
	"rooms" text[] DEFAULT '{}', /* Option < TextArray < '_ > > */
	"except_rooms" text[] DEFAULT '{}', /* Option < TextArray < '_ > > */
	"timeout" interval DEFAULT '2 s', /* Option < Interval > */
	"servers" INT DEFAULT NULL, /* Option < i32 > */
	"partial" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"id" text,  /* TextResult */
	"rooms" text[],  /* Vec < TextResult > */
	"data" jsonb,  /* Option < JsonbResult > */
	"handshake" jsonb,  /* Option < JsonbResult > */
	"server" text  /* TextResult */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_fetch_sockets_wrapper';
CREATE FUNCTION "sio_fetch_sockets_with_handshake"(
	"ns" text, /* Option < Text < '_ > > */
	"rooms" text[] DEFAULT '{}', /* Option < TextArray < '_ > > */
	"except_rooms" text[] DEFAULT '{}', /* Option < TextArray < '_ > > */
	"timeout" interval DEFAULT '2 s', /* Option < Interval > */
	"servers" INT DEFAULT NULL, /* Option < i32 > */
	"partial" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"id" text,  /* TextResult */
	"rooms" text[],  /* Vec < TextResult > */
	"data" jsonb,  /* Option < JsonbResult > */
	"handshake" jsonb,  /* Option < JsonbResult > */
	"server" text  /* TextResult */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_fetch_sockets_with_handshake_wrapper';
CREATE FUNCTION "sio_is_online"(
	"ns" text, /* Option < Text < '_ > > */
	"rooms" text[], /* Option < TextArray < '_ > > */
	"timeout" interval DEFAULT '1 s' /* Option < Interval > */
) RETURNS bool /* Result < Option < bool > , ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_is_online_wrapper';
CREATE FUNCTION "sio_server_side_emit_with_ack"(
	"ns" text, /* Option < Text < '_ > > */
	"event" text, /* Option < Text < '_ > > */
	"args" jsonb[] DEFAULT '{}', /* Option < JsonbArray < '_ > > */
	"timeout" interval DEFAULT '2 s', /* Option < Interval > */
	"servers" INT DEFAULT NULL, /* Option < i32 > */
	"partial" bool DEFAULT false /* Option < bool > */
) RETURNS TABLE (
	"server" text,  /* TextResult */
	"answer" jsonb  /* Option < JsonbResult > */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_server_side_emit_with_ack_wrapper';
CREATE FUNCTION _sio."attachments_table"() RETURNS TABLE (
	"relation" oid,  /* Option < Oid > */
	"problem" text,  /* Option < TextResult > */
	"oldest" timestamp with time zone  /* Option < TimestampWithTimeZone > */
)
STRICT VOLATILE PARALLEL UNSAFE  
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_attachments_table_wrapper';

-- What docs/not-arriving.md describes. It runs with the caller's privileges, as every function here does.
CREATE FUNCTION @extschema@.sio_doctor(ns text DEFAULT '/')
    RETURNS TABLE ("check" text, ok boolean, detail text, hint text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- What a server's connection says that listens: its last statement.
    listening CONSTANT text := 'LISTEN "';
    prefix text;
    namespace text := CASE WHEN starts_with(sio_doctor.ns, '/') THEN sio_doctor.ns ELSE '/' || sio_doctor.ns END;
    -- Looked up each time: somebody may rename it.
    home text := (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'socketio_emitter');
    channel text;
    heard text[]; -- namespaces that connections of this database listen to, as far as that can be seen
    attachments record;
    status record;
    count bigint;
    names text;
    roles name[];
    age interval;
BEGIN
    IF sio_doctor.ns IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'parameter "ns" must not be null';
    END IF;
    EXECUTE format('SELECT * FROM %s.sio_status', home) INTO status;
    -- With a room, which socketio_emitter.require_rooms may require.
    EXECUTE format('SELECT channel FROM %s.sio_encode($1, ''{doctor}'', ''doctor'')', home) INTO channel USING namespace;
    -- The call before has loaded the library.
    prefix := current_setting('socketio_emitter.channel_prefix');
    SELECT a.relation::regclass AS relation, a.problem, a.oldest INTO attachments FROM _sio.attachments_table() a;
    SELECT array_agg(DISTINCT rtrim(substr(query, length(listening || prefix) + 2), '";')) INTO heard FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(query, listening || prefix || '#');

    "check" := 'channel';
    ok := channel = prefix || '#' || namespace;
    detail := channel;
    hint := CASE WHEN ok THEN NULL ELSE format(
        'Postgres truncates %s to this name, on which adapters 0.3.0, 0.3.1 and 0.4.0 hear nothing. Use a shorter namespace or prefix.',
        prefix || '#' || namespace) END;
    RETURN NEXT;

    "check" := 'servers';
    EXECUTE format($$SELECT count(*), string_agg(uid || coalesce(' of node ' || node, ''), ', ' ORDER BY node, uid)
        FROM %s.sio_servers($1)$$, home) INTO count, names USING namespace;
    ok := count > 0;
    detail := CASE WHEN ok THEN format('%s: %s', count, names) ELSE 'none answers' END;
    SELECT detail || coalesce('; they connect as ' || string_agg(DISTINCT format('%s from %s', usename,
            coalesce(nullif(application_name, ''), host(client_addr), 'a local socket')), ', '), '')
        INTO detail FROM pg_stat_activity
        WHERE ok AND datname = current_database() AND query = listening || channel || '"';
    IF NOT ok THEN
        SELECT string_agg(DISTINCT format('%s in database %s', rtrim(substr(query, length(listening) + 1), '";'), datname), ', ')
            INTO names FROM pg_stat_activity
            WHERE starts_with(query, listening) AND strpos(query, '#/') > 0 AND (datname, query) <> (current_database(), listening || channel || '"');
        hint := 'The servers must use @socket.io/postgres-adapter with this database, the channelPrefix that socketio_emitter.channel_prefix names, and this namespace.'
            || coalesce(' Sessions listen to: ' || names || '.', '');
    ELSE
        hint := NULL;
    END IF;
    RETURN NEXT;

    -- Who emits says where only when it does, so this knows of watches and of what waits or has failed.
    "check" := 'namespaces';
    EXECUTE format($$SELECT string_agg(used.name, ', ' ORDER BY used.name)
        FROM (
            SELECT w.ns FROM %1$s.sio_watches w WHERE strpos(w.ns, '{') = 0
            UNION SELECT substr(f.channel, length($2) + 2) FROM %1$s.sio_failed f WHERE starts_with(f.channel, $2 || '#')
            LIMIT 10
        ) used (name)
        WHERE used.name <> $1 AND NOT EXISTS (SELECT FROM %1$s.sio_servers(used.name))$$, home)
        INTO names USING namespace, prefix;
    ok := names IS NULL;
    detail := coalesce('no server hears ' || names || ', on which is emitted', 'those of all watches and failed messages are heard');
    hint := CASE WHEN ok THEN NULL ELSE 'Create the namespace in the servers with io.of(), or emit on another one.' END;
    EXECUTE format($$SELECT string_agg(name, ', ') FROM unnest($1) name
        WHERE name <> $2 AND name NOT IN (SELECT w.ns FROM %s.sio_watches w WHERE w.ns IS NOT NULL)$$, home)
        INTO names USING heard, namespace;
    detail := detail || coalesce('; listened to, with no watch: ' || names, '');
    RETURN NEXT;

    "check" := 'attachments table';
    SELECT array_agg(DISTINCT usename) INTO roles FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(query, listening || prefix || '#') AND usename IS NOT NULL;
    -- The sequence of an identity, on which it depends otherwise, needs no privilege.
    SELECT string_agg(format('%s lacks %s', role, lacking.privilege), ', ' ORDER BY role, lacking.privilege) INTO names
        FROM unnest(roles) role, pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id', LATERAL (
            SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) privilege WHERE NOT has_table_privilege(role, c.oid, privilege)
            UNION ALL SELECT 'USAGE on schema ' || c.relnamespace::regnamespace
                WHERE NOT has_schema_privilege(role, c.relnamespace, 'USAGE')
            UNION ALL SELECT 'USAGE on sequence ' || s.oid::regclass FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                    AND d.refobjsubid = a.attnum AND d.deptype = 'a'
                    AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(role, s.oid, 'USAGE, UPDATE') ELSE false END
        ) lacking
        WHERE c.oid = attachments.relation;
    ok := attachments.problem IS NULL AND names IS NULL;
    detail := coalesce(attachments.problem, format('%s: %s', attachments.relation, coalesce(names, CASE
        WHEN roles IS NULL THEN 'which role the servers connect as is not known, as none listens'
        ELSE 'read and written by ' || array_to_string(roles, ', ') END)));
    hint := CASE
        WHEN attachments.problem IS NOT NULL THEN
            'Binary and long messages travel through it. Set socketio_emitter.table_name to the tableName of the servers'' adapter.'
        WHEN names IS NOT NULL THEN format(
            'GRANT SELECT, INSERT, DELETE ON %s to the servers'' role, and USAGE on its schema and on the sequence of its id.',
            attachments.relation) END;
    RETURN NEXT;

    "check" := 'attachments replica identity';
    ok := NOT EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
            JOIN pg_publication p ON p.pubname = t.pubname AND (p.pubdelete OR p.pubupdate)
            WHERE c.oid = attachments.relation AND c.relreplident <> 'f' AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END));
    detail := CASE WHEN ok THEN 'none is needed, or there is one' ELSE 'the table is published without one: old rows cannot be deleted' END;
    hint := CASE WHEN ok THEN NULL ELSE format('Take the table out of the publication, or ALTER TABLE %s REPLICA IDENTITY FULL.', attachments.relation) END;
    RETURN NEXT;

    "check" := 'oldest attachment';
    age := clock_timestamp() - attachments.oldest;
    detail := coalesce(age::text, 'there is none');
    ok := coalesce(age < interval '5 minutes', true);
    hint := CASE WHEN ok THEN NULL ELSE
        'Servers delete rows after cleanupInterval (30 seconds by default), and so do sio_cleanup() and the background worker: see the servers'' log for their errors.' END;
    RETURN NEXT;

    "check" := 'notification queue';
    ok := status.notification_queue_usage < 0.5;
    detail := format('%s %% full', round((100 * status.notification_queue_usage)::numeric, 1));
    hint := CASE WHEN ok THEN NULL ELSE 'A session that has executed LISTEN stays in a transaction, or does not read: end it. Postgres''s log names it.' END;
    RETURN NEXT;

    "check" := 'delivery';
    ok := status.delivery = 'notify' OR status.worker_pid IS NOT NULL OR status.delivering_session_pid IS NOT NULL;
    detail := format('%s; background worker: %s%s', status.delivery, status.worker_state, coalesce('; last error: ' || status.last_error, ''));
    hint := CASE WHEN ok THEN NULL ELSE 'Nobody sends what is queued: put socketio_emitter into shared_preload_libraries, or call sio_deliver().' END;
    RETURN NEXT;

    "check" := 'queue';
    ok := coalesce(status.oldest_queued_age < interval '1 minute', true);
    detail := format('%s messages wait%s', status.queued, coalesce(', the oldest for ' || status.oldest_queued_age, ''));
    hint := CASE WHEN ok THEN NULL ELSE 'See the delivery above, and sio_status.' END;
    RETURN NEXT;

    "check" := 'failed messages';
    ok := status.failed = 0;
    detail := status.failed::text;
    hint := CASE WHEN ok THEN NULL ELSE 'See sio_failed; sio_retry() and sio_discard() empty it.' END;
    RETURN NEXT;

    "check" := 'watches';
    -- By its name as JSON: a view of an earlier version of the SQL has no column "problem".
    EXECUTE format($$SELECT count(*), string_agg(format('%%s on %%s: %%s', w.name, w.table_name, coalesce(to_jsonb(w) ->> 'problem', 'disabled')), '; ')
            FILTER (WHERE NOT w.enabled OR to_jsonb(w) ->> 'problem' IS NOT NULL)
        FROM %s.sio_watches w$$, home) INTO count, names;
    ok := names IS NULL;
    detail := format('%s%s', count, coalesce(': ' || names, ''));
    hint := CASE WHEN ok THEN NULL ELSE 'See sio_watches. ALTER TABLE ... ENABLE TRIGGER enables a trigger; sio_watch() with what the table has now replaces a watch with a problem.' END;
    RETURN NEXT;

    "check" := 'versions';
    ok := status.library_version = status.extension_version;
    detail := format('library %s, SQL %s', status.library_version, status.extension_version);
    hint := CASE WHEN ok THEN NULL ELSE 'Run ALTER EXTENSION socketio_emitter UPDATE, or begin a new session, or restart the server if it preloads the library.' END;
    RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION @extschema@.sio_doctor(text) IS
    'Looks for what keeps events from arriving: one row for each check';

COMMENT ON FUNCTION sio_servers(text, interval) IS
    'Asks which Socket.IO servers hear the namespace';
COMMENT ON FUNCTION sio_fetch_sockets(text, text[], text[], interval, integer, boolean) IS
    'Asks all Socket.IO servers for the sockets in any of the rooms, without their handshakes';
COMMENT ON FUNCTION sio_fetch_sockets_with_handshake(text, text[], text[], interval, integer, boolean) IS
    'Like sio_fetch_sockets, with handshakes, which hold cookies and tokens';
COMMENT ON FUNCTION sio_is_online(text, text[], interval) IS
    'Asks all Socket.IO servers whether a socket is in any of the rooms; NULL if none was found and not all answered';
COMMENT ON FUNCTION sio_server_side_emit_with_ack(text, text, jsonb[], interval, integer, boolean) IS
    'Sends an event to every Socket.IO server at once, and returns what their handlers acknowledge';

-- The new functions are nobody's until they are granted, whatever the default privileges say.
DO $block$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text AS name,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
        WHERE a.grantee OPERATOR(pg_catalog.<>) p.proowner AND p.oid OPERATOR(pg_catalog.=) ANY (ARRAY[
            '@extschema@.sio_servers(text, interval)',
            '@extschema@.sio_fetch_sockets(text, text[], text[], interval, integer, boolean)',
            '@extschema@.sio_fetch_sockets_with_handshake(text, text[], text[], interval, integer, boolean)',
            '@extschema@.sio_is_online(text, text[], interval)',
            '@extschema@.sio_server_side_emit_with_ack(text, text, jsonb[], interval, integer, boolean)',
            '@extschema@.sio_doctor(text)',
            '@extschema@.sio_row(record, text)',
            '@extschema@.sio_snapshot()',
            '_sio.attachments_table()']::pg_catalog.regprocedure[]::pg_catalog.oid[])
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM %s', held.name, held.grantee);
    END LOOP;
END
$block$;
GRANT EXECUTE ON FUNCTION _sio.attachments_table() TO pg_monitor;

COMMENT ON FUNCTION sio_row(record, text) IS
    'Returns a row as a watch of its table sends it';
COMMENT ON FUNCTION sio_snapshot() IS
    'Returns the snapshot of the statement, which tells what events its rows contain';
