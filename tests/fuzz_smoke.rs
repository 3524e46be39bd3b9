//! Runs every fuzz target on stable Rust over damaged samples, a fixed number of times from a fixed
//! seed. `make fuzz` does it with libFuzzer, for as long as one likes.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use targets::samples::Samples;

/// Counts what is allocated, so that a target that takes too much memory is found.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that one input of at most 64 KiB may take, with the tables and limits of a whole engine.
/// The decompressors of xz and zstd may take 128 MiB each by their own limits.
const MEMORY_MAX: usize = 384 << 20;

/// Times that each target is run; `OVERHEAR_FUZZ_RUNS` sets another number.
const RUNS: usize = 400;

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Damages an input in one of the ways that break parsers.
fn damage(input: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(input.len());
    let len = 1 + numbers.below(64);
    match numbers.below(9) {
        0 => input.truncate(at),
        1 | 2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        3 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = [0, 1, 0x7f, 0x80, 0xff, b'\n', b':', 0xc0][numbers.below(8)];
            }
        }
        4 => {
            // A length or a count, in either byte order.
            let value = [0u32, 1, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x0001_0000][numbers.below(7)];
            let bytes = if numbers.below(2) == 0 { value.to_be_bytes() } else { value.to_le_bytes() };
            let width = [1, 2, 4][numbers.below(3)];
            for (to, from) in input.iter_mut().skip(at).take(width).zip(&bytes[4 - width..]) {
                *to = *from;
            }
        }
        5 => {
            let end = (at + len).min(input.len());
            input.drain(at.min(end)..end);
        }
        6 => {
            let end = (at + len).min(input.len());
            let copy = input[at.min(end)..end].to_vec();
            let to = numbers.below(input.len());
            input.splice(to..to, copy);
        }
        7 => {
            let from = numbers.below(other.len());
            let part = other[from..].iter().copied().take(len * 4).collect::<Vec<_>>();
            let end = (at + part.len()).min(input.len());
            input.splice(at.min(end)..end, part);
        }
        _ => {
            let fill = numbers.next() as u8;
            input.splice(at..at, std::iter::repeat_n(fill, len));
        }
    }
}

/// All targets in one test: the memory that is counted must be that of one target at a time.
#[test]
fn damaged_samples_do_no_harm() {
    let runs = std::env::var("OVERHEAR_FUZZ_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(RUNS);
    let samples = Samples::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-pcaps"));
    for target in targets::names() {
        let inputs = samples.inputs(&target);
        assert!(!inputs.is_empty(), "{target}: no sample to begin with");
        // Small inputs are run more often: they cost less and are damaged more for their size.
        let mut numbers = Numbers(target.bytes().fold(1, |n: u64, b| n.wrapping_mul(31).wrapping_add(b.into())));
        for run in 0..runs.max(inputs.len()) {
            let small = numbers.below(inputs.len()).min(numbers.below(inputs.len()));
            let mut input = inputs[if run < inputs.len() { run } else { small }].clone();
            if run >= inputs.len() {
                let other = &inputs[numbers.below(inputs.len())];
                for _ in 0..=numbers.below(6) {
                    damage(&mut input, other, &mut numbers);
                }
            }
            let before = IN_USE.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
            let outcome = std::panic::catch_unwind(|| targets::run(&target, &input));
            let took = PEAK.load(Ordering::Relaxed).saturating_sub(before);
            if outcome.is_err() || took > MEMORY_MAX {
                let path = std::env::temp_dir().join(format!("overhear-fuzz-{target}-{run}"));
                let _ = std::fs::write(&path, &input);
                panic!("{target}, run {run}: {} bytes in {} took {took} bytes of memory", input.len(), path.display());
            }
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let mut files: Vec<String> = std::fs::read_dir(folder.join("fuzz_targets"))
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names = targets::names();
    names.sort();
    assert_eq!(files, names, "one file in fuzz/fuzz_targets for each target");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml lacks {name}");
    }
}
