//! Errors of live tables: of their triggers, and of the calls that make and drop them.

use crate::error::description::Description;
use crate::pg::encoding::shorten;
use crate::pg::table::expression::{MAX_DEPTH, Unfit};
use pgrx::PgSqlErrorCode as Code;
use socketio_emitter_declaration::{DeclarationError, Key};

/// Why a trigger or a watch cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveTableError {
    /// A trigger's argument, or the parameter of `sio_watch` that would become one.
    Misdeclared(Misdeclared),
    /// More arguments of a trigger than Postgres can count.
    TooManyArguments,
    /// A room or an event whose columns' values are too long.
    TooLongText {
        /// The trigger's argument.
        argument: &'static str,
    },
    /// More rooms for one row than [`MAX_ROW_ROOMS`].
    TooManyRooms,
    /// Rooms for one row that have more than [`MAX_ROOMS_TEXT`] together.
    TooLongRooms,
    /// A watch without rooms, and nothing that says that everyone is meant.
    NoRooms,
    /// A watch for everyone that has rooms, too.
    RoomsForEveryone,
    /// `sio_unwatch` of a name that the table has no watch of.
    NoSuchWatch { name: String, table: String },
    /// A call outside a trigger, or a trigger of a kind that cannot work.
    TriggerProtocol {
        problem: &'static str,
        hint: &'static str,
    },
    /// `sio_watch` would replace a trigger that it did not make.
    ForeignTrigger { trigger: String, table: String },
    /// Only a table's owner may drop its triggers.
    NotOwner { table: String },
    /// Each message in the attachments table would cause another one.
    WatchedAttachments,
    /// A `regclass` that belongs to no table.
    NoSuchTable { oid: u32 },
    /// The caller lacks the privilege TRIGGER.
    NoTriggerPrivilege { table: String },
    /// Something other than a table, which cannot have triggers for its rows.
    NotWatchable { name: String },
    /// A name in a trigger's arguments has passed to something else.
    Replaced {
        /// To what: `function shop.seen(text)`.
        by: String,
    },
    /// A row that is of no table.
    NotARow,
    /// A table without any watch, or without the one of that name. `watches`: those that it has.
    NoWatchOfRow {
        table: String,
        watch: Option<String>,
        watches: Vec<String>,
    },
    /// A table with several watches, where one was meant.
    SeveralWatches { table: String, watches: Vec<String> },
    /// A snapshot that does not tell which transactions it contains.
    StandbySnapshot,
}

impl LiveTableError {
    /// A declaration that is wrong, or that does not fit the table.
    ///
    /// `key`: the argument. `value`: what it was given, if that is what is wrong. `problem` follows the argument's name in
    /// the message; `hint` is the HINT.
    pub fn misdeclared(
        why: Why,
        key: Key,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Misdeclared(Misdeclared {
            why,
            argument: DeclarationError {
                key: key.to_string(),
                value: value.map(str::to_owned),
                problem: problem.into(),
                hint: hint.into(),
            },
            in_call: false,
        })
    }

    /// A filter that Postgres's parser takes, and that rows of a trigger can't be asked.
    pub fn unfit_filter(unfit: Unfit, filter: &str) -> Self {
        let (problem, hint) = match unfit {
            Unfit::NotOne => (
                "is not one expression",
                "Write a condition over the columns of the row, such as status = 'paid' AND total > 100.",
            ),
            Unfit::SystemColumn => (
                "refers to a system column, which a trigger's row does not have",
                "Use only columns of the table.",
            ),
            Unfit::VirtualColumn => (
                "refers to a virtual generated column, which a trigger's row does not have",
                "Use the column's expression, or make the column STORED.",
            ),
            Unfit::TooDeep => {
                return Self::misdeclared(
                    Why::TooComplex,
                    Key::Filter,
                    Some(filter),
                    format!("is nested more than {MAX_DEPTH} levels deep"),
                    "Move part of it into a function that takes the row, or compare with a list: status IN ('new', 'paid').",
                );
            }
            Unfit::TooManyCopies => {
                return Self::misdeclared(
                    Why::TooComplex,
                    Key::Filter,
                    Some(filter),
                    "makes Postgres copy or look up too much: BETWEEN, IN and .* copy what is before them, and multiply copies where they are nested; a call looks at all functions of its name",
                    "Name what is before them by a function of the row, or compare by >=, <= and = ANY (ARRAY[...]).",
                );
            }
            Unfit::Query => (
                "contains a subquery",
                "Use only columns of the row, or a function that takes the row and does the query.",
            ),
            Unfit::Role => (
                "has a constant of type regrole, on which no watch can depend",
                "Compare names of roles, which are texts: current_user = 'app', or owner::text = 'app' for a column of type regrole. A role that is renamed is not followed.",
            ),
            Unfit::Inexact => (
                "calls a function or an operator whose parameters are of other types than its arguments, so that another one of its name could take its place",
                "Pass all arguments, in their order and of exactly the types of the parameters. Instead of a polymorphic function, use one for the type.",
            ),
            Unfit::Unqualifiable => (
                "compares with an operator that is not found on every search path",
                "IS DISTINCT FROM, NULLIF, CASE and rows use the operator that is found by its name. Write a = b instead, or cast the values to a type of Postgres's own, such as text.",
            ),
        };
        Self::misdeclared(Why::Argument, Key::Filter, Some(filter), problem, hint)
    }

