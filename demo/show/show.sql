-- What the demo's page needs beyond schema.sql, and an application doesn't: a role for the SQL that visitors type, and triggers that
-- tell the page of each transaction.

-- ---- the visitors' role ----

-- It may change orders, and nothing else: it owns nothing, may execute no function of the extension, and read no other table. The show
-- connects as this role, so that there is no other one to return to, and bounds its time (visitor.js). What Postgres denies nobody
-- remains: NOTIFY, by which every role can forge events (docs/SECURITY.md). So let nobody in here whom you wouldn't let use psql.
DO $$
BEGIN
    CREATE ROLE socketio_demo;
EXCEPTION WHEN duplicate_object THEN
    NULL; -- it belongs to the whole server: another database has the demo, too
END;
$$;
ALTER ROLE socketio_demo LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT 8;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO socketio_demo;

CREATE SCHEMA show; -- in which that role may use nothing

-- It must not fill the disk, nor a browser. The name comes before those of the watch: what is refused is not sent first.
CREATE FUNCTION show.refuse_too_much() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    IF (SELECT count(*) > 5000 OR sum(octet_length(item) + octet_length(status)) > 1000000 OR sum(octet_length(photo)) > 4000000
          FROM orders) THEN
        RAISE EXCEPTION 'too many orders'
            USING ERRCODE = 'program_limit_exceeded', HINT = 'The demo keeps 5,000 orders, 1 MB of text and 4 MB of photos at most.';
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER a_refuse_too_much
    AFTER INSERT OR UPDATE ON orders
    FOR EACH STATEMENT
    WHEN (session_user = 'socketio_demo')
    EXECUTE FUNCTION show.refuse_too_much();

-- ---- what the page shows of each transaction ----

-- Of a transaction that has changed orders, until it commits.
CREATE UNLOGGED TABLE show.commits (xid xid8 PRIMARY KEY);

CREATE FUNCTION show.tell_statement() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    -- A photo's bytes say nothing to a reader.
    statement text := regexp_replace(current_query(), '''([^'']{12})[^'']{60,}''', '''\1…''', 'g');
BEGIN
    INSERT INTO show.commits VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
    -- The events of the watch name their transaction, too. Statements sent in one string, or one that fires this twice, such as
    -- INSERT … ON CONFLICT DO UPDATE, give the same id. Cut, as a long message would go through the table and arrive late.
    PERFORM sio_emit('/', '{}', 'show:statement', jsonb_build_object(
        'xid', pg_current_xact_id()::text,
        'id', pg_backend_pid() || ' ' || statement_timestamp(),
        'sql', left(statement, 1000),
        'run', substring(current_setting('application_name') from '^demo (\w+)$')));
    RETURN NULL;
END;
$$;

-- Deferred, so that it is the last that happens before the commit, whichever client commits.
CREATE FUNCTION show.tell_commit() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
BEGIN
    DELETE FROM show.commits WHERE xid = NEW.xid;
    PERFORM sio_emit('/', '{}', 'show:commit', jsonb_build_object(
        'xid', NEW.xid::text,
        'at', extract(epoch FROM clock_timestamp()) * 1000));
    RETURN NULL;
END;
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA show FROM PUBLIC;

-- BEFORE: each client hears of the statement first, then of its changes.
CREATE TRIGGER show_statement
    BEFORE INSERT OR UPDATE OR DELETE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION show.tell_statement();

CREATE CONSTRAINT TRIGGER show_commit
    AFTER INSERT ON show.commits
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION show.tell_commit();

-- ---- the load ----

-- A row for each connection of the load. Its events go to a namespace that nobody connects to: what the plot shows is what they cost
-- Postgres, and no browser has to draw thousands of them a second.
CREATE TABLE show.load (id integer PRIMARY KEY, count bigint NOT NULL DEFAULT 0);
INSERT INTO show.load (id) SELECT generate_series(1, 16);
SELECT sio_watch('show.load', ns => '/load', everyone => true, event => 'load:$op');
