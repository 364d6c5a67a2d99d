//! The functions of a row that a declaration names.

use crate::error::{Error, LiveTableError, ParameterError, Why, shorten};
use crate::pg::catalog::{self, RowFunction};
use crate::pg::encoding;
use crate::pg::memory::Memory;
use crate::pg::table::column::element_type;
use crate::pg::table::expression::{Code, Expression, RowSource, Source};
use pgrx::pg_sys;
use socketio_emitter_declaration::{FunctionName, Key};
use std::ffi::CString;

/// The expressions of a plan.
pub struct Functions<'a> {
    source: &'a RowSource<'a>,
    memory: &'a Memory,
    expressions: Vec<Expression>,
    /// The functions that some of them are calls of, with their place: each is called once for a row.
    called: Vec<(pg_sys::Oid, usize)>,
    /// Those that are named with their schemas; others are whatever is found on the search path.
    named_with_schemas: Vec<Code>,
}

impl<'a> Functions<'a> {
    /// None yet. `memory`: for what they keep.
    pub fn new(source: &'a RowSource<'a>, memory: &'a Memory) -> Self {
        Self {
            source,
            memory,
            expressions: Vec::new(),
            called: Vec::new(),
            named_with_schemas: Vec::new(),
        }
    }

    /// A call of a function: where its value is, and of which type. One that isn't there is an error, 42883.
    ///
    /// `key`, `value`: the argument that names it.
    pub fn call(
        &mut self,
        key: Key,
        value: Option<&str>,
        name: &FunctionName,
    ) -> Result<(Source, pg_sys::Oid), Error> {
        let function = find(key, value, name, self.source)?;
        if name.schema.is_some() && function.oid.to_u32() >= pg_sys::FirstNormalObjectId {
            let (class, oid) = (pg_sys::ProcedureRelationId, function.oid);
            self.named_with_schemas.push(Code { class, oid });
        }
        let known = self.called.iter().find(|(oid, _)| *oid == function.oid);
        let index = match known {
            Some((_, index)) => *index,
            None => {
                let call = Expression::call(&function, self.source, self.memory);
                let index = self.add(call);
                self.called.push((function.oid, index));
                index
            }
        };
        Ok((Source::Expression(index), function.returns))
    }

    /// Adds an expression, and returns its place.
    pub fn add(&mut self, expression: Expression) -> usize {
        self.expressions.push(expression);
        self.expressions.len() - 1
    }

    /// Where the values are, and of which type, if those of `source` are arrays of large numbers, which are to be texts: in an
    /// expression that makes them so. The same source if they aren't.
    pub fn with_texts_of_bigints(
        &mut self,
        source: Source,
        type_oid: pg_sys::Oid,
    ) -> (Source, pg_sys::Oid) {
        let is_large = |element: pg_sys::Oid| {
            [pg_sys::INT8OID, pg_sys::NUMERICOID].contains(&catalog::base_type(element))
        };
        if !element_type(type_oid).is_some_and(is_large) {
            return (source, type_oid);
        }
        let texts = match source {
            Source::Column(index) => {
                Expression::column(index, type_oid, self.memory).with_texts(self.memory)
            }
            Source::Expression(index) => self.expressions[index].with_texts(self.memory),
        };
        let type_oid = texts.type_oid();
        (Source::Expression(self.add(texts)), type_oid)
    }

    /// The functions of users that are named with their schemas.
    pub fn named_with_schemas(&self) -> &[Code] {
        &self.named_with_schemas
    }

    /// Hands them to `with`, as many as there are so far.
    pub fn with_expressions(&self, with: impl FnOnce(&[Expression])) {
        with(&self.expressions);
    }

    /// All of them.
    pub fn into_expressions(self) -> Vec<Expression> {
        self.expressions
    }
}

/// The same name with the function's schema.
pub fn qualified(
    key: Key,
    name: &FunctionName,
    source: &RowSource<'_>,
) -> Result<FunctionName, Error> {
    let function = find(key, None, name, source)?;
    Ok(FunctionName {
        schema: Some(
            encoding::to_utf8(function.schema.to_bytes())
                .map_err(|_| ParameterError::unconvertible(key.into()))?
                .into_owned(),
        ),
        name: name.name.clone(),
    })
}

/// The type of what a function returns.
pub fn returned_type(
    key: Key,
    name: &FunctionName,
    source: &RowSource<'_>,
) -> Result<pg_sys::Oid, Error> {
    Ok(find(key, None, name, source)?.returns)
}

fn find(
    key: Key,
    value: Option<&str>,
    name: &FunctionName,
    source: &RowSource<'_>,
) -> Result<RowFunction, Error> {
    let c_string = |text: &str| {
        let text = encoding::from_utf8(text.as_bytes().to_vec())
            .map_err(|_| ParameterError::unconvertible(key.into()))?;
        Ok::<_, Error>(CString::new(text).expect("Postgres's text has no NUL"))
    };
    let schema = name.schema.as_deref().map(c_string).transpose()?;
    let table = source.declared_on;
    let found =
        catalog::function_of_row(schema.as_deref(), &c_string(&name.name)?, table.row_type());
    let Some(function) = found else {
        let row = catalog::qualified_name(table.oid())
            .map_or_else(String::new, |name| encoding::display(&name));
        return Err(LiveTableError::misdeclared(
            Why::NoFunction,
            key,
            value,
            format!(
                "calls function {}, which does not exist for rows of the table",
                shorten(&name.to_string())
            ),
            format!("Create a function whose only parameter is of type {row}, and which does not return a set."),
        )
        .into());
    };
    if catalog::is_pseudo_type(function.returns) {
        return Err(LiveTableError::misdeclared(
            Why::WrongType,
            key,
            value,
            format!(
                "calls function {}, which returns no value of a type that can be sent",
                shorten(&name.to_string())
            ),
            "Declare what the function returns, such as text, text[] or jsonb.",
        )
        .into());
    }
    Ok(function)
}
