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
