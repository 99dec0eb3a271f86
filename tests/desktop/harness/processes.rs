//! What the processes of a program are, and what can be found in them.

use super::ChildProcess;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

/// All processes that a program has started, and itself.
pub fn descendants(program: &ChildProcess) -> Vec<u32> {
    let mut family = vec![program.pid()];
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    loop {
        let all = fs::read_dir("/proc").expect("it is mounted").flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let more: Vec<u32> = all.filter(|pid| !family.contains(pid)).collect();
        let more: Vec<u32> =
            more.into_iter().filter(|pid| parent(*pid).is_some_and(|of| family.contains(&of))).collect();
        if more.is_empty() {
            return family;
        }
        family.extend(more);
    }
}

/// The name of a process.
pub fn process_name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Where in a process a text is found: its arguments, its environment, its memory (there in UTF-16 too).
pub fn find_secret(pid: u32, text: &str) -> Vec<String> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let contains = |bytes: &[u8]| holds(bytes, &[text.as_bytes(), &wide]);
    let mut found = Vec::new();
    for file in ["cmdline", "environ"] {
        if contains(&fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()) {
            found.push(format!("/proc/{pid}/{file}"));
        }
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    // Who has ended meanwhile has no memory.
    let open = |what: &str| fs::File::open(format!("/proc/{pid}/{what}"));
    let (Ok(memory), Ok(pages)) = (open("mem"), open("pagemap")) else { return found };
    for map in maps.lines().filter(|map| map.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let range = map.split_whitespace().next().and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else { continue };
        let (Ok(mut from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        // In pieces: some maps are larger than the machine's memory. What could stand across an edge is kept.
        let mut bytes = Vec::new();
        while from < to {
            let room = PIECE.min(usize::try_from(to - from).unwrap_or(PIECE));
            if is_used(&pages, from, room) {
                bytes.drain(..bytes.len().saturating_sub(wide.len()));
                let edge = bytes.len();
                bytes.resize(edge + room, 0);
                let read = memory.read_at(&mut bytes[edge..], from).unwrap_or(0);
                bytes.truncate(edge + read);
            } else {
                bytes.clear();
            }
            if contains(&bytes) {
                found.push(format!("the memory of {pid} ({}): {map}", process_name(pid)));
                break;
            }
            from += u64::try_from(room).expect("a small number");
        }
    }
    found
}

/// Bytes of a process's memory that are looked at in one go.
const PIECE: usize = 1 << 20;
const PAGE: usize = 4096;

/// Whether there is anything in a piece of memory: large maps are empty for the most part.
fn is_used(pages: &fs::File, from: u64, room: usize) -> bool {
    let mut entries = vec![0; room / PAGE * 8];
    let at = from / u64::try_from(PAGE).expect("a small number") * 8;
    // The two highest bits: present, swapped (<https://docs.kernel.org/admin-guide/mm/pagemap.html>).
    pages.read_exact_at(&mut entries, at).is_ok() && entries.chunks_exact(8).any(|entry| entry[7] & 0xc0 != 0)
}

/// Whether one of these forms of a text stands in there; they begin alike. (What searches is the standard library, which
/// is fast in a test too.)
fn holds(mut bytes: &[u8], forms: &[&[u8]]) -> bool {
    while bytes.skip_until(forms[0][0]).is_ok_and(|skipped| skipped > 0) {
        if forms.iter().any(|form| bytes.starts_with(&form[1..])) {
            return true;
        }
    }
    false
}

/// Files below the folder in which a text is found.
pub fn files_containing(folder: &std::path::Path, text: &str) -> Vec<PathBuf> {
    let output = Command::new("grep").args(["-rlaF", "--devices=skip", "-e", text]).arg(folder).output();
    let output = output.expect("grep is there");
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}
