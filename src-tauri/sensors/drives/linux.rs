//! Finds the drives among the kernel's mounts and the shares of the file managers (gvfs, KIO). Drives that are known but
//! not connected are found in fstab, the automounter and the file managers' bookmarks.
//!
//! No file below a mount is accessed: `stat` would wait for a server that is down.

use crate::sensors::expand;
use crate::sensors::inotify::register;
use crate::sensors::servers::{Server, without_brackets};
use anyhow::Context;
use futures_util::StreamExt;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::iter::zip;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::sync::watch;
use vigie_core::message::{DriveMount, DriveState};
use vigie_profile::{Drive, Protocol, read_text};
use zbus::{Connection, MatchRule, MessageStream};

const MOUNTS: &str = "/proc/self/mountinfo";
/// gvfs announces its mounts with the signals `Mounted` and `Unmounted` of this interface.
const GVFS_MOUNTS: &str = "type='signal',interface='org.gtk.vfs.MountTracker'";

/// Returns the state of each drive.
pub(super) fn read(drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    let mounts = MountSources::read(dirs::config_dir().as_deref(), dirs::data_dir().as_deref())?;
    let state = |drive: &Drive| DriveState { letter: drive.letter, mount: mounts.find(drive) };
    Ok(drives.iter().map(state).collect())
}

/// Returns the servers of the mounts and shares; connected ones first.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    Ok(MountSources::read(dirs::config_dir().as_deref(), dirs::data_dir().as_deref())?.servers())
}

/// Notifies when something was mounted or unmounted, by the kernel or by gvfs, whose mounts are folders of one kernel mount.
/// (kio-fuse announces nothing.)
pub(super) async fn watch(changed: watch::Sender<()>) {
    let mounts = async {
        let Err(error) = watch_mounts(&changed).await;
        tracing::warn!("changes of drives are not noticed at once: {error}");
    };
    let shares = async {
        if let Err(error) = watch_shares(Connection::session().await, &changed).await {
            tracing::warn!("shares that gvfs mounts are not noticed at once: {error}");
        }
    };
    tokio::join!(mounts, shares);
}

/// Watches the table of mounts: after a change it is ready for priority reading, proc_pid_mounts(5).
async fn watch_mounts(changed: &watch::Sender<()>) -> io::Result<Infallible> {
    let table = register(File::open(MOUNTS)?.into(), Interest::PRIORITY)?;
    loop {
        table.ready(Interest::PRIORITY).await?.clear_ready();
        changed.send_replace(());
    }
}

/// Watches gvfs on that bus, until the bus ends.
async fn watch_shares(bus: zbus::Result<Connection>, changed: &watch::Sender<()>) -> zbus::Result<()> {
    let mut signals = MessageStream::for_match_rule(MatchRule::try_from(GVFS_MOUNTS)?, &bus?, None).await?;
    // What was mounted before.
    changed.send_replace(());
    while signals.next().await.is_some() {
        changed.send_replace(());
    }
    Ok(())
}

/// What the system knows about mounts and shares.
#[derive(Debug, Default)]
struct MountSources {
    mounted: Vec<Mount>,
    /// Mount points of /etc/fstab.
    fstab: Vec<PathBuf>,
    /// Shares that a file manager has mounted below the folder of gvfs or of kio-fuse.
    user_mounts: Vec<(Share, PathBuf)>,
    /// Shares among the file managers' bookmarks.
    bookmarks: Vec<Share>,
}

/// A line of /proc/self/mountinfo.
#[derive(Debug, PartialEq)]
struct Mount {
    point: PathBuf,
    kind: String,
    source: String,
}

/// A share of a file server, and maybe a folder in it. SMB ignores case, and neither user nor port make another share.
#[derive(Debug, Clone)]
struct Share {
    server: String,
    path: Vec<String>,
}

