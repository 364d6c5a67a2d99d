-- The table for binary and long messages, as the documentation of @socket.io/postgres-adapter
-- creates it. If the servers were here first, theirs is used, and it stays when the extension
-- goes; IF NOT EXISTS would refuse a table that isn't the extension's own.
DO $block$
BEGIN
    IF pg_catalog.to_regclass('@extschema@.socket_io_attachments') IS NULL THEN
        CREATE TABLE @extschema@.socket_io_attachments (
            id bigserial UNIQUE,
            created_at timestamptz DEFAULT pg_catalog.now(),
            payload bytea
        );
        -- Default privileges of the database may say otherwise.
        REVOKE ALL ON TABLE @extschema@.socket_io_attachments FROM PUBLIC;
        REVOKE ALL ON SEQUENCE @extschema@.socket_io_attachments_id_seq FROM PUBLIC;
        COMMENT ON TABLE @extschema@.socket_io_attachments IS
            'Binary and long Socket.IO messages on their way to the servers; rows live for seconds';
    END IF;
END
$block$;
