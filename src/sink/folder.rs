//! The output folder: refused if it is in use, filled through a staging folder, never left half
//! written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SinkError;

/// Name of the folder inside the output folder where files stand until they are whole.
const STAGING: &str = ".overhear-partial";
/// File in the staging folder that a run holds locked as long as it lasts.
const LOCK: &str = "lock";
/// What is said of an output that is not whole yet.
const BUSY: &str = "is being written by another run";
/// Files that a run leaves beside the tables.
const DOCUMENTS: [&str; 2] = ["run.json", "findings.jsonl"];

/// When a file that is whole takes its place in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// With all others when the run is over: a run over files. What an earlier run left stays
    /// until then.
    AtEnd,
    /// At once: a live run, which may last for months. What an earlier run left goes first.
    WhenWhole,
    /// With all others at the end, each in the place of the file of its name; what else is there stays.
    Instead,
}

/// Where the output of a run goes.
///
/// Dropped without [`OutputFolder::finish`] it removes what it wrote: with [`Publish::AtEnd`]
/// everything, with [`Publish::WhenWhole`] what is not whole yet.
#[derive(Debug)]
pub struct OutputFolder {
    root: PathBuf,
    staging: PathBuf,
    publish: Publish,
    tables: Vec<&'static str>,
    overwrite: bool,
    /// Folders that this run made so that the output folder is there, outermost first.
    made: Vec<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whole files: where they stand and where they belong below the root.
    staged: Vec<(PathBuf, PathBuf)>,
    /// Files and folders that took their place, to be removed if the end is never reached.
    placed: Vec<PathBuf>,
    /// Held until the run is over.
    lock: Option<fs::File>,
    finished: bool,
}