impl Share {
    /// Parses what follows `smb://` or the `//` of a mount's source: `[[domain;]user[:password]@]server[:port]/share/…`.
    fn parse(address: &str) -> Option<Share> {
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        Share::new(host, path.split('/'))
    }

    /// A URL may contain percent-encoded characters, a mount's source is plain. A share whose plain name contains a valid
    /// escape does not occur.
    fn new<'a>(server: &str, path: impl IntoIterator<Item = &'a str>) -> Option<Share> {
        let server = percent_decoded(server);
        let path = path.into_iter().filter(|part| !part.is_empty()).map(percent_decoded).collect();
        (!server.is_empty()).then_some(Share { server, path })
    }

    /// Parses a bookmark's address. `file://` and others are not shares.
    fn from_url(url: &str) -> Option<Share> {
        let (scheme, address) = url.split_once("://")?;
        ["smb", "cifs"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| Share::parse(address))?
    }

    /// Returns the part of `self` below `other`, if `self` is `other` or a folder in it.
    fn below(&self, other: &Share) -> Option<&[String]> {
        let same = |one: &String, other: &String| one.to_lowercase() == other.to_lowercase();
        let (start, rest) = self.path.split_at_checked(other.path.len())?;
        (same(&self.server, &other.server) && zip(start, &other.path).all(|(one, other)| same(one, other)))
            .then_some(rest)
    }
}

impl MountSources {
    fn read(config: Option<&Path>, data: Option<&Path>) -> anyhow::Result<MountSources> {
        let table = fs::read_to_string(MOUNTS).context(MOUNTS)?;
        let mounted: Vec<Mount> = table.lines().filter_map(mount).collect();
        let text = |path: PathBuf| read_text(&path).ok().flatten().unwrap_or_default();
        let gtk = config.map(|config| text(config.join("gtk-3.0/bookmarks"))).unwrap_or_default();
        let kde = data.map(|data| text(data.join("user-places.xbel"))).unwrap_or_default();
        Ok(MountSources {
            // The file system's own process answers this, from its list of mounts.
            user_mounts: mounted.iter().flat_map(user_mounts).collect(),
            mounted,
            fstab: fstab(&text("/etc/fstab".into())),
            bookmarks: gtk_bookmarks(&gtk).chain(kde_bookmarks(&kde)).collect(),
        })
    }

    /// Returns the servers of all mounts and bookmarks.
    fn servers(&self) -> Vec<Server> {
        let mounted = self.mounted.iter().filter_map(mounted_server);
        let shares = self.user_mounts.iter().map(|(share, _)| share).chain(&self.bookmarks);
        mounted.chain(shares.map(|share| (Protocol::Smb, without_brackets(&share.server).to_owned()))).collect()
    }

    /// Returns the first mount point that is connected, otherwise the first that could be.
    fn find(&self, drive: &Drive) -> DriveMount {
        let mut disconnected = None;
        for mount_point in &drive.mount_points {
            let found = match mount_point.strip_prefix("smb://").map(Share::parse) {
                Some(Some(share)) => self.find_share(mount_point, &share),
                Some(None) => DriveMount::Absent,
                None => expand(mount_point).map_or(DriveMount::Absent, |path| self.find_path(&normalized(&path))),
            };
            match found {
                DriveMount::Connected(_) => return found,
                DriveMount::Disconnected(_) => disconnected = disconnected.or(Some(found)),
                DriveMount::Absent => {}
            }
        }
        disconnected.unwrap_or(DriveMount::Absent)
    }

    /// Returns the state of a drive that the profile names by its mount point.
    fn find_path(&self, path: &Path) -> DriveMount {
        let shown = || path.to_string_lossy().into_owned();
        // The last mount on a point covers those before it; the automounter's own mount stays below the real one.
        let top = self.mounted.iter().rfind(|mount| mount.point == path);
        let automatic = |mount: &Mount| mount.kind == "autofs";
        if top.is_some_and(|mount| !automatic(mount)) || self.user_mounts.iter().any(|(_, mounted)| mounted == path) {
            return DriveMount::Connected(shown());
        }
        let parent = path.parent();
        let indirect = || self.mounted.iter().any(|mount| automatic(mount) && Some(mount.point.as_path()) == parent);
        if top.is_some() || indirect() || self.fstab.iter().any(|planned| planned == path) {
            return DriveMount::Disconnected(shown());
        }
        DriveMount::Absent
    }

