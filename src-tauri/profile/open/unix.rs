//! Whether only root can have written a file: it and every folder on the way to it belong to root, and nobody else may
//! write there.

use super::super::error::ConfigError;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Symbolic links on the way, as many as Linux follows.
const MAX_LINKS: usize = 40;

/// The owner that the kernel shows in a user namespace for everybody outside it (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65_534;

/// Opens a file that only root can have written.
pub(super) fn open(file: &Path) -> Result<io::Result<File>, ConfigError> {
    let outside = !uid_map().lines().any(|line| maps(line, OVERFLOW_UID));
    open_below(Path::new("/"), file, |uid| uid == 0 || outside && uid == OVERFLOW_UID)
}

/// Returns the map of user ids of this process's user namespace.
fn uid_map() -> String {
    std::fs::read_to_string("/proc/self/uid_map").unwrap_or_else(|_| "0 0 4294967295".into())
}

/// Returns whether a line of the map, `first-inside first-outside count`, has a user.
fn maps(line: &str, uid: u32) -> bool {
    let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
    let (first, count) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
    (first..first.saturating_add(count)).contains(&uid.into())
}

/// Walks from `root` to the file, link by link, so that each name is looked up in a folder that has been checked.
fn open_below(root: &Path, file: &Path, is_trusted: impl Fn(u32) -> bool) -> Result<io::Result<File>, ConfigError> {
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let check = |stat: &Stat, path: &Path| {
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let others_write = Mode::WGRP | Mode::WOTH;
        let writable = !is_link && Mode::from_raw_mode(stat.st_mode).intersects(others_write);
        if writable || !is_trusted(stat.st_uid) { Err(ConfigError::Untrusted(path.to_owned())) } else { Ok(()) }
    };
    let open_root = || -> Result<(OwnedFd, PathBuf), ConfigError> {
        let folder = openat(CWD, root, look | OFlags::DIRECTORY, Mode::empty()).map_err(unreadable)?;
        check(&fstat(&folder).map_err(unreadable)?, Path::new("/"))?;
        Ok((folder, "/".into()))
    };
    let file = std::path::absolute(file).map_err(|error| ConfigError::Unreadable(error.kind()))?;
    let (mut folder, mut path) = open_root()?;
    let mut rest = steps(&file);
    let mut links = 0;
    while let Some(step) = rest.pop() {
        let node = match openat(&folder, &step, look, Mode::empty()) {
            Ok(node) => node,
            Err(error) => return Ok(Err(error.into())),
        };
        let stat = fstat(&node).map_err(unreadable)?;
        // Links are replaced by their targets, so that this is the folder above.
        if step == ".." {
            path.pop();
        } else {
            path.push(&step);
        }
        check(&stat, &path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            links += 1;
            if links > MAX_LINKS {
                return Err(unreadable(Errno::LOOP));
            }
            let target = readlinkat(&node, "", Vec::new()).map_err(unreadable)?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                (folder, path) = open_root()?;
            } else {
                path.pop();
            }
            rest.extend(steps(&target));
        } else if kind == FileType::RegularFile && rest.is_empty() {
            let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let opened = openat(&folder, &step, read, Mode::empty());
            return Ok(opened.map_err(io::Error::from).and_then(|file| super::require_regular(file.into())));
        } else if kind == FileType::Directory && !rest.is_empty() {
            folder = node;
        } else {
            break;
        }
    }
    Err(ConfigError::Unreadable(ErrorKind::InvalidInput))
}

fn unreadable(error: Errno) -> ConfigError {
    ConfigError::Unreadable(error.kind())
}

