-- sio_emit with a payload of type json: row_to_json() and json_build_object() return one.
--
-- A procedure, so that the function's name stays unique, by which it is granted. Called as a function it is an error whose hint says
-- what works, CALL. Where the payload is a literal, NULL or a parameter of no type yet, Postgres chooses the function: for texts of any
-- type it prefers text to a domain (func_select_candidate in src/backend/parser/parse_func.c). The domain is over varchar because a
-- "char" has no implicit cast to that.
CREATE DOMAIN _sio.namespace AS pg_catalog.varchar;
COMMENT ON DOMAIN _sio.namespace IS 'Has Postgres prefer the function sio_emit to the procedure';
CREATE PROCEDURE @extschema@.sio_emit(
    ns _sio.namespace, rooms pg_catalog.text[], event pg_catalog.text, payload pg_catalog.json,
    except_rooms pg_catalog.text[] DEFAULT '{}', "volatile" pg_catalog.bool DEFAULT false,
    compress pg_catalog.bool DEFAULT NULL, binaries pg_catalog.bytea[] DEFAULT '{}'
) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $procedure$
    SELECT @extschema@.sio_emit(ns::pg_catalog.text, rooms, event, payload::pg_catalog.jsonb, except_rooms, "volatile", compress, binaries);
$procedure$;
COMMENT ON PROCEDURE @extschema@.sio_emit(_sio.namespace, text[], text, json, text[], boolean, boolean, bytea[]) IS
    'Like the function sio_emit, with a payload of type json; it needs EXECUTE on that';
