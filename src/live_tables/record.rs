//! What of a change travels: an event's argument, made from rows where they lie.

use crate::live_tables::change::Change;
use crate::live_tables::columns::NamedReader;
use crate::live_tables::plan::Plan;
use crate::live_tables::shape::Shape;
use crate::payload::{Context, USUAL_DIGITS, serialize_numeric};
use crate::pg::call::datum::Jsonb;
use crate::pg::table::column::ColumnValue;
use crate::pg::table::expression::View;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use socketio_emitter_batching::About;
use socketio_emitter_declaration::Old;
use socketio_emitter_jsonb::Decimal;
use socketio_emitter_protocol::Number;

/// The argument of an event about one row.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which columns are sent, and in which form.
    pub plan: &'a Plan,
    /// What all arguments of the event share.
    pub context: &'a Context<'a>,
    /// The row.
    pub change: Change<'a>,
    /// Which of the row's events it is of.
    pub about: About,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { plan, change, .. } = self;
        let payload = match self.about {
            About::Leaving => return self.columns(&plan.key, change.old).serialize(serializer),
            About::Change => &plan.payload,
        };
        match payload {
            Shape::Row => self
                .columns(&plan.record, change.row())
                .serialize(serializer),
            Shape::Key => self.columns(&plan.key, change.row()).serialize(serializer),
            Shape::Function(reader) => match change.row() {
                Some(row) => Field {
                    value: reader.value(row),
                    context: self.context,
                }
                .serialize(serializer),
                None => serializer.serialize_unit(),
            },
            Shape::Change { old } => {
                let of_old = match old {
                    Old::Key => &plan.key,
                    Old::Full => &plan.record,
                };
                let mut fields = serializer.serialize_struct("Change", 5)?;
                fields.serialize_field("operation", change.operation.keyword())?;
                fields.serialize_field("schema", &plan.schema)?;
                fields.serialize_field("table", &plan.table)?;
                fields.serialize_field("record", &self.columns(&plan.record, change.new))?;
                fields.serialize_field("old_record", &self.columns(of_old, change.old))?;
                fields.end()
            }
        }
    }
}

/// A row alone, as events show it: what the payload `row` sends, also where the plan's is `key` or `change`.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Which columns are sent, and in which form.
    pub plan: &'a Plan,
    /// For errors.
    pub context: &'a Context<'a>,
    /// The row.
    pub row: &'a View<'a>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { plan, context, row } = *self;
        match &plan.payload {
            Shape::Function(reader) => Field {
                value: reader.value(row),
                context,
            }
            .serialize(serializer),
            _ => RowObject {
                columns: &plan.record,
                row: Some(row),
                context,
            }
            .serialize(serializer),
        }
    }
}

impl<'a> Record<'a> {
    fn columns(&self, columns: &'a [NamedReader], row: Option<&'a View<'a>>) -> RowObject<'a> {
        RowObject {
            columns,
            row,
            context: self.context,
        }
    }
}

/// An object with some of a row's columns; null where there is no row.
struct RowObject<'a> {
    columns: &'a [NamedReader],
    row: Option<&'a View<'a>>,
    context: &'a Context<'a>,
}

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(row) = self.row else {
            return serializer.serialize_unit();
        };
        let is_msgpack = !serializer.is_human_readable();
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for column in self.columns {
            if is_msgpack {
                self.context.check_key::<S>(&column.name)?;
            }
            map.serialize_entry(
                &column.name,
                &Field {
                    value: column.reader.value(row),
                    context: self.context,
                },
            )?;
        }
        map.end()
    }
}

/// A column's value.
struct Field<'a> {
    value: ColumnValue<'a>,
    context: &'a Context<'a>,
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = self.context;
        match self.value {
            ColumnValue::Null => serializer.serialize_unit(),
            ColumnValue::Bool(boolean) => serializer.serialize_bool(boolean),
            ColumnValue::Integer(integer) => Number::Integer(integer).serialize(serializer),
            ColumnValue::Text(text) => serializer.serialize_str(&context.text::<S>(text)?),
            ColumnValue::Jsonb(payload) => context.json(Some(Jsonb(payload))).serialize(serializer),
            ColumnValue::IntegerText(integer) => {
                serializer.serialize_str(itoa::Buffer::new().format(integer))
            }
            ColumnValue::NumericText(payload) => {
                match Decimal::new(payload).map_err(|corrupt| context.corrupt::<S>(corrupt))? {
                    Decimal::Finite(numeric) => {
                        let mut text = String::with_capacity(USUAL_DIGITS);
                        numeric.write_text(&mut text);
                        serializer.serialize_str(&text)
                    }
                    Decimal::Special(text) => serializer.serialize_str(text),
                }
            }
            ColumnValue::Numeric(payload) => {
                match Decimal::new(payload).map_err(|corrupt| context.corrupt::<S>(corrupt))? {
                    Decimal::Finite(numeric) => serialize_numeric(&numeric, serializer),
                    Decimal::Special(text) => serializer.serialize_str(text),
                }
            }
        }
    }
}
