//! Tests with real processes: scripts that record how they were called.

use super::*;
use std::fs;
use vigie_core::message::SystemSettings;

struct LaunchFixture {
    dir: tempfile::TempDir,
    profile: Profile,
}

/// A machine with no program but `/bin/sh`, and a profile with one program of each kind.
fn fixture() -> LaunchFixture {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for folder in ["bin", "home/Bureau", "applications", "opt"] {
        fs::create_dir_all(dir.path().join(folder)).expect("made");
    }
    LaunchFixture { profile: profile(), dir }
}

impl LaunchFixture {
    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Writes a script, from another process: a test that forks while this one has the file open for writing would
    /// keep it open, and it could not be executed ("text file busy").
    fn script(&self, below: &str, body: &str) {
        let write = ["-c", r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#, "sh"];
        let status = std::process::Command::new("/bin/sh").args(write).arg(self.path(below)).arg(body).status();
        assert!(status.expect("written").success());
    }

    /// Writes a program that records its arguments, one a line, and succeeds.
    fn recorder(&self, below: &str) {
        let log = self.path("called");
        self.script(
            below,
            &format!(
                "{{ echo \"${{0##*/}}\"; for a; do echo \"$a\"; done; }} > {0}.new; mv {0}.new {0}",
                log.display()
            ),
        );
    }

    /// Returns how the recorder was called: its name and its arguments.
    fn called(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("called")).unwrap_or_default();
        fs::remove_file(self.path("called")).ok();
        text.lines().map(str::to_owned).collect()
    }

    fn entry(&self, below: &str, text: &str) {
        let text = text.replace("$HERE", &self.dir.path().display().to_string());
        fs::write(self.path(below), format!("[Desktop Entry]\nType=Application\n{text}")).expect("written");
    }

    fn paths(&self) -> SearchPaths {
        let (bin, opt) = (self.path("bin"), self.path("opt"));
        SearchPaths {
            variable: Box::new(move |name| match name {
                "PATH" => Some(bin.clone().into()),
                "ProgramFiles" => Some(opt.clone().into()),
                _ => None,
            }),
            home: Some(self.path("home")),
            shortcut_folders: Box::new({
                let (desktop, applications) = (self.path("home/Bureau"), self.path("applications"));
                move || {
                    vec![ShortcutFolder::desktop(desktop.clone()), ShortcutFolder::applications(applications.clone())]
                }
            }),
        }
    }

    async fn launch(&self, what: LaunchTarget) -> LaunchOutcome {
        Launcher { profile: &self.profile, paths: Arc::new(self.paths()) }.launch(&what).await.outcome
    }

    async fn program(&self, id: &str) -> LaunchOutcome {
        self.launch(LaunchTarget::Program(id.into())).await
    }

    /// Starts a program whose only candidate is this one.
    async fn candidate(&mut self, candidate: &str) -> LaunchOutcome {
        self.profile.programs[0].candidates.linux = vec![candidate.into()];
        self.program("isl").await
    }
}

