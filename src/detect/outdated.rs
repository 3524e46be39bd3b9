//! Software that gets no more updates, by what servers and systems say of themselves.
//!
//! A device may say the same over several addresses, ports and protocols; that is one finding. So sightings wait
//! until it is known which devices there are.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::sighting::{self, Party, Sighting};
use crate::base::Timestamp;
use crate::base::limits::{self, Room};
use crate::policy::HomeNet;
use crate::proto::api::Cx;
use crate::signature::ended;
use crate::signature::products::{self, Role};

/// The rule where the maker has stopped.
pub const RULE: &str = "outdated-software";
/// Bytes of a field that evidence shows.
const SHOWN_BYTES: usize = 120;

/// Judges a field that a device told, the first time that it does.
pub fn judge(
    home: &HomeNet,
    cx: &Cx<'_>,
    device: Party,
    (source, attribute, value): (&'static str, &'static str, &str),
    out: &mut Vec<Sighting>,
) {
    // What SSH servers say is judged by rules of their own (`detect/ssh`), which know their distributions.
    if source == "ssh" || !products::is_about(attribute) || !home.is_home(device.ip) {
        return;
    }
    for product in products::of(source, attribute, value).iter().filter(|p| p.role != Role::Client) {
        let Some(ended) = ended::of(product).filter(|e| e.since <= cx.ts) else { continue };
        let end = value.char_indices().map(|(at, _)| at).find(|at| *at > SHOWN_BYTES).unwrap_or(value.len());
        let shown = crate::record::clean(value.get(..end).unwrap_or_default());
        let evidence =
            format!("{attribute} {shown:?}: {}, no updates since {} ({})", ended.line, ended.day, ended.source);
        out.push(Sighting {
            rule: RULE,
            device,
            peer: None,
            port: cx.flow.resp_port,
            peer_name: None,
            service: Cow::Borrowed(source),
            flow_id: cx.flow.flow_id,
            capture: cx.flow.capture,
            packet: cx.packet,
            ts: cx.ts,
            evidence,
            detail: Cow::Owned(product.product.clone()),
            weight: sighting::WEIGHT,
        });
    }
}

/// Sightings that wait.
#[derive(Debug, Default)]
pub struct Outdated {
    waiting: Vec<Sighting>,
    dropped: u64,
    room: Room,
}

impl Outdated {
    /// With the limits that its memory leaves.
    pub fn within(room: Room) -> Self {
        Self { room, ..Self::default() }
    }

    /// Takes a sighting of [`RULE`].
    pub fn wait(&mut self, sighting: Sighting) {
        if self.waiting.len() < self.room.of(limits::OUTDATED_MAX) {
            self.waiting.push(sighting);
        } else {
            self.dropped += 1;
        }
    }

    /// Hands on all, those of one device and product with the same party, port and service: those of the earliest.
    pub fn finish(&mut self, device_of: impl Fn(Party, Timestamp) -> Option<String>, add: &mut dyn FnMut(Sighting)) {
        let mut groups: BTreeMap<(String, Cow<'static, str>), Vec<Sighting>> = BTreeMap::new();
        for sighting in self.waiting.drain(..) {
            let device = device_of(sighting.device, sighting.ts).unwrap_or_else(|| sighting.device.ip.to_string());
            groups.entry((device, sighting.detail.clone())).or_default().push(sighting);
        }
        for mut group in groups.into_values() {
            group.sort_by(|a, b| {
                (a.ts, a.capture, a.packet, &a.evidence).cmp(&(b.ts, b.capture, b.packet, &b.evidence))
            });
            let Some((device, port, service)) = group.first().map(|s| (s.device, s.port, s.service.clone())) else {
                continue;
            };
            for sighting in group {
                add(Sighting { device, port, service: service.clone(), ..sighting });
            }
        }
    }

    /// Sightings that were not looked at because too many wait.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleartext::tests::flow;
    use super::*;
    use crate::base::{Addr, Mac};
    use crate::proto::api::LimitCount;
    use crate::signature::RuleSet;

    /// 2021-01-01.
    const AT: Timestamp = Timestamp(1_609_459_200_000_000_000);

    fn seen(ip: [u8; 4], at: Timestamp, fact: (&'static str, &'static str, &str)) -> Vec<Sighting> {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: at, packet: 12, flow: &flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        let party = Party { ip: Addr::v4(ip), mac: Mac([2, 0, 0, 0, 0, 1]) };
        judge(&HomeNet::default(), &cx, party, fact, &mut out);
        out
    }

    #[test]
    fn what_had_ended_when_it_was_seen_is_told_with_its_source() {
        let got = seen([10, 0, 0, 5], AT, ("http", "server", "PHP/7.2.9"));
        assert_eq!(got.len(), 1);
        assert!(got[0].evidence.contains("since 2020-11-30 (https://"), "{}", got[0].evidence);
        assert!(RuleSet::builtin().get(got[0].rule).is_some());
        let before = Timestamp(AT.nanos() - 366 * 86_400_000_000_000);
        assert!(seen([10, 0, 0, 5], before, ("http", "server", "PHP/7.2.9")).is_empty(), "it had not ended");
    }

    #[test]
    fn what_is_current_outside_of_a_distribution_or_only_asks_is_no_finding() {
        for fact in [
            ("http", "server", "nginx/1.24.0"),
            ("http", "server", "Apache/2.4.57 (Debian)"),
            ("http", "server", "Apache/2.4.37 (Red Hat Enterprise Linux) OpenSSL/1.1.1k"),
            ("http", "user-agent", "Python-urllib/2.7"),
            ("smb", "os", "Windows 6.1"),
            // 22H2 and LTSC 2021 state it as well as version 2004.
            ("dcerpc", "os", "Windows 10.0.19041"),
            ("ssh", "banner", "SSH-2.0-OpenSSH_5.3"),
        ] {
            assert!(seen([10, 0, 0, 5], Timestamp(AT.nanos() / 10 * 11), fact).is_empty(), "{fact:?}");
        }
        assert!(seen([198, 51, 100, 5], AT, ("http", "server", "Microsoft-IIS/6.0")).is_empty(), "not ours");
    }

    #[test]
    fn one_finding_for_a_device_and_a_product() {
        let mut held = Outdated::default();
        for ip in [[10, 0, 0, 6], [10, 0, 0, 5]] {
            for value in ["Apache/1.3.31 (Unix)", "Apache/1.3.29 (Unix) PHP/4.3.4"] {
                seen(ip, AT, ("http", "server", value)).into_iter().for_each(|s| held.wait(s));
            }
        }
        let mut got = Vec::new();
        held.finish(|_, _| Some(String::from("one")), &mut |s| got.push((s.device.ip, s.detail)));
        assert_eq!(got.len(), 6);
        got.dedup();
        assert_eq!(got.len(), 2, "Apache and PHP: {got:?}");
    }
}
