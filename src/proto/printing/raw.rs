//! Raw printing without PJL: a page description on a printer's port. Who prints, as far as the head of
//! the job tells (PostScript Language Document Structuring Conventions, section 5.2).

use crate::base::secret::Reveal;
use crate::base::{Timestamp, limits};
use crate::proto::api::{AppParser, Cx, Direction, Probe, Progress, Spec, Transport};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "raw_print",
    doc: "One print job sent to a printer's raw port without PJL",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("language", Type::Text, "Page description: `postscript pcl pclxl zpl escp urf pwg pdf`"),
        Column::new("title", Type::Text, "Title of the job, where its head tells"),
        Column::repeating("username", Type::Text, "For whom it is printed, where its head tells"),
        Column::repeating("creator", Type::Text, "Software that made it, where its head tells"),
    ],
};

/// What the first bytes of each language are.
const LANGUAGES: &[(&[u8], &str)] = &[
    (b"%!PS", "postscript"),
    (b"\x04%!PS", "postscript"),
    (b") HP-PCL XL;", "pclxl"),
    (b") BROTHER XL2HB;", "pclxl"),
    (b"\x1bE", "pcl"),
    (b"\x1b&", "pcl"),
    (b"^XA", "zpl"),
    (b"\x1b@", "escp"),
    (b"\0\0\0\x1b\x01@EJL", "escp"),
    (b"UNIRAST\0", "urf"),
    (b"RaS2", "pwg"),
    (b"%PDF-", "pdf"),
];

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    at: (Timestamp, u64),
    /// Page description language.
    pub language: &'static str,
    title: Option<&'e [u8]>,
    username: Option<&'e [u8]>,
    creator: Option<&'e [u8]>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.language).opt_bytes(self.title).opt_user(self.username).opt_bytes(self.creator);
    }
}

/// Follows one connection.
#[derive(Debug, Default)]
pub struct RawPrint {
    began: Option<(Timestamp, u64)>,
    told: bool,
}

fn language(bytes: &[u8]) -> Option<&'static str> {
    LANGUAGES.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, name)| *name)
}

/// The value of a structuring comment: `%%For: (joe)`.
fn comment<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.split(|c| matches!(c, b'\n' | b'\r')).take(256);
    let value = lines.filter_map(|line| line.strip_prefix(name)).next()?.trim_ascii();
    let value = value.strip_prefix(b"(").and_then(|v| v.strip_suffix(b")")).unwrap_or(value);
    (!value.is_empty()).then_some(value)
}

impl RawPrint {
    fn tell(&mut self, cx: Cx<'_>, head: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let Some(language) = language(head) else { return Progress::Violation("no page description") };
        self.told = true;
        let head = head.get(..limits::PRINT_HEAD_BYTES_MAX).unwrap_or(head);
        let head = if language == "postscript" { head } else { &[] };
        let end = memchr::memmem::find(head, b"%%EndComments").unwrap_or(head.len());
        let head = head.get(..end).unwrap_or_default();
        emit(Event {
            at: self.began.unwrap_or((cx.ts, cx.packet)),
            language,
            title: comment(head, b"%%Title:"),
            username: comment(head, b"%%For:"),
            creator: comment(head, b"%%Creator:"),
        });
        Progress::Finished
    }
}

impl AppParser for RawPrint {
    const SPEC: Spec = Spec {
        name: "raw-print",
        title: "Raw printing",
        transports: &[Transport::Tcp],
        // Where printers listen: the languages alone also travel in other protocols.
        ports: &[9100, 9101, 9102, 9103, 9104, 9105, 9106, 9107, 6101, 2501, 10_001],
        port_bound: true,
        reference: "PostScript Language Document Structuring Conventions 3.0",
        table: Some(&TABLE),
        yields: "page description language, users, titles",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(_dir: Direction, payload: &[u8]) -> Probe {
        if language(payload).is_some() {
            Probe::Yes
        } else if LANGUAGES.iter().any(|(start, _)| start.starts_with(payload)) {
            Probe::NeedMore
        } else {
            Probe::No
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        self.began.get_or_insert((cx.ts, cx.packet));
        let whole =
            bytes.len() >= limits::PRINT_HEAD_BYTES_MAX || text::contains(bytes.get(..16).unwrap_or(bytes), b"pdf");
        let ended = memchr::memmem::find(bytes, b"%%EndComments").is_some();
        if whole || ended || language(bytes).is_some_and(|l| l != "postscript") {
            return self.tell(cx, bytes, emit);
        }
        Progress::Partial { consumed: 0, needed: bytes.len() + 1 }
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, rest: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if !self.told && language(rest).is_some() {
            self.tell(cx, rest, emit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn the_head_of_a_job_tells_who_prints() {
        let job = "%!PS-Adobe-3.0\n%%Creator: lp\n%%Title: (Offer.doc)\n%%For: joe\n%%EndComments\n%%For: other\n";
        let seen = Script::new().orig(job).any_chunking::<RawPrint>();
        assert_eq!((seen.cell("title"), seen.cell("username")), ("Offer.doc".to_owned(), "joe".to_owned()));
        assert_eq!((seen.cell("creator"), seen.cell("language")), ("lp".to_owned(), "postscript".to_owned()));
        let seen = Script::new().orig("%!PS\nshowpage\n").any_chunking::<RawPrint>();
        assert_eq!(seen.cell("language"), "postscript", "a job without comments, to its end");
        let seen = Script::new().orig("^XA^FO50,50^FDlabel^FS^XZ").any_chunking::<RawPrint>();
        assert_eq!(seen.cell("language"), "zpl");
    }

    #[test]
    fn long_heads_and_probes() {
        let long = format!("%!PS\n{}", "%%x\n".repeat(10_000));
        let seen = Script::new().orig(&long).run::<RawPrint>();
        assert_eq!((seen.rows.len(), seen.stopped), (1, Some(Progress::Finished)));
        for (bytes, want) in [
            (&b"%!PS-Adobe"[..], Probe::Yes),
            (b"\x1bE\x1b&l0O", Probe::Yes),
            (b"UNIRAST\0", Probe::Yes),
            (b"UNI", Probe::NeedMore),
            (b"GET / HTTP", Probe::No),
            (b"\x1b[2J", Probe::No),
        ] {
            assert_eq!(probe_all::<RawPrint>(Direction::Orig, bytes), want, "{bytes:?}");
        }
    }
}
