//! Descriptions of tables and columns.

/// Type of a column, as readers see it in Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// List of UTF-8 text.
    TextList,
    /// 32-bit signed number: ports and other small numbers.
    Int32,
    /// List of 32-bit signed numbers.
    Int32List,
    /// 64-bit signed number: counters, identifiers, nanoseconds.
    Int64,
    /// List of 64-bit signed numbers.
    Int64List,
    /// Double-precision number.
    Float64,
    /// True or false.
    Bool,
    /// Microseconds since the epoch, UTC.
    Time,
}

impl Type {
    /// The name as `overhear schema` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextList => "list<text>",
            Self::Int32 => "int32",
            Self::Int32List => "list<int32>",
            Self::Int64 => "int64",
            Self::Int64List => "list<int64>",
            Self::Float64 => "float64",
            Self::Bool => "boolean",
            Self::Time => "timestamp(us, UTC)",
        }
    }
}

/// A column: its name, its type and what it means. Null always means: not observable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name, lower case with underscores, the unit at the end where there is one.
    pub name: &'static str,
    /// Type.
    pub ty: Type,
    /// Meaning and unit, one sentence.
    pub doc: &'static str,
    /// Whether values repeat so much that a dictionary pays (names, versions, addresses of hosts).
    pub repeats: bool,
}

impl Column {
    /// A column whose values mostly differ from row to row.
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { name, ty, doc, repeats: false }
    }

    /// A column whose values repeat.
    pub const fn repeating(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { name, ty, doc, repeats: true }
    }
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Name: also that of its folder in the output.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// Columns that it begins with (shared by every table of one kind).
    pub prefix: &'static [Column],
    /// Its own columns.
    pub columns: &'static [Column],
}

impl Table {
    /// All columns in order.
    pub fn all_columns(&self) -> impl Iterator<Item = &'static Column> + Clone {
        self.prefix.iter().chain(self.columns)
    }
}

/// Columns that every table of events on a flow begins with.
pub const FLOW_PREFIX: &[Column] = &[
    Column::new(
        "flow_id",
        Type::Int64,
        "Identifier of the flow, the same in every table and every run over the same input",
    ),
    Column::repeating("capture", Type::Text, "Name of the input that the packet stands in"),
    Column::new("ts", Type::Time, "Time of the packet"),
    Column::new("packet", Type::Int64, "1-based number of the packet in the capture"),
    Column::repeating("orig_ip", Type::Text, "Address of the originator of the flow"),
    Column::new("orig_port", Type::Int32, "Port of the originator; for ICMP the type"),
    Column::repeating("resp_ip", Type::Text, "Address of the responder"),
    Column::repeating("resp_port", Type::Int32, "Port of the responder; for ICMP the code"),
    Column::repeating(
        "decrypted",
        Type::Bool,
        "Whether keys that were brought (--tls-keys, or secrets in the capture) made it readable: it was not in clear then",
    ),
];
