//! Drives are mounts: the kernel's table tells which stand, fstab, the automounter and GNOME's bookmarks which could.
//!
//! A mount is never looked into: `stat` on a server that is gone waits for it.

use crate::sensors::expand;
use anyhow::Context;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use vigie_core::message::{DriveMount, DriveState};
use vigie_profile::Drive;

/// Where the drives of the profile stand.
pub(super) fn read(drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    let known = Known::read(dirs::home_dir().as_deref())?;
    let state = |drive: &Drive| DriveState { letter: drive.letter, mount: known.find(drive) };
    Ok(drives.iter().map(state).collect())
}

/// What the system knows about mounts.
#[derive(Debug, Default)]
struct Known {
    mounted: Vec<Mount>,
    /// Mount points of /etc/fstab.
    planned: Vec<PathBuf>,
    /// Shares that a file manager has mounted, below gvfs's directory.
    gvfs: Vec<PathBuf>,
    /// Addresses among the file manager's bookmarks.
    bookmarks: Vec<String>,
}

/// A line of /proc/self/mountinfo.
#[derive(Debug, PartialEq)]
struct Mount {
    point: PathBuf,
    kind: String,
    source: String,
}

impl Known {
    fn read(home: Option<&Path>) -> anyhow::Result<Known> {
        let table = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
        let mounted: Vec<Mount> = table.lines().filter_map(mount).collect();
        // gvfs's own process answers this, from its list of mounts.
        let gvfs = (mounted.iter().filter(|mount| mount.kind == "fuse.gvfsd-fuse"))
            .filter_map(|mount| fs::read_dir(&mount.point).ok())
            .flat_map(|shares| shares.filter_map(|share| Some(share.ok()?.path())))
            .collect();
        let fstab = fs::read_to_string("/etc/fstab").unwrap_or_default();
        let bookmarks = home.and_then(|home| fs::read_to_string(home.join(".config/gtk-3.0/bookmarks")).ok());
        Ok(Known { mounted, planned: planned(&fstab), gvfs, bookmarks: addresses(&bookmarks.unwrap_or_default()) })
    }

    /// The first place that stands wins, else the first that could stand.
    fn find(&self, drive: &Drive) -> DriveMount {
        let mut could = None;
        for place in &drive.mount_points {
            let found = match place.strip_prefix("smb://") {
                Some(share) => self.share(place, share),
                None => expand(place).map_or(DriveMount::Absent, |place| self.place(&tidy(&place))),
            };
            match found {
                DriveMount::Connected(_) => return found,
                DriveMount::Disconnected(_) => could = could.or(Some(found)),
                DriveMount::Absent => {}
            }
        }
        could.unwrap_or(DriveMount::Absent)
    }

    fn place(&self, place: &Path) -> DriveMount {
        let path = || place.to_string_lossy().into_owned();
        // The last mount on a point covers those before it; the automounter's own mount stays below the real one.
        let top = self.mounted.iter().rfind(|mount| mount.point == place);
        let automatic = |mount: &Mount| mount.kind == "autofs";
        if top.is_some_and(|mount| !automatic(mount)) || self.gvfs.iter().any(|share| share == place) {
            return DriveMount::Connected(path());
        }
        let below = place.parent();
        let indirect = || self.mounted.iter().any(|mount| automatic(mount) && Some(mount.point.as_path()) == below);
        if top.is_some() || indirect() || self.planned.iter().any(|planned| planned == place) {
            return DriveMount::Disconnected(path());
        }
        DriveMount::Absent
    }

    fn share(&self, address: &str, share: &str) -> DriveMount {
        let share = share.trim_end_matches('/');
        let source = |mount: &&Mount| {
            let source = mount.source.strip_prefix("//").map(|source| source.trim_end_matches('/'));
            source.is_some_and(|source| source.eq_ignore_ascii_case(share))
        };
        let mounted = self.mounted.iter().rfind(source).map(|mount| &mount.point);
        let in_gvfs = |path: &&PathBuf| gvfs_share(path).is_some_and(|name| name.eq_ignore_ascii_case(share));
        if let Some(path) = mounted.or_else(|| self.gvfs.iter().find(in_gvfs)) {
            return DriveMount::Connected(path.to_string_lossy().into_owned());
        }
        let same =
            |bookmark: &String| bookmark.trim_end_matches('/').eq_ignore_ascii_case(address.trim_end_matches('/'));
        match self.bookmarks.iter().any(same) {
            true => DriveMount::Disconnected(address.to_owned()),
            false => DriveMount::Absent,
        }
    }
}

/// A line of mountinfo, proc_pid_mountinfo(5): the fifth field is the mount point; after a lone `-` come the type of
/// the file system and its source.
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    Some(Mount {
        point: path(before.split(' ').nth(4)?),
        kind: after.next()?.to_owned(),
        source: path(after.next()?).to_string_lossy().into_owned(),
    })
}

/// The mount points of fstab(5).
fn planned(fstab: &str) -> Vec<PathBuf> {
    let lines = fstab.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().nth(1)).filter(|point| point.starts_with('/')).map(path).collect()
}

