//! Compressed inputs, recognised by content and read as one stream whatever number of members,
//! frames or streams they consist of.

use std::io;

use super::codec::{Codec, State};
use super::hash::InputHash;
use super::input::RawInput;

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

impl Compression {
    /// What the first bytes of a file, or of the next member in one, say.
    pub fn detect(head: &[u8]) -> Self {
        match *head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame; parallel zstd writes one first (RFC 8878, section 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// Its name, as tables and messages spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Why decompressing stopped before the end.
pub(super) enum CompressedFault {
    /// The file could not be read.
    Io(io::Error),
    /// The file is not what its format allows, from this byte of it on.
    Corrupt { offset: u64, text: String },
}

/// Bytes that `detect` needs at most.
const MAGIC_BYTES: usize = 6;

/// Decompresses an input piece by piece. Memory is bounded by the codec's window and one read.
pub(super) struct Decompressor {
    raw: RawInput,
    compression: Compression,
    codec: Option<Codec>,
    /// Compressed bytes that were read, and how many of them were used.
    read: Vec<u8>,
    used: usize,
    ended: bool,
    /// Offset in the file of the byte after those in `read`.
    offset: u64,
    read_size: usize,
    hash: Option<InputHash>,
    fault: Option<CompressedFault>,
}

impl Decompressor {
    /// Goes on where `head`, the bytes that were read to recognise the format, ends.
    pub(super) fn new(
        raw: RawInput,
        head: Vec<u8>,
        compression: Compression,
        hash: Option<InputHash>,
        read_size: usize,
    ) -> io::Result<Self> {
        let mut hash = hash;
        if let Some(hash) = &mut hash {
            hash.update(&head);
        }
        let offset = head.len() as u64;
        let codec = Codec::new(compression)?;
        Ok(Self { raw, compression, codec, read: head, used: 0, ended: false, offset, read_size, hash, fault: None })
    }

    /// Bytes of the file that were read so far.
    pub(super) fn raw_bytes(&self) -> u64 {
        self.offset
    }

    /// The hash of all that was read, if one is kept.
    pub(super) fn take_hash(&mut self) -> Option<InputHash> {
        self.hash.take()
    }

    /// Reads what is left of the file for the hash alone.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.used = self.read.len();
        while !self.ended {
            self.refill()?;
            self.used = self.read.len();
        }
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.read.drain(..self.used);
        self.used = 0;
        let start = self.read.len();
        let got = self.raw.append(&mut self.read, self.read_size)?;
        self.ended = got == 0;
        self.offset += got as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(self.read.get(start..).unwrap_or_default());
        }
        Ok(())
    }

    fn corrupt(&self, text: String) -> CompressedFault {
        let unused = (self.read.len() - self.used) as u64;
        CompressedFault::Corrupt { offset: self.offset.saturating_sub(unused), text }
    }

    /// Stands behind a complete member: prepares for the next one. `Ok(false)` is the end.
    fn next_member(&mut self) -> Result<bool, CompressedFault> {
        let mut padded = false;
        loop {
            while self.read.get(self.used) == Some(&0) {
                self.used += 1;
                padded = true;
            }
            if self.read.len() - self.used >= MAGIC_BYTES || self.ended {
                break;
            }
            self.refill().map_err(CompressedFault::Io)?;
        }
        let rest = self.read.get(self.used..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        // Padding before another member exists in xz only, where it is four bytes or a multiple.
        let next = Compression::detect(rest);
        let skippable = matches!(rest, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if next != self.compression || (padded && next != Compression::Xz) || (skippable && next == Compression::Lz4) {
            return Err(self.corrupt(format!("other data after the end of the {} data", self.compression.name())));
        }
        if self.compression != Compression::Zstd {
            // The zstd decoder goes on to the next frame by itself.
            self.codec = Codec::new(self.compression).map_err(CompressedFault::Io)?;
        }
        Ok(true)
    }

    /// Appends up to `most` decompressed bytes; 0 is the end. What came out before corruption is
    /// handed over first.
    pub(super) fn append(&mut self, to: &mut Vec<u8>, most: usize) -> Result<usize, CompressedFault> {
        if let Some(fault) = self.fault.take() {
            self.codec = None;
            return Err(fault);
        }
        if most == 0 {
            return Ok(0);
        }
        let start = to.len();
        to.resize(start + most, 0);
        let result = self.fill(to.get_mut(start..).unwrap_or_default());
        match result {
            Ok(made) => {
                to.truncate(start + made);
                Ok(made)
            }
            Err(fault) => {
                to.truncate(start);
                Err(fault)
            }
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<usize, CompressedFault> {
        loop {
            if self.codec.is_some() && self.used == self.read.len() && !self.ended {
                self.refill().map_err(CompressedFault::Io)?;
            }
            let Some(codec) = &mut self.codec else { return Ok(0) };
            let step = codec.step(self.read.get(self.used..).unwrap_or_default(), out);
            self.used = (self.used + step.used).min(self.read.len());
            let outcome = match step.state {
                State::Fault(text) => {
                    Err(self.corrupt(format!("the {} data is corrupt: {text}", self.compression.name())))
                }
                State::Going if step.made == 0 && step.used == 0 && self.ended && self.used == self.read.len() => {
                    Err(self.corrupt(format!("the {} data is cut: the file ends within it", self.compression.name())))
                }
                State::Going if step.made == 0 && step.used == 0 && self.used < self.read.len() => {
                    // No codec stands still with input and room left; should one do, this is the end of it.
                    Err(self.corrupt(format!("the {} data is corrupt", self.compression.name())))
                }
                State::Going => Ok(()),
                State::MemberEnd => match self.next_member() {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        self.codec = None;
                        return Ok(step.made);
                    }
                    Err(fault) => Err(fault),
                },
            };
            match outcome {
                Err(fault) if step.made == 0 => {
                    self.codec = None;
                    return Err(fault);
                }
                Err(fault) => {
                    self.fault = Some(fault);
                    return Ok(step.made);
                }
                Ok(()) if step.made > 0 => return Ok(step.made),
                Ok(()) => {}
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Hands out `1..=n` bytes at a time.
    pub(in crate::source) struct Dripping(pub(in crate::source) Vec<u8>, pub(in crate::source) usize);

    impl Read for Dripping {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(buf.len()).min(self.0.len());
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            self.1 = if self.1 == 1 { 13 } else { self.1 - 1 };
            Ok(n)
        }
    }

    pub(in crate::source) fn pack(compression: Compression, content: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => content.to_vec(),
            Compression::Gzip => {
                let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                e.write_all(content).unwrap();
                e.finish().unwrap()
            }
            Compression::Zstd => {
                // As the command line tool does it.
                let mut e = zstd::Encoder::new(Vec::new(), 1).unwrap();
                e.include_checksum(true).unwrap();
                e.write_all(content).unwrap();
                e.finish().unwrap()
            }
            Compression::Lz4 => {
                let mut info = lz4_flex::frame::FrameInfo::new();
                info.block_size = lz4_flex::frame::BlockSize::Max64KB;
                info.content_checksum = true;
                let mut e = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                e.write_all(content).unwrap();
                e.finish().unwrap()
            }
            Compression::Xz => {
                let mut e = liblzma::write::XzEncoder::new(Vec::new(), 0);
                e.write_all(content).unwrap();
                e.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut e = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                e.write_all(content).unwrap();
                e.finish().unwrap()
            }
        }
    }

    pub(in crate::source) const ALL: [Compression; 5] =
        [Compression::Gzip, Compression::Zstd, Compression::Lz4, Compression::Xz, Compression::Bzip2];

    fn unpack(bytes: Vec<u8>, compression: Compression, drip: usize) -> (Vec<u8>, Option<(u64, String)>, String) {
        let mut raw = RawInput::Other(Box::new(Dripping(bytes, drip)));
        let mut head = Vec::new();
        while head.len() < 16 && raw.append(&mut head, 16).unwrap() > 0 {}
        assert_eq!(Compression::detect(&head), compression);
        let mut d = Decompressor::new(raw, head, compression, Some(InputHash::new()), 4096).unwrap();
        let mut out = Vec::new();
        let fault = loop {
            match d.append(&mut out, 1000) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(CompressedFault::Corrupt { offset, text }) => break Some((offset, text)),
                Err(CompressedFault::Io(e)) => panic!("{e}"),
            }
        };
        assert!(matches!(d.append(&mut out, 10), Ok(0)), "nothing comes after the end");
        d.drain().unwrap();
        (out, fault, d.take_hash().unwrap().finish())
    }

    fn content() -> Vec<u8> {
        (0..60_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 20).to_le_bytes()).collect()
    }

    fn sha(bytes: &[u8]) -> String {
        let mut hash = InputHash::new();
        hash.update(bytes);
        hash.finish()
    }

    #[test]
    fn members_one_after_another_are_one_stream_however_it_is_read() {
        let content = content();
        for compression in ALL {
            let mut bytes = pack(compression, &content[..1000]);
            bytes.extend(pack(compression, &[]));
            bytes.extend(pack(compression, &content[1000..]));
            for drip in [1, 9, 100_000] {
                let (out, fault, hash) = unpack(bytes.clone(), compression, drip);
                assert_eq!(fault, None, "{compression:?}");
                assert!(out == content, "{compression:?} {drip}");
                assert_eq!(hash, sha(&bytes), "the hash is that of the compressed file");
            }
        }
    }

    #[test]
    fn a_cut_file_gives_what_is_there_and_then_says_that_it_is_cut() {
        let content = content();
        for compression in ALL {
            let bytes = pack(compression, &content);
            for cut in [bytes.len() * 3 / 4, bytes.len() - 1] {
                let (out, fault, hash) = unpack(bytes[..cut].to_vec(), compression, 5000);
                assert!(content.starts_with(&out), "{compression:?}");
                let (offset, text) = fault.expect("cut");
                assert!(text.contains("is cut"), "{compression:?}: {text}");
                assert_eq!(offset, cut as u64);
                assert_eq!(hash, sha(&bytes[..cut]));
            }
        }
    }

    #[test]
    fn garbage_after_the_end_is_told_and_zeros_are_padding() {
        let content = content();
        for compression in ALL {
            let mut bytes = pack(compression, &content);
            let len = bytes.len() as u64;
            bytes.extend([0; 512]);
            let (out, fault, hash) = unpack(bytes.clone(), compression, 700);
            assert!(out == content && fault.is_none(), "{compression:?} {fault:?}");
            assert_eq!(hash, sha(&bytes));
            bytes.truncate(bytes.len() - 512);
            bytes.extend(b"some text");
            let (out, fault, _) = unpack(bytes, compression, 700);
            assert!(out == content, "{compression:?}");
            let (offset, text) = fault.expect("garbage");
            assert_eq!(offset, len, "{compression:?} {text}");
        }
    }

    #[test]
    fn corruption_in_the_middle_keeps_what_came_before() {
        let content = content();
        for compression in ALL {
            let mut bytes = pack(compression, &content);
            let middle = bytes.len() * 3 / 4;
            for byte in &mut bytes[middle..middle + 8] {
                *byte ^= 0xa5;
            }
            let (out, fault, _) = unpack(bytes, compression, 700);
            assert!(fault.is_some(), "{compression:?}");
            assert!(out.len() < content.len() + 1000, "{compression:?}");
        }
    }

    #[test]
    fn text_is_not_taken_for_bzip2() {
        assert_eq!(Compression::detect(b"BZh9abc"), Compression::None);
        assert_eq!(Compression::detect(&[0x1f, 0x8b]), Compression::None);
    }
}
