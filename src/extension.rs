//! What the extension is called.

use std::ffi::CStr;

/// The name of the extension, of its library, and of the prefix of its settings: that of the package.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The version of the library.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// [`VERSION`], as Postgres takes it.
pub const C_VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

/// [`NAME`], as Postgres takes it.
pub const C_NAME: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_NAME"), "\0").as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a package's name has no NUL"),
    };
