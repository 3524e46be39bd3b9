//! Fingerprints of SYNs: there are few, and every connection has one or two, so each is written once.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::base::limits;
use crate::decode::{Packet, TcpFields};
use crate::fingerprint::npf::{self, Syn};

/// All that a fingerprint depends on: what stands in the headers without what changes from connection to connection.
type Key = [u8; 48];

/// The number of a fingerprint among those of its shard, from 1; 0 is none.
pub type SynNumber = u32;

/// The fingerprints of a shard: at most [`limits::SYN_PRINTS_MAX`].
#[derive(Debug, Default)]
pub struct SynPrints {
    known: HashMap<Key, SynNumber, ahash::RandomState>,
    texts: Vec<Arc<str>>,
}

impl SynPrints {
    /// The number of a SYN's fingerprint; `None` where there are too many to keep another.
    pub fn number(&mut self, packet: &Packet, slab: &[u8]) -> Option<SynNumber> {
        let end = packet.payload_offset as usize;
        let len = usize::from(packet.tcp.header_len).saturating_sub(20);
        let options = slab.get(end.saturating_sub(len)..end).unwrap_or_default();
        let syn = Syn {
            v6: packet.ip_version == 6,
            identification: u32::from(packet.ip_id) | u32::from(packet.flow_label),
            ttl: packet.ttl,
            window: packet.tcp.window,
            options,
            answer: packet.tcp.has(TcpFields::ACK),
        };
        let key = key(&syn);
        if let Some(number) = self.known.get(&key) {
            return Some(*number);
        }
        if self.texts.len() >= limits::SYN_PRINTS_MAX {
            return None;
        }
        self.texts.push(npf::tcp(&syn).into());
        let number = SynNumber::try_from(self.texts.len()).unwrap_or(0);
        self.known.insert(key, number);
        Some(number)
    }

    /// The text of a number.
    pub fn text(&self, number: SynNumber) -> Option<Arc<str>> {
        self.texts.get((number as usize).checked_sub(1)?).cloned()
    }
}

fn key(syn: &Syn<'_>) -> Key {
    let mut key = [0; 48];
    let [w1, w0] = syn.window.to_be_bytes();
    let flags = u8::from(syn.v6) | u8::from(syn.identification == 0) << 1 | u8::from(syn.answer) << 2;
    let head = [flags, syn.ttl & 0xe0, w1, w0, syn.options.len() as u8];
    let mut slots = key.iter_mut();
    let mut put = |bytes: &[u8]| slots.by_ref().zip(bytes).for_each(|(slot, b)| *slot = *b);
    put(&head);
    for option in npf::options(syn.options) {
        put(option);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(options: &[u8]) -> Packet {
        let tcp = TcpFields {
            flags: TcpFields::SYN,
            window: 0xfaf0,
            header_len: 20 + options.len() as u8,
            ..TcpFields::default()
        };
        Packet { ip_version: 4, ttl: 63, ip_id: 9, payload_offset: 20 + options.len() as u32, tcp, ..Packet::default() }
    }

    #[test]
    fn what_changes_with_each_connection_makes_no_other_number() {
        let mut prints = SynPrints::default();
        let mut number = |options: &[u8], change: &dyn Fn(&mut Packet)| {
            let slab = [&[0; 20], options].concat();
            let mut packet = packet(options);
            change(&mut packet);
            prints.number(&packet, &slab).unwrap()
        };
        let linux = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 10];
        let later = [2, 4, 5, 0xb4, 4, 2, 8, 10, 9, 9, 9, 9, 0, 0, 0, 0, 1, 3, 3, 10];
        let first = number(&linux, &|_| ());
        assert_eq!(number(&later, &|p| (p.ip_id, p.ttl, p.tcp.seq) = (77, 40, 5)), first);
        let others = [
            number(&linux, &|p| p.ip_id = 0),
            number(&linux, &|p| p.ttl = 128),
            number(&linux, &|p| p.tcp.window = 1),
            number(&linux, &|p| p.tcp.flags |= TcpFields::ACK),
            number(&linux[..6], &|_| ()),
            number(&[2, 4, 5, 0x78], &|_| ()),
            number(&[], &|_| ()),
            number(&[], &|p| p.ip_version = 6),
        ];
        for (i, number) in others.iter().enumerate() {
            assert!(*number != first && !others[..i].contains(number), "{i}");
        }
        assert_eq!(&*prints.text(first).unwrap(), "tcp/(40)()(20)(faf0)((020405b4)(04)(08)(01)(03030a))");
        assert_eq!(prints.text(0), None);
        assert_eq!(prints.text(99), None);
    }

    #[test]
    fn no_more_are_kept_than_the_limit_allows() {
        let mut prints = SynPrints::default();
        for window in 0..limits::SYN_PRINTS_MAX as u16 {
            let mut p = packet(&[]);
            p.tcp.window = window;
            assert!(prints.number(&p, &[0; 20]).is_some());
        }
        let mut p = packet(&[]);
        p.ip_version = 6;
        assert_eq!(prints.number(&p, &[0; 20]), None);
        assert_eq!(prints.texts.len(), limits::SYN_PRINTS_MAX);
    }
}
