//! What values are once they have arrived.

/// The type of a value, as `JSON.parse` makes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// `null`
    Null,
    /// `boolean`
    Boolean,
    /// `number`
    Number,
    /// `string`
    String,
    /// Exactly that string.
    Literal(String),
    /// Any JSON, `null` too.
    Json,
    /// An array of any length, of such elements.
    Array(Box<Type>),
    /// One of these. Duplicates count once; none at all is `never`.
    Union(Vec<Type>),
    /// An object.
    Record(Record),
}

/// An object, which gets an interface of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// What the interface is called after, as SQL has it: `order_items` becomes `OrderItems`. Records that differ get
    /// names that differ; equal ones share one.
    pub name: String,
    /// What it is, for its comment.
    pub about: String,
    /// In order.
    pub fields: Vec<Field>,
}

/// A property of an object. It is always there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// Exactly.
    pub name: String,
    /// What its value is.
    pub of: Type,
}

impl Type {
    /// The same, or `null`.
    pub fn or_null(self) -> Self {
        match self {
            Type::Json | Type::Null => self,
            Type::Union(mut types) => {
                types.push(Type::Null);
                Type::Union(types)
            }
            other => Type::Union(vec![other, Type::Null]),
        }
    }
}
