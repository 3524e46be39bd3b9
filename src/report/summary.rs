//! The summary at the end of a run.

use std::fmt::Write;

use super::document::{DeviceLine, RunDocument};

/// Services that the summary lists.
const SERVICES: usize = 8;
/// Characters of a line of evidence.
const EVIDENCE: usize = 76;

/// Classes of devices on a line.
const CLASSES: usize = 6;
/// Characters of maker and model, and of the reason for a class.
const PRODUCT: usize = 28;
const REASON: usize = 48;

/// As JSON: the document itself.
pub fn json(document: &RunDocument) -> String {
    document.to_json()
}

/// For people.
pub fn text(d: &RunDocument) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut out, d);
    out
}

fn write_text(out: &mut String, d: &RunDocument) -> std::fmt::Result {
    let good = d.inputs.iter().filter(|i| i.outcome == "complete").count();
    let seconds = d.wall_ms as f64 / 1000.0;
    writeln!(out, "overhear {}", d.version)?;
    writeln!(out)?;
    write!(out, "  Inputs    {}", d.inputs.len())?;
    if good < d.inputs.len() {
        write!(out, ", {} of them not read to the end", d.inputs.len() - good)?;
    }
    writeln!(out)?;
    let first = d.inputs.iter().filter_map(|i| i.ts_first.as_deref()).min();
    let last = d.inputs.iter().filter_map(|i| i.ts_last.as_deref()).max();
    if let (Some(first), Some(last)) = (first, last) {
        writeln!(out, "  Time      {} to {}", short_time(first), short_time(last))?;
    }
    write!(out, "  Packets   {}, {}", count(d.packets), bytes(d.bytes))?;
    if seconds >= 0.1 {
        write!(out, " in {seconds:.1} s ({}/s)", count((d.packets as f64 / seconds) as u64))?;
    }
    writeln!(out)?;
    writeln!(out, "  Flows     {}", count(d.flows))?;
    writeln!(out, "  Devices   {}", count(d.devices))?;
    devices(out, d)?;
    if let Some(file) = &d.inventory.file {
        let i = &d.inventory;
        writeln!(
            out,
            "  Inventory {} of {} entries seen, {} not seen ({file})",
            count(i.seen),
            count(i.rows),
            count(i.not_seen)
        )?;
    }
    if !d.services.is_empty() {
        writeln!(out, "\n  Services")?;
        for s in d.services.iter().take(SERVICES) {
            writeln!(out, "    {:<14} {:>12} flows {:>12}", s.service, count(s.flows), bytes(s.bytes))?;
        }
        let more = d.services.len().saturating_sub(SERVICES);
        if more > 0 {
            writeln!(out, "    and {more} more")?;
        }
    }
    let total: u64 = d.findings.values().sum();
    writeln!(out)?;
    if total == 0 {
        writeln!(out, "  Findings  none; that is not the same as good: see Completeness")?;
    } else {
        let by: Vec<_> = ["critical", "high", "medium", "low", "info"]
            .iter()
            .filter_map(|s| d.findings.get(*s).filter(|n| **n > 0).map(|n| format!("{n} {s}")))
            .collect();
        writeln!(out, "  Findings  {}: {}", count(total), by.join(", "))?;
        for f in &d.top_findings {
            writeln!(out, "    {:<9} {:<15} {}", f.severity, f.device, f.title)?;
            writeln!(out, "              {}", shorten(&f.evidence, EVIDENCE))?;
            if f.alike > 0 {
                writeln!(out, "              and {} more like it", count(f.alike))?;
            }
        }
        let told: u64 = d.top_findings.iter().map(|f| 1 + f.alike).sum();
        if total > told {
            writeln!(out, "    and {} more in the findings table", count(total - told))?;
        }
    }
    if let Some(line) = suppressed(d) {
        writeln!(out, "            {line}")?;
    }
    writeln!(out, "\n  Completeness")?;
    completeness(out, d)?;
    if let Some(folder) = &d.output {
        writeln!(out, "\n  Tables    {folder} ({})", bytes(d.output_bytes))?;
        writeln!(
            out,
            "  Start     duckdb -c \"SELECT severity, device_ip, title, evidence FROM '{folder}/findings/*.parquet'\""
        )?;
    }
    Ok(())
}

