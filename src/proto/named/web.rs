//! What of the web family is only named.

use super::{Glance, Named};
use crate::base::Reader;
use crate::proto::api::Transport;

/// The list.
pub const LIST: &[Named] = &[Named {
    name: "elasticsearch",
    title: "Elasticsearch transport",
    transports: &[Transport::Tcp],
    reference: "Elasticsearch's TcpHeader: ES, length, request, status, version",
    test: |glance| elasticsearch(glance).is_some(),
}];

/// Two letters, a length, a request's number, four flags, and a version such as 7040299 (7.4.2); or a sign
/// of life, whose length is -1.
fn elasticsearch(glance: &Glance<'_>) -> Option<()> {
    let mut r = Reader::new(glance.payload.strip_prefix(b"ES")?);
    let length = r.be32("length").ok()?;
    if length == u32::MAX {
        return (r.is_empty() && glance.on_port(&[9300])).then_some(());
    }
    let (_, status) = (r.be64("request").ok()?, r.u8("status").ok()?);
    let version = r.be32("version").ok()?;
    let plausible = (13..1 << 30).contains(&length) && status < 16 && (1_000_000..10_000_000).contains(&version);
    plausible.then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::api::Direction;

    #[test]
    fn elasticsearch_nodes() {
        let named = |payload: &[u8], port| {
            elasticsearch(&Glance { dir: Direction::Orig, payload, ports: [40_000, port], from_start: true }).is_some()
        };
        let hello = b"ES\0\0\0\x2b\0\0\0\0\0\0\0\x01\x08\0\x6b\x6c\x8b\0";
        assert!(named(hello, 1), "7.4.2 at any port");
        assert!(named(b"ES\xff\xff\xff\xff", 9300) && !named(b"ES\xff\xff\xff\xff", 80));
        assert!(!named(b"ESMTP ready, everybody\r\n", 9300));
        for end in 0..hello.len() - 1 {
            assert!(!named(&hello[..end], 9300) || end == 19, "{end}");
        }
    }
}
