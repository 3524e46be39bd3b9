//! NetBIOS datagram service (RFC 1002, section 4.4), and what browsers announce in it (MS-BRWS).

use super::netbios::{Name, decode};
use crate::base::bytes::ReadError;
use crate::base::secret::Reveal;
use crate::base::{Reader, limits};
use crate::proto::api::{About, AppParser, Cx, Direction, Fact, Probe, Progress, Spec, Transport};
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "nbdgm",
    doc: "One NetBIOS datagram; those that repeat sender, receiver and content kind on a flow are left out",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("kind", Type::Text, "direct-unique, direct-group, broadcast, error or query"),
        Column::repeating("source", Type::Text, "Name of the sender"),
        Column::repeating("source_role", Type::Text, "What the suffix of that name means"),
        Column::repeating("destination", Type::Text, "Name of the receiver or group"),
        Column::repeating("destination_role", Type::Text, "What the suffix of that name means"),
        Column::repeating("mailslot", Type::Text, "Mailslot of SMB 1 that the content goes to"),
        Column::repeating("announcement", Type::Text, "Browser message: host, domain, local-master, election ..."),
        Column::repeating("server", Type::Text, "Machine or domain that is announced"),
        Column::repeating("os_version", Type::Text, "Version of its system, major.minor"),
        Column::repeating("server_type", Type::Text, "Its roles as the bits of MS-BRWS, in hexadecimal"),
        Column::repeating("comment", Type::Text, "Its description; for a domain the name of the master browser"),
    ],
};

/// A browser's announcement (MS-BRWS, section 2.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct Announcement<'e> {
    /// Kind of message.
    pub kind: u8,
    /// Machine or domain.
    pub server: &'e [u8],
    /// Major and minor version of the system.
    pub version: Option<(u8, u8)>,
    /// Roles.
    pub server_type: u32,
    /// Description.
    pub comment: &'e [u8],
}

impl Announcement<'_> {
    const HOST: u8 = 1;
    const DOMAIN: u8 = 12;
    const LOCAL_MASTER: u8 = 15;

    const fn name(&self) -> &'static str {
        match self.kind {
            Self::HOST => "host",
            2 => "request",
            8 => "election",
            9 => "backup-list-request",
            10 => "backup-list",
            11 => "become-backup",
            Self::DOMAIN => "domain",
            13 => "master",
            14 => "reset",
            Self::LOCAL_MASTER => "local-master",
            _ => "other",
        }
    }

    /// Whether a machine announces itself.
    const fn is_host(&self) -> bool {
        matches!(self.kind, Self::HOST | Self::LOCAL_MASTER)
    }
}

/// A datagram.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    kind: u8,
    /// The sender.
    pub source: Option<Name>,
    /// The receiver.
    pub destination: Option<Name>,
    /// The mailslot, where the content is a transaction of SMB 1.
    pub mailslot: &'e [u8],
    /// Whether the content is a message of SMB 1.
    pub is_smb1: bool,
    /// What a browser announces.
    pub announcement: Option<Announcement<'e>>,
    sender: Direction,
}

/// Whether a suffix is one that only groups have.
const fn is_group_suffix(suffix: u8) -> bool {
    matches!(suffix, 0x1c..=0x1e)
}

impl crate::proto::api::Event for Event<'_> {
    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(match self.kind {
            0x10 => "direct-unique",
            0x11 => "direct-group",
            0x12 => "broadcast",
            0x13 => "error",
            _ => "query",
        });
        for name in [self.source, self.destination] {
            match name {
                Some(name) => row.bytes(name.text()).text(name.role(is_group_suffix(name.suffix()))),
                None => row.null().null(),
            };
        }
        let some = |b: &'_ [u8]| !b.is_empty();
        row.opt_bytes(Some(self.mailslot).filter(|b| some(b)));
        match &self.announcement {
            Some(a) => {
                row.text(a.name()).opt_bytes(Some(a.server).filter(|b| some(b)));
                row.opt_text(a.version.map(|(major, minor)| format!("{major}.{minor}")).as_deref());
                row.opt_text(a.version.map(|_| format!("{:08x}", a.server_type)).as_deref());
                row.opt_bytes(Some(a.comment).filter(|b| some(b)));
            }
            None => _ = row.null().null().null().null().null(),
        }
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        const UNIX: u32 = 0x800;
        const WINDOWS_NT: u32 = 0x1000 | 0x8000;
        let about = About::Side(self.sender);
        let mut say = |attribute, value: &[u8]| tell(Fact { about, attribute, value });
        if let Some(source) = self.source.filter(|s| matches!(s.suffix(), 0 | 0x20) && s.is_plain()) {
            say("hostname", source.text());
        }
        // The group that a machine announces itself to is its own.
        if let Some(group) = self.destination.filter(|d| matches!(d.suffix(), 0x1d | 0x1e) && d.is_plain()) {
            say("domain", group.text());
        }
        let Some(a) = self.announcement.filter(Announcement::is_host) else { return };
        say("description", a.comment);
        if a.server_type & UNIX != 0 {
            say("os", b"Unix");
        } else if let Some((major, minor)) = a.version.filter(|_| a.server_type & WINDOWS_NT != 0) {
            say("os", format!("Windows NT {major}.{minor}").as_bytes());
        }
    }
}

