//! Lists of what travels: columns, and functions of the row.

use crate::error::DeclarationError;
use crate::function::FunctionName;
use crate::given::{Given, Key};
use crate::list::{self, Listed};

/// Which of a table's columns travel. Names are exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// Every column.
    All,
    /// These columns.
    Only(Vec<String>),
    /// Every column but these.
    Except(Vec<String>),
}

/// `columns` or `except_columns`, understood.
pub(crate) struct Travelling {
    pub columns: Columns,
    pub computed: Vec<FunctionName>,
}

impl Columns {
    /// The argument that chose them, if any did.
    pub fn key(&self) -> Key {
        match self {
            Columns::Except(_) => Key::ExceptColumns,
            Columns::All | Columns::Only(_) => Key::Columns,
        }
    }

    /// The names that were given.
    pub fn named(&self) -> &[String] {
        match self {
            Columns::All => &[],
            Columns::Only(names) | Columns::Except(names) => names,
        }
    }

    /// Whether the column of that name is sent.
    pub fn travels(&self, name: &str) -> bool {
        match self {
            Columns::All => true,
            Columns::Only(names) => names.iter().any(|only| only == name),
            Columns::Except(names) => !names.iter().any(|except| except == name),
        }
    }
}

/// Reads a list of names as SQL writes them, such as `id, "Total", title()`.
pub(crate) fn list(key: Key, text: &str) -> Result<Vec<Listed>, DeclarationError> {
    list::read(text).ok_or_else(|| {
        DeclarationError::new(
            key,
            Some(text),
            "is not a list of columns",
            "Separate names with commas, in double quotes where SQL requires them: id,\"Total\".",
        )
    })
}

/// What travels, by the arguments.
pub(crate) fn travelling(given: &Given<'_>) -> Result<Travelling, DeclarationError> {
    let (columns, computed) = match (given.get(Key::Columns), given.get(Key::ExceptColumns)) {
        (None, None) => (Columns::All, Vec::new()),
        (Some(only), None) => {
            let listed = list(Key::Columns, only)?;
            let all = listed.contains(&Listed::All);
            let (names, computed) = split(listed);
            (
                if all {
                    Columns::All
                } else {
                    Columns::Only(names)
                },
                computed,
            )
        }
        (None, Some(except)) => {
            let listed = list(Key::ExceptColumns, except)?;
            let is_column = |listed: &Listed| matches!(listed, Listed::Column(_));
            if !listed.iter().all(is_column) {
                return Err(DeclarationError::new(
                    Key::ExceptColumns,
                    Some(except),
                    "is not a list of columns",
                    "To add what a function returns, use columns: columns=*,title().",
                ));
            }
            (Columns::Except(split(listed).0), Vec::new())
        }
        (Some(_), Some(_)) => {
            return Err(DeclarationError::new(
                Key::ExceptColumns,
                None,
                "cannot be combined with columns",
                "Specify either the columns that are sent or those that are not.",
            ));
        }
    };
    Ok(Travelling { columns, computed })
}

/// Columns and functions, apart.
fn split(listed: Vec<Listed>) -> (Vec<String>, Vec<FunctionName>) {
    let mut names = Vec::new();
    let mut computed = Vec::new();
    for listed in listed {
        match listed {
            Listed::All => {}
            Listed::Column(name) => names.push(name),
            Listed::Function(function) => computed.push(function),
        }
    }
    (names, computed)
}

/// The argument that [`travelling`] reads as these, if there is one.
pub(crate) fn argument(columns: &Columns, computed: &[FunctionName]) -> Option<(Key, String)> {
    let mut listed: Vec<Listed> = match columns {
        Columns::All if computed.is_empty() => return None,
        Columns::All => vec![Listed::All],
        Columns::Only(names) | Columns::Except(names) => {
            names.iter().cloned().map(Listed::Column).collect()
        }
    };
    listed.extend(computed.iter().cloned().map(Listed::Function));
    Some((columns.key(), list::write(&listed)))
}
