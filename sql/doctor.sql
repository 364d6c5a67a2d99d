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
