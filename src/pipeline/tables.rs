//! Every table that a run writes, and the columns of those that no protocol owns.

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::detect;
use crate::device;
use crate::proto::link;
use crate::proto::registry::Protocol;
use crate::record::{Column, Table, Type};

/// The `flows` table.
pub static FLOWS: Table = Table {
    name: "flows",
    doc: "One row per flow: all packets between two ends over one protocol until silence or a close",
    prefix: &[],
    columns: &[
        Column::new(
            "flow_id",
            Type::Int64,
            "Identifier of the flow, the same in every table and every run over the same input",
        ),
        Column::new("community_id", Type::Text, "Community ID version 1, seed 0: the same text in other tools"),
        Column::repeating("capture", Type::Text, "Name of the input that the first packet stands in"),
        Column::new("ts_start", Type::Time, "Time of the first packet"),
        Column::new("ts_end", Type::Time, "Time of the last packet"),
        Column::new(
            "ts_start_ns",
            Type::Int64,
            "Time of the first packet in nanoseconds since 1970, where the capture is that exact",
        ),
        Column::new("duration_us", Type::Int64, "Microseconds from the first to the last packet"),
        Column::repeating("ip_version", Type::Int32, "4 or 6"),
        Column::repeating("proto", Type::Text, "IP protocol: tcp, udp, icmp, icmp6, sctp ..., or its number"),
        Column::repeating("orig_ip", Type::Text, "Address of the originator: who opened the flow"),
        Column::new("orig_port", Type::Int32, "Port of the originator; for ICMP the type"),
        Column::repeating("resp_ip", Type::Text, "Address of the responder"),
        Column::repeating("resp_port", Type::Int32, "Port of the responder; for ICMP the code"),
        Column::repeating(
            "orig_mac",
            Type::Text,
            "Link-layer address of the originator's frames; a router's where one stands between",
        ),
        Column::repeating("resp_mac", Type::Text, "Link-layer address of the responder's frames, likewise"),
        Column::repeating("vlans", Type::Int32List, "VLAN tags of the first packet, outermost first"),
        Column::repeating(
            "tunnels",
            Type::Text,
            "Encapsulations of the first packet, outermost first, as in gre/erspan2; null where there is none",
        ),
        Column::repeating("service", Type::Text, "Application protocol"),
        Column::repeating(
            "service_source",
            Type::Text,
            "What the service was told from: payload, or port as the last resort",
        ),
        Column::new("orig_pkts", Type::Int64, "Packets of the originator"),
        Column::new("resp_pkts", Type::Int64, "Packets of the responder"),
        Column::new("orig_bytes", Type::Int64, "Transport payload of the originator on the wire, in bytes"),
        Column::new("resp_bytes", Type::Int64, "Transport payload of the responder on the wire, in bytes"),
        Column::new("orig_ip_bytes", Type::Int64, "IP packets of the originator with their headers, in bytes"),
        Column::new("resp_ip_bytes", Type::Int64, "IP packets of the responder with their headers, in bytes"),
        Column::repeating("conn_state", Type::Text, "How the connection went, in Zeek's codes (S0, SF, REJ ...)"),
        Column::repeating(
            "history",
            Type::Text,
            "Order of events in Zeek's letters, upper case for the originator; ^ where the sides were turned round",
        ),
        Column::repeating("missed_bytes", Type::Int64, "Stream bytes that the capture does not hold, in bytes (TCP)"),
        Column::repeating("retransmitted_pkts", Type::Int64, "TCP segments that brought nothing new"),
        Column::repeating(
            "duplicate_pkts",
            Type::Int64,
            "Copies that a mirror port made; they are not counted otherwise",
        ),
        Column::repeating("icmp_errors", Type::Int64, "ICMP errors that were about this flow"),
        Column::new("rtt_us", Type::Int64, "Microseconds from the originator's SYN to the end of the handshake"),
        Column::repeating(
            "direction",
            Type::Text,
            "internal, egress, ingress, transit or multicast, by what --home-net says is inside",
        ),
        Column::repeating(
            "server_name",
            Type::Text,
            "Name of the responder, from its own traffic or from the names that the originator looked up before",
        ),
        Column::repeating(
            "server_name_source",
            Type::Text,
            "Where server_name comes from: sni, quic_sni, http_host or dns",
        ),
        Column::repeating(
            "end_reason",
            Type::Text,
            "Why the row ends: closed, reset, idle, end_of_input, evicted, reused",
        ),
        Column::new("first_packet", Type::Int64, "1-based number of the first packet in its capture"),
        Column::new("last_packet", Type::Int64, "1-based number of the last packet in its capture"),
        Column::repeating(
            "inner_service",
            Type::Text,
            "Application protocol inside of TLS, where keys that were brought made it readable, or the cipher suite encrypts nothing; null otherwise",
        ),
        Column::repeating(
            "orig_npf",
            Type::Text,
            "NPF string of the originator's SYN, which tells its network stack (TCP)",
        ),
        Column::repeating("resp_npf", Type::Text, "NPF string of the responder's SYN, likewise"),
    ],
};

