-- What is internal has a schema of its own; views that nobody can write through; watches read by the parser that the triggers use;
-- who delivers.

-- What is internal is apart from what users call and from their own tables: tools that compare a schema with an application's
-- models (Prisma, Drizzle) look at the application's schemas only. It has a name of its own, because the extension can be in a
-- schema that others use.
CREATE SCHEMA _sio;
COMMENT ON SCHEMA _sio IS 'Internal to socketio_emitter';

ALTER TABLE @extschema@._sio_queue SET SCHEMA _sio;
ALTER TABLE @extschema@._sio_sent SET SCHEMA _sio;
ALTER TABLE @extschema@._sio_failed SET SCHEMA _sio;
ALTER TABLE @extschema@._sio_totals SET SCHEMA _sio;
ALTER SEQUENCE @extschema@._sio_queue_id SET SCHEMA _sio;
ALTER TABLE _sio._sio_queue RENAME TO queue;
ALTER TABLE _sio._sio_sent RENAME TO sent;
ALTER TABLE _sio._sio_failed RENAME TO failed;
ALTER TABLE _sio._sio_totals RENAME TO totals;
ALTER SEQUENCE _sio._sio_queue_id RENAME TO queue_id;
ALTER INDEX _sio._sio_queue_xid RENAME TO queue_xid;
ALTER FUNCTION @extschema@._sio_worker() SET SCHEMA _sio;
ALTER FUNCTION @extschema@._sio_waiting() SET SCHEMA _sio;
ALTER FUNCTION @extschema@._sio_attachments() SET SCHEMA _sio;
ALTER FUNCTION _sio._sio_worker() RENAME TO worker;
ALTER FUNCTION _sio._sio_waiting() RENAME TO waiting;
ALTER FUNCTION _sio._sio_attachments() RENAME TO attachments;

-- A subscription's initial copy, FOR ALL TABLES, would bring the messages that wait on the publisher, whose own worker sends
-- them. The library writes without triggers; what a subscription writes fires these.
CREATE FUNCTION _sio.ignore_copies() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS 'BEGIN RETURN NULL; END';
COMMENT ON FUNCTION _sio.ignore_copies() IS 'Trigger function: keeps rows of another server out of the queue';
CREATE TRIGGER ignore_copies BEFORE INSERT ON _sio.queue FOR EACH ROW EXECUTE FUNCTION _sio.ignore_copies();
CREATE TRIGGER ignore_copies BEFORE INSERT ON _sio.sent FOR EACH ROW EXECUTE FUNCTION _sio.ignore_copies();
CREATE TRIGGER ignore_copies BEFORE INSERT ON _sio.failed FOR EACH ROW EXECUTE FUNCTION _sio.ignore_copies();
CREATE TRIGGER ignore_copies BEFORE INSERT ON _sio.totals FOR EACH ROW EXECUTE FUNCTION _sio.ignore_copies();
ALTER TABLE _sio.queue ENABLE REPLICA TRIGGER ignore_copies;
ALTER TABLE _sio.sent ENABLE REPLICA TRIGGER ignore_copies;
ALTER TABLE _sio.failed ENABLE REPLICA TRIGGER ignore_copies;
ALTER TABLE _sio.totals ENABLE REPLICA TRIGGER ignore_copies;

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
	"batch" INT  /* Option < i32 > */
)
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_declaration_wrapper';

-- What sio_status shows of the library.
CREATE  FUNCTION _sio."library_version"() RETURNS TEXT /* & '_ str */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_library_version_wrapper';

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
    t.enabled
FROM (
    -- The triggers of a watch have the same arguments.
    SELECT tgrelid, tgargs,
        pg_catalog.bit_or(tgtype) AS type,
        pg_catalog.bool_and(tgenabled OPERATOR(pg_catalog.<>) 'D') AS enabled
    FROM pg_catalog.pg_trigger
    WHERE tgfoid OPERATOR(pg_catalog.=) '@extschema@.sio_emit_changes()'::pg_catalog.regprocedure
        AND tgparentid OPERATOR(pg_catalog.=) 0 -- a partition's copies aren't declared
    GROUP BY tgrelid, tgargs
) t
    CROSS JOIN LATERAL _sio.declaration(t.tgargs) d
WHERE d.name IS NOT NULL;

-- OFFSET 0: nobody can write through it, whatever is granted.
CREATE OR REPLACE VIEW @extschema@.sio_failed AS
SELECT id, queued_at, failed_at, sqlstate, error, channel,
    coalesce(pg_catalog.octet_length(payload), pg_catalog.octet_length(message)) AS bytes
FROM _sio.failed OFFSET 0;