fn read(bytes: &[u8], sender: Direction) -> Result<Event<'_>, ReadError> {
    let mut r = Reader::new(bytes);
    let kind = r.u8("type")?;
    let flags = r.u8("flags")?;
    r.skip("identifier", 2)?;
    r.skip("source address", 4)?;
    r.skip("source port", 2)?;
    let mut event =
        Event { kind, source: None, destination: None, mailslot: &[], is_smb1: false, announcement: None, sender };
    if flags & 0xf0 != 0 {
        return Err(ReadError::invalid("flags"));
    }
    let name = |r: &mut Reader<'_>| {
        let (name, used) = decode(r.peek_rest()).ok_or(ReadError::invalid("name"))?;
        r.skip("name", used)?;
        Ok::<_, ReadError>(Some(name))
    };
    match kind {
        0x10..=0x12 => {
            r.skip("length and offset", 4)?;
            event.source = name(&mut r)?;
            event.destination = name(&mut r)?;
            // Only the first fragment holds the head of a transaction; a cut one says what it can.
            event.is_smb1 = r.peek_rest().starts_with(b"\xffSMB");
            let _ = transaction(r.rest(), &mut event);
        }
        0x13 if bytes.len() == 11 => {}
        0x14..=0x16 => event.destination = name(&mut r)?,
        _ => return Err(ReadError::invalid("type")),
    }
    Ok(event)
}

/// A transaction of SMB 1 to a mailslot (MS-CIFS, section 2.2.4.33; MS-MAIL).
fn transaction<'e>(smb: &'e [u8], event: &mut Event<'e>) -> Result<(), ReadError> {
    const TRANSACTION: u8 = 0x25;
    const HEADER: usize = 32;
    let mut r = Reader::new(smb);
    if r.array::<5>("header")? != [0xff, b'S', b'M', b'B', TRANSACTION] {
        return Ok(());
    }
    r.skip("header", HEADER - 5)?;
    let words = usize::from(r.u8("word count")?);
    let mut w = r.sub("words", words * 2)?;
    // Counts, limits, flags, time-out; then length and place of the data.
    w.skip("counts", 22)?;
    let (len, offset) = (usize::from(w.le16("data length")?), usize::from(w.le16("data offset")?));
    r.skip("byte count", 2)?;
    let name = r.rest();
    event.mailslot = name.split(|c| *c == 0).next().unwrap_or_default();
    event.mailslot = event.mailslot.get(..limits::SMB_TEXT_BYTES_MAX).unwrap_or(event.mailslot);
    let content = smb.get(offset..).unwrap_or_default();
    let content = content.get(..len).unwrap_or(content);
    if event.mailslot.eq_ignore_ascii_case(b"\\MAILSLOT\\BROWSE")
        || event.mailslot.eq_ignore_ascii_case(b"\\MAILSLOT\\LANMAN")
    {
        let mut r = Reader::new(content);
        let mut a = Announcement { kind: r.u8("command")?, ..Announcement::default() };
        event.announcement = Some(a);
        if a.is_host() || a.kind == Announcement::DOMAIN {
            r.skip("count and period", 5)?;
            let name = r.take("server", 16)?;
            a.server = name.split(|c| *c == 0).next().unwrap_or_default();
            a.version = Some((r.u8("major")?, r.u8("minor")?));
            a.server_type = r.le32("type")?;
            event.announcement = Some(a);
            r.skip("browser version and signature", 4)?;
            a.comment = r.rest().split(|c| *c == 0).next().unwrap_or_default();
            event.announcement = Some(a);
        }
    }
    Ok(())
}

