//! `overhear protocols`: what is recognised and what each protocol yields, from the registries that the
//! engine uses.

use super::args::{Format, Protocols};
use super::print;
use crate::proto::api::Transport;
use crate::proto::named;
use crate::proto::registry::Protocol;

/// Prints the protocols.
pub fn run(args: &Protocols) -> u8 {
    match args.format {
        Format::Text => print(&text()),
        Format::Json => print(&json()),
    }
}

fn transports(all: &[Transport]) -> Vec<&'static str> {
    all.iter()
        .map(|t| match t {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        })
        .collect()
}

/// Ports that the table names; JSON has all.
const PORTS: usize = 5;

/// Ports in short: neighbours as a range, of many the first.
fn ports(all: &[u16]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in all {
        match runs.last_mut() {
            Some((_, last)) if port.checked_sub(1) == Some(*last) => *last = *port,
            _ => runs.push((*port, *port)),
        }
    }
    let more = runs.len() > PORTS;
    let shown = runs.iter().take(PORTS).map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.chain(more.then(|| String::from("..."))).collect::<Vec<_>>().join(", ")
}

/// Those with a parser, by name.
fn parsed() -> Vec<Protocol> {
    let mut all = Protocol::ALL.to_vec();
    all.sort_by_key(|p| p.spec().name);
    all
}

/// Those that are only named, by name.
fn only_named() -> Vec<&'static named::Named> {
    let mut all: Vec<_> = named::all().collect();
    all.sort_by_key(|n| (n.name, n.title));
    all
}

fn text() -> String {
    let parsed = parsed();
    let named = only_named();
    let mut rows = vec![["name", "title", "over", "usual ports", "table", "yields"].map(str::to_owned)];
    for protocol in &parsed {
        let spec = protocol.spec();
        rows.push([
            spec.name.to_owned(),
            spec.title.to_owned(),
            transports(spec.transports).join(", "),
            ports(spec.ports),
            spec.table.map_or("", |t| t.name).to_owned(),
            spec.yields.to_owned(),
        ]);
    }
    let mut out = format!("{} protocols are read\n\n", parsed.len());
    table(&rows, &mut out);
    out += &format!("\n{} more are told by their first bytes, and nothing else is read of them\n\n", named.len());
    let mut rows = vec![["name", "title", "over", "described in"].map(str::to_owned)];
    for n in &named {
        let over = transports(n.transports).join(", ");
        rows.push([n.name.to_owned(), n.title.to_owned(), over, n.reference.to_owned()]);
    }
    table(&rows, &mut out);
    out
}

/// Columns as wide as what they hold, the last one ragged.
fn table<const N: usize>(rows: &[[String; N]], out: &mut String) {
    let widths: Vec<usize> =
        (0..N).map(|c| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!(" {cell:width$} ", width = *width);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn json() -> String {
    let parsed = parsed().into_iter().map(|p| {
        let spec = p.spec();
        serde_json::json!({
            "name": spec.name,
            "title": spec.title,
            "transports": transports(spec.transports),
            "ports": spec.ports,
            "table": spec.table.map(|t| t.name),
            "yields": spec.yields,
            "reference": spec.reference,
            "parsed": true,
        })
    });
    let named = only_named().into_iter().map(|n| {
        serde_json::json!({
            "name": n.name,
            "title": n.title,
            "transports": transports(n.transports),
            "ports": [],
            "table": null,
            "yields": null,
            "reference": n.reference,
            "parsed": false,
        })
    });
    format!("{:#}\n", parsed.chain(named).collect::<serde_json::Value>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_in_short() {
        assert_eq!(ports(&[]), "");
        assert_eq!(ports(&[21]), "21");
        assert_eq!(ports(&[6667, 6660, 6661, 6662, 194]), "6667, 6660-6662, 194");
        assert_eq!(ports(&[1, 3, 5, 7, 9, 11]), "1, 3, 5, 7, 9, ...");
    }

    #[test]
    fn the_readme_counts_them() {
        let readme = include_str!("../../README.md").split_whitespace().collect::<Vec<_>>().join(" ");
        let (read, named) = (parsed().len(), only_named().len());
        let said =
            format!("lists the {read} that are read, with what is read of each, and {named} that are only named");
        assert!(readme.contains(&said), "{said}");
    }

    #[test]
    fn every_protocol_says_what_it_yields() {
        for protocol in Protocol::ALL {
            let spec = protocol.spec();
            assert!(!spec.title.is_empty() && !spec.yields.is_empty() && !spec.reference.is_empty(), "{}", spec.name);
        }
    }
}
