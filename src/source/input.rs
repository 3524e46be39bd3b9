//! The bytes of an input as they lie on disk: a file, a pipe, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::discover::{InputKind, InputPath};

/// Bytes that one read from a [`RawInput::Other`] asks for.
const OTHER_READ_BYTES: usize = 16 << 10;

/// Something that bytes are read from into the free end of a buffer.
pub(super) enum RawInput {
    /// A regular file.
    File(File),
    /// A pipe or standard input, whose bytes may be long in coming: the wait ends when the flag is
    /// set, as if the input had ended.
    Pipe(File, Arc<AtomicBool>),
    /// Anything else (tests: readers that hand out a few bytes at a time).
    Other(Box<dyn Read + Send>),
}

impl RawInput {
    /// Opens an input. The kernel is told that it will be read from front to back.
    pub(super) fn open(input: &InputPath, stop: &Arc<AtomicBool>) -> io::Result<Self> {
        let file = match input.kind {
            InputKind::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?),
            InputKind::File | InputKind::Stream => File::open(&input.path)?,
        };
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        #[cfg(target_os = "linux")]
        {
            // SAFETY: the descriptor is open for the whole call, and the call takes no pointer. It
            // is only a hint: its failure (a pipe) means nothing.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
        }
        Ok(match input.kind {
            InputKind::File => Self::File(file),
            InputKind::Stdin | InputKind::Stream => Self::Pipe(file, stop.clone()),
        })
    }

    /// Appends up to `most` bytes to `to` with one read; 0 is the end of the input.
    ///
    /// The file goes straight into the buffer's unused capacity: zeroing it first would cost as
    /// much again as a fifth of the kernel's copy.
    pub(super) fn append(&mut self, to: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        if most == 0 {
            return Ok(0);
        }
        to.reserve(most);
        match self {
            Self::File(file) => read_into(file, to, most),
            Self::Pipe(file, stop) => {
                if wait(file, stop)? {
                    read_into(file, to, most)
                } else {
                    Ok(0)
                }
            }
            Self::Other(reader) => {
                // The free end is zeroed for each read, so a reader that gives little is asked for little.
                let most = most.min(OTHER_READ_BYTES);
                let start = to.len();
                to.resize(start + most, 0);
                loop {
                    let result = reader.read(to.get_mut(start..).unwrap_or_default());
                    match result {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Ok(got) => {
                            to.truncate(start + got.min(most));
                            return Ok(got);
                        }
                        Err(error) => {
                            to.truncate(start);
                            return Err(error);
                        }
                    }
                }
            }
        }
    }
}

/// One read(2) into the free end of a buffer, which has room for `most` bytes.
fn read_into(file: &File, to: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    loop {
        let spare = to.spare_capacity_mut();
        let len = spare.len().min(most);
        // SAFETY: `spare` is `spare.len()` writable bytes owned by `to`, and `len` is no more than
        // that; read(2) writes at most `len` bytes and reads none of them.
        let got = unsafe { libc::read(file.as_raw_fd(), spare.as_mut_ptr().cast(), len) };
        if let Ok(got) = usize::try_from(got) {
            let new_len = to.len() + got.min(len);
            // SAFETY: read(2) has initialised the `got` bytes after the old length, which lie
            // within the capacity.
            unsafe { to.set_len(new_len) };
            return Ok(got);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits until a pipe has bytes or has ended; false where the flag was set meanwhile.
fn wait(file: &File, stop: &AtomicBool) -> io::Result<bool> {
    const WAIT_MS: libc::c_int = 100;
    loop {
        if stop.load(Ordering::Acquire) {
            return Ok(false);
        }
        let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd is given, and its number is 1.
        match unsafe { libc::poll(&raw mut poll, 1, WAIT_MS) } {
            0 => {}
            1.. => return Ok(true),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn appends_behind_what_is_there_and_ends_with_zero() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let mut input = RawInput::File(file);
        let mut bytes = b"ab".to_vec();
        assert_eq!(input.append(&mut bytes, 4).unwrap(), 4);
        assert_eq!(input.append(&mut bytes, 100).unwrap(), 6);
        assert_eq!(input.append(&mut bytes, 100).unwrap(), 0);
        assert_eq!(bytes, b"ab0123456789");
    }

    #[test]
    fn a_pipe_that_stays_silent_ends_when_it_is_told_to() {
        let (reader, mut writer) = io::pipe().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut input = RawInput::Pipe(File::from(std::os::fd::OwnedFd::from(reader)), stop.clone());
        writer.write_all(b"abc").unwrap();
        let mut bytes = Vec::new();
        assert_eq!(input.append(&mut bytes, 100).unwrap(), 3);
        let later = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            stop.store(true, Ordering::Release);
        });
        assert_eq!(input.append(&mut bytes, 100).unwrap(), 0);
        later.join().unwrap();
        drop(writer);
    }
}
