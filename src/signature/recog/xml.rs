//! Reading a file of Recog.

use std::path::Path;

use regex_syntax::hir::Hir;
use roxmltree::{Document, Node, ParsingOptions};

use super::pattern::{self, Flags};
use super::{Database, Example, Fingerprint, Param};
use crate::base::limits;
use crate::base::lines::Lines;
use crate::signature::rules::RuleError;

/// Reads the text of a file; `file` is its path. Examples are kept only where they are wanted.
///
/// # Errors
/// Everything that is wrong in it, by line.
pub fn read(file: &Path, text: &str, examples: bool) -> Result<Database, Vec<RuleError>> {
    let wrong = |line: usize, reason: String| RuleError { file: file.to_path_buf(), line, reason };
    if text.len() > limits::RECOG_FILE_BYTES_MAX {
        return Err(vec![wrong(0, format!("more than {} MiB", limits::RECOG_FILE_BYTES_MAX >> 20))]);
    }
    let options = ParsingOptions { nodes_limit: limits::RECOG_NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|e| vec![wrong(e.pos().row as usize, format!("no XML that can be read: {e}"))])?;
    let lines = Lines::of(text);
    let line = |node: Node<'_, '_>| lines.at(node.range().start);
    let root = document.root_element();
    if root.tag_name().name() != "fingerprints" {
        return Err(vec![wrong(line(root), format!("{:?} stands where fingerprints should", root.tag_name().name()))]);
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut errors = Vec::new();
    let mut fingerprints = Vec::new();
    for node in root.children().filter(Node::is_element) {
        if errors.len() >= limits::LIST_ERRORS_MAX {
            break;
        }
        match fingerprint(node, &line, examples) {
            Ok(found) => fingerprints.push(found),
            Err((line, reason)) => errors.push(wrong(line, reason)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let about = root.attribute("matches").unwrap_or(&stem).to_owned();
    Ok(Database { file: file.to_path_buf(), about, fingerprints })
}

type Place<'a> = &'a dyn Fn(Node<'_, '_>) -> usize;

fn fingerprint(node: Node<'_, '_>, line: Place<'_>, examples: bool) -> Result<Fingerprint, (usize, String)> {
    let at = line(node);
    let name = node.tag_name().name();
    if name != "fingerprint" {
        return Err((at, format!("{name:?} stands where a fingerprint should")));
    }
    let written = node.attribute("pattern").ok_or_else(|| (at, String::from("a fingerprint without pattern")))?;
    let flags = Flags::parse(node.attribute("flags").unwrap_or_default()).map_err(|e| (at, e))?;
    let (pattern, hir) = pattern::read(written, flags).map_err(|e| (at, e))?;
    let groups = groups(&hir);
    let mut found = Fingerprint {
        line: at,
        description: String::new(),
        literal: pattern::required(&hir).unwrap_or_default().into(),
        pattern: pattern.into(),
        flags,
        regex: std::sync::OnceLock::new(),
        params: Vec::new(),
        examples: Vec::new(),
    };
    for child in node.children().filter(Node::is_element) {
        let here = line(child);
        match child.tag_name().name() {
            "description" => found.description = child.text().unwrap_or_default().trim().to_owned(),
            "param" => found.params.push(param(child, groups).map_err(|e| (here, e))?),
            "example" if examples => found.examples.push(example(child, here)),
            "example" => {}
            other => return Err((here, format!("{other:?} is no part of a fingerprint"))),
        }
    }
    if found.params.len() > limits::LIST_ITEMS_MAX {
        return Err((at, format!("more than {} params", limits::LIST_ITEMS_MAX)));
    }
    Ok(found)
}

fn groups(hir: &Hir) -> usize {
    hir.properties().explicit_captures_len()
}

fn param(node: Node<'_, '_>, groups: usize) -> Result<Param, String> {
    let name = node.attribute("name").filter(|n| !n.is_empty()).ok_or("a param without name")?;
    let pos = node.attribute("pos").unwrap_or("0");
    let pos = pos.parse::<usize>().map_err(|_| format!("{pos:?} is no position"))?;
    let value = node.attribute("value").unwrap_or_default();
    if pos == 0 && node.attribute("value").is_none() {
        return Err(format!("param {name} has neither a value nor the position of a group"));
    }
    if pos > groups {
        return Err(format!("param {name} takes group {pos} of a pattern that has {groups}"));
    }
    Ok(Param { name: name.into(), pos, value: value.into() })
}

fn example(node: Node<'_, '_>, line: usize) -> Example {
    let mut out = Example { line, text: node.text().unwrap_or_default().to_owned(), ..Example::default() };
    for attribute in node.attributes() {
        match attribute.name() {
            "_encoding" => out.base64 = attribute.value() == "base64",
            "_filename" => out.filename = Some(attribute.value().to_owned()),
            name if name.starts_with('_') => {}
            name => out.wants.push((name.to_owned(), attribute.value().to_owned())),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let errors = read(Path::new("x.xml"), text, true).expect_err("it is wrong");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_wrong_is_told_by_line() {
        let with = |inner: &str| format!("<fingerprints matches=\"a\">\n\n{inner}\n</fingerprints>");
        assert!(errors("<fingerprints>\n<a></b>\n</fingerprints>").starts_with("x.xml:2: no XML that can be read"));
        assert!(errors("<a/>").contains("\"a\" stands where"));
        for (inner, line, says) in [
            ("<fingerprint pattern=\"(\"/>", 3, "regular expression"),
            ("<fingerprint/>", 3, "without pattern"),
            ("<fingerprint pattern=\"a\" flags=\"REG_NONE\"/>", 3, "REG_NONE"),
            ("<fingerprint pattern=\"a\">\n<param pos=\"1\" name=\"os.product\"/></fingerprint>", 4, "group 1"),
            ("<fingerprint pattern=\"a\">\n<param pos=\"x\" name=\"os.product\"/></fingerprint>", 4, "\"x\""),
            ("<fingerprint pattern=\"a\">\n<param pos=\"0\" name=\"os.product\"/></fingerprint>", 4, "neither"),
            ("<fingerprint pattern=\"a\">\n\n<toast/></fingerprint>", 5, "toast"),
            ("<fingerprint pattern=\"(?:a{900}){900}\"/>", 3, "too large"),
            ("<fingerprint pattern=\"(?=a)b\"/>", 3, "regular expression"),
        ] {
            let told = errors(&with(inner));
            assert!(told.starts_with(&format!("x.xml:{line}: ")) && told.contains(says), "{told}");
        }
    }

    #[test]
    fn entities_are_not_expanded() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\">]><fingerprints>&b;</fingerprints>";
        assert!(errors(bomb).contains("DTD"));
    }
}
