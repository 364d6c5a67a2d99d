//! Why a message could not be encoded.

/// Nothing was produced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoded message would be longer than this many bytes.
    #[error("the message is longer than {limit} bytes")]
    TooLong { limit: usize },
    /// There is no memory for the encoded message.
    #[error("out of memory while encoding a message")]
    OutOfMemory,
    /// An argument's own `Serialize` failed; it knows more.
    #[error("{0}")]
    Argument(String),
}