    /// Returns the state of a drive that the profile names by the address of its share.
    fn find_share(&self, address: &str, share: &Share) -> DriveMount {
        let kernel = self.mounted.iter().rev().filter_map(|mount| {
            let source = Share::parse(mount.source.strip_prefix("//")?)?;
            Some((source, &mount.point))
        });
        let user = self.user_mounts.iter().map(|(share, path)| (share.clone(), path));
        let mut connected = kernel.chain(user).filter_map(|(mounted, path)| {
            // A folder of a share is connected with it.
            Some(share.below(&mounted)?.iter().fold(path.clone(), |path, part| path.join(part)))
        });
        if let Some(path) = connected.next() {
            return DriveMount::Connected(path.to_string_lossy().into_owned());
        }
        match self.bookmarks.iter().any(|bookmark| bookmark.below(share).is_some()) {
            true => DriveMount::Disconnected(address.to_owned()),
            false => DriveMount::Absent,
        }
    }
}

/// Parses a line of mountinfo, proc_pid_mountinfo(5): the fifth field is the mount point; after a lone `-` come the type of
/// the file system and its source.
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    Some(Mount {
        point: unescaped(before.split(' ').nth(4)?),
        kind: after.next()?.to_owned(),
        source: unescaped(after.next()?).to_string_lossy().into_owned(),
    })
}

/// Returns the server of a mount: `//server/share`, `server:/path`.
fn mounted_server(mount: &Mount) -> Option<Server> {
    match mount.kind.as_str() {
        "cifs" | "smb3" => Share::parse(mount.source.strip_prefix("//")?)
            .map(|share| (Protocol::Smb, without_brackets(&share.server).to_owned())),
        "nfs" | "nfs4" => Some((Protocol::Nfs, without_brackets(mount.source.rsplit_once(":/")?.0).to_owned())),
        _ => None,
    }
}

/// Lists the shares below the folder of gvfs or of kio-fuse.
fn user_mounts(mount: &Mount) -> Vec<(Share, PathBuf)> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    match mount.kind.as_str() {
        "fuse.gvfsd-fuse" => {
            list(&mount.point).into_iter().filter_map(|path| Some((gvfs_share(&path)?, path))).collect()
        }
        // `smb/[user@]server`: the servers that were opened so far. All shares of such a server open below its folder, which
        // is not listed: kio-fuse would ask the server.
        "fuse.kio-fuse" => {
            let server = |path: &PathBuf| Share::parse(path.file_name()?.to_str()?);
            list(&mount.point.join("smb")).into_iter().filter_map(|path| Some((server(&path)?, path))).collect()
        }
        _ => Vec::new(),
    }
}

/// Parses gvfs's name of a mount, `smb-share:server=…,share=…[,user=…]`.
fn gvfs_share(path: &Path) -> Option<Share> {
    let name = path.file_name()?.to_str()?.strip_prefix("smb-share:")?;
    let value = |key: &str| name.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    Share::new(value("server")?, [value("share")?])
}

/// Parses the mount points of fstab(5).
fn fstab(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let points = lines.filter_map(|line| line.split_whitespace().nth(1)).filter(|point| point.starts_with('/'));
    points.map(unescaped).collect()
}

/// Parses GTK's bookmarks: one address a line, followed by a label.
fn gtk_bookmarks(text: &str) -> impl Iterator<Item = Share> {
    text.lines().filter_map(|line| Share::from_url(line.split(' ').next()?))
}

