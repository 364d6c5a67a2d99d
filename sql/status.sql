-- Messages that could not be sent (dead letters). OFFSET 0 makes it a view that nobody can write through,
-- whatever is granted.
CREATE VIEW @extschema@.sio_failed AS
SELECT id, queued_at, failed_at, sqlstate, error, channel,
    coalesce(pg_catalog.octet_length(payload), pg_catalog.octet_length(message)) AS bytes
FROM _sio.failed OFFSET 0;
COMMENT ON VIEW @extschema@.sio_failed IS
    'Failed messages (dead letters): see sio_retry and sio_discard';

-- One row. Tables are read with the privileges of the view's owner, functions are called with those of the caller.
CREATE VIEW @extschema@.sio_status AS
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
COMMENT ON VIEW @extschema@.sio_status IS
    'State of queued delivery in this database, its background worker and the attachments table';
-- One row each: by the default estimate of 1,000 Postgres would compile the view's plan.
ALTER FUNCTION _sio.worker() ROWS 1;
ALTER FUNCTION _sio.waiting() ROWS 1;
ALTER FUNCTION _sio.attachments() ROWS 1;