/// The `capture_stats` table.
pub static CAPTURE_STATS: Table = Table {
    name: "capture_stats",
    doc: "One row per capture and interface: what was read, what was lost, and every limit that was hit",
    prefix: &[
        Column::repeating("capture", Type::Text, "Name of the input"),
        Column::new(
            "interface",
            Type::Int32,
            "Index of the interface in the capture; null in the row of the capture as a whole",
        ),
        Column::repeating("interface_name", Type::Text, "Name of the interface, where the capture says it"),
        Column::repeating("link_type", Type::Int32, "Number of the link type in the LINKTYPE registry"),
        Column::new("ts_first", Type::Time, "Time of the first packet"),
        Column::new("ts_last", Type::Time, "Time of the last packet"),
        Column::new(
            "kernel_drops",
            Type::Int64,
            "Packets that the kernel dropped while capturing, where the capture says it",
        ),
        Column::new("one_way_share", Type::Float64, "Share of TCP flows of which only one side was seen, 0 to 1"),
        Column::new(
            "estimated_loss",
            Type::Float64,
            "Missing stream bytes as a share of all that should be there, 0 to 1",
        ),
        Column::new("wall_us", Type::Int64, "Wall time of the whole run, in microseconds"),
        Column::new("cpu_read_us", Type::Int64, "Time spent reading, over all threads, in microseconds"),
        Column::new("cpu_decode_us", Type::Int64, "Time spent decoding, likewise"),
        Column::new("cpu_flows_us", Type::Int64, "Time spent on flows, streams and protocols, likewise"),
        Column::new("cpu_collect_us", Type::Int64, "Time spent merging, likewise"),
        Column::new("cpu_write_us", Type::Int64, "Time spent on Parquet, likewise"),
        Column::new("cpu_hash_us", Type::Int64, "Time spent hashing the input, likewise"),
    ],
    columns: COUNTER_COLUMNS,
};

const COUNTER_COLUMNS: &[Column] = &{
    let mut columns = [Column::new("", Type::Int64, ""); crate::base::counters::Counters::COLUMNS.len()];
    let mut i = 0;
    while i < columns.len() {
        let (name, doc) = crate::base::counters::Counters::COLUMNS[i];
        columns[i] = Column::new(name, Type::Int64, doc);
        i += 1;
    }
    columns
};

/// All tables, in the order in which `overhear schema` prints them.
pub static ALL: LazyLock<Vec<&'static Table>> = LazyLock::new(|| {
    let mut all: Vec<&'static Table> = vec![
        &FLOWS,
        &device::rows::DEVICES,
        &device::contacts::DEVICE_SERVICES,
        &device::contacts::DEVICE_PEERS,
        &device::software::DEVICE_SOFTWARE,
        &detect::findings::FINDINGS,
        &detect::credentials::CREDENTIALS,
        &detect::certificates::CERTIFICATES,
        &CAPTURE_STATS,
    ];
    let of_flows =
        Protocol::ALL.iter().flat_map(|p| p.spec().table.into_iter().chain(p.spec().more_tables.iter().copied()));
    for table in of_flows.chain(link::ALL.iter().map(|spec| spec.table)) {
        if !all.iter().any(|t| std::ptr::eq(*t, table)) {
            all.push(table);
        }
    }
    all
});

/// Position of a table in [`ALL`].
pub fn position(table: &'static Table) -> Option<usize> {
    /// Asked for each row, so it is no search.
    static POSITIONS: LazyLock<HashMap<usize, usize, ahash::RandomState>> =
        LazyLock::new(|| ALL.iter().enumerate().map(|(at, table)| (std::ptr::from_ref(*table).addr(), at)).collect());
    POSITIONS.get(&std::ptr::from_ref(table).addr()).copied()
}