/// Parses KDE's bookmarks, XBEL with a document type that names no entities.
fn kde_bookmarks(text: &str) -> Vec<Share> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let Ok(document) = roxmltree::Document::parse_with_options(text, options) else { return Vec::new() };
    let bookmarks = document.descendants().filter(|node| node.has_tag_name("bookmark"));
    bookmarks.filter_map(|bookmark| Share::from_url(bookmark.attribute("href")?)).collect()
}

/// Decodes `%20`; a `%` that begins no valid escape stays.
fn percent_decoded(text: &str) -> String {
    String::from_utf8(decode_escapes(text.as_bytes(), b'%', 2, 16)).unwrap_or_else(|_| text.to_owned())
}

/// Decodes a path of mountinfo or fstab, in which white space and backslashes are three octal digits: `\040`.
fn unescaped(field: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(decode_escapes(field.as_bytes(), b'\\', 3, 8)))
}

/// Returns `text` with each escape decoded: `mark` and the `digits` digits after it, in `base`, are a byte.
fn decode_escapes(text: &[u8], mark: u8, digits: usize, base: u32) -> Vec<u8> {
    let byte_of = |escape: &[u8]| {
        let digits = std::str::from_utf8(escape).ok().filter(|digits| !digits.starts_with('+'))?;
        u8::from_str_radix(digits, base).ok()
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match text.get(at + 1..at + 1 + digits).filter(|_| *byte == mark).and_then(byte_of) {
            Some(escaped) => {
                bytes.push(escaped);
                at += 1 + digits;
            }
            None => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Removes a slash at the end: `/mnt/i/` is the same path as `/mnt/i`.
fn normalized(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
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
malformed
";

    const GVFS: &str = "/run/user/1000/gvfs/smb-share:server=fichiers.ac-rouen.fr,share=commun,user=a";
    const GTK: &str = "file:///home/a/Documents\nsmb://fichiers/Projets/ Les projets\n\
        smb://fichiers.ac-caen.fr/Donn%C3%A9es%20communes Données communes\n";
    const KDE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE xbel>
<xbel xmlns:bookmark="http://www.freedesktop.org/standards/desktop-bookmarks">
 <bookmark href="smb://mdupont@kde.ac-caen.fr/Donn%C3%A9es%20communes"><title>Données communes</title></bookmark>
 <bookmark href="file:///home/a"/>
</xbel>"#;

    fn sources() -> MountSources {
        MountSources {
            mounted: TABLE.lines().filter_map(mount).collect(),
            fstab: fstab(
                "# /etc/fstab\nUUID=1 / ext4 defaults 0 1\n//fichiers/i\t/mnt/i  cifs noauto,user 0 0\n \nx none swap\n",
            ),
            user_mounts: vec![(gvfs_share(Path::new(GVFS)).expect("a share"), GVFS.into())],
            bookmarks: gtk_bookmarks(GTK).chain(kde_bookmarks(KDE)).collect(),
        }
    }

    #[test]
    fn fuzz_mounts_and_bookmarks() {
        let seeds: [&[u8]; 4] = [
            b"36 35 98:0 /mnt1 /mnt/I\\040drive rw,noatime master:1 - cifs //172.26.66.73/commun rw,vers=3.0",
            b"//srv/share /mnt/s cifs credentials=/etc/x,_netdev 0 0 # comment",
            b"smb://srv.test/commun%20dsi Commun\nfile:///home/x x\n",
            b"<?xml version=\"1.0\"?><!DOCTYPE xbel><xbel><bookmark href=\"smb://u@srv/s\"><title>S</title></bookmark></xbel>",
        ];
        crate::fuzz::fuzz(&seeds, |text| {
            let text = String::from_utf8_lossy(text);
            text.lines().for_each(|line| drop(mount(line)));
            drop((fstab(&text), gtk_bookmarks(&text).count(), kde_bookmarks(&text), gvfs_share(Path::new(&*text))));
        });
    }

    #[test]
    fn servers_of_every_mount_and_share_are_found() {
        let found: Vec<String> =
            sources().servers().iter().map(|(protocol, server)| format!("{}://{server}", protocol.scheme())).collect();
        let expected = [
            "smb://fichiers.ac-caen.fr",
            "smb://fichiers",
            "nfs://serveur",
            "smb://fichiers",
            "smb://fichiers.ac-rouen.fr",
            "smb://fichiers",
            "smb://fichiers.ac-caen.fr",
            "smb://kde.ac-caen.fr",
        ];
        assert_eq!(found, expected);
        let six = Mount { point: "/mnt/n".into(), kind: "nfs4".into(), source: "[2001:db8::2]:/export".into() };
        assert_eq!(mounted_server(&six), Some((Protocol::Nfs, "2001:db8::2".into())));
        let six = Mount { point: "/mnt/s".into(), kind: "cifs".into(), source: "//[2001:db8::2]/s".into() };
        assert_eq!(mounted_server(&six), Some((Protocol::Smb, "2001:db8::2".into())));
    }

    fn find(mount_points: &[&str]) -> DriveMount {
        find_in(&sources(), mount_points)
    }

    fn find_in(sources: &MountSources, mount_points: &[&str]) -> DriveMount {
        let mount_points = mount_points.iter().map(|path| (*path).to_owned()).collect();
        sources.find(&Drive { letter: 'I', holds: DriveUse::Professional, mount_points })
    }

    fn connected(path: &str) -> DriveMount {
        DriveMount::Connected(path.into())
    }

    fn disconnected(path: &str) -> DriveMount {
        DriveMount::Disconnected(path.into())
    }

    #[test]
    fn mounted_path_is_connected() {
        assert_eq!(find(&["/mnt/u"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/u/"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/Données communes"]), connected("/mnt/Données communes"));
        assert_eq!(find(&["/mnt"]), DriveMount::Absent);
        assert_eq!(find(&[]), DriveMount::Absent);
    }

    #[test]
    fn automount_is_disconnected_until_it_is_mounted() {
        assert_eq!(find(&["/mnt/t"]), disconnected("/mnt/t"));
        assert_eq!(find(&["/mnt/v"]), connected("/mnt/v"));
        assert_eq!(find(&["/reseau/s"]), connected("/reseau/s"));
        assert_eq!(find(&["/reseau/i"]), disconnected("/reseau/i"));
    }

    #[test]
    fn fstab_entry_is_disconnected_and_a_mount_takes_precedence() {
        assert_eq!(find(&["/mnt/i"]), disconnected("/mnt/i"));
        assert_eq!(find(&["/mnt/i", "/mnt/u"]), connected("/mnt/u"));
        assert_eq!(find(&["/mnt/i", "/mnt/t"]), disconnected("/mnt/i"));
    }

    #[test]
    fn shares_are_found_by_their_address() {
        assert_eq!(find(&["smb://fichiers.ac-rouen.fr/Commun"]), connected(GVFS));
        assert_eq!(find(&[GVFS]), connected(GVFS));
        assert_eq!(find(&["smb://fichiers.ac-caen.fr/perso/"]), connected("/mnt/u"));
        assert_eq!(find(&["smb://fichiers/projets"]), disconnected("smb://fichiers/projets"));
        assert_eq!(find(&["smb://fichiers/autre"]), DriveMount::Absent);
    }

    #[test]
    fn broken_escapes_are_kept() {
        assert_eq!(unescaped(r"a\04"), Path::new(r"a\04"));
        assert_eq!(unescaped(r"a\999"), Path::new(r"a\999"));
        assert_eq!(unescaped(r"\134"), Path::new(r"\"));
    }

    #[test]
    fn every_way_to_write_a_share_finds_it() {
        let plain = "smb://fichiers.ac-caen.fr/Données communes";
        let encoded = "smb://fichiers.ac-caen.fr/Donn%C3%A9es%20communes";
        for address in [plain, encoded] {
            assert_eq!(find(&[address]), disconnected(address), "GTK's bookmarks");
        }
        let kde = "smb://kde.ac-caen.fr/Données communes";
        assert_eq!(find(&[kde]), disconnected(kde), "KDE's bookmarks");
        for address in [
            "smb://mdupont@fichiers.ac-rouen.fr/commun",
            "smb://ACADEMIE;mdupont@fichiers.ac-rouen.fr/commun",
            "smb://fichiers.ac-rouen.fr:445/commun",
            "smb://FICHIERS.ac-rouen.fr/COMMUN/",
        ] {
            assert_eq!(find(&[address]), connected(GVFS), "{address}");
        }
        assert_eq!(
            find(&["smb://fichiers.ac-rouen.fr/commun/DSI"]),
            connected(&format!("{GVFS}/DSI")),
            "a folder of it"
        );
        for other in ["smb://fichiers.ac-rouen.fr/", "smb://ac-rouen.fr/commun", "smb:///commun", "smb://"] {
            assert_eq!(find(&[other]), DriveMount::Absent, "{other}");
        }
    }

    #[test]
    fn shares_opened_by_kde_are_connected() {
        let folder = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(folder.path().join("smb/mdupont@fichiers.ac-caen.fr")).expect("created");
        let line =
            format!("99 30 0:61 / {} rw shared:71 - fuse.kio-fuse kio-fuse rw,user_id=1000", folder.path().display());
        let mounted: Vec<Mount> = line.lines().filter_map(mount).collect();
        let sources =
            MountSources { user_mounts: mounted.iter().flat_map(user_mounts).collect(), mounted, ..sources() };
        let path = folder.path().join("smb/mdupont@fichiers.ac-caen.fr/Données communes").display().to_string();
        assert_eq!(find_in(&sources, &["smb://fichiers.ac-caen.fr/Données communes"]), connected(&path));
        assert_eq!(find_in(&sources, &["smb://autre.ac-caen.fr/x"]), DriveMount::Absent);
    }

    proptest! {
        #[test]
        fn no_table_or_bookmark_panics(text in ".{0,80}", share in "smb://[a-z@;:%/é0-9 ]{0,30}") {
            let sources = MountSources {
                mounted: mount(&text).into_iter().chain(mount(&format!("1 2 3 4 {text} - cifs {share}"))).collect(),
                fstab: fstab(&text),
                bookmarks: gtk_bookmarks(&share).chain(kde_bookmarks(&text)).collect(),
                ..MountSources::default()
            };
            find_in(&sources, &[&share, &text]);
        }
    }

    #[tokio::test]
    async fn gvfs_announces_its_mounts() {
        use crate::test_bus::TestBus;
        let bus = TestBus::start();
        let gvfs = bus.connect(Some("org.gtk.vfs.Daemon")).await;
        let (sender, mut changed) = watch::channel(());
        let session = Ok(bus.connect(None).await);
        let watch = tokio::spawn(async move { watch_shares(session, &sender).await });
        let mut notified = async || {
            let change = tokio::time::timeout(Duration::from_secs(30), changed.changed());
            change.await.expect("notified in time").expect("the watch runs");
        };
        notified().await;
        let (path, interface) = ("/org/gtk/vfs/mounttracker", "org.gtk.vfs.MountTracker");
        for signal in ["Mounted", "Unmounted"] {
            gvfs.emit_signal(None::<&str>, path, interface, signal, &()).await.expect("sent");
            notified().await;
        }
        watch.abort();
    }

    #[test]
    fn a_real_mount_is_found() {
        let drive = |path: &str| Drive { letter: 'I', holds: DriveUse::Personal, mount_points: vec![path.into()] };
        let drives = read(&[drive("/proc"), drive("/nowhere")]).expect("Linux has a table of mounts");
        assert_eq!(drives[0].mount, connected("/proc"));
        assert_eq!(drives[1].mount, DriveMount::Absent);
    }
}
