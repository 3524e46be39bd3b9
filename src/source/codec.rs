//! The five compression formats behind one step function, so that what came out before corruption
//! is kept and counted the same way for each.

use std::io;

use flate2::FlushDecompress;
use liblzma::stream::{Action, Error as XzError, Status as XzStatus, Stream as XzStream};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::compression::Compression;
use super::lz4::Lz4Frame;
use crate::base::limits;

/// How one step of decompression ended.
pub(super) enum State {
    /// More input or more room is needed.
    Going,
    /// A member (gzip), frame (zstd, lz4) or stream (xz, bzip2) is complete.
    MemberEnd,
    /// The input is not what its format allows.
    Fault(String),
}

/// What one step of decompression did.
pub(super) struct Step {
    /// Bytes of input that were used.
    pub(super) used: usize,
    /// Bytes of output that were written.
    pub(super) made: usize,
    /// How it ended.
    pub(super) state: State,
}

/// A decompressor for one member of one format.
pub(super) enum Codec {
    /// RFC 1952.
    Gzip(flate2::Decompress),
    /// RFC 8878.
    Zstd(Box<ZstdDecoder<'static>>),
    /// LZ4 frame format 1.6.
    Lz4(Box<Lz4Frame>),
    /// The .xz file format 1.2.
    Xz(Box<XzStream>),
    /// bzip2 1.0.
    Bzip2(bzip2::Decompress),
}

impl Codec {
    /// A decompressor that stands at the beginning of a member; `None` for no compression.
    pub(super) fn new(compression: Compression) -> io::Result<Option<Self>> {
        Ok(Some(match compression {
            Compression::None => return Ok(None),
            Compression::Gzip => Self::Gzip(flate2::Decompress::new_gzip(15)),
            Compression::Zstd => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(limits::ZSTD_WINDOW_LOG_MAX))?;
                Self::Zstd(Box::new(decoder))
            }
            Compression::Lz4 => Self::Lz4(Box::new(Lz4Frame::new())),
            Compression::Xz => {
                Self::Xz(Box::new(XzStream::new_stream_decoder(limits::XZ_MEMORY_MAX, 0).map_err(io::Error::from)?))
            }
            Compression::Bzip2 => Self::Bzip2(bzip2::Decompress::new(false)),
        }))
    }

    /// Decompresses some of `input` into `output`.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        match self {
            Self::Gzip(codec) => {
                let (ins, outs) = (codec.total_in(), codec.total_out());
                let result = codec.decompress(input, output, FlushDecompress::None);
                let state = match result {
                    Ok(flate2::Status::StreamEnd) => State::MemberEnd,
                    Ok(_) => State::Going,
                    Err(error) => State::Fault(error.message().unwrap_or("corrupt deflate data").to_owned()),
                };
                counted(codec.total_in() - ins, codec.total_out() - outs, state)
            }
            Self::Zstd(codec) => {
                let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
                let state = match codec.run(&mut from, &mut to) {
                    Ok(0) => State::MemberEnd,
                    Ok(_) => State::Going,
                    Err(error) => State::Fault(error.to_string()),
                };
                Step { used: from.pos(), made: to.pos(), state }
            }
            Self::Lz4(codec) => codec.step(input, output),
            Self::Xz(codec) => {
                let (ins, outs) = (codec.total_in(), codec.total_out());
                let state = match codec.process(input, output, Action::Run) {
                    Ok(XzStatus::StreamEnd) => State::MemberEnd,
                    Ok(_) => State::Going,
                    Err(XzError::MemLimit) => State::Fault(format!(
                        "needs more than {} MiB of memory to decompress",
                        limits::XZ_MEMORY_MAX >> 20
                    )),
                    Err(error) => State::Fault(error.to_string()),
                };
                counted(codec.total_in() - ins, codec.total_out() - outs, state)
            }
            Self::Bzip2(codec) => {
                let (ins, outs) = (codec.total_in(), codec.total_out());
                let state = match codec.decompress(input, output) {
                    Ok(bzip2::Status::StreamEnd) => State::MemberEnd,
                    Ok(bzip2::Status::MemNeeded) => State::Fault("not enough memory to decompress".into()),
                    Ok(_) => State::Going,
                    Err(error) => State::Fault(error.to_string()),
                };
                counted(codec.total_in() - ins, codec.total_out() - outs, state)
            }
        }
    }
}

fn counted(used: u64, made: u64, state: State) -> Step {
    // Both are bounded by the lengths of the slices that were given.
    Step { used: usize::try_from(used).unwrap_or(0), made: usize::try_from(made).unwrap_or(0), state }
}
