//! Functions, types and schemas that were renamed or moved are followed in what triggers compute.

use crate::error::{Error, SchemaError};
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog::triggers;
use crate::pg::ddl::{Names, Requalification};
use crate::pg::{catalog, encoding};
use socketio_emitter_declaration::{Requalified, requalify};
use std::ffi::CStr;

/// Gives the new names to all triggers whose arguments can't be followed any more. One that can't with the new ones either, and
/// could before, is refused.
pub fn requalified(change: &Requalification) -> Result<(), Error> {
    // A name that has no form in UTF-8 is in no declaration that could be followed.
    let Some(names) = in_utf8(&change.names) else {
        return Ok(());
    };
    // Something else may have the name now, or may be what was meant. Whose table isn't concerned must not be locked: functions share
    // their names with those of others.
    let is_concerned = |watched: &Watched| {
        changed(watched, &names)
            .filter(|_| !fits(watched))
            .is_some()
    };
    let mut named = Watched::all_with_copies();
    named.retain(is_concerned);
    for Watched(trigger) in named {
        // As CREATE OR REPLACE TRIGGER locks it; from then on the trigger stays as it is.
        catalog::lock(trigger.table, catalog::Lock::CreateTrigger);
        let Some(mut watched) = Watched::by_oid(trigger.oid).filter(is_concerned) else {
            continue;
        };
        let Some(arguments) = changed(&watched, &names) else {
            continue;
        };
        let before = watched.0.arguments.replace(arguments.clone());
        let fits_now = fits(&watched);
        watched.0.arguments = before;
        if !fits_now && has_fitted(&watched, change) {
            return Err(SchemaError::Altered {
                what: what(&names),
                dependent: watched.display_with_table(),
                problem: "it does not work with the new name".to_owned(),
                way_out: watched.way_out(),
            }
            .into());
        }
        triggers::set_arguments(&watched.0, &arguments);
    }
    Ok(())
}

fn fits(watched: &Watched) -> bool {
    matches!(tried(watched, fit), Ok(Ok(())))
}

/// Whether it is the command that has broken it. What nobody could follow before is no reason to refuse a name: anybody who may
/// write a trigger would keep others from renaming what is theirs.
fn has_fitted(watched: &Watched, change: &Requalification) -> bool {
    change.before(|| fits(watched)).unwrap_or_else(|failure| {
        if failure.is_transient() {
            failure.raise();
        }
        true
    })
}

/// The arguments with the new names; `None` if none of the old ones is in them.
fn changed(watched: &Watched, change: &Requalified) -> Option<Vec<Vec<u8>>> {
    let mut is_changed = false;
    let arguments = watched.0.arguments.iter().flatten().map(|argument| {
        let changed = encoding::to_utf8(argument)
            .ok()
            .and_then(|argument| requalify(&argument, change))
            .and_then(|argument| encoding::from_utf8(argument.into_bytes()).ok());
        is_changed |= changed.is_some();
        changed.unwrap_or_else(|| argument.clone())
    });
    let arguments = arguments.collect();
    is_changed.then_some(arguments)
}

fn what(change: &Requalified) -> String {
    match change {
        Requalified::Schema { from, .. } => format!("name of schema \"{from}\""),
        Requalified::Object { from, .. } => format!("name of \"{}.{}\"", from.0, from.1),
        Requalified::Label { of, from, .. } => format!("value \"{from}\" of \"{}.{}\"", of.0, of.1),
    }
}

fn in_utf8(names: &Names) -> Option<Requalified> {
    let text = |text: &CStr| {
        let text = encoding::to_utf8(text.to_bytes());
        text.ok().map(|text| text.into_owned())
    };
    Some(match names {
        Names::Schema { from, to } => Requalified::Schema {
            from: text(from)?,
            to: text(to)?,
        },
        Names::Object { from, to } => Requalified::Object {
            from: (text(&from[0])?, text(&from[1])?),
            to: (text(&to[0])?, text(&to[1])?),
        },
        Names::Label { of, from, to } => Requalified::Label {
            of: (text(&of[0])?, text(&of[1])?),
            from: text(from)?,
            to: text(to)?,
        },
    })
}
