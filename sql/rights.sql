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
    sio_unwatch(regclass, text)
FROM PUBLIC;