/// The devices, one a line: what each is, how sure that is, and why.
fn devices(out: &mut String, d: &RunDocument) -> std::fmt::Result {
    if d.top_devices.is_empty() {
        return Ok(());
    }
    for (i, line) in d.device_classes.chunks(CLASSES).enumerate() {
        let line: Vec<_> = line.iter().map(|c| format!("{} {}", count(c.devices), c.class)).collect();
        let more = (i + 1) * CLASSES < d.device_classes.len();
        writeln!(out, "            {}{}", line.join(", "), if more { "," } else { "" })?;
    }
    let lines = || d.top_devices.iter().filter(|l| l.class != "unknown");
    let wide = |text: &dyn Fn(&DeviceLine) -> String, most: usize| {
        lines().map(|l| text(l).chars().count()).max().unwrap_or(0).min(most)
    };
    let (address, class) = (wide(&|l| l.device.clone(), 39), wide(&|l| l.class.clone(), 20));
    let product = wide(&product_of, PRODUCT);
    for l in lines() {
        let what = shorten(&product_of(l), product);
        let why = shorten(&l.reason, REASON);
        writeln!(out, "    {:<address$}  {:<class$}  {:.2}  {what:<product$}  {why}", l.device, l.class, l.confidence)?;
    }
    let told = lines().count() as u64;
    if d.devices > told {
        writeln!(out, "    and {} more in the devices table", count(d.devices - told))?;
    }
    Ok(())
}

/// Maker and model; the maker once where the model begins with it.
fn product_of(l: &DeviceLine) -> String {
    match (&l.vendor, &l.model) {
        (Some(vendor), Some(model)) if !model.to_lowercase().starts_with(&vendor.to_lowercase()) => {
            format!("{vendor} {model}")
        }
        (_, Some(model)) => model.clone(),
        (Some(vendor), None) => vendor.clone(),
        (None, None) => String::from("-"),
    }
}

/// How many findings a list silences, where there is a list.
fn suppressed(d: &RunDocument) -> Option<String> {
    let file = d.suppressed.file.as_deref()?;
    Some(format!("{} suppressed by {file}", count(d.suppressed.findings)))
}

fn completeness(out: &mut String, d: &RunDocument) -> std::fmt::Result {
    let c = |name: &str| d.counters.get(name).copied().unwrap_or(0);
    let mut said = false;
    let mut say = |out: &mut String, text: String| {
        said = true;
        writeln!(out, "    {text}")
    };
    for input in d.inputs.iter().filter(|i| i.outcome != "complete").take(5) {
        say(out, format!("{}: {}", input.path, input.outcome))?;
    }
    if let Some(share) = d.missed_share.filter(|s| *s > 0.0005) {
        say(out, format!("{:.1} % of the bytes of TCP streams are missing from the capture", share * 100.0))?;
    }
    if let Some(drops) = d.kernel_drops.filter(|n| *n > 0) {
        say(out, format!("{} packets were dropped by the kernel", count(drops)))?;
    }
    for (name, what) in [
        ("unknown_link", "frames are of a link type that is not decoded"),
        ("fragments_dropped", "fragments never became whole packets"),
        ("truncated", "packets are cut by the snap length"),
        ("duplicates", "copies made by the mirror port were left out"),
        ("violations", "flows were not what they looked like at first"),
    ] {
        if c(name) > 0 {
            say(out, format!("{} {what}", count(c(name))))?;
        }
    }
    let malformed = c("malformed_link") + c("malformed_network") + c("malformed_transport") + c("malformed_tunnel");
    if malformed > 0 {
        say(out, format!("{} packets are malformed", count(malformed)))?;
    }
    for (name, n) in &d.limits_hit {
        say(out, format!("limit hit: {name} = {}", count(*n)))?;
    }
    if !said {
        writeln!(out, "    nothing is known to be missing")?;
    }
    Ok(())
}

/// Seconds are enough for people.
pub fn short_time(text: &str) -> String {
    text.get(..19).map_or_else(|| text.to_owned(), |t| t.replace('T', " "))
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A number with its thousands apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// Bytes in a unit of 1000.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
        assert_eq!(short_time("2024-01-02T03:04:05.123456Z"), "2024-01-02 03:04:05");
        assert_eq!(shorten(&"ü".repeat(200), EVIDENCE).chars().count(), EVIDENCE);
    }
}
