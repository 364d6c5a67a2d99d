//! What has got another name is followed in what triggers compute: schemas, functions, types, operators and so on, and parts of values.
//!
//! A trigger names what it refers to; what it means by that is read with the old names, as OIDs, and written with the new ones. So nothing
//! else takes the place of what was meant, whatever else has these names.

use crate::error::{Error, LiveTableError, SchemaError, Why};
use crate::live_tables::declared::declaration;
use crate::live_tables::protection::is_told;
use crate::live_tables::schema::meaning::Meaning;
use crate::live_tables::schema::patience::{Patience, may_refuse};
use crate::live_tables::schema::problem::{fit, tried, tried_anyhow};
use crate::live_tables::schema::rows;
use crate::live_tables::schema::watched::Watched;
use crate::live_tables::watch::display_name;
use crate::pg::catalog::triggers;
use crate::pg::ddl::{Names, Requalification};
use crate::pg::memory::Memory;
use crate::pg::xact::failure::Failure;
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use socketio_emitter_declaration::{filter, has_in_literal};
use std::ffi::{CStr, CString};

/// Gives the new names to all triggers that refer to what has got them. One that can't get them is an error if its table is of the owner of
/// what was renamed, or of who has renamed it; else a warning: nobody can keep others from renaming what is theirs.
pub fn requalified(change: &Requalification) -> Result<(), Error> {
    let dependents = change.dependents();
    let mut patience = Patience::new();
    let mut all = Watched::all();
    // Those of others can take the locks that there are.
    all.sort_by_key(|watched| catalog::owner(watched.0.table) != Some(change.owner));
    let names = in_utf8(&change.names);
    for watched in all {
        // Of one of which Postgres wasn't told, as after pg_upgrade, nothing else tells.
        let depends = dependents.has(watched.0.oid)
            || (has_name(&watched, &names) && !is_told(watched.0.oid));
        // Nor of what an array's or a row's literal names. Whoever has many such literals doesn't keep others busy with them.
        let may_name = || {
            let is_mine = catalog::owner(watched.0.table) == Some(change.owner);
            (is_mine || !patience.is_over()) && has_name_in_literal(&watched, &names)
        };
        if depends || may_name() {
            follow(&watched, change, depends, &mut patience)?;
        }
    }
    Ok(())
}

/// [`requalified`], but for the triggers of these tables, and only for those that depend on what has got another name.
pub fn requalified_elsewhere(
    change: &Requalification,
    tables: &[pg_sys::Oid],
) -> Result<(), Error> {
    let dependents = change.dependents();
    let mut patience = Patience::new();
    for watched in Watched::all() {
        if dependents.has(watched.0.oid) && !tables.contains(&watched.0.table) {
            follow(&watched, change, true, &mut patience)?;
        }
    }
    Ok(())
}

fn follow(
    watched: &Watched,
    change: &Requalification,
    depends: bool,
    patience: &mut Patience,
) -> Result<(), Error> {
    let table = watched.0.table;
    let is_same_owner = catalog::owner(table) == Some(change.owner);
    let outcome = patience
        .with(watched, change.owner, || followed(watched, change))
        .unwrap_or_else(Outcome::Failed);
    let may_act = is_same_owner || (depends && may_refuse(watched, Some(change.owner)));
    let problem = match outcome {
        Outcome::Done => return Ok(()),
        // Nothing would keep it from running what gets the old name.
        Outcome::Failed(failure) if may_act || (depends && !is_told(watched.0.oid)) => {
            failure.raise()
        }
        Outcome::Failed(failure) => failure.message,
        Outcome::Unclear(_) if !depends => return Ok(()),
        Outcome::Unclear(problem) | Outcome::Cannot(problem) => problem,
    };
    let what = what(&change.names);
    let (dependent, way_out) = (watched.display_with_table(), watched.way_out());
    if may_act {
        return Err(SchemaError::Altered {
            what,
            dependent,
            problem,
            way_out,
        }
        .into());
    }
    rows::warn(watched, what, problem);
    Ok(())
}

enum Outcome {
    /// It goes on.
    Done,
    /// Something else failed, such as waiting for a lock for too long.
    Failed(Failure),
    /// Whoever looked couldn't tell.
    Unclear(String),
    /// It can't, because of that.
    Cannot(String),
}

/// Why a trigger's arguments don't get new names.
pub enum Trouble {
    /// Whoever looked couldn't read them with the old names.
    Unclear(String),
    /// They can't be followed.
    Cannot(String),
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unclear(problem) => Self::Unclear(problem),
            Trouble::Cannot(problem) => Self::Cannot(problem),
        }
    }
}

impl Trouble {
    /// What is wrong.
    pub fn problem(self) -> String {
        match self {
            Self::Unclear(problem) | Self::Cannot(problem) => problem,
        }
    }
}

