//! Counters of what happened to the input. Each shard keeps its own and they are added up at the
//! end, so counting costs an addition and no lock.

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident),+ $(,)?) => {
        /// What happened to the packets of one capture (or of one shard of it).
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counters { $(#[doc = $doc] pub $name: u64,)+ }

        impl Counters {
            /// Names and meanings, in the order of [`Counters::values`].
            pub const COLUMNS: &'static [(&'static str, &'static str)] = &[$((stringify!($name), $doc.trim_ascii())),+];

            /// Adds another set of counters to this one.
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)+ }

            /// The values, in the order of [`Counters::COLUMNS`].
            pub fn values(&self) -> Vec<u64> { vec![$(self.$name),+] }
        }
    };
}

counters! {
    /// Frames read from the capture (after the capture filter).
    packets,
    /// Their length on the wire, in bytes.
    bytes,
    /// Frames of which the capture holds fewer bytes than were on the wire.
    truncated,
    /// Frames of a link type that is not decoded.
    unknown_link,
    /// Frames whose link-layer header does not parse.
    malformed_link,
    /// Packets whose IP header does not parse.
    malformed_network,
    /// Packets whose TCP, UDP, ICMP or SCTP header does not parse.
    malformed_transport,
    /// Packets whose tunnel header does not parse.
    malformed_tunnel,
    /// Frames without an IP packet (ARP, LLDP, spanning tree ...).
    not_ip,
    /// Fragments of IP packets.
    fragments,
    /// IP packets put together from fragments.
    reassembled,
    /// Fragments that overlapped others.
    fragment_overlaps,
    /// Fragments dropped: they never became whole, or the table was full.
    fragments_dropped,
    /// Packets nested deeper in tunnels than the limit allows; the outer flow was used.
    nesting_limit,
    /// Packets that the mirror port delivered twice.
    duplicates,
    /// Packets that came with an earlier time than the one before them.
    time_backwards,
    /// Flows that began.
    flows,
    /// Flows written early because the flow table was full.
    flows_evicted,
    /// Stream bytes that were not analysed because the reassembly budget was used up.
    reassembly_dropped_bytes,
    /// Stream bytes that never came (gaps).
    missed_bytes,
    /// Flows whose payload turned out not to be what it was taken for.
    violations,
    /// Messages cut or skipped because a parser's own limit was hit.
    parser_limits,
    /// ClientHellos to which the capture shows no answer: one direction is missing, or nobody answered.
    tls_hellos_unanswered,
    /// ClientHellos with an encrypted one inside (ECH): the name that they show need not be the one that is asked for.
    tls_hellos_ech,
    /// TLS handshakes that a server has answered.
    tls_handshakes,
    /// Of these, those whose certificate nobody can see: TLS 1.3 encrypts it.
    tls_certificates_encrypted,
    /// Of these, those that go on with an earlier session and show no certificate.
    tls_certificates_resumed,
    /// Of these, those whose certificate the capture does not hold, or that are done without one.
    tls_certificates_missed,
    /// Certificates of which a part could not be read; each is counted once for the hosts of one shard.
    certificates_malformed,
    /// Texts and lists of table rows that were cut at their limit (4,096 bytes, 256 items).
    values_cut,
    /// Table rows dropped because memory was short.
    rows_dropped,
    /// Claims about devices dropped because their table was full; those that belong to no capture stand in run.json only.
    claims_dropped,
    /// Name bindings (DNS answers) forgotten because their table was full; they stand in run.json only.
    names_dropped,
    /// Findings whose examples or count stopped growing at a limit.
    findings_limited,
    /// Flows and banners that the tables of devices' services and peers do not count, because there were too many. Those that belong to no capture stand in run.json only.
    contacts_dropped,
    /// Rows of devices written before the end because memory was short; a device that came again has another.
    devices_written,
    /// Flows that the tables of devices' services and peers give to no device, because its address changed hands among them; they stand in run.json only.
    contacts_unassigned,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_touches_every_counter_and_names_match_values() {
        let mut a = Counters { packets: 2, findings_limited: 1, ..Counters::default() };
        a.add(&a.clone());
        assert_eq!((a.packets, a.findings_limited), (4, 2));
        assert_eq!(Counters::COLUMNS.len(), a.values().len());
        assert_eq!(Counters::COLUMNS[0].0, "packets");
        assert_eq!(a.values()[0], 4);
    }
}
