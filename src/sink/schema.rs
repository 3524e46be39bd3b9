//! Parquet schema of a table.
//!
//! Readers see plain types only: no Arrow schema is embedded, so there is nothing that would turn
//! text into dictionary or view types. Every column is optional (null means: not observable), lists
//! have the three levels and the names that the format asks for (`list`, `element`).

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type as Node, TypePtr};

use super::SinkError;
use crate::record::{Column, Table, Type};

/// A table, its columns and their Parquet types.
#[derive(Debug)]
pub struct TableSchema {
    table: &'static Table,
    columns: Vec<&'static Column>,
    descriptor: SchemaDescriptor,
    time_column: Option<usize>,
}

/// Names of the columns that the rows of a table are sorted by, where it has one of them.
const TIME_COLUMNS: [&str; 3] = ["ts", "ts_start", "ts_first"];

impl TableSchema {
    /// The Parquet schema of a table.
    pub fn new(table: &'static Table) -> Result<Arc<Self>, SinkError> {
        let columns: Vec<_> = table.all_columns().collect();
        let nodes = columns.iter().map(|c| node(c).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let root = Node::group_type_builder("schema").with_fields(nodes).build()?;
        let time_column =
            TIME_COLUMNS.iter().find_map(|name| columns.iter().position(|c| c.name == *name && c.ty == Type::Time));
        Ok(Arc::new(Self { table, columns, descriptor: SchemaDescriptor::new(Arc::new(root)), time_column }))
    }

    /// The table.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// Its columns in order.
    pub fn columns(&self) -> &[&'static Column] {
        &self.columns
    }

    /// Position of the column that the rows are sorted by, where it is known.
    pub fn time_column(&self) -> Option<usize> {
        self.time_column
    }

    /// Every column has exactly one leaf.
    pub(super) fn leaf(&self, column: usize) -> ColumnDescPtr {
        self.descriptor.column(column)
    }

    pub(super) fn root(&self) -> TypePtr {
        self.descriptor.root_schema_ptr()
    }
}

/// A value without a list around it.
fn leaf(name: &str, ty: Type) -> Result<Node, SinkError> {
    let (physical, logical) = match ty {
        Type::Text | Type::TextList => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Type::Int32 | Type::Int32List => (Physical::INT32, None),
        Type::Int64 | Type::Int64List => (Physical::INT64, None),
        Type::Float64 => (Physical::DOUBLE, None),
        Type::Bool => (Physical::BOOLEAN, None),
        Type::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Ok(Node::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()?)
}

fn node(column: &Column) -> Result<Node, SinkError> {
    if !matches!(column.ty, Type::TextList | Type::Int32List | Type::Int64List) {
        return leaf(column.name, column.ty);
    }
    let list = Node::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(leaf("element", column.ty)?)])
        .build()?;
    Ok(Node::group_type_builder(column.name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(list)])
        .build()?)
}