impl OutputFolder {
    /// Claims a folder for output, which proves that it can be written to.
    ///
    /// One that exists is refused unless `overwrite`; then only what overhear writes is ever
    /// removed from it: Parquet files in the folders of `tables`, `run.json`, `findings.jsonl`.
    pub fn create(
        root: &Path,
        overwrite: bool,
        publish: Publish,
        tables: &[&'static str],
    ) -> Result<Arc<Self>, SinkError> {
        let mut made = Vec::new();
        match fs::metadata(root) {
            Ok(m) if !m.is_dir() => {
                return Err(SinkError::InTheWay { path: root.into(), what: "is not a folder" });
            }
            Ok(_) if !overwrite => return Err(SinkError::Exists(root.into())),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                made =
                    root.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists()).map(Into::into).collect();
                made.reverse();
            }
            Err(e) => return Err(SinkError::io("use", root, e)),
        }
        let staging = root.join(STAGING);
        let folder = Self {
            root: root.into(),
            staging,
            publish,
            tables: tables.to_vec(),
            overwrite,
            made,
            state: Mutex::default(),
        };
        folder.claim()?;
        Ok(Arc::new(folder))
    }

    /// Claims the output of a run that is over, to put files into the places of some of its own.
    pub fn revise(root: &Path, tables: &[&'static str]) -> Result<Arc<Self>, SinkError> {
        let wrong = |what| SinkError::InTheWay { path: root.into(), what };
        match fs::metadata(root) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => return Err(wrong("is not a folder")),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(wrong("there is no such folder")),
            Err(e) => return Err(SinkError::io("use", root, e)),
        }
        let staging = root.join(STAGING);
        if is_held(&staging) {
            return Err(wrong(BUSY));
        }
        if !root.join(DOCUMENTS[0]).is_file() {
            return Err(wrong("is not the output of a run that is over: there is no run.json"));
        }
        let folder = Self {
            root: root.into(),
            staging,
            publish: Publish::Instead,
            tables: tables.to_vec(),
            overwrite: true,
            made: Vec::new(),
            state: Mutex::default(),
        };
        folder.claim()?;
        Ok(Arc::new(folder))
    }

    fn claim(&self) -> Result<(), SinkError> {
        fs::create_dir_all(&self.root).map_err(|e| SinkError::io("create", &self.root, e))?;
        for table in &self.tables {
            let path = self.root.join(table);
            if fs::symlink_metadata(&path).is_ok_and(|m| !m.is_dir()) {
                return Err(SinkError::InTheWay { path, what: "is not a folder, but a table belongs there" });
            }
        }
        if self.overwrite && fs::symlink_metadata(&self.staging).is_ok() {
            if is_held(&self.staging) {
                return Err(SinkError::InTheWay { path: self.root.clone(), what: BUSY });
            }
            // Left by a run that was killed.
            fs::remove_dir_all(&self.staging).map_err(|e| SinkError::io("remove", &self.staging, e))?;
        }
        fs::create_dir(&self.staging).map_err(|e| SinkError::io("write to", &self.root, e))?;
        let path = self.staging.join(LOCK);
        let lock = fs::File::create_new(&path).map_err(|e| SinkError::io("create", &path, e))?;
        // A file system without locks is no reason to write nothing; then nobody is kept out.
        if lock.try_lock().is_ok() {
            self.state().lock = Some(lock);
        }
        if self.overwrite && self.publish == Publish::WhenWhole {
            self.remove_old()?;
        }
        Ok(())
    }

    /// The output folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a file in the staging folder, to be handed to [`OutputFolder::publish`] when whole.
    /// `name` is unique within the run.
    pub(super) fn stage(&self, name: &str) -> Result<(fs::File, PathBuf), SinkError> {
        let path = self.staging.join(name);
        let file = fs::File::create_new(&path).map_err(|e| SinkError::io("create", &path, e))?;
        Ok((file, path))
    }

    /// Says that a staged file is whole and where it belongs below the root.
    pub(super) fn publish(&self, staged: PathBuf, place: PathBuf) -> Result<(), SinkError> {
        match self.publish {
            Publish::AtEnd | Publish::Instead => {
                self.state().staged.push((staged, place));
                Ok(())
            }
            Publish::WhenWhole => self.place(&staged, &place),
        }
    }

    /// Whether a name below the root is taken by a file from before.
    pub(super) fn is_taken(&self, place: &Path) -> bool {
        self.publish == Publish::WhenWhole && fs::symlink_metadata(self.root.join(place)).is_ok()
    }

    fn place(&self, staged: &Path, place: &Path) -> Result<(), SinkError> {
        let to = self.root.join(place);
        // Folders of the table, outermost first, and not the root itself.
        let mut folders: Vec<_> = place.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        folders.reverse();
        for folder in folders {
            let folder = self.root.join(folder);
            match fs::create_dir(&folder) {
                Ok(()) => self.state().placed.push(folder),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(SinkError::io("create", &folder, e)),
            }
        }
        fs::rename(staged, &to).map_err(|e| SinkError::io("write", &to, e))?;
        self.state().placed.push(to);
        Ok(())
    }

    /// Moves everything to its place, what an earlier run left out of the way first, and
    /// `run.json`, given as text, last: who sees it sees a complete output.
    pub fn finish(&self, run_json: &str) -> Result<(), SinkError> {
        let (mut file, staged) = self.stage("run.json")?;
        io::Write::write_all(&mut file, run_json.as_bytes()).map_err(|e| SinkError::io("write", &staged, e))?;
        if self.overwrite && self.publish == Publish::AtEnd {
            self.remove_old()?;
        }
        let whole = std::mem::take(&mut self.state().staged);
        for (from, to) in &whole {
            self.place(from, to)?;
        }
        self.place(&staged, Path::new("run.json"))?;
        self.state().finished = true;
        // Empty by now, unless a writer was dropped without finishing, whose file goes with it.
        fs::remove_dir_all(&self.staging).map_err(|e| SinkError::io("remove", &self.staging, e))
    }

    /// Removes what an earlier run left: only what overhear writes.
    fn remove_old(&self) -> Result<(), SinkError> {
        for name in DOCUMENTS {
            remove_file(&self.root.join(name))?;
        }
        for table in &self.tables {
            let folder = self.root.join(table);
            for entry in entries(&folder)? {
                let name = entry.file_name();
                if name.to_str().is_some_and(|n| n.starts_with("date=")) {
                    for part in entries(&entry.path())? {
                        remove_parquet(&part.path())?;
                    }
                    // Stays where somebody else's files are in it.
                    drop(fs::remove_dir(entry.path()));
                } else {
                    remove_parquet(&entry.path())?;
                }
            }
            drop(fs::remove_dir(&folder));
        }
        Ok(())
    }

    /// Removes what this run wrote and nobody will finish.
    fn abandon(&self) {
        drop(fs::remove_dir_all(&self.staging));
        if self.publish == Publish::AtEnd {
            for path in self.state().placed.iter().rev() {
                drop(if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) });
            }
        }
        for folder in self.made.iter().rev() {
            drop(fs::remove_dir(folder));
        }
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        if !self.state().finished {
            self.abandon();
        }
    }
}

