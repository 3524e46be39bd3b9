//! Reads one capture, batch by batch.
//!
//! A plain file is read with large reads straight into the batch's slab and walked there; the
//! record that the end of a slab cuts is carried into the next one. A slab is always filled to the
//! same mark, however few bytes a read gives, so batches begin and end at the same frames for a
//! file, a pipe and a compressed file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::compression::{CompressedFault, Compression, Decompressor};
use super::discover::{InputKind, InputPath};
use super::error::{Place, SourceError, SourceErrorKind};
use super::filter::LinkFilters;
use super::hash::InputHash;
use super::input::RawInput;
use super::pcap_format::{self, PcapFile};
use super::pcapng::PcapngFile;
use super::walk::{CaptureFormat, CapturedSecrets, Fault, FaultKind, InterfaceInfo, LeftOut, Sink, Walked};
use crate::base::{Timestamp, limits};
use crate::frame::{FrameBatch, LinkType};

/// How to read a capture.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Leave out frames that this libpcap filter does not match.
    pub filter: Option<String>,
    /// Hash compressed inputs while they are read. Plain ones are hashed by whoever gets the
    /// batches, from [`FrameBatch::raw`].
    pub hash: bool,
    /// Once set, an input that keeps us waiting (a pipe) is taken to have ended.
    pub stop: Arc<AtomicBool>,
}

/// Whether a capture goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The batch was filled (possibly without a frame: container bytes only) and there may be more.
    More,
    /// The capture had ended before; the batch is empty.
    End,
}

/// How far reading came.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Bytes of the input that were read, as it lies on disk.
    pub raw_bytes: u64,
    /// Bytes of container that were dealt with (after decompression).
    pub container_bytes: u64,
    /// Frames that the capture holds, as far as it was read, with those that the filter left out.
    pub frames: u64,
    /// Frames that the filter left out.
    pub filtered: u64,
    /// Frames left out because the filter does not exist for their link type.
    pub unfilterable: u64,
    /// Blocks left out because their content cannot be.
    pub damaged_blocks: u64,
}

/// What a look at the beginning of an input shows.
#[derive(Debug, Clone)]
pub struct Peek {
    /// Time of the first frame; none without a frame, or where a look would use up the input.
    pub first_ts: Option<Timestamp>,
    /// The container, unless a look would use up the input.
    pub format: Option<CaptureFormat>,
    /// How the input is compressed.
    pub compression: Compression,
    /// Link types of the interfaces that are described before the first frame.
    pub links: Vec<LinkType>,
}

/// Reads just enough of an input to know when it begins, and closes it again, so that thousands of
/// inputs can be ordered. Of standard input and pipes nothing is read: it could not be read again.
///
/// # Errors
/// If the input is no capture or is damaged before its first frame.
pub fn peek(input: &InputPath) -> Result<Peek, SourceError> {
    if input.kind != InputKind::File {
        return Ok(Peek { first_ts: None, format: None, compression: Compression::None, links: Vec::new() });
    }
    let sizes = Sizes { slab: limits::PEEK_READ_BYTES, compressed: limits::PEEK_READ_BYTES };
    let mut reader = CaptureReader::open_sized(input, &ReadOptions::default(), sizes)?;
    let mut batch = FrameBatch::default();
    let mut first_ts = None;
    while first_ts.is_none() && reader.base < limits::PEEK_BYTES_MAX && reader.fill(&mut batch)? == Fill::More {
        first_ts = batch.frames.first().map(|frame| frame.ts);
    }
    let links = reader.interfaces.iter().map(|i| i.link).collect();
    Ok(Peek { first_ts, format: Some(reader.format()), compression: reader.compression, links })
}

/// Says what an input is from its first bytes.
pub(super) fn sniff(input: &InputPath) -> Result<CaptureFormat, SourceError> {
    let sizes = Sizes { slab: limits::PEEK_READ_BYTES, compressed: 4096 };
    CaptureReader::open_sized(input, &ReadOptions::default(), sizes).map(|reader| reader.format())
}

/// How much is read at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) slab: usize,
    pub(super) compressed: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { slab: limits::SLAB_BYTES, compressed: limits::COMPRESSED_READ_BYTES }
    }
}

/// Where container bytes come from.
enum Bytes {
    Plain(RawInput),
    Packed(Box<Decompressor>),
}

enum Container {
    Pcap(PcapFile),
    Pcapng(PcapngFile),
}

/// One capture being read.
pub struct CaptureReader {
    path: PathBuf,
    compression: Compression,
    bytes: Bytes,
    container: Container,
    sizes: Sizes,
    /// What was read and not dealt with: the cut record at the end of the last slab.
    tail: Vec<u8>,
    /// The tail is the sniffed beginning of a plain file, which nobody has hashed yet.
    tail_is_raw: bool,
    /// Offset in the container stream of the first byte of the tail.
    base: u64,
    /// Bytes that the record in the tail needs.
    need: usize,
    /// Bytes to pass over before the next record.
    skip: u64,
    number: u64,
    raw_bytes: u64,
    filters: LinkFilters,
    left_out: LeftOut,
    interfaces: Vec<InterfaceInfo>,
    secrets: Vec<CapturedSecrets>,
    at_end: bool,
    /// What to report once everything before it was delivered.
    pending: Option<SourceError>,
    finished: bool,
}

impl CaptureReader {
    /// Opens an input and recognises what it is.
    ///
    /// # Errors
    /// If it cannot be read, or is no capture.
    pub fn open(input: &InputPath, options: &ReadOptions) -> Result<Self, SourceError> {
        Self::open_sized(input, options, Sizes::default())
    }

