//! Tests inside a server: what an SQL function answers. Each runs in a transaction that is rolled
//! back, so nothing is delivered here; what commits is tested from outside, in `e2e/`.

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use super::*;

    fn value<T: FromDatum + IntoDatum>(sql: &str) -> T {
        Spi::get_one(sql)
            .expect("the query runs")
            .expect("a value that isn't null")
    }

    /// SQLSTATE of the error that a statement raises.
    fn sqlstate(statement: &str) -> String {
        Spi::run(
        "CREATE OR REPLACE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
         BEGIN EXECUTE statement; RETURN '00000'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$",
    )
    .expect("a function can be created");
        Spi::get_one_with_args("SELECT pg_temp.sqlstate_of($1)", &[statement.into()])
            .expect("the query runs")
            .expect("a state")
    }

    #[pg_test]
    fn a_payload_arrives_as_jsonb_shows_it() {
        let documents = [
            "null",
            "true",
            r#""text""#,
            "0",
            "-0.000012345678901234567890",
            "12345678901234567890123456789.10",
            "-9223372036854775808",
            "1e-30",
            "1.50",
            "10000",
            "[]",
            "{}",
            r#"[1, [2, [3, {"a": [null, {"b": "c"}]}]]]"#,
            r#"{"": "", "é": "\u2028 \" \\ \n 😀", "aa": {"bbb": 0.10}, "ccc": [true, false, null]}"#,
        ];
        for document in documents {
            let same: bool = value(&format!(
            "SELECT (message #> '{{data,packet,data,1}}')::text = $json${document}$json$::jsonb::text
             FROM sio_encode('/', '{{}}', 'e', $json${document}$json$)"
        ));
            assert!(same, "{document}");
        }
    }

    #[pg_test]
    fn long_arrays_and_objects_are_read_past_jsonbs_stored_offsets() {
        // Every 32nd entry of a container stores an offset instead of a length.
        for count in [31, 32, 33, 64, 65, 1000] {
            let same: bool = value(&format!(
                "WITH doc AS (SELECT jsonb_build_object(
                 'list', jsonb_agg(repeat('x', i % 7)),
                 'map', jsonb_object_agg('key' || i, i * 1.5)) j FROM generate_series(1, {count}) i)
             SELECT message #> '{{data,packet,data,1}}' = j
             FROM doc, sio_encode('/', '{{}}', 'e', j)"
            ));
            assert!(same, "{count}");
        }
    }

    #[pg_test]
    fn a_channel_is_cut_where_postgres_cuts_identifiers() {
        for namespace in [
            "/short".to_owned(),
            "/".repeat(53),
            "/".repeat(54),
            format!("/{}", "é".repeat(40)),
            format!("/x{}", "😀".repeat(30)),
        ] {
            // The type name is cut as an identifier is.
            let cut: String = value(&format!("SELECT 'socket.io#{namespace}'::name::text"));
            let ours: String = value(&format!(
                "SELECT channel FROM sio_encode('{namespace}', '{{}}', 'e')"
            ));
            assert_eq!(ours, cut);
        }
    }

    #[pg_test]
    fn messages_of_a_transaction_are_numbered() {
        let next = "SELECT (message ->> 'n')::int FROM sio_encode('/', '{}', 'e')";
        let first: i32 = value(next);
        assert_eq!(value::<i32>(next), first, "looking takes no number");
        Spi::run("SELECT sio_emit('/', '{}', 'e'), sio_emit('/', '{}', 'e')").expect("emits");
        assert_eq!(value::<i32>(next), first + 2);
    }

    #[pg_test]
    fn a_message_of_the_threshold_goes_through_the_table() {
        Spi::run("SET LOCAL socketio_emitter.payload_threshold = 1000").expect("sets");
        for (bytes, attachment) in [(999, false), (1000, true)] {
            let sent: bool = value(&format!(
                "SELECT s.attachment
             FROM sio_encode('/', '{{}}', 'e', to_jsonb(''::text)) empty,
                  sio_encode('/', '{{}}', 'e', to_jsonb(repeat('x', {bytes} - empty.bytes))) s"
            ));
            assert_eq!(sent, attachment, "{bytes}");
        }
    }

    #[pg_test]
    fn the_deepest_nesting_fits_the_stack() {
        let nested = |depth| {
            format!(
                "SELECT sio_emit('/', '{{}}', 'e', (repeat('[', {depth}) || repeat(']', {depth}))::jsonb)"
            )
        };
        // A level takes four times as much of the stack in a debug build, which this is.
        Spi::run("SET LOCAL max_stack_depth = '6MB'").expect("sets");
        assert_eq!(sqlstate(&nested(512)), "00000");
        assert_eq!(sqlstate(&nested(513)), "54000");
        Spi::run("SET LOCAL socketio_emitter.payload_threshold = 1").expect("sets");
        assert_eq!(sqlstate(&nested(512)), "00000");
        assert_eq!(sqlstate(&nested(513)), "54000");
    }

    #[pg_test]
    fn refusals_have_their_sqlstate() {
        for (statement, state) in [
            ("SELECT sio_emit(NULL, '{}', 'e')", "22004"),
            ("SELECT sio_emit('/', NULL, 'e')", "22004"),
            ("SELECT sio_emit('/', '{a,NULL}', 'e')", "22004"),
            ("SELECT sio_emit('/', '{{a},{b}}', 'e')", "2202E"),
            ("SELECT sio_emit('/', '{}', 'disconnect')", "22023"),
            ("SELECT sio_server_side_emit('/', 'connection')", "22023"),
            (
                "SELECT sio_emit('/', '{}', 'e', sio_buffer(0), binaries => '{NULL}')",
                "22004",
            ),
            (
                "SELECT sio_emit('/', '{}', 'e', sio_buffer(1), binaries => '{a}')",
                "22023",
            ),
            (
                "SELECT sio_emit('/', '{}', 'e', '1', binaries => '{a}')",
                "22023",
            ),
            ("SELECT sio_buffer(-1)", "22023"),
            ("SELECT sio_cleanup(NULL)", "22004"),
            ("SELECT sio_cleanup('-1 s')", "22023"),
            ("SET socketio_emitter.channel_prefix = ''", "22023"),
            ("SET socketio_emitter.table_name = 'a.b.c'", "22023"),
            ("SET socketio_emitter.payload_threshold = 8001", "22023"),
            ("SET socketio_emitter.unknown = 1", "42602"),
        ] {
            assert_eq!(sqlstate(statement), state, "{statement}");
        }
    }

    #[pg_test]
    fn a_refused_call_stores_nothing() {
        let refused = "SELECT sio_emit('/', '{}', 'e', sio_buffer(1), binaries => '{a}')";
        assert_eq!(sqlstate(refused), "22023");
        assert_eq!(
            value::<i64>("SELECT count(*) FROM socket_io_attachments"),
            0
        );
    }
}

/// What `cargo pgrx test` asks of a crate.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
