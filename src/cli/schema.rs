//! `overhear schema`: the tables from the registry that the writers use.

use super::args::{Format, Schema};
use super::{complain, exit, print};
use crate::pipeline::tables;

/// Prints tables and columns.
pub fn run(schema: &Schema) -> u8 {
    for name in &schema.tables {
        if !tables::ALL.iter().any(|t| t.name == name) {
            let names: Vec<_> = tables::ALL.iter().map(|t| t.name).collect();
            complain(format_args!("there is no table {name:?}; there are {}", names.join(", ")));
            return exit::USAGE;
        }
    }
    let wanted = tables::ALL.iter().filter(|t| schema.tables.is_empty() || schema.tables.iter().any(|n| n == t.name));
    match schema.format {
        Format::Text => {
            let mut out = String::new();
            for table in wanted {
                out += &format!("{}\n  {}\n\n", table.name, table.doc);
                let width = table.all_columns().map(|c| c.name.len()).max().unwrap_or(0);
                for column in table.all_columns() {
                    out += &format!("  {:width$}  {:18} {}\n", column.name, column.ty.name(), column.doc);
                }
                out.push('\n');
            }
            print(&out)
        }
        Format::Json => {
            let all: Vec<_> = wanted
                .map(|t| {
                    let columns: Vec<_> = t
                        .all_columns()
                        .map(|c| serde_json::json!({"name": c.name, "type": c.ty.name(), "meaning": c.doc}))
                        .collect();
                    serde_json::json!({"table": t.name, "meaning": t.doc, "columns": columns})
                })
                .collect();
            print(&format!("{:#}\n", serde_json::Value::Array(all)))
        }
    }
}
