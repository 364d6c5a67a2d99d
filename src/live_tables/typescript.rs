//! The events of live tables as TypeScript types: what clients receive, by what triggers declare and tables have.

use crate::live_tables::columns::NamedColumns;
use crate::live_tables::declared;
use crate::live_tables::functions;
use crate::live_tables::json::Values;
use crate::live_tables::shape;
use crate::live_tables::watch::trigger_function;
use crate::pg::catalog::triggers::{self, StoredTrigger};
use crate::pg::process::interrupt;
use crate::pg::table::definition::{Table, primary_key};
use crate::pg::table::expression::RowSource;
use crate::pg::trigger::Operation;
use crate::pg::{catalog, encoding};
use socketio_emitter_declaration::{
    Bigints, Declaration, Key, Keys, Old, Part, Payload, Template, camel,
};
use socketio_emitter_protocol as protocol;
use socketio_emitter_typescript::{Argument, Event, Field, NamePart, Record, Type};

/// The TypeScript module of a namespace's events, and what its triggers are called that can't be followed.
///
/// `namespace`: with its slash.
pub fn interface(namespace: &str) -> (String, Vec<String>) {
    let mut events = Vec::new();
    let mut unclear = Vec::new();
    let function = trigger_function().expect("its function is running");
    for trigger in triggers::calling(function) {
        interrupt::check();
        if trigger.is_copy || catalog::names(trigger.table).is_none() {
            continue;
        }
        match declaration(&trigger) {
            Some(declaration) if protocol::namespace(&declaration.namespace) != namespace => {}
            Some(declaration) => Table::with_open(trigger.table, |table| {
                match Sent::new(&declaration, &trigger, table) {
                    Some(sent) => sent.add_to(&mut events),
                    None => unclear.push(display_name(&trigger)),
                }
            }),
            None => unclear.push(display_name(&trigger)),
        }
    }
    (
        socketio_emitter_typescript::interface(&events, &mut interrupt::check),
        unclear,
    )
}

/// None if it can't be understood: the trigger fails when it fires.
fn declaration(trigger: &StoredTrigger) -> Option<Declaration> {
    let arguments = trigger.arguments.as_ref();
    declared::declaration(arguments.map(|list| list.iter().map(Vec::as_slice))).ok()
}

fn display_name(trigger: &StoredTrigger) -> String {
    let table = catalog::qualified_name(trigger.table)
        .map_or_else(String::new, |name| encoding::display(&name));
    format!("{} on {table}", encoding::display(&trigger.name))
}

/// What a trigger sends.
struct Sent<'a> {
    declaration: &'a Declaration,
    trigger: &'a StoredTrigger,
    schema: String,
    table: String,
    /// What travels of a row.
    record: Vec<Field>,
    /// What travels of its key.
    key: Vec<Field>,
}

impl<'a> Sent<'a> {
    /// None if the table lacks what is declared.
    fn new(
        declaration: &'a Declaration,
        trigger: &'a StoredTrigger,
        table: &Table<'_>,
    ) -> Option<Self> {
        let (schema, name) = catalog::names(table.oid())?;
        let columns = NamedColumns::of(table).ok()?;
        let bigints = declaration.bigints == Bigints::Text;
        let named = |name: &str| match declaration.keys {
            Keys::Camel => camel(name),
            Keys::Column => name.to_owned(),
        };
        let fields = |chosen: &dyn Fn(&str) -> bool| -> Vec<Field> {
            columns
                .iter()
                .filter(|(name, _)| chosen(name))
                .map(|(name, column)| Field {
                    name: named(name),
                    of: Values::that_travel(bigints).column(column),
                })
                .collect()
        };
        let source = RowSource {
            declared_on: table,
            rows_of: table,
        };
        let mut record = fields(&|name| declaration.columns.travels(name));
        for function in &declaration.computed {
            let returns = functions::returned_type(Key::Columns, function, &source).ok()?;
            record.push(Field {
                name: named(&function.name),
                of: Values::that_travel(bigints).of(returns).or_null(),
            });
        }
        let keys = primary_key(table.oid());
        let key = fields(&|name| {
            keys.iter()
                .any(|key| encoding::to_utf8(key).is_ok_and(|key| key == name))
        });
        if key.is_empty() && shape::needs_key(declaration, true).is_some() {
            return None;
        }
        Some(Self {
            declaration,
            trigger,
            schema: encoding::display(&schema),
            table: encoding::display(&name),
            record,
            key,
        })
    }

