-- Nothing is anybody's until it is granted.
REVOKE ALL ON FUNCTION
    sio_emit(text, text[], text, jsonb, text[], boolean, boolean, bytea[]),
    sio_emit_args(text, text[], text, jsonb[], text[], boolean, boolean, bytea[]),
    sio_emit_binary(text, text[], text, bytea, text[], boolean, boolean),
    sio_server_side_emit(text, text, jsonb, bytea[]),
    sio_server_side_emit_args(text, text, jsonb[], bytea[]),
    sio_sockets_join(text, text[], text[], text[]),
    sio_sockets_leave(text, text[], text[], text[]),
    sio_disconnect_sockets(text, text[], boolean, text[]),
    sio_cleanup(interval),
    sio_encode(text, text[], text, jsonb, text[], boolean, boolean, bytea[]),
    sio_buffer(integer),
    sio_emit_changes(),
    sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer),
    sio_unwatch(regclass, text),
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
