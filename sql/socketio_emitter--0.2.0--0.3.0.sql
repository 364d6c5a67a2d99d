-- Queued delivery.

-- What waits to be sent, with socketio_emitter.delivery = queue. All of these tables are written and read by the
-- library itself, without SQL, and are nobody's. They hold no configuration, so pg_dump leaves their rows out.
CREATE SEQUENCE @extschema@._sio_queue_id;
CREATE TABLE @extschema@._sio_queue (
    xid xid8 NOT NULL, -- the transaction that emitted
    id bigint NOT NULL, -- from _sio_queue_id, the order of delivery
    queued_at timestamptz NOT NULL,
    attachments_table regclass, -- null for a notification
    channel text NOT NULL,
    message text NOT NULL, -- the notification's text; of an attachment, its beginning, up to the row's id
    payload bytea -- of the attachment
) USING heap WITH (
    -- Its rows live for a second: whenever autovacuum comes by, nearly all are dead. It comes for few, too, and
    -- never leaves their line pointers behind: so a table that has become large while a snapshot was held is cut
    -- off behind its last rows.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 2147483647,
    vacuum_index_cleanup = on, toast.vacuum_index_cleanup = on,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 50,
    toast.autovacuum_vacuum_cost_delay = 0
);
-- A notification is shorter than a page; payloads are MessagePack on its way to another table.
ALTER TABLE @extschema@._sio_queue
    ALTER COLUMN channel SET STORAGE PLAIN,
    ALTER COLUMN message SET STORAGE PLAIN,
    ALTER COLUMN payload SET STORAGE EXTERNAL,
    REPLICA IDENTITY NOTHING;
CREATE INDEX _sio_queue_xid ON @extschema@._sio_queue (xid);

-- Batches that the background worker has sent and whose messages it keeps in the queue for a moment longer: a crash of
-- the server may come between the notification and its arrival.
CREATE TABLE @extschema@._sio_sent (
    incarnation bigint NOT NULL, -- of the server's shared memory: a crash makes another one
    sent_at timestamptz NOT NULL,
    ids text NOT NULL -- like 1-5,7
) USING heap WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
ALTER TABLE @extschema@._sio_sent REPLICA IDENTITY NOTHING;

CREATE TABLE @extschema@._sio_failed (
    id bigint NOT NULL,
    queued_at timestamptz NOT NULL,
    attachments_table regclass,
    channel text NOT NULL,
    message text NOT NULL,
    payload bytea,
    failed_at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL
) USING heap;
ALTER TABLE @extschema@._sio_failed REPLICA IDENTITY NOTHING;

-- One row, replaced with each batch.
CREATE TABLE @extschema@._sio_totals (
    delivered bigint NOT NULL,
    failed bigint NOT NULL,
    batches bigint NOT NULL
) USING heap WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
ALTER TABLE @extschema@._sio_totals REPLICA IDENTITY NOTHING;
INSERT INTO @extschema@._sio_totals VALUES (0, 0, 0);

COMMENT ON TABLE @extschema@._sio_queue IS 'Socket.IO messages that wait to be sent';
COMMENT ON TABLE @extschema@._sio_sent IS 'Which of the waiting Socket.IO messages have just been sent';
COMMENT ON TABLE @extschema@._sio_failed IS 'Socket.IO messages that could not be sent: see sio_failed';
COMMENT ON TABLE @extschema@._sio_totals IS 'How many messages have been sent from the queue: see sio_status';

DO $block$
DECLARE
    holder record;
BEGIN
    -- Nobody's, whatever the database's default privileges say.
    FOR holder IN
        SELECT DISTINCT
            CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
            c.oid::pg_catalog.regclass AS relation,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
        WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY[
                '@extschema@._sio_queue'::pg_catalog.regclass::pg_catalog.oid,
                '@extschema@._sio_queue_id'::pg_catalog.regclass::pg_catalog.oid,
                '@extschema@._sio_sent'::pg_catalog.regclass::pg_catalog.oid,
                '@extschema@._sio_failed'::pg_catalog.regclass::pg_catalog.oid,
                '@extschema@._sio_totals'::pg_catalog.regclass::pg_catalog.oid])
            AND a.grantee OPERATOR(pg_catalog.<>) c.relowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', holder.kind, holder.relation, holder.grantee);
    END LOOP;
END
$block$;

