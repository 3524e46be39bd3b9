//! What controllers of buildings and machines have in common: they are asked for values, told to change
//! them, and say what they are. One row for each different operation of a flow.

use std::collections::HashSet;

use crate::base::limits;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Cx, Direction, Event as ApiEvent, Fact, Login, Presented};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "controllers",
    doc: "Controllers of buildings and machines: one row for each different operation of a flow",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("service", Type::Text, "Protocol, as in flows.service"),
        Column::repeating("action", Type::Text, "What was asked, ordered or told, as in read-property"),
        Column::repeating("changes", Type::Bool, "Whether it is meant to change something in the device"),
        Column::repeating(
            "unit",
            Type::Int64,
            "Device behind the address: Modbus unit, BACnet device instance; null where the protocol has none",
        ),
        Column::repeating("object", Type::Text, "What it is about: object and property, registers, path"),
        Column::repeating("from_originator", Type::Bool, "Whether the originator of the flow sent it"),
        Column::repeating("vendor", Type::Text, "Maker that the sender names"),
        Column::repeating("model", Type::Text, "Model that the sender names"),
        Column::repeating("firmware", Type::Text, "Version of its software that the sender names"),
        Column::repeating("name", Type::Text, "Name that the sender has"),
    ],
};

/// An operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'e> {
    /// Protocol.
    pub service: &'static str,
    /// What was asked, ordered or told.
    pub action: &'static str,
    /// Whether it changes something.
    pub changes: bool,
    /// Device behind the address.
    pub unit: Option<u32>,
    /// What it is about.
    pub object: &'e str,
    /// Who sent it.
    pub from: Direction,
    /// What the sender says of itself: `vendor`, `model`, `firmware`, `name` and other attributes of facts.
    pub tells: &'e [(&'static str, &'e [u8])],
    /// A better name for the service.
    pub better: Option<&'static str>,
    /// Certificates that the sender shows, its own first.
    pub chain: &'e [&'e [u8]],
    /// The login that it is, where the protocol has such.
    pub login: Option<Login<'e>>,
}

impl<'e> Operation<'e> {
    /// An operation without anything that it says of the sender.
    pub const fn new(service: &'static str, from: Direction, action: &'static str) -> Self {
        Self {
            service,
            action,
            changes: false,
            unit: None,
            object: "",
            from,
            tells: &[],
            better: None,
            chain: &[],
            login: None,
        }
    }

    fn told(&self, attribute: &str) -> Option<&'e [u8]> {
        self.tells.iter().find(|(a, v)| *a == attribute && !v.is_empty()).map(|(_, v)| *v)
    }
}

impl ApiEvent for Operation<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.service).text(self.action).bool(self.changes).opt_int(self.unit).nonempty(self.object);
        row.bool(self.from == Direction::Orig);
        row.opt_bytes(self.told("vendor")).opt_bytes(self.told("model")).opt_bytes(self.told("firmware"));
        row.opt_bytes(self.told("hostname"));
    }

    fn login(&self) -> Option<Login<'_>> {
        self.login
    }

    fn presents(&self) -> Option<Presented<'_>> {
        (!self.chain.is_empty()).then_some(Presented { sender: self.from, chain: self.chain })
    }

    fn service(&self) -> Option<&'static str> {
        self.better
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        for (attribute, value) in self.tells {
            tell(Fact { about: About::Side(self.from), attribute, value });
        }
    }
}

/// What a flow has told by now.
#[derive(Debug, Default)]
pub struct Told {
    seen: HashSet<u64>,
    hasher: ahash::RandomState,
}

impl Told {
    /// Emits an operation unless the flow has told the same before.
    pub fn tell(&mut self, cx: &Cx<'_>, operation: &Operation<'_>, emit: &mut dyn FnMut(Operation<'_>)) {
        let o = operation;
        // Each login is another, whatever else is the same.
        let login = o.login.map(|l| (l.username, l.secret.map(|s| s.expose()), l.success));
        let key = self.hasher.hash_one((o.action, o.unit, o.object, o.from, o.tells, o.chain, login));
        if self.seen.contains(&key) {
            return;
        }
        if self.seen.len() >= limits::CONTROLLER_OPERATIONS_MAX {
            cx.limit_hit();
            return;
        }
        self.seen.insert(key);
        emit(*operation);
    }

    /// Whether nothing more would be told.
    pub fn is_full(&self) -> bool {
        self.seen.len() >= limits::CONTROLLER_OPERATIONS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Mac, Timestamp};
    use crate::proto::api::{FlowView, LimitCount, Transport};

    #[test]
    fn each_operation_is_told_once_and_only_so_many() {
        let flow = FlowView {
            flow_id: 1,
            capture: 0,
            orig_ip: Addr::v4([192, 0, 2, 1]),
            orig_port: 40_000,
            resp_ip: Addr::v4([192, 0, 2, 2]),
            resp_port: 502,
            orig_mac: Mac([2, 0, 0, 0, 0, 1]),
            resp_mac: Mac([2, 0, 0, 0, 0, 2]),
            transport: Transport::Tcp,
            from_start: true,
        };
        let limited = LimitCount::default();
        let cx = Cx { ts: Timestamp(0), packet: 1, flow: &flow, limited: &limited };
        let mut told = Told::default();
        let mut count = 0;
        for i in 0..100 {
            for _ in 0..2 {
                let object = format!("register {i}");
                let o = Operation { object: &object, ..Operation::new("modbus", Direction::Orig, "read-coils") };
                told.tell(&cx, &o, &mut |_| count += 1);
            }
        }
        assert_eq!(count, limits::CONTROLLER_OPERATIONS_MAX);
        assert!(told.is_full() && limited.take() > 0);
        let (mut told, mut count) = (Told::default(), 0);
        for secret in [b"Sample-1", b"Sample-2", b"Sample-1"] {
            let login = Login { secret: Some(crate::base::Secret::new(secret)), ..Login::at((Timestamp(0), 1)) };
            let o = Operation { login: Some(login), ..Operation::new("opcua", Direction::Orig, "activate-session") };
            told.tell(&cx, &o, &mut |_| count += 1);
        }
        assert_eq!(count, 2, "each login is another");
    }
}
