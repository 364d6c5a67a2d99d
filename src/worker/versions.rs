//! The library and its SQL, which are replaced one after the other.

use crate::extension::VERSION;
use crate::pg::background;
use crate::pg::encoding::in_any_encoding;
use pgrx::PgSqlErrorCode;

/// Tells in the log that the second step of an upgrade waits. `extension` is `None` where the database has no extension.
pub fn warn_if_they_differ(database: &str, extension: Option<&str>) {
    let library = VERSION;
    let Some(extension) = extension.filter(|version| *version != library) else {
        return;
    };
    let hint = if numbers(extension) < numbers(library) {
        "Run ALTER EXTENSION socketio_emitter UPDATE in that database."
    } else {
        "Restart the server, so that it loads the newer library."
    };
    background::log_warning(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        in_any_encoding(format!(
            "extension \"socketio_emitter\" has version {extension} in database \"{database}\", but the library has version {library}"
        )),
        hint,
    );
}

/// Of a version such as `0.10.2`, in the order of versions.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or_default())
        .collect()
}
