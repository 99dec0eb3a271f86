//! A desktop entry in an `autostart` folder (freedesktop.org Desktop Application Autostart Specification): the user's
//! file hides the system's of the same name, and `Hidden=true` disables it.

use freedesktop_desktop_entry::DesktopEntry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use vigie_profile::read_text;

const NAME: &str = "autostart/vigie.desktop";

/// Returns whether an entry starts Vigie.
pub fn enabled() -> bool {
    AutostartFiles::system().is_ok_and(|files| files.enabled())
}

/// Returns `false`: an entry that the user has disabled is not started at all.
pub fn declined() -> bool {
    false
}

/// Writes the user's choice.
pub fn set(on: bool) -> io::Result<()> {
    let program = std::env::current_exe()?;
    AutostartFiles::system()?.set(on, &program)
}

struct AutostartFiles {
    user: PathBuf,
    system: Vec<PathBuf>,
}

impl AutostartFiles {
    fn system() -> io::Result<AutostartFiles> {
        let user =
            dirs::config_dir().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no configuration folder"))?;
        let dirs = std::env::var_os("XDG_CONFIG_DIRS").filter(|dirs| !dirs.is_empty());
        let dirs = dirs.unwrap_or_else(|| "/etc/xdg".into());
        let system = std::env::split_paths(&dirs).filter(|dir| dir.is_absolute()).map(|dir| dir.join(NAME));
        Ok(AutostartFiles { user: user.join(NAME), system: system.collect() })
    }

    /// Whether the session starts Vigie: the user's own entry decides, otherwise the installation's.
    fn enabled(&self) -> bool {
        if exists(&self.user) { starts(&self.user) } else { self.installed() }
    }

    /// Returns whether the installation starts Vigie for all users. The first folder that has the entry decides.
    fn installed(&self) -> bool {
        self.system.iter().find(|path| exists(path)).is_some_and(|path| starts(path))
    }

    fn set(&self, on: bool, program: &Path) -> io::Result<()> {
        if on != self.installed() {
            let text = if on {
                entry(program)?
            } else {
                "[Desktop Entry]\nType=Application\nName=Vigie\nHidden=true\n".into()
            };
            if let Some(folder) = self.user.parent() {
                fs::create_dir_all(folder)?;
            }
            return fs::write(&self.user, text);
        }
        // The installation's entry already does that: the user's file is not needed.
        match fs::remove_file(&self.user) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// Whether there is anything at the path, even a broken link.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Anything but a regular file, such as a FIFO, is not opened and starts nothing.
fn starts(path: &Path) -> bool {
    let Ok(Some(text)) = read_text(path) else { return false };
    let Ok(entry) = DesktopEntry::from_str(path, &text, None::<&[&str]>) else { return false };
    // The settings of GNOME and Cinnamon write a key of their own instead of Hidden.
    entry.desktop_entry("Hidden") != Some("true") && entry.desktop_entry("X-GNOME-Autostart-enabled") != Some("false")
}

/// Returns the text of an autostart entry for the program.
fn entry(program: &Path) -> io::Result<String> {
    let program = program
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the program's path is not UTF-8"))?;
    // The kernel appends this to the path of a file that an upgrade has replaced.
    let program = program.strip_suffix(" (deleted)").unwrap_or(program);
    Ok(format!("[Desktop Entry]\nType=Application\nName=Vigie\nIcon=vigie\nExec={}\n", quoted(program)))
}

/// Returns a word of an `Exec` line: quoted for the command line, then escaped like every value (Desktop Entry Specification,
/// "The Exec key").
fn quoted(word: &str) -> String {
    let mut text = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '`' | '$' => text.extend(['\\', '\\', c]),
            '\\' => text.push_str(r"\\\\"),
            '%' => text.push_str("%%"),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (tempfile::TempDir, AutostartFiles) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let system = vec![dir.path().join("xdg1").join(NAME), dir.path().join("xdg2").join(NAME)];
        let files = AutostartFiles { user: dir.path().join("config").join(NAME), system };
        (dir, files)
    }

    fn install(path: &Path, more: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, format!("[Desktop Entry]\nType=Application\nName=Vigie\nExec=vigie\n{more}")).expect("written");
    }

    #[test]
    fn user_file_decides_without_an_installation() {
        let (_dir, files) = files();
        assert!(!files.enabled());
        files.set(false, Path::new("/opt/vigie")).expect("nothing to do");
        assert!(!files.user.exists());
        files.set(true, Path::new("/opt/vigie")).expect("written");
        assert!(files.enabled());
        files.set(false, Path::new("/opt/vigie")).expect("removed");
        assert!(!files.enabled() && !files.user.exists());
    }

    #[test]
    fn user_file_disables_and_enables_the_installed_entry() {
        let (_dir, files) = files();
        install(&files.system[1], "");
        assert!(files.enabled());
        files.set(false, Path::new("/opt/vigie")).expect("written");
        assert!(!files.enabled() && files.user.exists());
        files.set(true, Path::new("/opt/vigie")).expect("removed");
        assert!(files.enabled() && !files.user.exists());
        // An earlier folder hides a later one.
        install(&files.system[0], "Hidden=true\n");
        assert!(!files.enabled());
    }

    #[test]
    fn keys_of_the_desktop_settings_count() {
        let (_dir, files) = files();
        install(&files.system[0], "");
        install(&files.user, "X-GNOME-Autostart-enabled=false\n");
        assert!(!files.enabled());
        install(&files.user, "");
        assert!(files.enabled());
        fs::write(&files.user, b"\xff").expect("written");
        assert!(!files.enabled(), "a file that cannot be read starts nothing");
        fs::remove_file(&files.user).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &files.user, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
        assert!(!files.enabled(), "nor does a FIFO");
    }

    #[test]
    fn program_path_survives_quoting() {
        let (_dir, files) = files();
        let paths = ["/usr/bin/vigie", "/opt/a b/vigie", "/opt/100%/vi\"g`i$e\\", "/opt/é/vigie"];
        for path in paths {
            files.set(true, Path::new(path)).expect("written");
            let entry = DesktopEntry::from_path(&files.user, None::<&[&str]>).expect("an entry");
            // The library does not unescape the per cent sign.
            let words: Vec<_> = entry.parse_exec().expect("words").iter().map(|word| word.replace("%%", "%")).collect();
            assert_eq!(words, [path]);
        }
        files.set(true, Path::new("/usr/bin/vigie (deleted)")).expect("written");
        assert!(fs::read_to_string(&files.user).expect("text").ends_with("Exec=\"/usr/bin/vigie\"\n"));
    }
}