-- Four columns more: the session that delivers, and the versions.
CREATE OR REPLACE VIEW @extschema@.sio_status AS
SELECT
    worker.delivery,
    worker.pid AS worker_pid,
    CASE
        WHEN holder.virtualtransaction IS NULL THEN worker.state
        WHEN holder.pid IS NULL THEN 'a prepared transaction delivers'
        ELSE pg_catalog.format('session %s delivers', holder.pid)
    END AS worker_state,
    newest.error AS last_error,
    newest.at AS last_error_at,
    queue.queued,
    pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) queue.oldest_queued_at AS oldest_queued_age,
    (SELECT pg_catalog.count(*) FROM _sio.failed) AS failed,
    coalesce(totals.delivered, 0) AS delivered_total,
    coalesce(totals.failed, 0) AS failed_total,
    coalesce(totals.batches, 0) AS batches_total,
    attachments.attachments,
    attachments.attachment_bytes,
    pg_catalog.pg_notification_queue_usage() AS notification_queue_usage,
    holder.pid AS delivering_session_pid,
    holder.since AS delivering_since,
    _sio.library_version() AS library_version,
    (SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'socketio_emitter') AS extension_version
FROM _sio.worker() worker
    CROSS JOIN _sio.attachments() attachments
    CROSS JOIN _sio.waiting() queue
    LEFT JOIN _sio.totals totals ON true
    LEFT JOIN LATERAL (
        SELECT error, at
        FROM (SELECT worker.last_error, worker.last_error_at
            UNION ALL
            (SELECT error, failed_at FROM _sio.failed ORDER BY failed_at DESC LIMIT 1)) errors (error, at)
        WHERE at IS NOT NULL
        ORDER BY at DESC LIMIT 1) newest ON true
    -- The session whose transaction has called sio_deliver: nobody else delivers until it ends. The lock is that of
    -- be_the_deliverer in src/delivery/queue/drain.rs.
    LEFT JOIN LATERAL (
        SELECT l.virtualtransaction, l.pid, coalesce(a.xact_start, p.prepared) AS since
        FROM pg_catalog.pg_locks l
            LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
            -- A prepared transaction has no process; its number is that of another lock.
            LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL
                AND x.locktype OPERATOR(pg_catalog.=) 'transactionid'
                AND x.virtualtransaction OPERATOR(pg_catalog.=) l.virtualtransaction
            LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction OPERATOR(pg_catalog.=) x.transactionid
        WHERE l.locktype OPERATOR(pg_catalog.=) 'object' AND l.granted AND l.objsubid OPERATOR(pg_catalog.=) 1
            AND l.database OPERATOR(pg_catalog.=) (
                SELECT oid FROM pg_catalog.pg_database
                WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
            AND l.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND l.objid OPERATOR(pg_catalog.=) '_sio.queue'::pg_catalog.regclass::pg_catalog.oid
            AND (l.pid IS NULL OR worker.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) worker.pid)
        LIMIT 1) holder ON true;

-- One row each: by the default estimate of 1,000 Postgres would compile the plans of their views.
ALTER FUNCTION _sio.worker() ROWS 1;
ALTER FUNCTION _sio.waiting() ROWS 1;
ALTER FUNCTION _sio.attachments() ROWS 1;
ALTER FUNCTION _sio.declaration(bytea) ROWS 1;

-- What carries a message to the servers: null is NOTIFY.
ALTER TABLE _sio.queue ADD COLUMN outlet text;
ALTER TABLE _sio.failed ADD COLUMN outlet text;

-- The library needs no privilege on these tables, and nobody else should have one. But GRANT ALL ON ALL TABLES IN SCHEMA is
-- common: with row-level security and no policy it shows and changes nothing for anyone but their owner.
ALTER TABLE _sio.queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.sent ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.failed ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.totals ENABLE ROW LEVEL SECURITY;