/// GTK's bookmarks: an address a line, a label after it.
fn addresses(bookmarks: &str) -> Vec<String> {
    bookmarks.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// `server/share` of gvfs's `smb-share:server=…,share=…[,user=…]`.
fn gvfs_share(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_prefix("smb-share:")?;
    let value = |key: &str| name.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    Some(format!("{}/{}", value("server")?, value("share")?))
}

/// A path in which white space and backslashes stand as three octal digits: `\040`.
fn path(field: &str) -> PathBuf {
    let field = field.as_bytes();
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while let Some(byte) = field.get(at) {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match field.get(at + 1..at + 4).filter(|_| *byte == b'\\').and_then(octal) {
            Some(escaped) => {
                bytes.push(escaped);
                at += 4;
            }
            None => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// `/mnt/i/` is the same place as `/mnt/i`.
fn tidy(place: &Path) -> PathBuf {
    place.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_profile::DriveUse;

    const TABLE: &str = r"24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
30 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
90 30 0:51 / /mnt/u rw,relatime shared:50 - cifs //fichiers.ac-caen.fr/perso rw,vers=3.1.1,sec=krb5
91 30 0:52 / /mnt/Donn\303\251es\040communes rw,relatime - cifs //fichiers/commun rw
92 30 0:53 / /reseau rw,relatime shared:60 - autofs /etc/auto.reseau rw,fd=6,indirect
93 92 0:54 / /reseau/s rw,relatime shared:61 - nfs4 serveur:/s rw
94 30 0:55 / /mnt/t rw,relatime shared:62 - autofs systemd-1 rw,fd=50,direct
95 30 0:56 / /mnt/v rw,relatime shared:63 - autofs systemd-1 rw,fd=51,direct
96 95 0:57 / /mnt/v rw,relatime shared:64 - cifs //fichiers/v rw
97 30 0:58 / /run/user/1000/gvfs rw,nosuid,nodev,relatime shared:70 - fuse.gvfsd-fuse gvfsd-fuse rw,user_id=1000
not a line of the table
";

    fn known() -> Known {
        Known {
            mounted: TABLE.lines().filter_map(mount).collect(),
            planned: planned(
                "# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n//fichiers/i\t/mnt/i  cifs noauto,user 0 0\n \nx none swap\n",
            ),
            gvfs: vec!["/run/user/1000/gvfs/smb-share:server=fichiers.ac-rouen.fr,share=commun,user=a".into()],
            bookmarks: addresses("file:///home/a/Documents\nsmb://fichiers/Projets/ Les projets\n"),
        }
    }

    fn find(places: &[&str]) -> DriveMount {
        let mount_points = places.iter().map(|place| (*place).to_owned()).collect();
        let drive = Drive { letter: 'I', holds: DriveUse::Professional, mount_points };
        known().find(&drive)
    }

    fn connected(path: &str) -> DriveMount {
        DriveMount::Connected(path.into())
    }

    fn disconnected(path: &str) -> DriveMount {
        DriveMount::Disconnected(path.into())
    }

    #[test]
    fn a_mount_is_connected() {
        assert_eq!(find(&["/mnt/u"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/u/"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/Données communes"]), connected("/mnt/Données communes"));
        assert_eq!(find(&["/mnt"]), DriveMount::Absent);
        assert_eq!(find(&[]), DriveMount::Absent);
    }

    #[test]
    fn an_automount_is_known_until_it_is_mounted() {
        assert_eq!(find(&["/mnt/t"]), disconnected("/mnt/t"));
        assert_eq!(find(&["/mnt/v"]), connected("/mnt/v"));
        assert_eq!(find(&["/reseau/s"]), connected("/reseau/s"));
        assert_eq!(find(&["/reseau/i"]), disconnected("/reseau/i"));
    }

    #[test]
    fn fstab_is_known_too_and_a_mount_wins_over_it() {
        assert_eq!(find(&["/mnt/i"]), disconnected("/mnt/i"));
        assert_eq!(find(&["/mnt/i", "/mnt/u"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/i", "/mnt/t"]), disconnected("/mnt/i"));
    }

    #[test]
    fn shares_are_found_by_their_address() {
        let gvfs = "/run/user/1000/gvfs/smb-share:server=fichiers.ac-rouen.fr,share=commun,user=a";
        assert_eq!(find(&["smb://fichiers.ac-rouen.fr/Commun"]), connected(gvfs));
        assert_eq!(find(&[gvfs]), connected(gvfs));
        assert_eq!(find(&["smb://fichiers.ac-caen.fr/perso/"]), connected("/mnt/u"));
        assert_eq!(find(&["smb://fichiers/projets"]), disconnected("smb://fichiers/projets"));
        assert_eq!(find(&["smb://fichiers/autre"]), DriveMount::Absent);
    }

    #[test]
    fn broken_escapes_are_left() {
        assert_eq!(path(r"a\04"), Path::new(r"a\04"));
        assert_eq!(path(r"a\999"), Path::new(r"a\999"));
        assert_eq!(path(r"\134"), Path::new(r"\"));
    }

    #[test]
    fn a_real_mount_is_seen() {
        let drive = |place: &str| Drive { letter: 'I', holds: DriveUse::Personal, mount_points: vec![place.into()] };
        let drives = read(&[drive("/proc"), drive("/nowhere")]).expect("Linux has a table of mounts");
        assert_eq!(drives[0].mount, connected("/proc"));
        assert_eq!(drives[1].mount, DriveMount::Absent);
    }
}
