//! Finds the processes that a program has started, and texts in their memory and files.

use super::ChildProcess;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

/// Returns the process ids of a program and of all its descendants.
pub fn descendants(program: &ChildProcess) -> Vec<u32> {
    descendants_of(program.pid())
}

/// Returns a process id and those of all descendants.
pub fn descendants_of(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    loop {
        let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let more: Vec<u32> = all.filter(|pid| !found.contains(pid)).collect();
        let more: Vec<u32> =
            more.into_iter().filter(|pid| parent(*pid).is_some_and(|of| found.contains(&of))).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Returns the name of a process.
pub fn process_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Returns the places in a process where a text is found, in UTF-8 or UTF-16: arguments, environment, memory.
pub fn find_secret(pid: u32, text: &str) -> Vec<String> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let contains = |bytes: &[u8]| contains_any(bytes, &[text.as_bytes(), &wide]);
    let mut found = Vec::new();
    for file in ["cmdline", "environ"] {
        if contains(&fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()) {
            found.push(format!("/proc/{pid}/{file}"));
        }
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    // The process may have ended.
    let open = |what: &str| fs::File::open(format!("/proc/{pid}/{what}"));
    let (Ok(memory), Ok(pages)) = (open("mem"), open("pagemap")) else { return found };
    for map in maps.lines().filter(|map| map.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let range = map.split_whitespace().next().and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else { continue };
        let (Ok(mut from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        // Read in chunks, as some maps are larger than the machine's memory. The end of a chunk is kept for the next one,
        // so that a text across the boundary is found.
        let mut bytes = Vec::new();
        while from < to {
            let length = CHUNK_BYTES.min(usize::try_from(to - from).unwrap_or(CHUNK_BYTES));
            if is_used(&pages, from, length) {
                bytes.drain(..bytes.len().saturating_sub(wide.len()));
                let kept = bytes.len();
                bytes.resize(kept + length, 0);
                let read = memory.read_at(&mut bytes[kept..], from).unwrap_or(0);
                bytes.truncate(kept + read);
            } else {
                bytes.clear();
            }
            if contains(&bytes) {
                found.push(format!("the memory of {pid} ({}): {map}", process_name(pid)));
                break;
            }
            from += u64::try_from(length).expect("a small number");
        }
    }
    found
}

/// How much of a process's memory is read at once.
const CHUNK_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

/// Returns whether a range of memory has pages that are present or swapped; most of a large map has none.
fn is_used(pages: &fs::File, from: u64, length: usize) -> bool {
    let mut entries = vec![0; length / PAGE_BYTES * 8];
    let at = from / u64::try_from(PAGE_BYTES).expect("a small number") * 8;
    // The two highest bits: present, swapped (<https://docs.kernel.org/admin-guide/mm/pagemap.html>).
    pages.read_exact_at(&mut entries, at).is_ok() && entries.chunks_exact(8).any(|entry| entry[7] & 0xc0 != 0)
}

/// Returns whether one of these encodings of a text, which begin with the same byte, is found. The search is that of the
/// standard library, which is fast in debug builds too.
fn contains_any(mut bytes: &[u8], encodings: &[&[u8]]) -> bool {
    while bytes.skip_until(encodings[0][0]).is_ok_and(|skipped| skipped > 0) {
        if encodings.iter().any(|encoding| bytes.starts_with(&encoding[1..])) {
            return true;
        }
    }
    false
}

/// Returns the files below a folder that contain a text.
pub fn files_containing(folder: &std::path::Path, text: &str) -> Vec<PathBuf> {
    let output = Command::new("grep").args(["-rlaF", "--devices=skip", "-e", text]).arg(folder).output();
    let output = output.expect("grep starts");
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}
