//! What an update must have changed for its event to be sent.

use crate::error::Error;
use crate::live_tables::resolve::Resolver;
use crate::live_tables::shape::Shape;
use crate::pg::encoding;
use crate::pg::table::comparison::Comparison;
use crate::pg::table::definition::Table;
use crate::pg::table::expression::{Expression, Source};
use socketio_emitter_declaration::{Declaration, Key, Part, Template, Unchanged};
use std::collections::BTreeSet;

/// Columns and expressions of a row.
#[derive(Default)]
struct Values {
    /// All columns are among them.
    has_all_columns: bool,
    columns: BTreeSet<String>,
    expressions: BTreeSet<usize>,
}

/// What tells whether an update has changed any of it; none if updates are sent in any case.
///
/// By default that is what the event shows: what travels, its rooms, and its name. An event with the key alone says that the
/// row is to be fetched anew, and so shows all of it; and so may what a function that reads tables returns, which is asked when
/// these hold the new row only: it may read the row itself there. With `changed`, these values decide; rooms are compared then if there is
/// a `left_event`, which is to be told in any case, and so is a row that comes into the filter or leaves it.
///
/// `is_for_rows`: whether it will be asked.
pub fn comparison(
    declaration: &Declaration,
    resolver: &Resolver<'_>,
    table: &Table<'_>,
    payload: &Shape,
    is_for_rows: bool,
) -> Result<Option<Comparison>, Error> {
    let mut values = Values::default();
    match (&declaration.changed, declaration.unchanged) {
        (None, Unchanged::Send) => return Ok(None),
        (None, Unchanged::Skip) => values.has_all_columns = true,
        (Some(list), _) => {
            let (columns, functions) = resolver.listed(Key::Changed, list)?;
            values.columns.extend(columns);
            values.expressions.extend(functions);
            if declaration.left_event.is_some() {
                values.add_templates(Key::Room, &declaration.rooms, resolver)?;
            }
        }
        (None, Unchanged::Event) => {
            match payload {
                Shape::Key => values.has_all_columns = true,
                Shape::Function(reader) => {
                    values.expressions.extend(reader.expression());
                    values.add_what_it_reads(resolver, is_for_rows);
                }
                Shape::Row | Shape::Change { .. } => {
                    let names = resolver.columns.iter().map(|(name, _)| name);
                    let travelling = names.filter(|name| declaration.columns.travels(name));
                    values.columns.extend(travelling.map(str::to_owned));
                    for function in &declaration.computed {
                        let mut functions = resolver.functions.borrow_mut();
                        values.add(functions.call(Key::Columns, None, function)?.0);
                    }
                    values.add_what_it_reads(resolver, is_for_rows);
                }
            }
            values.add_templates(Key::Room, &declaration.rooms, resolver)?;
            values.add_templates(Key::Event, [&declaration.event], resolver)?;
        }
    }
    let is_chosen = |name: &[u8]| {
        values.has_all_columns
            || encoding::to_utf8(name).is_ok_and(|name| values.columns.contains(&*name))
    };
    let mut comparison = Comparison::of(table, is_chosen);
    resolver.functions.borrow().with_expressions(|expressions| {
        for index in &values.expressions {
            comparison.add(*index, expressions);
        }
    });
    Ok(Some(comparison))
}

impl Values {
    fn add(&mut self, source: Source) {
        if let Source::Expression(index) = source {
            self.expressions.insert(index);
        }
    }

    /// All columns, if one of the expressions reads tables.
    fn add_what_it_reads(&mut self, resolver: &Resolver<'_>, is_for_rows: bool) {
        // To know that, Postgres plans them, and so calls functions of constants.
        if !is_for_rows {
            return;
        }
        resolver.functions.borrow().with_expressions(|expressions| {
            let mut added = self.expressions.iter().map(|index| &expressions[*index]);
            self.has_all_columns |= added.any(Expression::may_read_tables);
        });
    }

    fn add_templates<'t>(
        &mut self,
        key: Key,
        templates: impl IntoIterator<Item = &'t Template>,
        resolver: &Resolver<'_>,
    ) -> Result<(), Error> {
        for template in templates {
            for part in template.parts() {
                match part {
                    Part::Literal(_) | Part::Operation | Part::Table | Part::Schema => {}
                    Part::Column(name) | Part::Elements(name) => {
                        self.columns.insert(name.clone());
                    }
                    Part::Function(function) => {
                        let mut functions = resolver.functions.borrow_mut();
                        self.add(functions.call(key, Some(template.source()), function)?.0);
                    }
                }
            }
        }
        Ok(())
    }
}
