//! Which inputs a command line means: files, folders, patterns and standard input.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::{SourceError, SourceErrorKind};
use super::reader;
use crate::base::limits;

/// How an input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// A regular file: it can be opened again.
    File,
    /// A pipe or a device: it can be read once.
    Stream,
    /// Standard input.
    Stdin,
}

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPath {
    /// Its path as it was named or found; `-` for standard input.
    pub path: PathBuf,
    /// How it is read.
    pub kind: InputKind,
    /// Its length in bytes, where that is known beforehand.
    pub size: Option<u64>,
    /// Whether it was named itself, and not found in a folder or by a pattern.
    pub named: bool,
}

impl InputPath {
    /// An input for a path that was named, whatever is there.
    pub fn named(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            return Self { path: path.to_owned(), kind: InputKind::Stdin, size: None, named: true };
        }
        let meta = fs::metadata(path).ok();
        let (kind, size) = match meta {
            Some(meta) if is_stream(&meta) => (InputKind::Stream, None),
            Some(meta) => (InputKind::File, Some(meta.len())),
            None => (InputKind::File, None),
        };
        Self { path: path.to_owned(), kind, size, named: true }
    }
}

/// Something that was named and cannot be read, or found and should have been readable.
pub type InputProblem = SourceError;

/// What a command line means.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The inputs: in the order of the arguments, and sorted by path within a folder or pattern.
    pub inputs: Vec<InputPath>,
    /// What was named and is not there, and what could not be looked at.
    pub problems: Vec<InputProblem>,
    /// Files in folders that are no captures.
    pub skipped: Vec<PathBuf>,
    /// Files that were named or found a second time; they are read once.
    pub repeated: Vec<PathBuf>,
}

/// Finds the inputs that arguments mean.
///
/// A path that exists is that file or folder (all below it); only one that does not is taken for a
/// pattern (`*`, `?`, `[a-z]`, `{a,b}`, `**`). Folders are entered once each, so links in a circle
/// end, and at most `limits::FOLDER_DEPTH_MAX` deep. What is found in a folder or by a pattern and
/// is no capture is skipped; what is named is taken, and an error later if it is none.
pub fn discover(args: &[PathBuf]) -> Discovery {
    let mut search = Search::default();
    for arg in args {
        search.argument(arg);
    }
    search.found
}

#[derive(Default)]
struct Search {
    found: Discovery,
    files: HashSet<PathBuf>,
    folders: HashSet<(u64, u64)>,
    stdin: bool,
}

impl Search {
    fn argument(&mut self, arg: &Path) {
        if arg.as_os_str() == "-" {
            if std::mem::replace(&mut self.stdin, true) {
                self.found.repeated.push(arg.to_owned());
            } else {
                self.found.inputs.push(InputPath::named(arg));
            }
            return;
        }
        match fs::metadata(arg) {
            Ok(meta) if meta.is_dir() => {
                // A folder that is named twice is to be seen twice: its files are then repeated.
                self.folders.clear();
                self.folder(arg, 0, None);
            }
            Ok(_) => self.file(InputPath::named(arg)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_pattern(arg) => self.pattern(arg),
            Err(error) => self.problem(arg, SourceErrorKind::Io(error)),
        }
    }

    fn problem(&mut self, path: &Path, kind: SourceErrorKind) {
        self.found.problems.push(SourceError::new(path, kind));
    }

    /// Takes a file in, unless it was before.
    fn file(&mut self, input: InputPath) {
        if input.kind == InputKind::File {
            let canonical = fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone());
            if !self.files.insert(canonical) {
                self.found.repeated.push(input.path);
                return;
            }
        }
        if self.found.inputs.len() >= limits::INPUT_FILES_MAX {
            let text = format!("more than {} inputs in one run", limits::INPUT_FILES_MAX);
            self.problem(&input.path, SourceErrorKind::Limit(text));
            return;
        }
        self.found.inputs.push(input);
    }

    /// Takes in a file that nobody named: only if it is a capture.
    fn found_file(&mut self, path: PathBuf, meta: &fs::Metadata) {
        if !meta.is_file() {
            self.found.skipped.push(path);
            return;
        }
        let input = InputPath { path, kind: InputKind::File, size: Some(meta.len()), named: false };
        match reader::sniff(&input) {
            Ok(_) => self.file(input),
            Err(error) => match error.kind {
                SourceErrorKind::NotACapture(_) | SourceErrorKind::Empty => self.found.skipped.push(input.path),
                // A capture, or the rest of one: what is wrong with it is told when it is read.
                _ => self.file(input),
            },
        }
    }

