//! Seeing some commands before Postgres runs them.

use crate::extension;
use crate::pg::catalog::database;
use pgrx::{PgList, pg_sys};
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;

/// A command that concerns workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// What may create or alter the extension.
    Create,
    /// What may drop it, and much else.
    Drop,
    /// What Postgres refuses while anybody is in that database, from a role that may do it.
    NeedsAlone(pg_sys::Oid),
    /// CREATE DATABASE from that template, which it needs alone, too.
    CreateDatabase(pg_sys::Oid),
}

/// What is called before such a command, which may raise an ERROR, and after a COMMIT PREPARED.
#[derive(Debug)]
pub struct Watcher {
    /// Called before the command.
    pub before: fn(Command),
    /// Called after a COMMIT PREPARED.
    pub after_commit_prepared: fn(),
}

static WATCHER: OnceLock<Watcher> = OnceLock::new();
static NEXT: OnceLock<pg_sys::ProcessUtility_hook_type> = OnceLock::new();

/// Looks at each session's commands from now on. Called in the postmaster, whose sessions inherit it.
pub fn watch(watcher: Watcher) {
    if WATCHER.set(watcher).is_ok() {
        // SAFETY: a variable of the process that extensions are to chain themselves into; pgrx's own threads
        // don't exist.
        unsafe {
            let _ = NEXT.set(pg_sys::ProcessUtility_hook);
            pg_sys::ProcessUtility_hook = Some(process_utility);
        }
    }
}

unsafe extern "C-unwind" {
    // src/include/tcop/utility.h, without the guard that pgrx's binding has; see below.
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        source: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// Not guarded by pgrx, and neither is the call in it: an ERROR of the command must pass as it is. Made a
/// panic and an ERROR again it would lose what pgrx doesn't carry (position, context, names of constraints and
/// columns), of everything that goes through EXECUTE, CALL and DO, too. A longjmp passes through this
/// frame, which owns nothing.
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    source: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: what Postgres hands is handed on. `before` is guarded.
    unsafe {
        let node = (*statement).utilityStmt;
        let commits_prepared = is_commit_prepared(node);
        if is_watched((*node).type_) {
            before(node, context);
        }
        let next = match NEXT.get() {
            Some(Some(next)) => *next,
            _ => standard_ProcessUtility,
        };
        next(
            statement,
            source,
            read_only_tree,
            context,
            parameters,
            environment,
            destination,
            completion,
        );
        if commits_prepared {
            after_commit_prepared();
        }
    }
}

/// The first look, which every command gets.
fn is_watched(tag: pg_sys::NodeTag) -> bool {
    use pg_sys::NodeTag::*;
    matches!(
        tag,
        T_CreateExtensionStmt
            | T_AlterExtensionStmt
            | T_DropStmt
            | T_DropOwnedStmt
            | T_DropdbStmt
            | T_CreatedbStmt
            | T_AlterDatabaseStmt
            | T_RenameStmt
    )
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn before(
    node: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) {
    // SAFETY: as Postgres handed it.
    let command = unsafe { command(node, context) };
    if let (Some(command), Some(watcher)) = (command, WATCHER.get()) {
        (watcher.before)(command);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn after_commit_prepared() {
    if let Some(watcher) = WATCHER.get() {
        (watcher.after_commit_prepared)();
    }
}

/// # Safety
/// `node` is a statement's.
unsafe fn command(
    node: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) -> Option<Command> {
    use pg_sys::NodeTag::*;
    // SAFETY: the tag tells the node's type. Names are C strings, lists are of what the grammar puts into them.
    unsafe {
        let needs_alone = |name: *const c_char| {
            Some(alone(name, context)?).filter(|oid| database::is_owned(*oid))
        };
        match (*node).type_ {
            T_CreateExtensionStmt => {
                let statement = &*node.cast::<pg_sys::CreateExtensionStmt>();
                (is_ours(statement.extname) || option(statement.options, c"cascade").is_some())
                    .then_some(Command::Create)
            }
            T_AlterExtensionStmt => is_ours((*node.cast::<pg_sys::AlterExtensionStmt>()).extname)
                .then_some(Command::Create),
            T_DropStmt => {
                use pg_sys::ObjectType::{OBJECT_EXTENSION, OBJECT_SCHEMA};
                let removes = (*node.cast::<pg_sys::DropStmt>()).removeType;
                matches!(removes, OBJECT_EXTENSION | OBJECT_SCHEMA).then_some(Command::Drop)
            }
            T_DropOwnedStmt => Some(Command::Drop),
            T_DropdbStmt => {
                needs_alone((*node.cast::<pg_sys::DropdbStmt>()).dbname).map(Command::NeedsAlone)
            }
            T_CreatedbStmt => {
                let options = (*node.cast::<pg_sys::CreatedbStmt>()).options;
                let template = match option(options, c"template") {
                    Some(option) if !(*option).arg.is_null() => pg_sys::defGetString(option),
                    _ => c"template1".as_ptr().cast_mut(),
                };
                alone(template, context)
                    .filter(|oid| database::may_be_copied(*oid))
                    .map(Command::CreateDatabase)
            }
            T_AlterDatabaseStmt => {
                let statement = &*node.cast::<pg_sys::AlterDatabaseStmt>();
                option(statement.options, c"tablespace")?;
                needs_alone(statement.dbname).map(Command::NeedsAlone)
            }
            T_RenameStmt => {
                let statement = &*node.cast::<pg_sys::RenameStmt>();
                if statement.renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                    return None;
                }
                needs_alone(statement.subname).map(Command::NeedsAlone)
            }
            _ => None,
        }
    }
}

/// # Safety
/// `node` is a statement's.
unsafe fn is_commit_prepared(node: *const pg_sys::Node) -> bool {
    // SAFETY: the tag tells the node's type.
    unsafe {
        (*node).type_ == pg_sys::NodeTag::T_TransactionStmt
            && (*node.cast::<pg_sys::TransactionStmt>()).kind
                == pg_sys::TransactionStmtKind::TRANS_STMT_COMMIT_PREPARED
    }
}

/// The database of that name, unless Postgres will refuse the command in a transaction block.
///
/// # Safety
/// `name` is a C string.
unsafe fn alone(
    name: *const c_char,
    context: pg_sys::ProcessUtilityContext::Type,
) -> Option<pg_sys::Oid> {
    // SAFETY: asks for the state of the transaction; the name as the caller says.
    unsafe {
        if context != pg_sys::ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL
            || pg_sys::IsTransactionBlock()
        {
            return None;
        }
        database::by_name(CStr::from_ptr(name))
    }
}

/// # Safety
/// `name` is a C string.
unsafe fn is_ours(name: *const c_char) -> bool {
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(name) == extension::C_NAME }
}

/// # Safety
/// `options` is a list of `DefElem`, or null.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<*mut pg_sys::DefElem> {
    // SAFETY: as the caller says; a list of nodes holds pointers, and each option has a name.
    unsafe {
        PgList::<pg_sys::DefElem>::from_pg(options)
            .iter_ptr()
            .find(|option| CStr::from_ptr((**option).defname) == name)
    }
}
