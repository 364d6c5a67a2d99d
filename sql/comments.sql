-- What \df+ and the like show.
COMMENT ON SCHEMA _sio IS 'Internal to socketio_emitter';
COMMENT ON FUNCTION sio_emit(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) IS
    'Sends an event with one JSON argument, or none, to the clients in any of the rooms, when the transaction commits';
COMMENT ON FUNCTION sio_emit_args(text, text[], text, jsonb[], text[], boolean, boolean, bytea[]) IS
    'Like sio_emit, with any number of arguments';
COMMENT ON FUNCTION sio_emit_binary(text, text[], text, bytea, text[], boolean, boolean) IS
    'Like sio_emit, with one binary argument';
COMMENT ON FUNCTION sio_server_side_emit(text, text, jsonb, bytea[]) IS
    'Sends an event to every Socket.IO server, when the transaction commits';
COMMENT ON FUNCTION sio_server_side_emit_args(text, text, jsonb[], bytea[]) IS
    'Like sio_server_side_emit, with any number of arguments';
COMMENT ON FUNCTION sio_sockets_join(text, text[], text[], text[]) IS
    'Makes the sockets in any of the rooms join other rooms';
COMMENT ON FUNCTION sio_sockets_leave(text, text[], text[], text[]) IS
    'Makes the sockets in any of the rooms leave rooms';
COMMENT ON FUNCTION sio_disconnect_sockets(text, text[], boolean, text[]) IS
    'Disconnects the sockets in any of the rooms';
COMMENT ON FUNCTION sio_cleanup(interval) IS
    'Deletes attachments older than max_age; returns their number';
COMMENT ON FUNCTION sio_encode(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) IS
    'Shows what sio_emit would send with these arguments; sends nothing';
COMMENT ON FUNCTION sio_buffer(integer) IS
    'Returns the placeholder for an element of binaries, counting from 0';
COMMENT ON FUNCTION sio_emit_changes() IS
    'Trigger function: emits the changes of its table as declared by its key=value arguments';
COMMENT ON FUNCTION sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer, boolean, boolean, text, text[], text, text) IS
    'Sends the changes of a table to clients: creates or replaces triggers that call sio_emit_changes';
COMMENT ON FUNCTION sio_unwatch(regclass, text, boolean) IS
    'Drops triggers created by sio_watch; returns the number of watches dropped';
COMMENT ON FUNCTION sio_deliver(integer) IS
    'Sends messages waiting in the queue, when the transaction commits; returns their number';
COMMENT ON FUNCTION sio_wait_delivered(interval) IS
    'Waits until all messages committed before the call have left the queue; returns false on timeout';
COMMENT ON FUNCTION sio_retry(bigint) IS
    'Returns a failed message, or all, to the queue; returns their number';
COMMENT ON FUNCTION sio_discard(bigint) IS
    'Deletes a failed message, or all; returns their number';
COMMENT ON FUNCTION sio_row(record, text) IS
    'Returns a row as a watch of its table sends it';
COMMENT ON FUNCTION sio_snapshot() IS
    'Returns the snapshot of the statement, which tells what events its rows contain';
COMMENT ON FUNCTION sio_check() IS
    'Raises an error for the first watch that does not fit its table; returns the number of watches';
COMMENT ON FUNCTION sio_servers(text, interval) IS
    'Asks which Socket.IO servers hear the namespace';
COMMENT ON FUNCTION sio_fetch_sockets(text, text[], text[], interval, integer, boolean) IS
    'Asks all Socket.IO servers for the sockets in any of the rooms, without their handshakes';
COMMENT ON FUNCTION sio_fetch_sockets_with_handshake(text, text[], text[], interval, integer, boolean) IS
    'Like sio_fetch_sockets, with handshakes, which hold cookies and tokens';
COMMENT ON FUNCTION sio_is_online(text, text[], interval) IS
    'Asks all Socket.IO servers whether a socket is in any of the rooms; NULL if none was found and not all answered';
COMMENT ON FUNCTION sio_server_side_emit_with_ack(text, text, jsonb[], interval, integer, boolean) IS
    'Sends an event to every Socket.IO server at once, and returns what their handlers acknowledge';
COMMENT ON FUNCTION sio_typescript(text) IS
    'Returns a TypeScript module with the events that the live tables of a namespace send';