    /// Reads a capture from anything that gives its bytes, which is not an input of the file system;
    /// `name` is what messages call it.
    ///
    /// # Errors
    /// If it cannot be read, or is no capture.
    pub fn from_reader(
        bytes: impl std::io::Read + Send + 'static,
        name: &Path,
        options: &ReadOptions,
    ) -> Result<Self, SourceError> {
        Self::of(RawInput::Other(Box::new(bytes)), name, options, Sizes::default())
    }

    pub(super) fn open_sized(input: &InputPath, options: &ReadOptions, sizes: Sizes) -> Result<Self, SourceError> {
        match RawInput::open(input, &options.stop) {
            Ok(raw) => Self::of(raw, &input.path, options, sizes),
            Err(error) => Err(SourceError::new(&input.path, SourceErrorKind::Io(error))),
        }
    }

    pub(super) fn of(mut raw: RawInput, path: &Path, options: &ReadOptions, sizes: Sizes) -> Result<Self, SourceError> {
        let wrong = |kind| SourceError::new(path, kind);
        let mut head = Vec::with_capacity(limits::SNIFF_BYTES);
        while head.len() < limits::SNIFF_BYTES {
            let missing = limits::SNIFF_BYTES - head.len();
            if raw.append(&mut head, missing).map_err(|e| wrong(SourceErrorKind::Io(e)))? == 0 {
                break;
            }
        }
        if head.is_empty() {
            return Err(wrong(SourceErrorKind::Empty));
        }
        let raw_bytes = head.len() as u64;
        let compression = Compression::detect(&head);
        let mut pending = None;
        let bytes = if compression == Compression::None {
            Bytes::Plain(raw)
        } else {
            let hash = options.hash.then(InputHash::new);
            let mut packed = Decompressor::new(raw, head, compression, hash, sizes.compressed)
                .map_err(|e| wrong(SourceErrorKind::Io(e)))?;
            head = Vec::with_capacity(limits::SNIFF_BYTES);
            while head.len() < limits::SNIFF_BYTES {
                let missing = limits::SNIFF_BYTES - head.len();
                match packed.append(&mut head, missing) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(fault) if head.is_empty() => return Err(compressed_error(path, fault)),
                    Err(fault) => {
                        pending = Some(compressed_error(path, fault));
                        break;
                    }
                }
            }
            if head.is_empty() {
                let text = format!("the {} data is empty", compression.name());
                return Err(wrong(SourceErrorKind::NotACapture(text)));
            }
            Bytes::Packed(Box::new(packed))
        };
        let container = match recognise(&head, compression) {
            Ok(container) => container,
            // A head that is short because the compressed data breaks off says that, not what it lacks.
            Err(kind) => return Err(pending.unwrap_or_else(|| wrong(kind))),
        };
        Ok(Self {
            path: path.to_owned(),
            compression,
            bytes,
            container,
            sizes,
            tail: head,
            tail_is_raw: compression == Compression::None,
            base: 0,
            need: 0,
            skip: 0,
            number: 0,
            raw_bytes,
            filters: LinkFilters::new(options.filter.clone()),
            left_out: LeftOut::default(),
            interfaces: Vec::new(),
            secrets: Vec::new(),
            at_end: pending.is_some(),
            pending,
            finished: false,
        })
    }

    /// Fills a batch with the next frames: about `limits::SLAB_BYTES` of container bytes.
    ///
    /// # Errors
    /// What is wrong with the input, once, after everything before the place was delivered; then
    /// [`Fill::End`] follows. [`SourceErrorKind::Partly`] and [`SourceErrorKind::Filter`] come at
    /// the end of an input that was read completely except for the parts that they tell of.
    pub fn fill(&mut self, batch: &mut FrameBatch) -> Result<Fill, SourceError> {
        batch.clear();
        if self.finished {
            return match self.pending.take() {
                Some(error) => Err(error),
                None => Ok(Fill::End),
            };
        }
        batch.slab.append(&mut self.tail);
        let raw_start = if self.tail_is_raw { 0 } else { batch.slab.len() };
        self.tail_is_raw = false;
        let base = self.base;
        let mut from = 0;
        let mut mark = self.sizes.slab.max(self.need);
        let walked = loop {
            self.read_to(&mut batch.slab, mark);
            // Bytes of a block that nobody looks at.
            let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(batch.slab.len() - from);
            self.skip -= passed as u64;
            from += passed;
            let mut sink = Sink {
                frames: &mut batch.frames,
                number: &mut self.number,
                filters: &mut self.filters,
                left_out: &mut self.left_out,
                interfaces: &mut self.interfaces,
                secrets: &mut self.secrets,
                base,
            };
            let walked = match &mut self.container {
                _ if self.skip > 0 => Walked { at: from, skip: self.skip, ..Walked::default() },
                Container::Pcap(file) => file.walk(&batch.slab, from, &mut sink),
                Container::Pcapng(file) => file.walk(&batch.slab, from, &mut sink),
            };
            let short = walked.need > batch.slab.len().saturating_sub(walked.at);
            if !short || self.at_end || !batch.frames.is_empty() || walked.fault.is_some() {
                break walked;
            }
            // The first record is longer than a slab.
            from = walked.at;
            mark = from.saturating_add(walked.need);
        };
        if let Bytes::Plain(_) = self.bytes {
            batch.raw = raw_start..batch.slab.len();
        }
        self.base = base + walked.at as u64;
        self.need = walked.need;
        self.skip = walked.skip;
        let rest = batch.slab.get(walked.at..).unwrap_or_default();
        if let Some(fault) = walked.fault {
            self.finish(Some(self.error_of(fault)));
        } else if self.at_end && (walked.need > rest.len() || walked.skip > 0) {
            let cut = self.cut(rest.len(), &walked);
            self.finish(cut);
        } else {
            self.tail.extend_from_slice(rest);
        }
        Ok(Fill::More)
    }

    /// Goes on reading an input after an error, for its hash alone: batches hold [`FrameBatch::raw`]
    /// bytes and no frames.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn drain(&mut self, batch: &mut FrameBatch) -> Result<Fill, SourceError> {
        batch.clear();
        self.finished = true;
        self.pending = None;
        let wrong = |path: &Path, e| SourceError::new(path, SourceErrorKind::Io(e));
        match &mut self.bytes {
            Bytes::Packed(packed) => {
                packed.drain().map_err(|e| wrong(&self.path, e))?;
                Ok(Fill::End)
            }
            Bytes::Plain(raw) => {
                if self.tail_is_raw {
                    batch.slab.append(&mut self.tail);
                    self.tail_is_raw = false;
                }
                let got = raw.append(&mut batch.slab, self.sizes.slab).map_err(|e| wrong(&self.path, e))?;
                self.raw_bytes += got as u64;
                batch.raw = 0..batch.slab.len();
                Ok(if batch.slab.is_empty() { Fill::End } else { Fill::More })
            }
        }
    }

    /// SHA-256 of a compressed input, if it was asked for, as far as it was read. None for a plain
    /// input, which is hashed from [`FrameBatch::raw`].
    pub fn take_hash(&mut self) -> Option<InputHash> {
        match &mut self.bytes {
            Bytes::Packed(packed) => packed.take_hash(),
            Bytes::Plain(_) => None,
        }
    }

    /// The decryption secrets that were read since the last call: all that stand before the last frame of the batch,
    /// and some behind it.
    pub fn take_secrets(&mut self) -> Vec<CapturedSecrets> {
        std::mem::take(&mut self.secrets)
    }

    /// The interfaces that were described so far, by their index in the whole capture.
    pub fn interfaces(&self) -> &[InterfaceInfo] {
        &self.interfaces
    }

    /// The container.
    pub fn format(&self) -> CaptureFormat {
        match &self.container {
            Container::Pcap(file) => file.format(),
            Container::Pcapng(_) => CaptureFormat::Pcapng,
        }
    }

    /// How the input is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How far reading came.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            raw_bytes: match &self.bytes {
                Bytes::Plain(_) => self.raw_bytes,
                Bytes::Packed(packed) => packed.raw_bytes(),
            },
            container_bytes: self.base,
            frames: self.number,
            filtered: self.filters.rejected,
            unfilterable: self.filters.impossible,
            damaged_blocks: self.left_out.count,
        }
    }

    /// Reads until the slab is as long as `mark`, or to the end of the input.
    fn read_to(&mut self, slab: &mut Vec<u8>, mark: usize) {
        while !self.at_end && slab.len() < mark {
            let most = mark - slab.len();
            let got = match &mut self.bytes {
                Bytes::Plain(raw) => {
                    raw.append(slab, most).map_err(|e| SourceError::new(&self.path, SourceErrorKind::Io(e)))
                }
                Bytes::Packed(packed) => packed.append(slab, most).map_err(|fault| compressed_error(&self.path, fault)),
            };
            match got {
                Ok(got) => {
                    self.raw_bytes += got as u64;
                    self.at_end = got == 0;
                }
                Err(mut error) => {
                    if error.place.is_none() {
                        error.place = Some(self.place(self.base + slab.len() as u64));
                    }
                    self.pending = Some(error);
                    self.at_end = true;
                }
            }
        }
    }

    /// Nothing more comes: remembers what to report, the first thing that went wrong first.
    fn finish(&mut self, error: Option<SourceError>) {
        self.finished = true;
        if self.pending.is_none() {
            self.pending = error.or_else(|| self.complaint());
        }
    }

    /// What was left out of an input that was otherwise read to its end.
    fn complaint(&self) -> Option<SourceError> {
        if let Some((offset, text)) = &self.left_out.first {
            let count = self.left_out.count;
            let text =
                format!("{text}; {count} damaged {} left out", if count == 1 { "block was" } else { "blocks were" });
            let mut error = SourceError::new(&self.path, SourceErrorKind::Partly(text));
            error.place = Some(self.place(*offset));
            return Some(error);
        }
        self.filters.complaint().map(|text| SourceError::new(&self.path, SourceErrorKind::Filter(text)))
    }

    /// The input has ended with `left` bytes of a record that needs more; none if it ended well.
    fn cut(&self, left: usize, walked: &Walked) -> Option<SourceError> {
        let mid_block = matches!(&self.container, Container::Pcapng(file) if file.is_mid_block());
        if left == 0 && walked.skip == 0 && !mid_block {
            return None;
        }
        let what = match self.container {
            Container::Pcap(_) => format!("the file ends within record {}", self.number + 1),
            Container::Pcapng(_) => format!("the file ends within a block after frame {}", self.number),
        };
        let text = match walked.need.max(left) {
            _ if walked.skip > 0 => format!("{what}: {} bytes of the block are missing", walked.skip.saturating_add(4)),
            need => format!("{what}: {left} of at least {need} bytes are there"),
        };
        let offset = self.base;
        Some(self.error_of(Fault { offset, kind: FaultKind::Truncated, text }))
    }

    fn place(&self, offset: u64) -> Place {
        match self.compression {
            Compression::None => Place::File(offset),
            _ => Place::Decompressed(offset),
        }
    }

    fn error_of(&self, fault: Fault) -> SourceError {
        let kind = match fault.kind {
            FaultKind::Damaged => SourceErrorKind::Damaged(fault.text),
            FaultKind::Truncated => SourceErrorKind::Truncated(fault.text),
            FaultKind::Unsupported => SourceErrorKind::Unsupported(fault.text),
            FaultKind::Limit => SourceErrorKind::Limit(fault.text),
        };
        SourceError { path: self.path.clone(), place: Some(self.place(fault.offset)), kind }
    }
}

