//! Who the servers take us for.

/// The sender's name that servers don't count as a node of the cluster (`EMITTER_UID`).
pub const UID: &str = "emitter";

/// The mark without which the workers of a Node cluster drop a message: the primary
/// (`setupPrimary` of the adapter, 0.4.0 on) forwards it as it is, and `@socket.io/cluster-adapter`
/// in the workers looks for this under `source` (`MESSAGE_SOURCE`). Other adapters ignore it.
pub const SOURCE: &str = "_sio_adapter";