fn followed(watched: &Watched, change: &Requalification) -> Outcome {
    let arguments = match arguments_now(watched, change) {
        Ok(None) => return Outcome::Done,
        Ok(Some(arguments)) => arguments,
        Err(trouble) => return trouble.into(),
    };
    // As CREATE OR REPLACE TRIGGER locks it; from then on the trigger stays as it is.
    catalog::lock(watched.0.table, catalog::Lock::CreateTrigger);
    let Some(locked) = Watched::by_oid(watched.0.oid) else {
        return Outcome::Done;
    };
    let arguments = match locked.0.arguments == watched.0.arguments {
        true => Ok(Some(arguments)),
        false => arguments_now(&locked, change),
    };
    let arguments = match arguments {
        Ok(None) => return Outcome::Done,
        Ok(Some(arguments)) => arguments,
        Err(trouble) => return trouble.into(),
    };
    // Longer names may make them too long.
    let read = |arguments: &[Vec<u8>]| declaration(Some(arguments.iter().map(Vec::as_slice)));
    if let Err(error) = read(&arguments)
        && locked
            .0
            .arguments
            .as_deref()
            .is_some_and(|arguments| read(arguments).is_ok())
    {
        return Outcome::Cannot(error.told().0);
    }
    let renamed = locked.with_arguments(arguments.clone());
    if let Ok(Err(Error::LiveTable(LiveTableError::Misdeclared(wrong)))) = tried(&renamed, fit)
        && matches!(wrong.why, Why::SameKey(_))
    {
        return Outcome::Cannot(Error::from(LiveTableError::Misdeclared(wrong)).told().0);
    }
    // Partitions' copies say what the original says.
    for copy in locked.copies() {
        catalog::lock(copy.0.table, catalog::Lock::CreateTrigger);
        triggers::set_arguments(&copy.0, &arguments);
    }
    triggers::set_arguments(&locked.0, &arguments);
    Outcome::Done
}

/// The trigger's arguments with the new names; `None` if there is nothing to be done. What could not be read with the old names is left
/// as it is: it was wrong before.
pub fn arguments_now(
    watched: &Watched,
    change: &Requalification,
) -> Result<Option<Vec<Vec<u8>>>, Trouble> {
    let memory = Memory::of_call(c"socketio_emitter filter");
    let before = change.before(|| tried_anyhow(watched, |watched| Meaning::read(watched, &memory)));
    let meaning = match before {
        Ok(Ok(Some(meaning))) => meaning,
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(failure)) if failure.is_inconclusive() => {
            return Err(Trouble::Unclear(failure.message));
        }
        Ok(Err(_)) => return Ok(None),
        // Also where the old names couldn't be put back, which tells nothing of the trigger.
        Err(failure) if failure.is_transient() => failure.raise(),
        Err(failure) => return Err(Trouble::Unclear(failure.message)),
    };
    // What is written may mean the same as ever.
    let now = tried_anyhow(watched, |watched| {
        let now = Meaning::read(watched, &memory)?;
        Some(meaning.is_same_as(&now, watched))
    });
    let is_same = matches!(now, Ok(None | Some(true)));
    if let Some(name) = meaning.in_deferred_literal(change) {
        let name = encoding::display(&name);
        return Err(Trouble::Cannot(format!(
            "a literal in its filter may name \"{name}\", and is converted only when a row comes"
        )));
    }
    if is_same {
        return Ok(None);
    }
    match tried_anyhow(watched, |watched| meaning.arguments(watched)) {
        Ok(Ok(arguments)) => Ok(Some(arguments)),
        Ok(Err(_)) => Err(Trouble::Cannot(
            "its filter does not work with the new name".to_owned(),
        )),
        Err(failure) => Err(Trouble::Cannot(failure.message)),
    }
}

fn has_name_in_literal(watched: &Watched, names: &[String]) -> bool {
    let arguments = watched.texts();
    let filter = arguments.iter().find_map(|argument| filter(argument));
    filter.is_some_and(|text| names.iter().any(|name| has_in_literal(text, name)))
}

fn has_name(watched: &Watched, names: &[String]) -> bool {
    let arguments = watched.texts();
    let mut arguments = arguments.iter();
    arguments.any(|argument| names.iter().any(|name| argument.contains(name.as_str())))
}

/// One that has no form in UTF-8 is in no declaration that could be followed.
fn in_utf8(names: &Names) -> Vec<String> {
    let names = names.each().into_iter();
    let text = |name: &CStr| Some(encoding::to_utf8(name.to_bytes()).ok()?.into_owned());
    names.filter_map(text).collect()
}

fn what(names: &Names) -> String {
    let shown = |name: &CStr| encoding::display(name);
    let qualified = |name: &[CString; 2]| format!("{}.{}", shown(&name[0]), shown(&name[1]));
    match names {
        Names::Schema(from) => format!("name of schema \"{}\"", shown(from)),
        Names::Objects {
            extension: Some(extension),
            ..
        } => format!("schema of extension \"{}\"", shown(extension)),
        Names::Objects { from, .. } => {
            let name = from.first().map(qualified);
            format!("name of \"{}\"", name.unwrap_or_default())
        }
        Names::Column { relation, from } => {
            let (part, whole) = match catalog::is_composite_type(*relation) {
                true => ("attribute", "type"),
                false => ("column", "table"),
            };
            let relation = display_name(*relation);
            format!(
                "name of {part} \"{}\" of {whole} \"{relation}\"",
                shown(from)
            )
        }
        Names::Label { of, from } => {
            format!("value \"{}\" of \"{}\"", shown(from), qualified(of))
        }
    }
}