    pub(super) fn describe(self) -> Description {
        let (code, message, hint) = match self {
            Self::Misdeclared(misdeclared) => (
                match misdeclared.why {
                    Why::Argument | Why::KeyLeftOut | Why::SameKey(_) => {
                        Code::ERRCODE_INVALID_PARAMETER_VALUE
                    }
                    Why::TooComplex => Code::ERRCODE_STATEMENT_TOO_COMPLEX,
                    Why::NoColumn => Code::ERRCODE_UNDEFINED_COLUMN,
                    Why::NoFunction => Code::ERRCODE_UNDEFINED_FUNCTION,
                    Why::WrongType => Code::ERRCODE_DATATYPE_MISMATCH,
                    Why::NoPrimaryKey => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                },
                misdeclared.message(),
                Some(misdeclared.argument.hint),
            ),
            Self::Replaced { by } => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("{by} is not what the watch was declared with"),
                Some("Something else had its name or its place then, or it was made later. Look whose it is; to run it nevertheless, declare the watch again.".to_owned()),
            ),
            Self::TooManyArguments => (
                Code::ERRCODE_TOO_MANY_ARGUMENTS,
                "trigger has too many arguments".to_owned(),
                Some("A trigger can have at most 32,767 arguments.".to_owned()),
            ),
            Self::TooLongText { argument } => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("argument \"{argument}\" produces a text longer than {MAX_TEXT} bytes"),
                Some(
                    "Rooms and events are names. Build them from columns with short values."
                        .to_owned(),
                ),
            ),
            Self::TooManyRooms => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("row has more than {MAX_ROW_ROOMS} rooms"),
                Some("Let clients join a room that stands for many of these.".to_owned()),
            ),
            Self::TooLongRooms => (
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                format!("row has rooms of more than {MAX_ROOMS_TEXT} bytes together"),
                Some("Let clients join a room that stands for many of these.".to_owned()),
            ),
            Self::NoRooms => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"rooms\" must name a room".to_owned(),
                Some("Name the rooms that may see the rows, such as rooms => '{customer:$customer_id}', or send them to every client of the namespace with everyone => true.".to_owned()),
            ),
            Self::RoomsForEveryone => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"rooms\" must be empty when \"everyone\" is true".to_owned(),
                Some("Leave out one of the two.".to_owned()),
            ),
            Self::NoSuchWatch { name, table } => (
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("table \"{table}\" has no watch \"{}\"", shorten(&name)),
                Some("The view sio_watches lists the watches. To ignore a missing one, use if_exists => true.".to_owned()),
            ),
            Self::TriggerProtocol { problem, hint } => (
                Code::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                problem.to_owned(),
                Some(hint.to_owned()),
            ),
            Self::ForeignTrigger { trigger, table } => (
                Code::ERRCODE_DUPLICATE_OBJECT,
                format!("table \"{table}\" already has a trigger \"{trigger}\" that does not belong to this watch"),
                Some(
                    "Choose another name for the watch: sio_watch(..., name => 'another')."
                        .to_owned(),
                ),
            ),
            Self::NotOwner { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of table {table}"),
                Some("Only the owner of a table can drop its triggers.".to_owned()),
            ),
            Self::WatchedAttachments => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "parameter \"table_name\" must not be the attachments table".to_owned(),
                Some(
                    "Its rows are the messages themselves. Watch the tables that the messages are about."
                        .to_owned(),
                ),
            ),
            Self::NoSuchTable { oid } => (
                Code::ERRCODE_UNDEFINED_TABLE,
                format!("parameter \"table_name\": table with OID {oid} does not exist"),
                None,
            ),
            Self::NoTriggerPrivilege { table } => (
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {table}"),
                Some(
                    "Creating triggers requires the TRIGGER privilege on the table.".to_owned(),
                ),
            ),
            Self::NotWatchable { name } => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("parameter \"table_name\": \"{name}\" is not a table"),
                Some("To follow a view, watch the tables that it reads.".to_owned()),
            ),
            Self::NotARow => (
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                "parameter \"record\" is not a row of a table".to_owned(),
                Some(
                    "Pass the table's name or alias: SELECT sio_row(o) FROM orders AS o."
                        .to_owned(),
                ),
            ),
            Self::NoWatchOfRow {
                table,
                watch,
                watches,
            } => (
                Code::ERRCODE_UNDEFINED_OBJECT,
                match watch {
                    Some(watch) => format!("\"{table}\" has no watch \"{}\"", shorten(&watch)),
                    None => format!("\"{table}\" has no watch"),
                },
                Some(match watches.is_empty() {
                    true => "Create one with sio_watch(), and pass rows of the table itself, not of a view.".to_owned(),
                    false => format!("Its watches are: {}.", watches.join(", ")),
                }),
            ),
            Self::SeveralWatches { table, watches } => (
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("\"{table}\" has several watches, none of which is called \"sio_watch\""),
                Some(format!(
                    "Pass the name of the one that clients follow: {}.",
                    watches.join(", ")
                )),
            ),
            Self::StandbySnapshot => (
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "a snapshot taken on a standby server cannot be followed by events".to_owned(),
                Some("Run the query on the primary. A standby does not show which transactions are running, and lacks changes whose events may have been sent already.".to_owned()),
            ),
        };
        Description {
            code,
            message,
            hint,
        }
    }
}

