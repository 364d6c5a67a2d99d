use std::fmt::{self, Display};

/// An argument that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclarationError {
    /// The argument's key; the whole argument where it has none.
    pub key: String,
    /// What was given for it, if that is what is wrong.
    pub value: Option<String>,
    /// What is wrong, to follow the argument's name: `has …`, `must …`.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

impl DeclarationError {
    pub(crate) fn new(
        key: impl Display,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            key: key.to_string(),
            value: value.map(str::to_owned),
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

/// The argument as it was written, as far as it is known.
impl Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value} {}", self.key, self.problem),
            None => write!(f, "{} {}", self.key, self.problem),
        }
    }
}

impl std::error::Error for DeclarationError {}