fn compressed_error(path: &Path, fault: CompressedFault) -> SourceError {
    match fault {
        CompressedFault::Io(error) => SourceError::new(path, SourceErrorKind::Io(error)),
        CompressedFault::Corrupt { offset, text } => {
            let mut error = SourceError::new(path, SourceErrorKind::Compressed(text));
            error.place = Some(Place::File(offset));
            error
        }
    }
}

/// Captures of other programs and things that are often found beside captures, by their first bytes.
const FOREIGN: &[(&[u8], &str, bool)] = &[
    (b"snoop\0\0\0", "a Sun snoop file (editcap -F pcapng converts it)", true),
    (b"GMBU", "a Microsoft Network Monitor 2 file (editcap -F pcapng converts it)", true),
    (b"RTSS", "a Microsoft Network Monitor 1 file (editcap -F pcapng converts it)", true),
    (b"TRSNIFF data    \x1a", "a Network General Sniffer file (editcap -F pcapng converts it)", true),
    (b"XCP\0", "a NetXray or Sniffer file (editcap -F pcapng converts it)", true),
    (b"iptrace ", "an AIX iptrace file (editcap -F pcapng converts it)", true),
    (b"ObserverPktBufferVersion=", "a Network Instruments Observer file (editcap -F pcapng converts it)", true),
    (b"LOGG", "a Vector BLF file (editcap -F pcapng converts it)", true),
    (b"PK\x03\x04", "a ZIP archive (unpack it first)", false),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (unpack it first)", false),
    (b"Rar!", "a RAR archive (unpack it first)", false),
    (b"\x02\x21\x4c\x18", "an lz4 file of the legacy format (lz4 -d unpacks it)", false),
    (b"PAR1", "a Parquet file", false),
];

