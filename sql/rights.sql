-- Nothing is anybody's until it is granted, whatever the database's default privileges say.
DO $block$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT DISTINCT o.kind, o.name,
            CASE
                WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'
                ELSE a.grantee::pg_catalog.regrole::pg_catalog.text
            END AS grantee
        FROM pg_catalog.pg_extension e
            JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
            JOIN (
                SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass AS catalog, oid, 'ROUTINE' AS kind, proowner AS owner,
                    oid::pg_catalog.regprocedure::pg_catalog.text AS name,
                    coalesce(proacl, pg_catalog.acldefault('f', proowner)) AS acl
                FROM pg_catalog.pg_proc
                UNION ALL
                SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid,
                    CASE WHEN relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relowner,
                    oid::pg_catalog.regclass::pg_catalog.text, relacl
                FROM pg_catalog.pg_class
                UNION ALL
                SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, 'SCHEMA', nspowner, pg_catalog.quote_ident(nspname), nspacl
                FROM pg_catalog.pg_namespace
                UNION ALL
                SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 'DOMAIN', typowner, oid::pg_catalog.regtype::pg_catalog.text,
                    coalesce(typacl, pg_catalog.acldefault('T', typowner))
                FROM pg_catalog.pg_type WHERE typtype OPERATOR(pg_catalog.=) 'd'
            ) o ON o.catalog OPERATOR(pg_catalog.=) d.classid AND o.oid OPERATOR(pg_catalog.=) d.objid,
            pg_catalog.aclexplode(o.acl) a
        WHERE e.extname OPERATOR(pg_catalog.=) 'socketio_emitter' AND a.grantee OPERATOR(pg_catalog.<>) o.owner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', held.kind, held.name, held.grantee);
    END LOOP;
END
$block$;
-- But for what sio_status and sio_doctor show, which anybody who monitors may see,
GRANT EXECUTE ON FUNCTION _sio.worker(), _sio.waiting(), _sio.attachments(), _sio.library_version(),
    _sio.attachments_table() TO pg_monitor;
GRANT SELECT ON @extschema@.sio_status TO pg_monitor;
-- for what sio_watches calls, so that SELECT on it is all that it takes to read it,
GRANT EXECUTE ON FUNCTION _sio.declaration(bytea), _sio.problem(oid) TO PUBLIC;
-- for the procedure that calls sio_emit with the privileges of who calls it,
GRANT EXECUTE ON PROCEDURE @extschema@.sio_emit(_sio.namespace, text[], text, json, text[], boolean, boolean, bytea[]) TO PUBLIC;
-- and for what the event triggers call, which run with the privileges of who alters a table. Values of pg_ddl_command exist in event
-- triggers only, and there alone Postgres tells what was dropped; what a trigger depends on is recorded once, whoever asks for it.
GRANT USAGE ON SCHEMA _sio TO PUBLIC;
GRANT EXECUTE ON FUNCTION _sio.altered(pg_ddl_command), _sio.dropped(pg_ddl_command), _sio.protect(oid) TO PUBLIC;