-- Without a replica identity a publication of all tables stops the cleanup, the servers' and ours. A table that was here first
-- is its owner's affair.
DO $block$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_extension e
            JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
        WHERE e.extname OPERATOR(pg_catalog.=) 'socketio_emitter'
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.objid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments'))
        AND EXISTS (
            SELECT FROM pg_catalog.pg_index
            WHERE indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments_id_key')
                AND indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments'))
    THEN
        ALTER TABLE @extschema@.socket_io_attachments REPLICA IDENTITY USING INDEX socket_io_attachments_id_key;
    END IF;
END
$block$;

-- What the database's default privileges have given away is taken back, also of objects of earlier versions: those looked
-- after PUBLIC only. Other privileges stay.
DO $block$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT DISTINCT o.kind, o.name,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM pg_catalog.pg_extension e
            JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
            JOIN (
                SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass AS catalog, oid, 'FUNCTION' AS kind, 'f' AS type,
                    proowner AS owner, pronamespace AS namespace, oid::pg_catalog.regprocedure::pg_catalog.text AS name,
                    coalesce(proacl, pg_catalog.acldefault('f', proowner)) AS acl
                FROM pg_catalog.pg_proc
                UNION ALL
                SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid,
                    CASE WHEN relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                    CASE WHEN relkind OPERATOR(pg_catalog.=) 'S' THEN 'S' ELSE 'r' END,
                    relowner, relnamespace, oid::pg_catalog.regclass::pg_catalog.text, relacl
                FROM pg_catalog.pg_class
                UNION ALL
                SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, 'SCHEMA', 'n', nspowner, 0::pg_catalog.oid,
                    pg_catalog.quote_ident(nspname), nspacl
                FROM pg_catalog.pg_namespace
            ) o ON o.catalog OPERATOR(pg_catalog.=) d.classid AND o.oid OPERATOR(pg_catalog.=) d.objid,
            pg_catalog.aclexplode(o.acl) a
        WHERE e.extname OPERATOR(pg_catalog.=) 'socketio_emitter' AND a.grantee OPERATOR(pg_catalog.<>) o.owner
            AND (o.name OPERATOR(pg_catalog.=) ANY (ARRAY['_sio.declaration(bytea)', '_sio.ignore_copies()', '_sio.library_version()']) OR EXISTS (
                SELECT FROM pg_catalog.pg_default_acl g, pg_catalog.aclexplode(g.defaclacl) given
                WHERE g.defaclrole OPERATOR(pg_catalog.=) o.owner
                    AND g.defaclnamespace OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, o.namespace])
                    AND g.defaclobjtype OPERATOR(pg_catalog.=) o.type::pg_catalog."char"
                    AND given.grantee OPERATOR(pg_catalog.=) a.grantee))
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', held.kind, held.name, held.grantee);
    END LOOP;
END
$block$;
GRANT EXECUTE ON FUNCTION _sio.worker(), _sio.waiting(), _sio.attachments(), _sio.library_version() TO pg_monitor;
GRANT SELECT ON @extschema@.sio_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION _sio.declaration(bytea) TO PUBLIC;

-- The comments of this version.
COMMENT ON FUNCTION sio_emit_args(text, text[], text, jsonb[], text[], boolean, boolean, bytea[]) IS
    'Like sio_emit, with any number of arguments';
COMMENT ON FUNCTION sio_emit_binary(text, text[], text, bytea, text[], boolean, boolean) IS
    'Like sio_emit, with one binary argument';
COMMENT ON FUNCTION sio_server_side_emit(text, text, jsonb, bytea[]) IS
    'Sends an event to every Socket.IO server, when the transaction commits';
COMMENT ON FUNCTION sio_server_side_emit_args(text, text, jsonb[], bytea[]) IS
    'Like sio_server_side_emit, with any number of arguments';
COMMENT ON FUNCTION sio_cleanup(interval) IS
    'Deletes attachments older than max_age; returns their number';
COMMENT ON FUNCTION sio_encode(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) IS
    'Shows what sio_emit would send with these arguments; sends nothing';
COMMENT ON FUNCTION sio_buffer(integer) IS
    'Returns the placeholder for an element of binaries, counting from 0';
COMMENT ON FUNCTION sio_emit_changes() IS
    'Trigger function: emits the changes of its table as declared by its key=value arguments';
COMMENT ON FUNCTION sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer) IS
    'Sends the changes of a table to clients: creates or replaces triggers that call sio_emit_changes';
COMMENT ON FUNCTION sio_unwatch(regclass, text) IS
    'Drops triggers created by sio_watch; returns the number of watches dropped';
COMMENT ON FUNCTION sio_deliver(integer) IS
    'Sends messages waiting in the queue, when the transaction commits; returns their number';
COMMENT ON FUNCTION sio_wait_delivered(interval) IS
    'Waits until all messages committed before the call have left the queue; returns false on timeout';
COMMENT ON FUNCTION sio_retry(bigint) IS
    'Returns a failed message, or all, to the queue; returns their number';
COMMENT ON FUNCTION sio_discard(bigint) IS
    'Deletes a failed message, or all; returns their number';
COMMENT ON VIEW @extschema@.sio_failed IS
    'Failed messages (dead letters): see sio_retry and sio_discard';
COMMENT ON VIEW @extschema@.sio_status IS
    'State of queued delivery in this database, its background worker and the attachments table';
COMMENT ON VIEW @extschema@.sio_watches IS 'Watches of this database, with the parameters of sio_watch';
