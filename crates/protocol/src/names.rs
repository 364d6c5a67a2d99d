//! Namespaces, channels and event names.

use std::borrow::Cow;

/// The namespace as servers know it: with a slash in front, as `of()` puts it there.
///
/// `""` and `"/"` are both the main namespace.
pub fn namespace(name: &str) -> Cow<'_, str> {
    if name.starts_with('/') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("/{name}"))
    }
}

/// The channel that servers LISTEN on, before Postgres truncates it.
///
/// `prefix`: the adapter's `channelPrefix`. `namespace`: with its slash.
pub fn channel(prefix: &str, namespace: &str) -> String {
    // Room for the NUL that a C string ends with.
    let mut channel = String::with_capacity(prefix.len() + namespace.len() + 2);
    channel.push_str(prefix);
    channel.push('#');
    channel.push_str(namespace);
    channel
}

/// The event's name has a meaning of its own to Socket.IO.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is a reserved event name")]
pub struct ReservedEvent(pub String);

/// Names that `socket.emit` refuses (`RESERVED_EVENTS` in socket.io's socket-types.js and in the
/// official emitter).
const RESERVED_FOR_BROADCASTS: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Names that `namespace.serverSideEmit` refuses (`RESERVED_EVENTS` in socket.io's namespace.js).
/// The official emitter lets them through; a server that then runs its `connection` handler
/// without a socket breaks.
const RESERVED_BETWEEN_SERVERS: [&str; 3] = ["connect", "connection", "new_namespace"];

/// Refuses event names that clients couldn't receive.
pub fn check_broadcast_event(event: &str) -> Result<(), ReservedEvent> {
    check(event, &RESERVED_FOR_BROADCASTS)
}

/// Refuses event names that a server would mistake for its own.
pub fn check_server_side_event(event: &str) -> Result<(), ReservedEvent> {
    check(event, &RESERVED_BETWEEN_SERVERS)
}

fn check(event: &str, reserved: &[&str]) -> Result<(), ReservedEvent> {
    if reserved.contains(&event) {
        return Err(ReservedEvent(event.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_get_their_slash() {
        assert_eq!(namespace("/"), "/");
        assert_eq!(namespace(""), "/");
        assert_eq!(namespace("chat"), "/chat");
        assert_eq!(namespace("/chat"), "/chat");
        assert_eq!(channel("socket.io", &namespace("chat")), "socket.io#/chat");
    }

    #[test]
    fn reserved_names_depend_on_the_receiver() {
        assert!(check_broadcast_event("disconnect").is_err());
        assert!(check_broadcast_event("connection").is_ok());
        assert!(check_server_side_event("connection").is_err());
        assert!(check_server_side_event("disconnect").is_ok());
        assert!(check_broadcast_event("Connect").is_ok());
    }
}