    /// All captures in and below a folder, or those of them that match.
    fn folder(&mut self, folder: &Path, depth: usize, matcher: Option<&Pattern>) {
        if depth > limits::FOLDER_DEPTH_MAX {
            let text = format!("folders are nested more than {} deep", limits::FOLDER_DEPTH_MAX);
            self.problem(folder, SourceErrorKind::Limit(text));
            return;
        }
        match fs::metadata(folder) {
            Ok(meta) if !self.folders.insert((meta.dev(), meta.ino())) => return,
            Ok(_) => {}
            Err(error) => return self.problem(folder, SourceErrorKind::Io(error)),
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, SourceErrorKind::Io(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.problem(folder, SourceErrorKind::Io(error)),
            }
        }
        paths.sort();
        for path in paths {
            // The entries of "." are named as a shell would name them, which is also how patterns match.
            let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
            let meta = match fs::metadata(&path) {
                Ok(meta) => meta,
                // A link to nowhere is no capture.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.found.skipped.push(path);
                    continue;
                }
                Err(error) => {
                    self.problem(&path, SourceErrorKind::Io(error));
                    continue;
                }
            };
            match matcher {
                None if meta.is_dir() => self.folder(&path, depth + 1, None),
                None => self.found_file(path, &meta),
                Some(pattern) if pattern.glob.is_match(&path) => {
                    if meta.is_dir() {
                        self.folder(&path, depth + 1, None);
                    } else {
                        self.found_file(path, &meta);
                    }
                }
                Some(pattern) if meta.is_dir() && depth + 1 < pattern.depth => {
                    self.folder(&path, depth + 1, matcher);
                }
                Some(_) => {}
            }
        }
    }

    fn pattern(&mut self, arg: &Path) {
        let (base, parts) = base_of(arg);
        let text = arg.to_string_lossy();
        let text = text.strip_prefix("./").unwrap_or(&text);
        let glob = match GlobBuilder::new(text).literal_separator(true).build() {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                let text = format!("no such file, and not a pattern: {}", error.kind());
                return self.problem(arg, SourceErrorKind::Io(std::io::Error::new(std::io::ErrorKind::NotFound, text)));
            }
        };
        let depth = if text.contains("**") { limits::FOLDER_DEPTH_MAX } else { parts };
        let before = (self.found.inputs.len(), self.found.repeated.len(), self.found.problems.len());
        self.folders.clear();
        self.folder(&base, 0, Some(&Pattern { glob, depth }));
        if before == (self.found.inputs.len(), self.found.repeated.len(), self.found.problems.len()) {
            let error = std::io::Error::new(std::io::ErrorKind::NotFound, "no capture matches this pattern");
            self.problem(arg, SourceErrorKind::Io(error));
        }
    }
}

struct Pattern {
    glob: GlobMatcher,
    /// How many parts behind the base a path can have.
    depth: usize,
}

fn is_stream(meta: &fs::Metadata) -> bool {
    let kind = meta.file_type();
    kind.is_fifo() || kind.is_char_device() || kind.is_socket()
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// The folder that a pattern is searched from, and how many parts of the pattern lie below it.
fn base_of(pattern: &Path) -> (PathBuf, usize) {
    let parts: Vec<Component<'_>> = pattern.components().collect();
    let fixed = parts.iter().take_while(|part| !is_pattern(Path::new(part.as_os_str()))).count();
    let base: PathBuf = parts.iter().take(fixed).filter(|part| **part != Component::CurDir).collect();
    let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
    (base, parts.len() - fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::reader::tests::pcap_of;
    use std::os::unix::fs::symlink;

    fn names(found: &[InputPath], root: &Path) -> Vec<String> {
        found.iter().map(|i| i.path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    fn folder() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let capture = pcap_of(&[b"x"]);
        fs::create_dir_all(root.path().join("b/deep/er")).unwrap();
        for name in ["z.pcap", "a.dat", "b/2.pcap", "b/10.pcap", "b/deep/er/x.cap"] {
            fs::write(root.path().join(name), &capture).unwrap();
        }
        fs::write(root.path().join("README"), "nothing").unwrap();
        fs::write(root.path().join("empty.pcap"), "").unwrap();
        fs::write(root.path().join("cut.pcap"), &capture[..10]).unwrap();
        symlink(root.path(), root.path().join("b/circle")).unwrap();
        symlink("nowhere", root.path().join("b/dangling")).unwrap();
        root
    }

    #[test]
    fn a_folder_gives_its_captures_by_content_sorted_and_circles_end() {
        let root = folder();
        let found = discover(&[root.path().to_owned()]);
        assert_eq!(
            names(&found.inputs, root.path()),
            ["a.dat", "b/10.pcap", "b/2.pcap", "b/deep/er/x.cap", "cut.pcap", "z.pcap"]
        );
        assert!(found.problems.is_empty());
        assert_eq!(found.skipped.len(), 3, "{:?}", found.skipped);
        assert!(found.inputs.iter().all(|i| !i.named && i.size.is_some()));
    }

    #[test]
    fn what_is_named_is_taken_and_what_is_not_there_is_a_problem() {
        let root = folder();
        let named = root.path().join("README");
        let missing = root.path().join("missing.pcap");
        let found = discover(&[named.clone(), missing.clone(), named, "-".into(), "-".into()]);
        assert_eq!(found.inputs.len(), 2);
        assert!(found.inputs[0].named);
        assert_eq!(found.inputs[1].kind, InputKind::Stdin);
        assert_eq!(found.problems.len(), 1);
        assert_eq!(found.problems[0].path, missing);
        assert_eq!(found.repeated.len(), 2);
    }

    #[test]
    fn patterns_match_only_where_no_such_file_is() {
        let root = folder();
        let at = |pattern: &str| names(&discover(&[root.path().join(pattern)]).inputs, root.path());
        assert_eq!(at("*.pcap"), ["cut.pcap", "z.pcap"]);
        assert_eq!(at("b/*.pcap"), ["b/10.pcap", "b/2.pcap"]);
        assert_eq!(at("b/[0-9].{pcap,cap}"), ["b/2.pcap"]);
        assert_eq!(at("**/*.cap"), ["b/deep/er/x.cap"]);
        assert_eq!(at("b/de*"), ["b/deep/er/x.cap"], "a folder that matches is entered");
        fs::write(root.path().join("odd[1].pcap"), pcap_of(&[])).unwrap();
        assert_eq!(at("odd[1].pcap"), ["odd[1].pcap"]);
        let none = discover(&[root.path().join("*.nothing")]);
        assert_eq!((none.inputs.len(), none.problems.len()), (0, 1));
        assert!(none.problems[0].to_string().contains("no capture matches"));
    }
}
