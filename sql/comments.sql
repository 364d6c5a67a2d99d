-- What \df+ shows.
COMMENT ON FUNCTION sio_emit(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) IS
    'Sends an event with one JSON argument, or none, to the clients in any of the rooms, when the transaction commits';
COMMENT ON FUNCTION sio_emit_args(text, text[], text, jsonb[], text[], boolean, boolean, bytea[]) IS
    'sio_emit with any number of arguments';
COMMENT ON FUNCTION sio_emit_binary(text, text[], text, bytea, text[], boolean, boolean) IS
    'sio_emit with one binary argument';
COMMENT ON FUNCTION sio_server_side_emit(text, text, jsonb, bytea[]) IS
    'Raises an event on every Socket.IO server, when the transaction commits';
COMMENT ON FUNCTION sio_server_side_emit_args(text, text, jsonb[], bytea[]) IS
    'sio_server_side_emit with any number of arguments';
COMMENT ON FUNCTION sio_sockets_join(text, text[], text[], text[]) IS
    'Makes the sockets in any of the rooms join other rooms';
COMMENT ON FUNCTION sio_sockets_leave(text, text[], text[], text[]) IS
    'Makes the sockets in any of the rooms leave rooms';
COMMENT ON FUNCTION sio_disconnect_sockets(text, text[], boolean, text[]) IS
    'Disconnects the sockets in any of the rooms';
COMMENT ON FUNCTION sio_cleanup(interval) IS
    'Deletes attachments older than max_age and returns how many';
COMMENT ON FUNCTION sio_encode(text, text[], text, jsonb, text[], boolean, boolean, bytea[]) IS
    'Shows what sio_emit with these arguments would send, and sends nothing';
COMMENT ON FUNCTION sio_buffer(integer) IS
    'The placeholder that stands for an element of binaries, counted from 0';
COMMENT ON FUNCTION sio_emit_changes() IS
    'Trigger function: emits what was done to the table, as its key=value arguments declare';
COMMENT ON FUNCTION sio_watch(regclass, text[], text, text, text, text[], text[], text, text, text[], text, text, integer) IS
    'Makes a table''s changes arrive in browsers: creates or replaces triggers of sio_emit_changes';
COMMENT ON FUNCTION sio_unwatch(regclass, text) IS
    'Drops the triggers that sio_watch made and returns the number of watches';
COMMENT ON FUNCTION sio_deliver(integer) IS
    'Sends messages that wait in the queue, when the transaction commits, and returns how many';
COMMENT ON FUNCTION sio_wait_delivered(interval) IS
    'Waits until all messages committed before the call have left the queue; false when timeout is over';
COMMENT ON FUNCTION sio_retry(bigint) IS
    'Puts a failed message, or all, back into the queue and returns how many';
COMMENT ON FUNCTION sio_discard(bigint) IS
    'Deletes a failed message, or all, and returns how many';
