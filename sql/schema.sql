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