/// Whether a run that is not over holds the staging folder.
fn is_held(staging: &Path) -> bool {
    fs::File::open(staging.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

/// What is in a folder; nothing where it is missing, or is a link to somewhere else.
pub(super) fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, SinkError> {
    if !fs::symlink_metadata(folder).is_ok_and(|m| m.is_dir()) {
        return Ok(Vec::new());
    }
    let error = |e| SinkError::io("read", folder, e);
    fs::read_dir(folder).map_err(error)?.map(|e| e.map_err(error)).collect()
}

fn remove_parquet(path: &Path) -> Result<(), SinkError> {
    if path.extension().is_some_and(|e| e == "parquet") { remove_file(path) } else { Ok(()) }
}

/// Removes a file or a link; nothing where there is none, or a folder.
fn remove_file(path: &Path) -> Result<(), SinkError> {
    match fs::symlink_metadata(path) {
        Ok(m) if !m.is_dir() => fs::remove_file(path).map_err(|e| SinkError::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// All files below a folder, by their path from it.
    fn files(root: &Path) -> Vec<String> {
        let mut out = Vec::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(folder) = open.pop() {
            for e in fs::read_dir(&folder).unwrap() {
                let path = e.unwrap().path();
                out.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        out.sort();
        out
    }

    fn put(folder: &OutputFolder, name: &str, place: &str, text: &str) {
        let (mut file, staged) = folder.stage(name).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        folder.publish(staged, place.into()).unwrap();
    }

    #[test]
    fn a_folder_that_a_run_is_writing_is_not_taken_from_it() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("out");
        let running = OutputFolder::create(&out, false, Publish::WhenWhole, &["dns"]).unwrap();
        let second = OutputFolder::create(&out, true, Publish::AtEnd, &["dns"]);
        assert!(matches!(second, Err(SinkError::InTheWay { .. })), "{second:?}");
        drop(running);
        assert!(OutputFolder::create(&out, true, Publish::AtEnd, &["dns"]).is_ok());
    }

    #[test]
    fn nothing_shows_before_the_end_and_everything_after_it() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("a/b/out");
        let folder = OutputFolder::create(&out, false, Publish::AtEnd, &["dns"]).unwrap();
        put(&folder, "x", "dns/part-00000.parquet", "new");
        assert_eq!(files(&out), [".overhear-partial", ".overhear-partial/lock", ".overhear-partial/x"]);
        folder.finish("{}").unwrap();
        drop(folder);
        assert_eq!(files(&out), ["dns", "dns/part-00000.parquet", "run.json"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("a/b/out");
        let folder = OutputFolder::create(&out, false, Publish::AtEnd, &["dns"]).unwrap();
        put(&folder, "x", "dns/part-00000.parquet", "new");
        drop(folder);
        assert_eq!(files(temp.path()), Vec::<String>::new());
    }

    #[test]
    fn an_existing_folder_is_refused_and_overwritten_only_where_it_is_ours() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path();
        let error = OutputFolder::create(out, false, Publish::AtEnd, &["dns"]).unwrap_err();
        assert!(error.to_string().contains("--overwrite"), "{error}");
        for (path, text) in [
            ("dns/part-00000.parquet", "old"),
            ("dns/part-00001.parquet", "old"),
            ("dns/date=2024-01-01/part-1.parquet", "old"),
            ("dns/notes.txt", "mine"),
            ("other/part-00000.parquet", "mine"),
            ("run.json", "old"),
            ("findings.jsonl", "old"),
            ("thesis.parquet", "mine"),
        ] {
            fs::create_dir_all(out.join(path).parent().unwrap()).unwrap();
            fs::write(out.join(path), text).unwrap();
        }
        let before = files(out);
        let folder = OutputFolder::create(out, true, Publish::AtEnd, &["dns"]).unwrap();
        put(&folder, "x", "dns/part-00000.parquet", "new");
        drop(folder);
        assert_eq!(files(out), before, "an abandoned run leaves the old output as it was");
        let folder = OutputFolder::create(out, true, Publish::AtEnd, &["dns"]).unwrap();
        put(&folder, "x", "dns/part-00000.parquet", "new");
        folder.finish("new").unwrap();
        drop(folder);
        let expected = [
            "dns",
            "dns/notes.txt",
            "dns/part-00000.parquet",
            "other",
            "other/part-00000.parquet",
            "run.json",
            "thesis.parquet",
        ];
        assert_eq!(files(out), expected);
        assert_eq!(fs::read_to_string(out.join("dns/part-00000.parquet")).unwrap(), "new");
        assert_eq!(fs::read_to_string(out.join("other/part-00000.parquet")).unwrap(), "mine");
    }

    #[test]
    fn live_files_stay_though_the_run_never_ends_well() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("out");
        let folder = OutputFolder::create(&out, false, Publish::WhenWhole, &["dns"]).unwrap();
        put(&folder, "x", "dns/date=2024-01-01/part-1.parquet", "new");
        folder.stage("y").unwrap();
        drop(folder);
        assert_eq!(files(&out), ["dns", "dns/date=2024-01-01", "dns/date=2024-01-01/part-1.parquet"]);
    }

    #[test]
    fn a_leftover_of_a_killed_run_is_cleared_away() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(STAGING)).unwrap();
        fs::write(temp.path().join(STAGING).join("x"), "half").unwrap();
        let folder = OutputFolder::create(temp.path(), true, Publish::AtEnd, &[]).unwrap();
        folder.finish("{}").unwrap();
        assert_eq!(files(temp.path()), ["run.json"]);
    }

    #[test]
    fn what_is_in_the_way_is_named_and_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "mine").unwrap();
        for (path, tables) in [(file.as_path(), &[][..]), (temp.path(), &["file"][..])] {
            let error = OutputFolder::create(path, true, Publish::AtEnd, tables).unwrap_err();
            assert!(error.to_string().contains("not a folder"), "{error}");
        }
        let error = OutputFolder::create(&file.join("out"), false, Publish::AtEnd, &[]).unwrap_err();
        assert!(error.to_string().contains("file/out"), "{error}");
        let error = OutputFolder::create(Path::new("/proc/nowhere"), false, Publish::AtEnd, &[]).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere"), "{error}");
        assert_eq!(files(temp.path()), ["file"]);
    }
}
