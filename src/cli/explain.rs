//! `overhear explain`: a rule in plain words.

use super::args::{Explain, Format};
use super::{complain, exit, print, read};
use crate::signature::{Rule, SignatureSet};

/// Characters of a line of text.
const WIDTH: usize = 96;
/// Rules that are offered in place of one that is not there.
const OFFERED: usize = 5;

/// Explains a rule.
pub fn run(args: &Explain) -> u8 {
    let loaded;
    let set = match &args.signatures {
        None => SignatureSet::builtin(),
        Some(folder) => match read::signatures(folder) {
            Ok(set) => {
                loaded = set;
                &loaded
            }
            Err(code) => return code,
        },
    };
    let Some(rule) = set.rules.get_any(&args.rule) else {
        let near = near(&args.rule, set.rules.iter().map(|r| r.id.as_str()));
        let hint = match near.is_empty() {
            true => String::from("overhear signatures list prints all"),
            false => format!("did you mean {}?", near.join(", ")),
        };
        complain(format_args!("there is no rule {:?}; {hint}", args.rule));
        return exit::USAGE;
    };
    print(&match args.format {
        Format::Text => text(rule, set),
        Format::Json => json(rule, set),
    })
}

fn text(rule: &Rule, set: &SignatureSet) -> String {
    let mut out = format!("{}\n{}\n\n", rule.id, rule.title);
    out += &format!("  Severity    {}\n", rule.severity.name());
    out += &format!("  Category    {}\n", rule.category.name());
    out += &format!("  Confidence  {:.0} %\n", rule.confidence * 100.0);
    if !rule.enabled {
        out += "  Switched off: it makes no findings\n";
    }
    for (heading, text) in [
        ("What it means", &rule.description),
        ("How it is found, and what could fool it", &rule.explanation),
        ("What to do", &rule.remedy),
    ] {
        out += &format!("\n  {heading}\n");
        wrap(text, &mut out);
    }
    if !rule.controls.is_empty() {
        out += "\n  Controls\n";
        let width = rule.controls.iter().map(String::len).max().unwrap_or(0);
        for control in &rule.controls {
            let line = format!("    {control:width$}  {}", set.control(control).unwrap_or_default());
            out += line.trim_end();
            out.push('\n');
        }
    }
    out
}

fn json(rule: &Rule, set: &SignatureSet) -> String {
    let controls: Vec<_> =
        rule.controls.iter().map(|c| serde_json::json!({"control": c, "title": set.control(c)})).collect();
    let rule = serde_json::json!({
        "rule_id": rule.id,
        "title": rule.title,
        "severity": rule.severity.name(),
        "category": rule.category.name(),
        "confidence": rule.confidence,
        "enabled": rule.enabled,
        "description": rule.description,
        "explanation": rule.explanation,
        "remedy": rule.remedy,
        "controls": controls,
    });
    format!("{rule:#}\n")
}

/// Text in lines of bounded width, indented.
fn wrap(text: &str, out: &mut String) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > WIDTH {
            out.push('\n');
            column = 0;
        }
        match column {
            0 => out.push_str("    "),
            _ => out.push(' '),
        }
        column = if column == 0 { 4 + len } else { column + 1 + len };
        out.push_str(word);
    }
    out.push('\n');
}

/// The names that a misspelt one may have meant, the nearest first.
fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // No identifier is longer, and the time grows with the square.
    let wanted: String = wanted.to_ascii_lowercase().chars().take(64).collect();
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let parts = !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(name));
            let away = distance(&wanted, name);
            (parts || away <= 3.min(name.len() / 3)).then_some((if parts { 0 } else { away }, name))
        })
        .collect();
    found.sort_unstable();
    found.truncate(OFFERED);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Letters to insert, remove or replace so that one text becomes the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, pair) in above.windows(2).enumerate() {
            let [diagonal, up] = *pair else { continue };
            let left = row.last().copied().unwrap_or_default();
            let same = b.get(j) == Some(&letter);
            row.push((diagonal + usize::from(!same)).min(up + 1).min(left + 1));
        }
        above = row;
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_rule_is_found() {
        let names = || ["telnet-in-use", "ftp-in-use", "tls-old-version"].into_iter();
        assert_eq!(near("telent-in-use", names()), ["telnet-in-use"]);
        assert_eq!(near("Telnet", names()), ["telnet-in-use"]);
        assert_eq!(near("in-use", names()), ["ftp-in-use", "telnet-in-use"]);
        assert!(near("", names()).is_empty() && near("quite-something-else", names()).is_empty());
        assert_eq!((distance("", "abc"), distance("kitten", "sitting"), distance("a", "a")), (3, 3, 0));
    }

    #[test]
    fn lines_stay_short_and_keep_every_word() {
        let text = "word ".repeat(100) + &"x".repeat(200);
        let mut out = String::new();
        wrap(&text, &mut out);
        assert!(out.lines().all(|l| l.len() <= WIDTH || l.trim().len() == 200));
        assert!(out.split_whitespace().eq(text.split_whitespace()));
    }
}