/// Follows one flow.
#[derive(Debug, Default)]
pub struct Nbdgm {
    seen: Vec<(Option<Name>, Option<Name>, Option<u8>)>,
}

impl AppParser for Nbdgm {
    const SPEC: Spec = Spec {
        name: "nbdgm",
        title: "NetBIOS datagram service",
        transports: &[Transport::Udp],
        ports: &[138],
        reference: "RFC 1002, MS-BRWS",
        table: Some(&TABLE),
        yields: "host names, workgroups, descriptions and systems that machines announce",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    fn probe(dir: Direction, payload: &[u8]) -> Probe {
        // An error is too short to be told from others' datagrams.
        match payload {
            [0x10..=0x12 | 0x14..=0x16, ..] if read(payload, dir).is_ok() => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn on_data(&mut self, cx: Cx<'_>, dir: Direction, bytes: &[u8], emit: &mut dyn FnMut(Event<'_>)) -> Progress {
        let Ok(event) = read(bytes, dir) else {
            return if self.seen.is_empty() { Progress::Violation("not a NetBIOS datagram") } else { Progress::Done };
        };
        let key = (event.source, event.destination, event.announcement.map(|a| a.kind));
        if self.seen.contains(&key) {
            return Progress::Done;
        }
        if self.seen.len() >= limits::NETBIOS_NAMES_MAX {
            cx.limit_hit();
            return Progress::Finished;
        }
        self.seen.push(key);
        emit(event);
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::super::netbios::tests::encode;
    use super::*;
    use crate::proto::testing::Script;

    fn announcement(server_type: u32) -> Vec<u8> {
        let mut content = vec![1, 0, 0x80, 0xfc, 0x0a, 0];
        content.extend(b"NAS\0\0\0\0\0\0\0\0\0\0\0\0\0");
        content.extend([6, 1]);
        content.extend(server_type.to_le_bytes());
        content.extend([15, 1, 0x55, 0xaa]);
        content.extend(b"Office files\0");
        let mut smb = b"\xffSMB\x25".to_vec();
        smb.extend([0; 27]);
        smb.push(17);
        smb.extend([0; 22]);
        smb.extend((content.len() as u16).to_le_bytes());
        smb.extend([86, 0]);
        smb.extend([3, 0, 1, 0, 1, 0, 2, 0]);
        smb.extend(((17 + content.len()) as u16).to_le_bytes());
        smb.extend(b"\\MAILSLOT\\BROWSE\0");
        assert_eq!(smb.len(), 86);
        smb.extend(content);
        let mut out = vec![0x11, 0x0a, 0x12, 0x34, 10, 0, 0, 7, 0, 138, 0, 200, 0, 0];
        out.extend(encode("NAS", 0));
        out.extend(encode("OFFICE", 0x1d));
        out.extend(smb);
        out
    }

    #[test]
    fn a_host_announces_itself() {
        let one = announcement(0x0001_9a03);
        let seen = Script::new().orig(&one).orig(&one).datagrams::<Nbdgm>();
        for (column, value) in [
            ("kind", "direct-group"),
            ("source", "NAS"),
            ("destination", "OFFICE"),
            ("destination_role", "master-browser"),
            ("mailslot", "\\MAILSLOT\\BROWSE"),
            ("announcement", "host"),
            ("server", "NAS"),
            ("os_version", "6.1"),
            ("server_type", "00019a03"),
            ("comment", "Office files"),
        ] {
            assert_eq!(seen.cell(column), value, "{column}");
        }
        for cut in 0..one.len() {
            let _ = Script::new().orig(&one[..cut]).datagrams::<Nbdgm>();
        }
    }

    #[test]
    fn the_probe_wants_two_names() {
        let one = announcement(0);
        assert_eq!(Nbdgm::probe(Direction::Orig, &one), Probe::Yes);
        assert_eq!(Nbdgm::probe(Direction::Orig, &one[..60]), Probe::No);
        assert_eq!(Nbdgm::probe(Direction::Orig, &[0x11; 100]), Probe::No);
    }
}
