//! Reads the transcripts of Cisco's command line (src-tauri/transcripts), for tests.

use std::fs;
use std::path::Path;

/// One file.
pub struct Transcript {
    /// Its name, without the extension.
    pub name: String,
    header: Vec<(String, String)>,
    /// What the program prints, with the marks of its README.
    pub output: String,
}

impl Transcript {
    /// Reads the transcripts whose names have this prefix.
    pub fn all(prefix: &str) -> Vec<Transcript> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src-tauri/transcripts");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
            .filter(|name| name.starts_with(prefix))
            .collect();
        names.sort();
        let read = |name: String| {
            let text = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
            let (header, output) = text.split_once("\n\n").unwrap();
            let header = header.lines().map(|line| line.split_once(':').unwrap());
            let header = header.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
            Transcript { name, header, output: output.strip_suffix('\n').unwrap().replace("\\r", "\r") }
        };
        names.into_iter().map(read).collect()
    }

    /// Returns the value of a key of the header.
    pub fn find(&self, key: &str) -> Option<&str> {
        self.header.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}