CREATE  FUNCTION "_sio_attachments"() RETURNS TABLE (
	"attachments" bigint,  /* Option < i64 > */
	"attachment_bytes" bigint  /* Option < i64 > */
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_attachments_wrapper';

CREATE  FUNCTION "_sio_waiting"() RETURNS TABLE (
	"queued" bigint,  /* i64 */
	"oldest_queued_at" timestamp with time zone  /* Option < TimestampWithTimeZone > */
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_waiting_wrapper';

CREATE  FUNCTION "_sio_worker"() RETURNS TABLE (
	"delivery" text,  /* TextResult */
	"pid" INT,  /* Option < i32 > */
	"state" text,  /* TextResult */
	"last_error" text,  /* Option < TextResult > */
	"last_error_at" timestamp with time zone  /* Option < TimestampWithTimeZone > */
)
STRICT VOLATILE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', '_sio_worker_wrapper';

CREATE  FUNCTION "sio_deliver"(
	"max_messages" INT DEFAULT 10000 /* Option < i32 > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_deliver_wrapper';

CREATE  FUNCTION "sio_discard"(
	"id" bigint DEFAULT NULL /* Option < i64 > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_discard_wrapper';

CREATE  FUNCTION "sio_retry"(
	"id" bigint DEFAULT NULL /* Option < i64 > */
) RETURNS bigint /* Result < i64, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_retry_wrapper';

CREATE  FUNCTION "sio_wait_delivered"(
	"timeout" interval DEFAULT '30 seconds' /* Option < Interval > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sio_wait_delivered_wrapper';

-- Messages that were set aside because they couldn't be sent.
CREATE VIEW @extschema@.sio_failed AS
SELECT id, queued_at, failed_at, sqlstate, error, channel,
    coalesce(pg_catalog.octet_length(payload), pg_catalog.octet_length(message)) AS bytes
FROM @extschema@._sio_failed;
REVOKE ALL ON @extschema@.sio_failed FROM PUBLIC; -- whatever the database's default privileges say
COMMENT ON VIEW @extschema@.sio_failed IS
    'Queued messages that could not be sent: for sio_retry and sio_discard';

-- One row. Tables are read with the rights of the view's owner, functions with those of whoever asks.
CREATE VIEW @extschema@.sio_status AS
SELECT
    worker.delivery,
    worker.pid AS worker_pid,
    worker.state AS worker_state,
    newest.error AS last_error,
    newest.at AS last_error_at,
    queue.queued,
    pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) queue.oldest_queued_at AS oldest_queued_age,
    (SELECT pg_catalog.count(*) FROM @extschema@._sio_failed) AS failed,
    coalesce(totals.delivered, 0) AS delivered_total,
    coalesce(totals.failed, 0) AS failed_total,
    coalesce(totals.batches, 0) AS batches_total,
    attachments.attachments,
    attachments.attachment_bytes,
    pg_catalog.pg_notification_queue_usage() AS notification_queue_usage
FROM @extschema@._sio_worker() worker
    CROSS JOIN @extschema@._sio_attachments() attachments
    CROSS JOIN @extschema@._sio_waiting() queue
    LEFT JOIN @extschema@._sio_totals totals ON true
    LEFT JOIN LATERAL (
        SELECT error, at
        FROM (SELECT worker.last_error, worker.last_error_at
            UNION ALL
            (SELECT error, failed_at FROM @extschema@._sio_failed ORDER BY failed_at DESC LIMIT 1)) errors (error, at)
        WHERE at IS NOT NULL
        ORDER BY at DESC LIMIT 1) newest ON true;
REVOKE ALL ON @extschema@.sio_status FROM PUBLIC;
COMMENT ON VIEW @extschema@.sio_status IS
    'How queued delivery does in this database, its background worker, and the attachments table';

COMMENT ON FUNCTION sio_deliver(integer) IS
    'Sends messages that wait in the queue, when the transaction commits, and returns how many';
COMMENT ON FUNCTION sio_wait_delivered(interval) IS
    'Waits until all messages committed before the call have left the queue; false when timeout is over';
COMMENT ON FUNCTION sio_retry(bigint) IS
    'Puts a failed message, or all, back into the queue and returns how many';
COMMENT ON FUNCTION sio_discard(bigint) IS
    'Deletes a failed message, or all, and returns how many';

REVOKE ALL ON FUNCTION
    sio_deliver(integer),
    sio_wait_delivered(interval),
    sio_retry(bigint),
    sio_discard(bigint),
    _sio_worker(),
    _sio_waiting(),
    _sio_attachments()
FROM PUBLIC;
-- But for what sio_status shows, which anybody who monitors may see.
GRANT EXECUTE ON FUNCTION _sio_worker(), _sio_waiting(), _sio_attachments() TO pg_monitor;
GRANT SELECT ON @extschema@.sio_status TO pg_monitor;