/// A declaration that is wrong, or that does not fit the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misdeclared {
    /// What is wrong.
    pub why: Why,
    /// The argument, and what to do about it.
    pub argument: DeclarationError,
    /// Whether the message names the parameter of `sio_watch` instead of the trigger's argument.
    pub in_call: bool,
}

/// What is wrong with a declaration; it decides the SQLSTATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// 22023
    Argument,
    /// 54001
    TooComplex,
    /// 42703
    NoColumn,
    /// 42883
    NoFunction,
    /// 42804
    WrongType,
    /// 55000
    NoPrimaryKey,
    /// 22023: of a primary key that there is
    KeyLeftOut,
    /// 22023: two values would travel under this key
    SameKey(String),
}

impl Misdeclared {
    fn message(&self) -> String {
        let DeclarationError {
            key,
            value,
            problem,
            ..
        } = &self.argument;
        let value = value.as_deref().map(shorten);
        if !self.in_call {
            return match value {
                Some(value) => format!("argument \"{key}={value}\" {problem}"),
                None => format!("argument \"{}\" {problem}", shorten(key)),
            };
        }
        let parameter = if key == "room" { "rooms" } else { key };
        match value {
            Some(value) => format!("parameter \"{parameter}\": \"{value}\" {problem}"),
            None => format!("parameter \"{parameter}\" {problem}"),
        }
    }
}

/// Bytes of UTF-8 in a room or an event that a trigger builds from a row. The limit is ours: what a row's room takes of
/// memory must be bounded, and servers keep a room's name for as long as somebody is in it.
pub const MAX_TEXT: usize = 65_536;

/// Rooms of one row, by arrays and functions. The limit is ours, as above: a message names each of them.
pub const MAX_ROW_ROOMS: usize = 10_000;

/// Bytes of all rooms of one row together, each as often as the row names it. The limit is ours, as above.
pub const MAX_ROOMS_TEXT: usize = 16 << 20;

impl From<DeclarationError> for LiveTableError {
    fn from(argument: DeclarationError) -> Self {
        Self::Misdeclared(Misdeclared {
            why: Why::Argument,
            argument,
            in_call: false,
        })
    }
}