/// Recognises the container by its first bytes.
fn recognise(head: &[u8], compression: Compression) -> Result<Container, SourceErrorKind> {
    if let Some(file) = PcapFile::new(head) {
        return Ok(Container::Pcap(file));
    }
    if PcapFile::is_it(head) {
        let text = format!(
            "the file ends within the pcap header: {} of {} bytes are there",
            head.len(),
            pcap_format::HEADER_BYTES
        );
        return Err(SourceErrorKind::Truncated(text));
    }
    if PcapngFile::is_it(head) {
        return Ok(Container::Pcapng(PcapngFile::default()));
    }
    if head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && head.len() < 12 {
        let text = format!("the file ends within the pcapng section header: {} bytes are there", head.len());
        return Err(SourceErrorKind::Truncated(text));
    }
    if let Some((_, what, capture)) = FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)) {
        let text = format!("it is {what}, which is not supported");
        return Err(if *capture { SourceErrorKind::Unsupported(text) } else { SourceErrorKind::NotACapture(text) });
    }
    let inside = match compression {
        Compression::None => String::new(),
        other => format!("the content of the {} data ", other.name()),
    };
    if head.get(257..262) == Some(b"ustar") {
        return Err(SourceErrorKind::NotACapture(format!("{inside}is a tar archive (unpack it first)")));
    }
    let first: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let first = first.join(" ");
    Err(SourceErrorKind::NotACapture(format!(
        "{inside}begins with {first} (expected pcap, pcapng or a compressed one)"
    )))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::compression::tests::{ALL, Dripping, pack};
    use super::*;
    use proptest::prelude::*;

    /// A little-endian microsecond capture of Ethernet frames, one a second from second 1 on.
    pub(in crate::source) fn pcap_of(frames: &[&[u8]]) -> Vec<u8> {
        let mut out = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0".to_vec();
        for (i, frame) in frames.iter().enumerate() {
            let len = frame.len() as u32;
            for word in [i as u32 + 1, 5, len, len] {
                out.extend(word.to_le_bytes());
            }
            out.extend(*frame);
        }
        out
    }

    /// A pcapng block with its lengths in the byte order asked for.
    fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let len = word(body.len() as u32 + 12);
        [&word(kind)[..], &len, &body, &len].concat()
    }

    fn words(big: bool, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|n| if big { n.to_be_bytes() } else { n.to_le_bytes() }).collect()
    }

    fn halves(big: bool, halves: &[u16]) -> Vec<u8> {
        halves.iter().flat_map(|n| if big { n.to_be_bytes() } else { n.to_le_bytes() }).collect()
    }

    fn section(big: bool) -> Vec<u8> {
        let body = [words(big, &[0x1a2b_3c4d]), halves(big, &[1, 0]), vec![0xff; 8]].concat();
        block(big, 0x0a0d_0d0a, &body)
    }

    fn option(big: bool, code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = halves(big, &[code, value.len() as u16]);
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn interface(big: bool, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        block(big, 1, &[halves(big, &[link, 0]), words(big, &[snaplen]), options.to_vec()].concat())
    }

    fn enhanced(big: bool, id: u32, ticks: u64, frame: &[u8], wire: u32) -> Vec<u8> {
        let head = words(big, &[id, (ticks >> 32) as u32, ticks as u32, frame.len() as u32, wire]);
        block(big, 6, &[head, frame.to_vec()].concat())
    }

    /// All that reading gives: frames (time, number, bytes, length on the wire, link type,
    /// interface), the raw bytes, and the error.
    struct All {
        frames: Vec<(i64, u64, Vec<u8>, u32, u32, u16)>,
        raw: Vec<u8>,
        batches: Vec<usize>,
        error: Option<SourceError>,
        reader: Option<CaptureReader>,
    }

    impl All {
        fn text(&self) -> String {
            self.error.as_ref().map(ToString::to_string).unwrap_or_default()
        }

        fn lens(&self) -> Vec<usize> {
            self.frames.iter().map(|f| f.2.len()).collect()
        }
    }

    fn read_with(bytes: &[u8], drip: usize, slab: usize, options: &ReadOptions) -> All {
        let raw = RawInput::Other(Box::new(Dripping(bytes.to_vec(), drip)));
        let sizes = Sizes { slab, compressed: 999 };
        let mut all = All { frames: Vec::new(), raw: Vec::new(), batches: Vec::new(), error: None, reader: None };
        let mut reader = match CaptureReader::of(raw, Path::new("x"), options, sizes) {
            Ok(reader) => reader,
            Err(error) => {
                all.error = Some(error);
                return all;
            }
        };
        let mut batch = FrameBatch::default();
        loop {
            match reader.fill(&mut batch) {
                Ok(Fill::More) => {
                    assert!(all.error.is_none(), "an error is the last thing");
                    all.batches.push(batch.frames.len());
                    for f in &batch.frames {
                        let b = batch.bytes(f);
                        assert_eq!(b.len(), f.captured as usize);
                        all.frames.push((f.ts.0, f.number, b.to_vec(), f.wire, f.link.0, f.interface));
                    }
                    all.raw.extend(&batch.slab[batch.raw.clone()]);
                }
                Ok(Fill::End) => break,
                Err(error) => {
                    assert!(all.error.is_none(), "an error comes once");
                    all.error = Some(error);
                }
            }
        }
        while reader.drain(&mut batch).unwrap() == Fill::More {
            assert!(batch.frames.is_empty());
            all.raw.extend(&batch.slab[batch.raw.clone()]);
        }
        all.reader = Some(reader);
        all
    }

    fn read(bytes: &[u8]) -> All {
        read_with(bytes, 1 << 20, limits::SLAB_BYTES, &ReadOptions::default())
    }

    #[test]
    fn classic_pcap_in_both_byte_orders_and_resolutions() {
        let head_be =
            |magic: u32| [words(true, &[magic]), halves(true, &[2, 4]), words(true, &[0, 0, 65_535, 101])].concat();
        let rec_be = words(true, &[1_600_000_000, 123_456, 3, 60]);
        let all = read(&[head_be(0xa1b2_c3d4), rec_be.clone(), b"abc".to_vec()].concat());
        assert!(all.error.is_none());
        assert_eq!(all.frames, [(1_600_000_000_123_456_000, 1, b"abc".to_vec(), 60, 101, 0)]);
        let reader = all.reader.unwrap();
        assert_eq!(reader.format(), CaptureFormat::Pcap);
        assert_eq!(reader.interfaces()[0].link, LinkType::RAW);
        assert_eq!((reader.interfaces()[0].snaplen, reader.interfaces()[0].frames), (65_535, 1));

        let all = read(&[head_be(0xa1b2_3c4d), rec_be, b"abc".to_vec()].concat());
        assert_eq!(all.frames[0].0, 1_600_000_000_000_123_456);
        let all = read(&pcap_of(&[b"abcd", b"", b"xyz"]));
        assert_eq!(all.frames[2], (3_000_005_000, 3, b"xyz".to_vec(), 3, 1, 0));
        assert_eq!(all.lens(), [4, 0, 3]);
        assert!(all.error.is_none());
    }

    #[test]
    fn old_and_modified_pcap_lengths_and_frame_check_sequences() {
        let head = |magic: u32, minor: u16, network: u32| {
            [words(false, &[magic]), halves(false, &[2, minor]), words(false, &[0, 0, 65_535, network])].concat()
        };
        // Version 2.2: length on the wire first; 2.3: the smaller one is the captured length.
        let swapped =
            [words(false, &[1, 0, 60, 2]), b"ab".to_vec(), words(false, &[2, 0, 3, 2]), b"cd".to_vec()].concat();
        for minor in [2, 3] {
            let all = read(&[head(0xa1b2_c3d4, minor, 1), swapped.clone()].concat());
            assert_eq!((all.lens(), all.frames[0].3), (vec![2, 2], 60), "{minor} {}", all.text());
        }
        // More captured than on the wire: both are the larger number.
        let all = read(&[head(0xa1b2_c3d4, 4, 1), words(false, &[1, 0, 4, 2]), b"abcd".to_vec()].concat());
        assert_eq!((all.lens(), all.frames[0].3), (vec![4], 4));
        // Record headers of 24 bytes.
        let kuz = [words(false, &[1, 2, 3, 3, 7, 8]), b"abc".to_vec()].concat();
        let all = read(&[head(0xa1b2_cd34, 4, 1), kuz.clone(), kuz].concat());
        assert_eq!(all.lens(), [3, 3]);
        assert_eq!(all.frames[1].2, b"abc");
        // Two 16-bit words of check sequence after each Ethernet frame.
        let fcs = [words(false, &[1, 0, 8, 8]), b"abcdFFFF".to_vec(), words(false, &[1, 0, 5, 8]), b"abcdF".to_vec()]
            .concat();
        let all = read(&[head(0xa1b2_c3d4, 4, 0x2400_0001), fcs].concat());
        assert_eq!(all.frames[0], (1_000_000_000, 1, b"abcd".to_vec(), 4, 1, 0));
        assert_eq!((all.frames[1].2.as_slice(), all.frames[1].3), (&b"abcd"[..], 4));
    }

    #[test]
    fn pcapng_sections_of_both_byte_orders_with_interfaces_of_their_own() {
        for big in [false, true] {
            let options = [
                option(big, 2, b"eth0"),
                option(big, 9, &[9]),
                option(big, 14, &if big { 10i64.to_be_bytes() } else { 10i64.to_le_bytes() }),
                option(big, 12, b"Linux"),
                option(big, 0, b""),
            ]
            .concat();
            let drops = |n: u64| if big { n.to_be_bytes() } else { n.to_le_bytes() };
            let statistics = [
                words(big, &[0, 0, 0]),
                option(big, 4, &drops(1000)),
                option(big, 5, &drops(3)),
                option(big, 7, &drops(44)),
                option(big, 0, b""),
            ]
            .concat();
            let mut dropped = words(big, &[1, 0, 77, 2, 2]);
            dropped.extend(b"cd\0\0");
            dropped.extend(option(big, 4, &drops(9)));
            let bytes = [
                section(big),
                interface(big, 1, 0, &options),
                interface(big, 101, 4, &option(big, 9, &[0x80 | 1])),
                enhanced(big, 0, 5_000_000_007, b"abcde", 1500),
                block(big, 0x0bad, b"a block that nobody knows"),
                enhanced(big, 1, 3, b"xy", 2),
                block(big, 6, &dropped),
                // Simple: no time, first interface.
                block(big, 3, &[words(big, &[3]), b"sim".to_vec()].concat()),
                // Obsolete: 16-bit interface and drop count.
                block(big, 2, &[halves(big, &[1, 6]), words(big, &[0, 8, 4, 4]), b"obso".to_vec()].concat()),
                block(big, 5, &statistics),
                section(!big),
                interface(!big, 113, 3, &option(!big, 9, &[6])),
                enhanced(!big, 0, 2_000_000, b"last", 4),
                block(!big, 3, &[words(!big, &[9]), b"cut\0".to_vec()].concat()),
            ]
            .concat();
            for drip in [1, 1 << 20] {
                let all = read_with(&bytes, drip, 64, &ReadOptions::default());
                assert_eq!(all.text(), "");
                assert_eq!(
                    all.frames,
                    [
                        (15_000_000_007, 1, b"abcde".to_vec(), 1500, 1, 0),
                        (1_500_000_000, 2, b"xy".to_vec(), 2, 101, 1),
                        (38_500_000_000, 3, b"cd".to_vec(), 2, 101, 1),
                        (38_500_000_000, 4, b"sim".to_vec(), 3, 1, 0),
                        (4_000_000_000, 5, b"obso".to_vec(), 4, 101, 1),
                        (2_000_000_000, 6, b"last".to_vec(), 4, 113, 2),
                        (2_000_000_000, 7, b"cut".to_vec(), 9, 113, 2),
                    ]
                );
                let reader = all.reader.unwrap();
                let [eth, raw, sll] = reader.interfaces() else { panic!("three interfaces") };
                assert_eq!((eth.name.as_deref(), eth.os.as_deref()), (Some("eth0"), Some("Linux")));
                assert_eq!((eth.received, eth.interface_drops, eth.kernel_drops), (Some(1000), Some(3), Some(44)));
                assert_eq!(
                    (raw.noted_drops, raw.frames, raw.resolution),
                    (15, 3, crate::source::TimeResolution::Binary(1))
                );
                assert_eq!((sll.link, sll.snaplen), (LinkType::LINUX_SLL, 3));
            }
        }
    }

    #[test]
    fn absurd_times_are_clamped() {
        let options = [option(false, 9, &[0]), option(false, 14, &i64::MIN.to_le_bytes())].concat();
        let bytes = [section(false), interface(false, 1, 0, &options), enhanced(false, 0, 1, b"", 0)].concat();
        assert_eq!(read(&bytes).frames[0].0, i64::MIN + 1_000_000_000);
        let options = [option(false, 9, &[0]), option(false, 14, &i64::MAX.to_le_bytes())].concat();
        let bytes = [section(false), interface(false, 1, 0, &options), enhanced(false, 0, u64::MAX, b"", 0)].concat();
        assert_eq!(read(&bytes).frames[0].0, i64::MAX);
    }

    #[test]
    fn what_is_no_capture_is_said_precisely() {
        for (bytes, expected) in [
            (&b""[..], "x: empty file, not a capture"),
            (
                b"\x7fELF\x02",
                "x: not a capture: begins with 7f 45 4c 46 02 (expected pcap, pcapng or a compressed one)",
            ),
            (b"snoop\0\0\0\0\0\0\x02", "x: it is a Sun snoop file"),
            (b"PK\x03\x04aaaa", "x: not a capture: it is a ZIP archive"),
            (b"\xd4\xc3\xb2\xa1\x02\0", "x: the file ends within the pcap header: 6 of 24 bytes are there"),
            (b"\x0a\x0d\x0d\x0a\x1c", "x: the file ends within the pcapng section header"),
        ] {
            let text = read(bytes).text();
            assert!(text.starts_with(expected), "{text}");
        }
        let text = read(&pack(Compression::Gzip, b"hello world")).text();
        assert_eq!(
            text,
            "x: not a capture: the content of the gzip data begins with 68 65 6c 6c 6f 20 77 6f (expected pcap, pcapng or a compressed one)"
        );
        let header_only = read(&pcap_of(&[]));
        assert!(header_only.error.is_none() && header_only.frames.is_empty());
        let section_only = read(&section(true));
        assert!(section_only.error.is_none() && section_only.frames.is_empty());
    }

    #[test]
    fn damage_gives_everything_before_it_and_its_place() {
        let good = pcap_of(&[b"aaaa", b"bbbb"]);
        let len = good.len();
        let with = |tail: &[u8]| [&good[..], tail].concat();
        let huge = words(false, &[1, 1, u32::MAX, 5]);
        let beyond = words(false, &[1, 1, 16 << 20, 5]);
        for (bytes, frames, place, expected) in [
            (good[..len - 1].to_vec(), 1, len - 20, "ends within record 2: 19 of at least 20 bytes"),
            (good[..len - 8].to_vec(), 1, len - 20, "ends within record 2: 12 of at least 16 bytes"),
            (with(&huge), 2, len, "record 3 claims a frame of 4294967295 bytes"),
            (with(&beyond), 2, len, "ends within record 3: 16 of at least 16777232 bytes"),
        ] {
            for slab in [17, 40, 1 << 20] {
                let all = read_with(&bytes, 5, slab, &ReadOptions::default());
                assert_eq!(all.frames.len(), frames, "{expected}");
                assert!(all.text().contains(expected), "{}", all.text());
                assert_eq!(all.error.as_ref().unwrap().place, Some(Place::File(place as u64)));
                assert_eq!(all.raw, bytes, "the hash covers the whole file");
            }
        }
    }

    #[test]
    fn broken_pcapng_frames_end_it_and_broken_contents_are_left_out() {
        let good = [section(false), interface(false, 1, 0, &[]), enhanced(false, 0, 1, b"abcd", 4)].concat();
        let next = enhanced(false, 0, 2, b"efgh", 4);
        let len = good.len();
        let mut trailer = enhanced(false, 0, 2, b"efgh", 4);
        let end = trailer.len() - 4;
        trailer[end] ^= 1;
        let mut other_trailer = block(false, 77, &[0; 100]);
        let other_end = other_trailer.len() - 4;
        other_trailer[other_end] = 0;
        for (bad, expected) in [
            (words(false, &[6, 0, 0, 0]), "block of type 0x6 claims a length of 0 bytes"),
            (words(false, &[77, 8, 0, 0]), "claims a length of 8 bytes"),
            (words(false, &[6, u32::MAX, 0, 0]), "claims a length of 4294967295 bytes"),
            (words(false, &[1, 4 << 20, 0, 0]), "claims a length of 4194304 bytes"),
            (words(false, &[77, u32::MAX, 0, 0]), "ends within a block after frame 1"),
            (block(false, 77, &[0; 100])[..108].to_vec(), "ends within a block after frame 1"),
            (next[..next.len() - 1].to_vec(), "ends within a block after frame 1: 35 of at least 36 bytes"),
            (trailer, "ends with length 37 and began with length 36"),
            (other_trailer, "ends with length 0 and began with length 112"),
            (words(false, &[0x0a0d_0d0a, 28, 0x1234_5678]), "byte-order magic"),
            (
                block(false, 0x0a0d_0d0a, &[words(false, &[0x1a2b_3c4d]), vec![9; 12]].concat()),
                "version 2313.2313 is not supported",
            ),
        ] {
            for slab in [33, 1 << 20] {
                let all = read_with(&[&good[..], &bad].concat(), 100, slab, &ReadOptions::default());
                assert_eq!(all.frames.len(), 1, "{expected}");
                assert!(all.text().contains(expected), "{} / {expected}", all.text());
                assert!(matches!(all.error.unwrap().place, Some(Place::File(at)) if at >= len as u64), "{expected}");
            }
        }
        for (bad, expected) in [
            (enhanced(false, 3, 2, b"zz", 2), "names interface 3"),
            (block(false, 6, &words(false, &[0, 0, 0, 99, 99, 0])), "claims a frame of 99 bytes and has room for 4"),
            (block(false, 6, &[1, 2, 3]), "block of type 0x6"),
            (block(false, 1, &[1]), "block of type 0x1"),
        ] {
            let all = read(&[&good[..], &bad, &next].concat());
            assert_eq!(all.frames.len(), 2, "{expected}");
            assert!(all.text().contains(expected), "{} / {expected}", all.text());
            assert!(all.text().contains("1 damaged block was left out"));
            assert_eq!(all.error.unwrap().place, Some(Place::File(len as u64)));
        }
    }

    #[test]
    fn frames_longer_than_a_slab_and_more_frames_than_a_batch() {
        let long = vec![7u8; 300_000];
        let bytes = pcap_of(&[b"a", &long, b"b", &long]);
        for slab in [100, 1000, 1 << 20] {
            let all = read_with(&bytes, 1 << 20, slab, &ReadOptions::default());
            assert_eq!(all.text(), "");
            assert_eq!(all.lens(), [1, 300_000, 1, 300_000]);
            assert_eq!(all.raw, bytes);
        }
        let none: Vec<&[u8]> = vec![b""; limits::BATCH_FRAMES_MAX + 10];
        let all = read_with(&pcap_of(&none), 1 << 20, 4 << 20, &ReadOptions::default());
        assert_eq!((all.batches.as_slice(), all.text().as_str()), (&[limits::BATCH_FRAMES_MAX, 10][..], ""));
        assert_eq!(all.frames.last().unwrap().1, limits::BATCH_FRAMES_MAX as u64 + 10);
    }

    #[test]
    fn compressed_captures_give_the_same_frames_and_a_hash_and_cut_ones_all_before_the_cut() {
        let frames: Vec<Vec<u8>> =
            (0..12_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes().repeat(9)).collect();
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let plain = pcap_of(&frames);
        let whole = read(&plain);
        let options = ReadOptions { hash: true, ..ReadOptions::default() };
        let sha = |bytes: &[u8]| {
            let mut hash = InputHash::new();
            hash.update(bytes);
            hash.finish()
        };
        for compression in ALL {
            let bytes = pack(compression, &plain);
            let mut all = read_with(&bytes, 4000, 1 << 20, &options);
            assert!(all.error.is_none());
            assert!(all.frames == whole.frames && all.batches == whole.batches, "{compression:?}");
            let reader = all.reader.as_mut().unwrap();
            assert_eq!(reader.take_hash().unwrap().finish(), sha(&bytes));
            assert_eq!(reader.outcome().raw_bytes, bytes.len() as u64);
            let cut = bytes.len() * 2 / 3;
            let mut all = read_with(&bytes[..cut], 4000, 1 << 20, &options);
            assert!(whole.frames.starts_with(&all.frames));
            assert!(all.frames.len() > 4000, "{compression:?} {}", all.frames.len());
            assert!(matches!(all.error.as_ref().unwrap().place, Some(Place::File(at)) if at == cut as u64));
            assert!(all.text().contains("is cut"), "{}", all.text());
            assert_eq!(all.reader.as_mut().unwrap().take_hash().unwrap().finish(), sha(&bytes[..cut]));
        }
    }

    #[test]
    fn a_filter_keeps_numbers_and_complains_of_what_it_cannot_judge() {
        let mut tcp = vec![0u8; 54];
        tcp[12] = 8;
        tcp[14] = 0x45;
        tcp[23] = 6;
        let mut udp = tcp.clone();
        udp[23] = 17;
        let options = ReadOptions { filter: Some("udp".into()), ..ReadOptions::default() };
        let all = read_with(&pcap_of(&[&tcp, &udp, &tcp, &udp]), 99, 1 << 20, &options);
        assert_eq!(all.frames.iter().map(|f| f.1).collect::<Vec<_>>(), [2, 4]);
        let outcome = all.reader.unwrap().outcome();
        assert_eq!((outcome.frames, outcome.filtered), (4, 2));
        let options = ReadOptions { filter: Some("ether host 00:00:00:00:00:00".into()), ..ReadOptions::default() };
        let bytes = [
            section(false),
            interface(false, 1, 0, &[]),
            interface(false, 101, 0, &[]),
            enhanced(false, 1, 1, &tcp[14..], 40),
            enhanced(false, 0, 2, &tcp, 54),
        ]
        .concat();
        let all = read_with(&bytes, 99, 1 << 20, &options);
        assert_eq!(all.frames.iter().map(|f| f.1).collect::<Vec<_>>(), [2]);
        assert!(
            all.text().contains("link type 101") && all.text().contains("1 frames were left out"),
            "{}",
            all.text()
        );
    }

    #[test]
    fn a_look_gives_the_first_time_and_reads_no_pipe() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        std::fs::write(&path, pack(Compression::Zstd, &pcap_of(&[b"abc", b"d"]))).unwrap();
        let look = peek(&InputPath::named(&path)).unwrap();
        assert_eq!((look.first_ts, look.compression), (Some(Timestamp(1_000_005_000)), Compression::Zstd));
        assert_eq!((look.format, look.links), (Some(CaptureFormat::Pcap), vec![LinkType::ETHERNET]));
        std::fs::write(&path, pcap_of(&[])).unwrap();
        assert_eq!(peek(&InputPath::named(&path)).unwrap().first_ts, None);
        std::fs::write(&path, b"text").unwrap();
        assert!(peek(&InputPath::named(&path)).is_err());
        assert!(peek(&InputPath::named(&root.path().join("missing"))).is_err());
        assert!(peek(&InputPath::named(root.path())).unwrap_err().to_string().contains("directory"));
        assert_eq!(peek(&InputPath::named(Path::new("-"))).unwrap().first_ts, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_and_any_split_give_the_same_and_no_panic(
            start in 0usize..3,
            middle in proptest::collection::vec(any::<u8>(), 0..200),
            lens in proptest::collection::vec(0usize..90, 0..20),
            drip in 1usize..50,
            slab in 16usize..400,
        ) {
            let frames: Vec<Vec<u8>> = lens.iter().map(|n| vec![0x5a; *n]).collect();
            let bytes = match start {
                0 => pcap_of(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()),
                1 => [section(true), interface(true, 1, 0, &[])].into_iter()
                    .chain(frames.iter().map(|f| enhanced(true, 0, 9, f, 100))).collect::<Vec<_>>().concat(),
                _ => section(false),
            };
            let bytes = [bytes, middle].concat();
            let whole = read(&bytes);
            let split = read_with(&bytes, drip, slab, &ReadOptions::default());
            let same_slab = read_with(&bytes, 1 << 20, slab, &ReadOptions::default());
            prop_assert!(start == 2 || whole.frames.len() >= frames.len());
            prop_assert_eq!(&whole.frames, &split.frames);
            prop_assert_eq!(whole.text(), split.text());
            prop_assert_eq!(&whole.raw, &split.raw);
            prop_assert_eq!(&whole.raw, &bytes);
            prop_assert_eq!(&same_slab.batches, &split.batches);
        }
    }
}
