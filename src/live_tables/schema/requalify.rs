//! What was renamed or moved is followed in what triggers compute: schemas, functions, types, operators and so on.

use crate::error::{Error, SchemaError};
use crate::live_tables::schema::problem::{fit, tried};
use crate::live_tables::schema::watched::Watched;
use crate::pg::catalog::depend;
use crate::pg::catalog::triggers;
use crate::pg::ddl::{Names, Renamed, Requalification};
use crate::pg::{catalog, encoding};
use socketio_emitter_declaration::{QualifiedName, Requalified, filter, requalify};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};

/// Gives the new names to all triggers whose arguments can't be followed any more. One that can't with the new ones either, and
/// could before, is refused.
pub fn requalified(change: &Requalification) -> Result<(), Error> {
    // A name that has no form in UTF-8 is in no declaration that could be followed.
    let Some(names) = in_utf8(&change.names) else {
        return Ok(());
    };
    // Who depends on it may name it in a way that can't be followed.
    let dependent: BTreeSet<u32> = (change.objects().iter())
        .flat_map(|object| depend::triggers_on(object.class, object.oid))
        .map(|trigger| trigger.to_u32())
        .collect();
    // Something else may have the name now, or may be what was meant. Whose table isn't concerned must not be locked: functions share
    // their names with those of others.
    let is_concerned = |watched: &Watched| {
        (dependent.contains(&watched.0.oid.to_u32())
            || has_names_in_constants(watched)
            || changed(watched, &names).is_some())
            && !fits(watched)
    };
    let mut concerned = Watched::all_with_copies();
    concerned.retain(is_concerned);
    for mut watched in concerned {
        if changed(&watched, &names).is_some() {
            // As CREATE OR REPLACE TRIGGER locks it; from then on the trigger stays as it is.
            catalog::lock(watched.0.table, catalog::Lock::CreateTrigger);
            let Some(locked) = Watched::by_oid(watched.0.oid).filter(is_concerned) else {
                continue;
            };
            watched = locked;
        }
        let arguments = changed(&watched, &names);
        let fits_now = arguments.as_ref().is_some_and(|arguments| {
            let before = watched.0.arguments.replace(arguments.clone());
            let fits_now = fits(&watched);
            watched.0.arguments = before;
            fits_now
        });
        if !fits_now && has_fitted(&watched, change) {
            return Err(SchemaError::Altered {
                what: what(&change.names),
                dependent: watched.display_with_table(),
                problem: "it does not work with the new name".to_owned(),
                way_out: watched.way_out(),
            }
            .into());
        }
        if let Some(arguments) = arguments {
            triggers::set_arguments(&watched.0, &arguments);
        }
    }
    Ok(())
}

/// Whether a filter has constants of a type such as `regclass`: in an array, nothing tells that the trigger depends on what they name.
fn has_names_in_constants(watched: &Watched) -> bool {
    (watched.0.arguments.iter().flatten()).any(|argument| {
        encoding::to_utf8(argument)
            .is_ok_and(|argument| filter(&argument).is_some_and(|text| text.contains("'::reg")))
    })
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

fn what(names: &Names) -> String {
    let shown = |name: &CStr| encoding::display(name);
    let qualified = |name: &[CString; 2]| format!("{}.{}", shown(&name[0]), shown(&name[1]));
    match names {
        Names::Schema { from, .. } => format!("name of schema \"{}\"", shown(from)),
        Names::Objects {
            extension: Some(extension),
            ..
        } => format!("schema of extension \"{}\"", shown(extension)),
        Names::Objects { renamed, .. } => {
            let name = renamed.first().map(|renamed| qualified(&renamed.from));
            format!("name of \"{}\"", name.unwrap_or_default())
        }
        Names::Label { of, from, .. } => {
            format!("value \"{}\" of \"{}\"", shown(from), qualified(of))
        }
    }
}

fn in_utf8(names: &Names) -> Option<Requalified> {
    let text = |text: &CStr| {
        let text = encoding::to_utf8(text.to_bytes());
        text.ok().map(|text| text.into_owned())
    };
    let qualified = |name: &[CString; 2]| Some((text(&name[0])?, text(&name[1])?));
    Some(match names {
        Names::Schema { from, to } => Requalified::Schema {
            from: text(from)?,
            to: text(to)?,
        },
        Names::Objects { renamed, .. } => {
            let of = |are_operators: bool| {
                let pair = |renamed: &Renamed| -> Option<(QualifiedName, QualifiedName)> {
                    Some((qualified(&renamed.from)?, qualified(&renamed.to)?))
                };
                let renamed = renamed.iter();
                let kind = renamed.filter(|renamed| renamed.is_operator == are_operators);
                kind.filter_map(pair).collect()
            };
            Requalified::Objects {
                named: of(false),
                operators: of(true),
            }
        }
        Names::Label { of, from, to } => Requalified::Label {
            of: qualified(of)?,
            from: text(from)?,
            to: text(to)?,
        },
    })
}
