-- For the page's panel of SQL alone, and nothing for an application: it shows each statement that changes orders to
-- whoever looks.

CREATE FUNCTION show_sql() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    -- A photo's bytes say nothing to a reader.
    statement text := regexp_replace(current_query(), '''([^'']{12})[^'']{60,}''', '''\1…''', 'g');
BEGIN
    -- What fires this twice, such as INSERT … ON CONFLICT DO UPDATE, gives the same id twice. Cut, as a long message
    -- would go through the table and might arrive after the events that it has to precede.
    PERFORM sio_emit('/', '{sql}', 'sql', jsonb_build_object(
        'id', pg_backend_pid() || ' ' || statement_timestamp(),
        'sql', left(statement, 1000)));
    RETURN NULL;
END;
$$;

REVOKE EXECUTE ON FUNCTION show_sql() FROM PUBLIC;

-- BEFORE: each client hears of the statement first, then of its changes.
CREATE TRIGGER show_sql
    BEFORE INSERT OR UPDATE OR DELETE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION show_sql();