fn profile() -> Profile {
    let json = serde_json::json!({
        "about": { "organisation": "", "guide": "", "guide_date": "2023-05-09" },
        "user": {},
        "site": [],
        "vpn": {
            "gateway_port": 443, "tunnel_names": [], "tunnel_descriptions": [], "probe_seconds": 60,
            "probe_timeout_seconds": 3, "hold_seconds": 5, "settle_seconds": 5, "client": "cisco", "connect": "auto", "store_pin": true, "pin_min": 4, "pin_max": 16, "wrong_tries": 3, "connect_seconds": 90, "portal_url": "http://portail.test/", "reconnect_after_wake": false,
            "command_line": {}, "preferences": {}
        },
        "drive": [],
        "code": [
            { "id": "renvoi", "label": "Renvoi immédiat", "code": "*21", "takes_number": true },
            { "id": "diese", "label": "Dièse", "code": "#31#" },
            { "id": "faux", "label": "Faux", "code": "*21;ext=1" }
        ],
        "helpdesk": { "link": "amigo", "school": [], "holidays": [], "urgent": [] },
        "calendar": { "zone": "B", "covers": { "from": "2026-01-01", "to": "2026-12-31" }, "holiday": [] },
        "printing": { "server": "172.26.66.73", "department": [], "place": [], "example": [] },
        "shutdown": { "at": "21:30", "enabled": true, "leads_minutes": [30] },
        "program": [
            {
                "id": "isl", "label": "Télémaintenance", "candidates": { "linux": ["isl-light"] },
                "arguments": ["--auto-close"], "wapt_search": "acNormandie télémaintenance",
                "download": "https://telemaintenance.ac-normandie.fr/start/ISLLightClient"
            },
            {
                "id": "wapt", "label": "WAPT", "candidates": { "linux": ["waptself"] }, "search_option": "--search=",
                "wapt_search": "wapt"
            },
            { "id": "alone", "label": "Sans secours", "candidates": { "linux": ["nowhere"] } }
        ],
        "link": [
            { "id": "amigo", "label": "AMIGO", "url": "http://assistance.ac-normandie.fr/?a=1&b=$(id)", "section": "s" },
            { "id": "file", "label": "Fichier", "url": "file:///etc/passwd", "section": "s" }
        ],
        "section": [],
        "remote_support": "isl",
        "wapt": { "program": "wapt", "service_port": 8088 },
        "panel": {
            "warn_uptime_days": 7, "warn_disk_free_percent": 10, "pinned": false, "opacity_percent": 100, "width": 420,
            "height": 680, "hidden": []
        }
    });
    serde_json::from_value(json).expect("a profile")
}

#[tokio::test]
async fn bare_name_is_searched_on_path() {
    let fixture = fixture();
    fixture.recorder("bin/isl-light");
    assert_eq!(fixture.program("isl").await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["isl-light", "--auto-close"]);
}

#[tokio::test]
async fn path_is_expanded_and_must_be_absolute() {
    let mut fixture = fixture();
    fixture.recorder("home/client");
    assert_eq!(fixture.candidate("~/client").await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["client", "--auto-close"]);
    fixture.recorder("opt/client 100%");
    assert_eq!(fixture.candidate("%ProgramFiles%/client 100%").await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["client 100%", "--auto-close"]);
    for wrong in ["%Unknown%/client", "home/client", "./client", "~root/client"] {
        assert_eq!(fixture.candidate(wrong).await, LaunchOutcome::Missing, "{wrong}");
    }
}

#[tokio::test]
async fn first_existing_candidate_is_started() {
    let mut fixture = fixture();
    fixture.recorder("bin/second");
    fixture.recorder("bin/third");
    fixture.profile.programs[0].candidates.linux = ["first", "second", "third"].map(str::to_owned).to_vec();
    assert_eq!(fixture.program("isl").await, LaunchOutcome::Started);
    assert_eq!(fixture.called()[0], "second");
}

#[tokio::test]
async fn shortcut_is_found_by_its_name_in_any_language() {
    let mut fixture = fixture();
    fixture.recorder("bin/client");
    fixture.entry(
        "applications/isl.desktop",
        "Name=Remote help\nName[fr]=Télémaintenance acNormandie\nExec=client \"two words\" --at=100%% %U --file=%f\n",
    );
    for name in ["Remote help", "Télémaintenance acNormandie", "TÉLÉMAINTENANCE ACNORMANDIE"] {
        assert_eq!(fixture.candidate(&format!("shortcut:{name}")).await, LaunchOutcome::Started, "{name}");
        assert_eq!(fixture.called(), ["client", "two words", "--at=100%", "--file=", "--auto-close"]);
    }
    assert_eq!(fixture.candidate("shortcut:Remote").await, LaunchOutcome::Missing);
}

#[tokio::test]
async fn shortcut_on_the_desktop_hides_that_of_the_system() {
    let mut fixture = fixture();
    fixture.recorder("bin/mine");
    fixture.recorder("bin/theirs");
    fixture.entry("applications/isl.desktop", "Name=ISL\nExec=theirs\n");
    fixture.entry("home/Bureau/isl.desktop", "Name=ISL\nExec=$HERE/bin/mine\nPath=$HERE/opt\n");
    assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Started);
    assert_eq!(fixture.called()[0], "mine");
    fixture.entry("home/Bureau/isl.desktop", "Name=ISL\nExec=mine\nHidden=true\n");
    assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Missing);
}

