//! The file with the report for the helpdesk, where the user finds it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a folder may take to answer: it may lie on a server that is out of reach.
const FOLDER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many reports of one minute have a name of their own.
const MAX_SAME_NAME: u32 = 20;

/// Writes the report into the user's documents, else on the desktop, else into the home folder. Returns the file.
pub async fn save(name: String, text: String) -> Option<String> {
    let folders = [dirs::document_dir(), dirs::desktop_dir(), dirs::home_dir()];
    save_in(folders.into_iter().flatten().collect(), name, text).await
}

async fn save_in(folders: Vec<PathBuf>, name: String, text: String) -> Option<String> {
    for folder in folders {
        let (name, text, place) = (name.clone(), text.clone(), folder.clone());
        let written = tokio::task::spawn_blocking(move || write(&place, &name, &text));
        match tokio::time::timeout(FOLDER_TIMEOUT, written).await {
            Ok(Ok(Ok(file))) => return Some(file.display().to_string()),
            Ok(Ok(Err(error))) => tracing::warn!("the report was not written to {}: {error}", folder.display()),
            Ok(Err(_)) | Err(_) => tracing::warn!("{} does not answer", folder.display()),
        }
    }
    None
}

/// Writes a new file; one of that name is left alone.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "txt"));
    for number in 1..=MAX_SAME_NAME {
        let name = if number == 1 { name.to_owned() } else { format!("{stem}-{number}.{extension}") };
        let path = folder.join(name);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(mut file) => {
                // Notepad takes a text with this mark for UTF-8, in every version.
                file.write_all(format!("\u{feff}{}", text.replace('\n', "\r\n")).as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_report_is_written_to_the_first_folder_that_takes_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gone = folder.path().join("gone");
        let save = |text: &str| save_in(vec![gone.clone(), folder.path().into()], "a.txt".into(), text.into());
        let first = save("un\ndeux").await.expect("written");
        assert_eq!(fs::read_to_string(&first).expect("readable"), "\u{feff}un\r\ndeux");
        let second = save("trois").await.expect("written");
        assert!(second.ends_with("a-2.txt") && first.ends_with("a.txt"), "{first} {second}");
        assert_eq!(save_in(vec![gone], "a.txt".into(), String::new()).await, None);
    }
}