    fn add_to(&self, events: &mut Vec<Event>) {
        for (operation, is_sent) in [
            (Operation::Insert, self.trigger.is_for_insert()),
            (Operation::Update, self.trigger.is_for_update()),
            (Operation::Delete, self.trigger.is_for_delete()),
            (Operation::Truncate, self.trigger.is_for_truncate()),
        ] {
            if !is_sent {
                continue;
            }
            let payload = self.payload(operation);
            events.push(self.event(&self.declaration.event, operation, payload));
            if let (Operation::Update, Some(left)) = (operation, &self.declaration.left_event) {
                let key = self.key_record();
                events.push(self.event(left, operation, Some(("key", key))));
            }
        }
    }

    /// An event, with the arguments that it has: as `events::send` sends them.
    fn event(
        &self,
        name: &Template,
        operation: Operation,
        payload: Option<(&'static str, Type)>,
    ) -> Event {
        let mut arguments = Vec::new();
        match payload {
            Some((name, of))
                if self.trigger.is_for_each_row() || operation == Operation::Truncate =>
            {
                arguments.push(Argument { name, of });
            }
            Some((name, of)) => arguments.push(Argument {
                name: match name {
                    "row" => "rows",
                    "key" => "keys",
                    "change" => "changes",
                    other => other,
                },
                of: Type::Array(Box::new(of)),
            }),
            None if self.declaration.meta => arguments.push(Argument {
                name: "nothing",
                of: Type::Null,
            }),
            None => {}
        }
        if self.declaration.meta {
            arguments.push(Argument {
                name: "meta",
                of: meta(),
            });
        }
        Event {
            name: self.name(name, operation),
            arguments,
        }
    }

    fn name(&self, template: &Template, operation: Operation) -> Vec<NamePart> {
        let mut name = Vec::new();
        let mut text = String::new();
        for part in template.parts() {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Operation => text.push_str(operation.name()),
                Part::Table => text.push_str(&self.table),
                Part::Schema => text.push_str(&self.schema),
                Part::Column(_) | Part::Elements(_) | Part::Function(_) => {
                    if !text.is_empty() {
                        name.push(NamePart::Text(std::mem::take(&mut text)));
                    }
                    name.push(NamePart::Anything);
                }
            }
        }
        if !text.is_empty() {
            name.push(NamePart::Text(text));
        }
        name
    }

    /// As `record::Record` makes it. None: the event has no argument of this kind.
    fn payload(&self, operation: Operation) -> Option<(&'static str, Type)> {
        match (&self.declaration.payload, operation) {
            (Payload::Change { old }, _) => Some(("change", self.change(*old, operation))),
            (_, Operation::Truncate) => None,
            (Payload::Row, _) => Some(("row", self.row())),
            (Payload::Key, _) => Some(("key", self.key_record())),
            (Payload::Function(_), _) => Some(("payload", Type::Json)),
        }
    }

    fn row(&self) -> Type {
        self.object("", "A row of", self.record.clone())
    }

    fn key_record(&self) -> Type {
        self.object("_key", "The primary key of a row of", self.key.clone())
    }

    fn change(&self, old: Old, operation: Operation) -> Type {
        let literal = |text: &str| Type::Literal(text.to_owned());
        let old = match old {
            Old::Key => self.key_record(),
            Old::Full => self.row(),
        };
        let (record, old_record) = match operation {
            Operation::Insert => (self.row(), Type::Null),
            Operation::Update => (self.row(), old),
            Operation::Delete => (Type::Null, old),
            Operation::Truncate => (Type::Null, Type::Null),
        };
        let fields = [
            ("operation", literal(operation.keyword())),
            ("schema", literal(&self.schema)),
            ("table", literal(&self.table)),
            ("record", record),
            ("old_record", old_record),
        ];
        let fields = fields.map(|(name, of)| Field {
            name: name.to_owned(),
            of,
        });
        let what = format!("What {} did to", operation.keyword());
        self.object(&format!("_{}", operation.name()), &what, fields.into())
    }

    fn object(&self, suffix: &str, what: &str, fields: Vec<Field>) -> Type {
        Type::Record(Record {
            name: format!("{}{suffix}", self.table),
            about: format!("{what} {}.{}.", self.schema, self.table),
            fields,
        })
    }
}

/// As `meta::Meta` is sent.
fn meta() -> Type {
    let field = |name: &str| Field {
        name: name.to_owned(),
        of: Type::String,
    };
    Type::Record(Record {
        name: "meta".to_owned(),
        about: "What an event tells of itself: the number of its transaction, and its own."
            .to_owned(),
        fields: vec![field("xid"), field("seq")],
    })
}