#[tokio::test]
async fn entry_that_cannot_be_started_is_skipped() {
    let mut fixture = fixture();
    fixture.recorder("bin/client");
    for broken in ["Exec=gone", "Exec=client\nTryExec=gone", "Exec=client\nTerminal=true", "Exec=\"client", "Icon=x"] {
        fixture.entry("applications/isl.desktop", &format!("Name=ISL\n{broken}\n"));
        assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Missing, "{broken}");
    }
    fs::write(fixture.path("applications/isl.desktop"), b"\xff[[\n=").expect("written");
    assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Missing);
}

#[tokio::test]
async fn program_that_exits_at_once_or_cannot_be_started_has_failed() {
    let mut fixture = fixture();
    fixture.script("bin/isl-light", "exit 3");
    let LaunchOutcome::Failed(why) = fixture.program("isl").await else { panic!("it exited") };
    assert!(why.contains("exit status: 3"), "{why}");
    fs::write(fixture.path("opt/no-program"), "x").expect("written");
    let outcome = fixture.candidate("%ProgramFiles%/no-program").await;
    assert!(matches!(&outcome, LaunchOutcome::Failed(why) if why.contains("no-program")), "{outcome:?}");
}

#[tokio::test]
async fn started_program_is_independent_and_reaped() {
    let fixture = fixture();
    let release = fixture.path("release");
    rustix::fs::mknodat(rustix::fs::CWD, &release, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    // Opening the FIFO for writing waits until the test reads it.
    fixture.script(
        "bin/isl-light",
        &format!(
            "read -r line < /proc/$$/stat; fds=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)
             echo \"$line\" > {0}/stat; echo \"$fds\" > {0}/fds; echo > {0}/release; exit 1",
            fixture.dir.path().display()
        ),
    );
    // The script calls readlink by its name on the test's own PATH.
    assert_eq!(fixture.program("isl").await, LaunchOutcome::Started);
    // It has written both files by then.
    let released = tokio::task::spawn_blocking(move || fs::read(release));
    let released = tokio::time::timeout(Duration::from_secs(30), released).await.expect("in time");
    released.expect("no panic").expect("read");
    let stat = fs::read_to_string(fixture.path("stat")).expect("it ran");
    // proc(5): pid (comm) state ppid pgrp …
    let pid = stat.split(' ').next().expect("a process id");
    let group = stat.rsplit(')').next().expect("fields").split(' ').nth(3).expect("a group");
    assert_eq!(group, pid, "a process group of its own");
    assert_eq!(fs::read_to_string(fixture.path("fds")).expect("it ran"), "/dev/null\n/dev/null\n/dev/null\n");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(tokio::time::Instant::now() < deadline, "a zombie is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn missing_program_opens_the_self_service_or_the_download_address() {
    let fixture = fixture();
    fixture.recorder("bin/xdg-open");
    assert_eq!(fixture.program("isl").await, LaunchOutcome::MissingOpenedDownload);
    assert_eq!(fixture.called(), ["xdg-open", "https://telemaintenance.ac-normandie.fr/start/ISLLightClient"]);
    fixture.recorder("bin/waptself");
    assert_eq!(fixture.program("isl").await, LaunchOutcome::MissingOpenedSelfService);
    assert_eq!(fixture.called(), ["waptself", "--search=acNormandie télémaintenance"]);
    fixture.script("bin/waptself", "exit 1");
    assert_eq!(fixture.program("isl").await, LaunchOutcome::MissingOpenedDownload);
}

#[tokio::test]
async fn session_is_joined_by_its_number() {
    let mut fixture = fixture();
    fixture.profile.remote_support = "isl".into();
    fixture.recorder("bin/isl-light");
    let session = || LaunchTarget::Session(Digits::new("12345678").expect("digits"));
    let cases: [(Option<&str>, &[&str]); 3] = [
        (Some("--connect"), &["isl-light", "--auto-close", "--connect", "12345678"]),
        (Some("--connect="), &["isl-light", "--auto-close", "--connect=12345678"]),
        (None, &["isl-light", "--auto-close"]),
    ];
    for (option, called) in cases {
        fixture.profile.programs[0].session_option = option.map(str::to_owned);
        assert_eq!(fixture.launch(session()).await, LaunchOutcome::Started);
        assert_eq!(fixture.called(), called);
    }
    // A missing client is handled like any other missing program.
    fs::remove_file(fixture.path("bin/isl-light")).expect("it is there");
    fixture.recorder("bin/waptself");
    assert_eq!(fixture.launch(session()).await, LaunchOutcome::MissingOpenedSelfService);
    assert_eq!(fixture.called(), ["waptself", "--search=acNormandie télémaintenance"]);
}

#[tokio::test]
async fn program_is_missing_if_nothing_helps() {
    let fixture = fixture();
    assert_eq!(fixture.program("isl").await, LaunchOutcome::Missing, "no browser");
    assert_eq!(fixture.program("wapt").await, LaunchOutcome::Missing, "WAPT does not search for itself");
    assert_eq!(fixture.program("alone").await, LaunchOutcome::Missing);
    assert_eq!(fixture.program("unknown").await, LaunchOutcome::Missing);
    assert_eq!(fixture.launch(LaunchTarget::Link("unknown".into())).await, LaunchOutcome::Missing);
    assert_eq!(fixture.launch(LaunchTarget::Call(Call::of("unknown"))).await, LaunchOutcome::Missing);
}

#[tokio::test]
async fn links_are_opened_unchanged_and_only_web_addresses() {
    let fixture = fixture();
    let amigo = || LaunchTarget::Link("amigo".into());
    let outcome = fixture.launch(amigo()).await;
    assert!(matches!(&outcome, LaunchOutcome::Failed(why) if why.contains("xdg-open")), "{outcome:?}");
    fixture.script("bin/xdg-open", "exit 4");
    let outcome = fixture.launch(amigo()).await;
    assert!(matches!(&outcome, LaunchOutcome::Failed(why) if why.contains("exit status: 4")), "{outcome:?}");
    fixture.recorder("bin/gio");
    assert_eq!(fixture.launch(amigo()).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["gio", "open", "http://assistance.ac-normandie.fr/?a=1&b=$(id)"]);
    fixture.recorder("bin/xdg-open");
    assert_eq!(fixture.launch(amigo()).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["xdg-open", "http://assistance.ac-normandie.fr/?a=1&b=$(id)"]);
    assert!(matches!(fixture.launch(LaunchTarget::Link("file".into())).await, LaunchOutcome::Failed(_)));
    assert!(fixture.called().is_empty());
}

#[tokio::test]
async fn settings_open_with_the_program_of_the_desktop() {
    let fixture = fixture();
    let settings = |page| fixture.launch(LaunchTarget::Settings(page));
    assert!(matches!(settings(SystemSettings::Network).await, LaunchOutcome::Failed(_)));
    // It is installed, but works in its own desktop only.
    fixture.script("bin/gnome-control-center", "exit 1");
    fixture.recorder("bin/system-config-printer");
    fixture.recorder("bin/xfce4-settings-manager");
    assert_eq!(settings(SystemSettings::Printers).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["system-config-printer"]);
    assert_eq!(settings(SystemSettings::DateTime).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["xfce4-settings-manager"]);
    fixture.recorder("bin/gnome-control-center");
    assert_eq!(settings(SystemSettings::DateTime).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["gnome-control-center", "datetime"]);
    fixture.recorder("bin/xdg-open");
    assert_eq!(fixture.launch(LaunchTarget::Portal).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["xdg-open", "http://portail.test/"]);
}

#[tokio::test]
async fn codes_are_dialled_and_drives_opened() {
    let fixture = fixture();
    fixture.recorder("bin/xdg-open");
    for (id, uri) in [("renvoi", "tel:*21"), ("diese", "tel:%2331%23")] {
        assert_eq!(fixture.launch(LaunchTarget::Call(Call::of(id))).await, LaunchOutcome::Started);
        assert_eq!(fixture.called(), ["xdg-open", uri]);
    }
    let forward = |code: &str| Call { code: code.into(), number: Digits::new("0612345678") };
    assert_eq!(fixture.launch(LaunchTarget::Call(forward("renvoi"))).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["xdg-open", "tel:*210612345678"]);
    assert_eq!(fixture.launch(LaunchTarget::Call(forward("diese"))).await, LaunchOutcome::Missing);
    assert!(matches!(fixture.launch(LaunchTarget::Call(Call::of("faux"))).await, LaunchOutcome::Failed(_)));
    assert_eq!(
        fixture.launch(LaunchTarget::Drive('U', Some("/mnt/mes documents".into()))).await,
        LaunchOutcome::Started
    );
    assert_eq!(fixture.called(), ["xdg-open", "/mnt/mes documents"]);
    let share = "smb://fichiers.ac-caen.fr/perso/";
    assert_eq!(fixture.launch(LaunchTarget::Drive('U', Some(share.into()))).await, LaunchOutcome::Started);
    assert_eq!(fixture.called(), ["xdg-open", share]);
    for wrong in ["--help", "file:///etc", "smb://", "https://a.fr", "mnt", ""] {
        assert!(matches!(fixture.launch(LaunchTarget::Drive('U', Some(wrong.into()))).await, LaunchOutcome::Failed(_)));
    }
    assert!(fixture.called().is_empty());
}

#[test]
fn web_addresses_are_recognised() {
    for good in ["https://a.fr", "HTTP://a.fr/x?y=é#z", "http://172.26.66.73:8080/", "https://[::1]/"] {
        assert!(is_address(good, &["http", "https"]), "{good}");
    }
    for bad in [
        "",
        "a.fr",
        "https://",
        "https:///x",
        "file:///etc/passwd",
        "javascript:alert(1)//://",
        "ftp://a.fr",
        "https://-x",
        "https://a.fr/ b",
        "https://a.fr/\n",
        "https://a.fr/\"x",
        "https://a\\b",
        " https://a.fr",
    ] {
        assert!(!is_address(bad, &["http", "https"]), "{bad:?}");
    }
}

#[tokio::test]
async fn only_regular_files_on_the_desktop_itself_are_read() {
    let mut fixture = fixture();
    fixture.recorder("bin/client");
    let fifo = fixture.path("home/Bureau/a.desktop");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    fs::create_dir(fixture.path("home/Bureau/dossier")).expect("created");
    fixture.entry("home/Bureau/dossier/isl.desktop", "Name=ISL\nExec=client\n");
    assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Missing);
    fs::create_dir(fixture.path("applications/kde")).expect("created");
    fixture.entry("applications/kde/isl.desktop", "Name=ISL\nExec=client\n");
    assert_eq!(fixture.candidate("shortcut:ISL").await, LaunchOutcome::Started, "folders of applications are nested");
}

/// The user's desktop lies on a server that does not answer.
#[tokio::test]
async fn folders_that_hang_delay_neither_links_nor_the_loop() {
    let fixture = fixture();
    fixture.recorder("bin/xdg-open");
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let mut profile = fixture.profile.clone();
    profile.programs[0].candidates.linux = vec!["shortcut:ISL".into()];
    let shortcut_folders = Box::new(move || {
        // Until the test ends.
        let _ = held.lock().expect("used once").recv();
        Vec::new()
    });
    let launcher = Launcher { profile: &profile, paths: Arc::new(SearchPaths { shortcut_folders, ..fixture.paths() }) };
    let mut search = std::pin::pin!(launcher.find(profile.program("isl").expect("it exists")));
    // On one thread: a link is opened only if the search does not block it.
    let amigo = LaunchTarget::Link("amigo".into());
    let link = launcher.launch(&amigo);
    tokio::select! {
        biased;
        _ = &mut search => panic!("the folders hang"),
        result = link => assert_eq!(result.outcome, LaunchOutcome::Started),
    }
    tokio::time::pause();
    tokio::time::advance(SEARCH_TIMEOUT).await;
    assert_eq!(search.await, None);
    drop(release);
}
