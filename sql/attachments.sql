-- The table for binary and long messages, as the documentation of @socket.io/postgres-adapter
-- creates it. If the servers were here first, theirs is used, and it stays when the extension
-- goes; IF NOT EXISTS would refuse a table that isn't the extension's own.
DO $block$
DECLARE
    owner pg_catalog.name;
BEGIN
    SELECT pg_catalog.pg_get_userbyid(relowner) INTO owner
    FROM pg_catalog.pg_class
    WHERE oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('@extschema@.socket_io_attachments');
    IF FOUND THEN
        RAISE NOTICE 'socketio_emitter uses the table @extschema@.socket_io_attachments of role %, which was here first',
            pg_catalog.quote_ident(owner);
        RETURN;
    END IF;

    CREATE TABLE @extschema@.socket_io_attachments (
        id bigserial UNIQUE,
        created_at timestamptz DEFAULT pg_catalog.now(),
        payload bytea
    );
    COMMENT ON TABLE @extschema@.socket_io_attachments IS
        'Binary and long Socket.IO messages on their way to the servers; rows live for seconds';

    -- Its key is UNIQUE only, as the servers make it; without this, a publication of all tables would stop the cleanup,
    -- theirs and ours.
    ALTER TABLE @extschema@.socket_io_attachments REPLICA IDENTITY USING INDEX socket_io_attachments_id_key;

    -- Rows are written once, read a few times and deleted: the quick compression, where this Postgres
    -- has it, else none. The default one costs more than all the rest of storing a long message.
    BEGIN
        ALTER TABLE @extschema@.socket_io_attachments ALTER COLUMN payload SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN
        ALTER TABLE @extschema@.socket_io_attachments ALTER COLUMN payload SET STORAGE EXTERNAL;
    END;
END
$block$;