/// Returns the steps of a path, last first.
fn steps(path: &Path) -> Vec<OsString> {
    let step = |component: Component| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    /// A tree that the user of the test owns; this user is in the place of root.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            let root = tempfile::tempdir().expect("/tmp can be written");
            for folder in ["etc/vigie", "srv", "home"] {
                fs::create_dir_all(root.path().join(folder)).expect("a new folder");
            }
            let tree = Tree(root);
            for path in ["etc", "etc/vigie", "srv", "home"] {
                tree.set_mode(path, 0o755);
            }
            tree.write("etc/vigie/vigie.toml");
            tree
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str) {
            fs::write(self.path(path), path).expect("a new file");
            self.set_mode(path, 0o644);
        }

        fn set_mode(&self, path: &str, mode: u32) {
            fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).expect("the test's own");
        }

        /// Opens `/etc/vigie/vigie.toml`; returns its text.
        fn open(&self) -> Result<io::Result<String>, ConfigError> {
            let uid = fs::metadata(self.0.path()).expect("the root").uid();
            let read = |mut file: File| {
                let mut text = String::new();
                file.read_to_string(&mut text).map(|_| text)
            };
            let opened = open_below(self.0.path(), Path::new("/etc/vigie/vigie.toml"), |other| other == uid);
            opened.map(|opened| opened.and_then(read))
        }

        #[track_caller]
        fn assert_opens(&self, expected: &str) {
            let opened = self.open();
            assert!(matches!(&opened, Ok(Ok(text)) if text == expected), "{opened:?}");
        }

        #[track_caller]
        fn assert_untrusted(&self, culprit: &str) {
            let opened = self.open();
            let expected = Path::new(culprit);
            assert!(matches!(&opened, Err(ConfigError::Untrusted(path)) if path == expected), "{opened:?}");
        }
    }

    #[test]
    fn only_what_nobody_else_may_write_is_opened() {
        let tree = Tree::new();
        tree.assert_opens("etc/vigie/vigie.toml");
        for (path, mode) in [("etc/vigie/vigie.toml", 0o644), ("etc/vigie", 0o755), ("etc", 0o755)] {
            for others in [0o020, 0o002] {
                tree.set_mode(path, mode | others);
                tree.assert_untrusted(&format!("/{path}"));
                tree.set_mode(path, mode);
            }
        }
        tree.assert_opens("etc/vigie/vigie.toml");
    }

    #[test]
    fn files_of_another_owner_are_not_opened() {
        let tree = Tree::new();
        let opened = open_below(tree.0.path(), Path::new("/etc/vigie/vigie.toml"), |_| false);
        assert!(matches!(opened, Err(ConfigError::Untrusted(_))), "{opened:?}");
    }

    #[test]
    fn links_are_followed_through_trusted_folders_only() {
        let tree = Tree::new();
        let link = tree.path("etc/vigie/vigie.toml");
        for (target, file) in [("/srv/a.toml", "srv/a.toml"), ("../../srv/../srv/a.toml", "srv/a.toml")] {
            fs::remove_file(&link).expect("it is there");
            tree.write(file);
            symlink(target, &link).expect("a link");
            tree.assert_opens(file);
        }
        tree.set_mode("srv", 0o777);
        tree.assert_untrusted("/srv");
        tree.set_mode("srv", 0o755);

        // The folder itself is a link to where a user may write.
        fs::rename(tree.path("etc/vigie"), tree.path("home/vigie")).expect("moved");
        symlink("/home/vigie", tree.path("etc/vigie")).expect("a link");
        tree.assert_opens("srv/a.toml");
        tree.set_mode("home", 0o777);
        tree.assert_untrusted("/home");

        fs::remove_file(tree.path("etc/vigie")).expect("a link");
        symlink("vigie", tree.path("etc/vigie")).expect("a link");
        assert!(matches!(tree.open(), Err(ConfigError::Unreadable(_))), "a link to itself");
    }

    #[test]
    fn what_is_not_a_file_is_not_opened() {
        let tree = Tree::new();
        let path = tree.path("etc/vigie/vigie.toml");
        fs::remove_file(&path).expect("it is there");
        assert!(matches!(tree.open(), Ok(Err(error)) if error.kind() == ErrorKind::NotFound));
        fs::create_dir(&path).expect("a new folder");
        assert!(matches!(tree.open(), Err(ConfigError::Unreadable(ErrorKind::InvalidInput))));
        fs::remove_dir(&path).expect("it is there");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        assert!(matches!(tree.open(), Err(ConfigError::Unreadable(ErrorKind::InvalidInput))));
    }

    #[test]
    fn users_outside_a_user_namespace_are_distinguished_from_those_inside() {
        assert!(maps("         0          0 4294967295", OVERFLOW_UID));
        assert!(!maps("0 1000 1", OVERFLOW_UID));
        assert!(maps("0 100000 65536", OVERFLOW_UID));
        assert!(!maps("nonsense", OVERFLOW_UID) && !maps("", OVERFLOW_UID));
    }
}
