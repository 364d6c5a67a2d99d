//! What a trigger's arguments refer to, whatever that is called.

use crate::live_tables::schema::problem::FILTER;
use crate::live_tables::schema::watched::Watched;
use crate::pg::ddl::Requalification;
use crate::pg::memory::Memory;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{self, Expression, RowSource, Unfit};
use crate::pg::{catalog, encoding};
use pgrx::pg_sys;
use socketio_emitter_declaration::{FunctionName, filter, rename_functions, with_filter};
use std::ffi::{CStr, CString};

/// Functions and a filter, by OIDs.
pub struct Meaning {
    /// As the arguments name them.
    functions: Vec<(FunctionName, pg_sys::Oid)>,
    filter: Option<Expression>,
}

impl Meaning {
    /// Reads a trigger's arguments, with the names that everything has. What Postgres's parser refuses is an ERROR. What can't be
    /// followed by its name is left out. `None` if there is no such table.
    ///
    /// `memory` must live as long as it.
    pub fn read(watched: &Watched, memory: &Memory) -> Option<Self> {
        let arguments = watched.texts();
        Table::with_shared(watched.declared_on(), |table| {
            let mut functions = Vec::new();
            for argument in &arguments {
                rename_functions(argument, |function| {
                    let oid = find(function, table);
                    functions.extend(oid.map(|oid| (function.clone(), oid)));
                    false
                });
            }
            let filter = arguments.iter().find_map(|argument| filter(argument));
            let filter = filter.and_then(in_database).and_then(|text| {
                let source = RowSource {
                    declared_on: table,
                    rows_of: table,
                };
                expression::condition(&text, FILTER, &source, memory).ok()
            });
            Self { functions, filter }
        })
    }

    /// Makes the trigger depend on all of it.
    pub fn record_dependencies(&self, watched: &Watched) {
        for (_, function) in &self.functions {
            catalog::depend::on_function(watched.0.oid, *function);
        }
        if let Some(filter) = &self.filter {
            Table::with_shared(watched.0.table, |table| {
                filter.record_dependencies(watched.0.oid, table);
            });
        }
    }

    /// One of the old names that is in a literal of the filter which isn't converted before a row comes: nobody can follow what that
    /// names.
    pub fn in_deferred_literal(&self, change: &Requalification) -> Option<CString> {
        let names = change.names.each();
        let literals = self.filter.iter();
        literals
            .flat_map(|filter| filter.deferred_literals())
            .filter(|(_, type_oid)| change.may_be_named_in(*type_oid))
            .find_map(|(literal, _)| {
                let has = |name: &&&CStr| {
                    let (literal, name) = (literal.to_bytes(), name.to_bytes());
                    // A value of an enum may be an empty text.
                    name.is_empty() || literal.windows(name.len()).any(|part| part == name)
                };
                names.iter().find(has).map(|name| (*name).to_owned())
            })
    }

    /// Whether the filter has a literal, of such a type, that isn't converted before a row comes.
    pub fn has_deferred_literal(&self, is_of: impl Fn(pg_sys::Oid) -> bool) -> bool {
        let literals = self.filter.iter();
        literals
            .flat_map(|filter| filter.deferred_literals())
            .any(|(_, type_oid)| is_of(type_oid))
    }

    /// Whether it refers to the same as this, which was read later: with other names, perhaps.
    pub fn is_same_as(&self, now: &Self, watched: &Watched) -> bool {
        let functions = |of: &Self| -> Vec<pg_sys::Oid> {
            let functions = of.functions.iter();
            functions.map(|(_, function)| *function).collect()
        };
        let condition = |of: &Self| {
            let filter = of.filter.as_ref()?;
            Table::with_shared(watched.declared_on(), |table| filter.written(table))
        };
        functions(self) == functions(now) && condition(self) == condition(now)
    }

    /// The trigger's arguments with the names that everything has now. What Postgres's parser refuses of them is an ERROR.
    pub fn arguments(&self, watched: &Watched) -> Result<Vec<Vec<u8>>, Unfit> {
        let condition = self.condition(watched)?;
        if (self.functions.iter()).any(|(_, function)| name_now(*function).is_none()) {
            return Err(Unfit::Unqualifiable);
        }
        let argument_now = |argument: &Vec<u8>| {
            let text = encoding::to_utf8(argument).ok()?;
            let now = match (filter(&text), &condition) {
                (Some(_), Some(condition)) => with_filter(condition),
                _ => rename_functions(&text, |function| self.rename(function))?,
            };
            encoding::from_utf8(now.into_bytes()).ok()
        };
        let arguments = watched.0.arguments.iter().flatten();
        Ok(arguments
            .map(|argument| argument_now(argument).unwrap_or_else(|| argument.clone()))
            .collect())
    }

    /// The filter with the names of now, in UTF-8.
    fn condition(&self, watched: &Watched) -> Result<Option<String>, Unfit> {
        let Some(condition) = &self.filter else {
            return Ok(None);
        };
        let text = Table::with_shared(watched.declared_on(), |table| condition.rewritten(table));
        let Some(text) = text.transpose()? else {
            return Ok(None);
        };
        // Another name may have no form in UTF-8.
        let text = encoding::to_utf8(text.to_bytes()).map_err(|_| Unfit::Unqualifiable)?;
        Ok(Some(text.into_owned()))
    }

    /// Gives the function the name that it has now, and tells whether that is another.
    fn rename(&self, function: &mut FunctionName) -> bool {
        let now = self.functions.iter().find(|(name, _)| name == function);
        let now = now.and_then(|(_, oid)| name_now(*oid));
        match now {
            Some(now) if now != *function => {
                *function = now;
                true
            }
            _ => false,
        }
    }
}

/// What the function is called. `None` if that has no form in UTF-8.
fn name_now(function: pg_sys::Oid) -> Option<FunctionName> {
    let [schema, name] = catalog::function_name(function)?;
    let text = |name: &CStr| Some(encoding::to_utf8(name.to_bytes()).ok()?.into_owned());
    Some(FunctionName {
        schema: Some(text(&schema)?),
        name: text(&name)?,
    })
}

/// The function, as a trigger finds it.
fn find(function: &FunctionName, table: &Table<'_>) -> Option<pg_sys::Oid> {
    let schema = in_database(function.schema.as_deref()?)?;
    let name = in_database(&function.name)?;
    catalog::function_of_row(Some(&schema), &name, table.row_type()).map(|function| function.oid)
}

fn in_database(text: &str) -> Option<CString> {
    CString::new(encoding::from_utf8(text.as_bytes().to_vec()).ok()?).ok()
}
