-- What waits to be sent, with socketio_emitter.delivery = queue. All of these tables are written and read by the
-- library itself, without SQL, and are nobody's. They hold no configuration, so pg_dump leaves their rows out.
CREATE SEQUENCE _sio.queue_id;
CREATE TABLE _sio.queue (
    xid xid8 NOT NULL, -- the transaction that emitted
    id bigint NOT NULL, -- from _sio.queue_id, the order of delivery
    queued_at timestamptz NOT NULL,
    attachments_table regclass, -- null for a notification
    channel text NOT NULL,
    message text NOT NULL, -- the notification's text; of an attachment, its beginning, up to the row's id
    payload bytea, -- of the attachment
    outlet text -- what carries it to the servers: null is NOTIFY
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
ALTER TABLE _sio.queue
    ALTER COLUMN channel SET STORAGE PLAIN,
    ALTER COLUMN message SET STORAGE PLAIN,
    ALTER COLUMN payload SET STORAGE EXTERNAL,
    REPLICA IDENTITY NOTHING;
CREATE INDEX queue_xid ON _sio.queue (xid);

-- Batches that the background worker has sent and whose messages it keeps in the queue for a moment longer: a crash of
-- the server may come between the notification and its arrival.
CREATE TABLE _sio.sent (
    incarnation bigint NOT NULL, -- of the server's shared memory: a crash makes another one
    sent_at timestamptz NOT NULL,
    ids text NOT NULL -- like 1-5,7
) USING heap WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
ALTER TABLE _sio.sent REPLICA IDENTITY NOTHING;

CREATE TABLE _sio.failed (
    id bigint NOT NULL,
    queued_at timestamptz NOT NULL,
    attachments_table regclass,
    channel text NOT NULL,
    message text NOT NULL,
    payload bytea,
    failed_at timestamptz NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL,
    outlet text
) USING heap;
ALTER TABLE _sio.failed REPLICA IDENTITY NOTHING;

-- One row, replaced with each batch.
CREATE TABLE _sio.totals (
    delivered bigint NOT NULL,
    failed bigint NOT NULL,
    batches bigint NOT NULL
) USING heap WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
ALTER TABLE _sio.totals REPLICA IDENTITY NOTHING;
INSERT INTO _sio.totals VALUES (0, 0, 0);

COMMENT ON TABLE _sio.queue IS 'Socket.IO messages that wait to be sent';
COMMENT ON TABLE _sio.sent IS 'Which of the waiting Socket.IO messages have just been sent';
COMMENT ON TABLE _sio.failed IS 'Socket.IO messages that could not be sent: see sio_failed';
COMMENT ON TABLE _sio.totals IS 'How many messages have been sent from the queue: see sio_status';

-- The library needs no privilege on these tables, and nobody else should have one. But GRANT ALL ON ALL TABLES IN SCHEMA is
-- common: with row-level security and no policy it shows and changes nothing for anyone but their owner.
ALTER TABLE _sio.queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.sent ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.failed ENABLE ROW LEVEL SECURITY;
ALTER TABLE _sio.totals ENABLE ROW LEVEL SECURITY;

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
