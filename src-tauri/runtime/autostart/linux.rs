//! A desktop entry in an `autostart` folder (freedesktop.org Desktop Application Autostart Specification): the user's
//! file hides the system's of the same name, and one that says `Hidden=true` switches it off.

use freedesktop_desktop_entry::DesktopEntry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "autostart/vigie.desktop";

/// Whether an entry starts Vigie.
pub fn enabled() -> bool {
    Entries::system().is_ok_and(|entries| entries.enabled())
}

/// Never: the entry itself is not started where the user does not want it.
pub fn declined() -> bool {
    false
}

/// Writes the user's choice.
pub fn set(on: bool) -> io::Result<()> {
    let program = std::env::current_exe()?;
    Entries::system()?.set(on, &program)
}

struct Entries {
    user: PathBuf,
    system: Vec<PathBuf>,
}

impl Entries {
    fn system() -> io::Result<Entries> {
        let user =
            dirs::config_dir().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no configuration folder"))?;
        let dirs = std::env::var_os("XDG_CONFIG_DIRS").filter(|dirs| !dirs.is_empty());
        let dirs = dirs.unwrap_or_else(|| "/etc/xdg".into());
        let system = std::env::split_paths(&dirs).filter(|dir| dir.is_absolute()).map(|dir| dir.join(NAME));
        Ok(Entries { user: user.join(NAME), system: system.collect() })
    }

    fn enabled(&self) -> bool {
        if self.user.exists() { starts(&self.user) } else { self.installed() }
    }

    /// Whether the installation starts Vigie for everybody. The first of the folders that has the entry decides.
    fn installed(&self) -> bool {
        self.system.iter().find(|path| path.exists()).is_some_and(|path| starts(path))
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
        // The installation says it already: nothing of the user's needs to lie over it.
        match fs::remove_file(&self.user) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

fn starts(path: &Path) -> bool {
    let Ok(entry) = DesktopEntry::from_path(path, None::<&[&str]>) else { return false };
    // GNOME's and Cinnamon's settings write a key of their own instead of Hidden.
    entry.desktop_entry("Hidden") != Some("true") && entry.desktop_entry("X-GNOME-Autostart-enabled") != Some("false")
}

fn entry(program: &Path) -> io::Result<String> {
    let program =
        program.to_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a path that is no text"))?;
    // After an upgrade the kernel says so of the file that was replaced.
    let program = program.strip_suffix(" (deleted)").unwrap_or(program);
    Ok(format!("[Desktop Entry]\nType=Application\nName=Vigie\nIcon=vigie\nExec={}\n", quoted(program)))
}

/// A word of an `Exec` line: quoted for the command line, then escaped as every value is (Desktop Entry Specification,
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

    fn entries() -> (tempfile::TempDir, Entries) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let system = vec![dir.path().join("xdg1").join(NAME), dir.path().join("xdg2").join(NAME)];
        let entries = Entries { user: dir.path().join("config").join(NAME), system };
        (dir, entries)
    }

    fn install(path: &Path, more: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, format!("[Desktop Entry]\nType=Application\nName=Vigie\nExec=vigie\n{more}")).expect("written");
    }

    #[test]
    fn without_an_installation_the_users_file_decides() {
        let (_dir, entries) = entries();
        assert!(!entries.enabled());
        entries.set(false, Path::new("/opt/vigie")).expect("nothing to do");
        assert!(!entries.user.exists());
        entries.set(true, Path::new("/opt/vigie")).expect("written");
        assert!(entries.enabled());
        entries.set(false, Path::new("/opt/vigie")).expect("removed");
        assert!(!entries.enabled() && !entries.user.exists());
    }

    #[test]
    fn an_installations_entry_is_switched_off_and_on_by_the_users_file() {
        let (_dir, entries) = entries();
        install(&entries.system[1], "");
        assert!(entries.enabled());
        entries.set(false, Path::new("/opt/vigie")).expect("written");
        assert!(!entries.enabled() && entries.user.exists());
        entries.set(true, Path::new("/opt/vigie")).expect("removed");
        assert!(entries.enabled() && !entries.user.exists());
        // The nearer folder hides the further one.
        install(&entries.system[0], "Hidden=true\n");
        assert!(!entries.enabled());
    }

    #[test]
    fn what_the_desktops_settings_wrote_counts() {
        let (_dir, entries) = entries();
        install(&entries.system[0], "");
        install(&entries.user, "X-GNOME-Autostart-enabled=false\n");
        assert!(!entries.enabled());
        install(&entries.user, "");
        assert!(entries.enabled());
        fs::write(&entries.user, b"\xff").expect("written");
        assert!(!entries.enabled(), "what cannot be read starts nothing");
    }

    #[test]
    fn the_program_is_found_again_whatever_its_path() {
        let (_dir, entries) = entries();
        let paths = ["/usr/bin/vigie", "/opt/a b/vigie", "/opt/100%/vi\"g`i$e\\", "/opt/é/vigie"];
        for path in paths {
            entries.set(true, Path::new(path)).expect("written");
            let entry = DesktopEntry::from_path(&entries.user, None::<&[&str]>).expect("an entry");
            // The library leaves the escaped per cent sign to its callers.
            let words: Vec<_> = entry.parse_exec().expect("words").iter().map(|word| word.replace("%%", "%")).collect();
            assert_eq!(words, [path]);
        }
        entries.set(true, Path::new("/usr/bin/vigie (deleted)")).expect("written");
        assert!(fs::read_to_string(&entries.user).expect("text").ends_with("Exec=\"/usr/bin/vigie\"\n"));
    }
}
