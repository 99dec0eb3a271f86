//! The pictures of the tour, their page and the contact sheet.

use crate::harness::{DEADLINE, Desktop, run, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A picture that has not changed for so long shows what was drawn last.
const STILL: Duration = Duration::from_millis(150);

/// The pictures so far.
pub struct Pictures {
    folder: PathBuf,
    all: Vec<Picture>,
}

struct Picture {
    file: String,
    title: String,
    /// Whether it shows the whole desktop, not one window.
    whole: bool,
}

impl Pictures {
    /// Removes the pictures of the last tour.
    pub fn start() -> Pictures {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tour");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder is writable");
        Pictures { folder, all: Vec::new() }
    }

    /// Takes a picture of the desktop or of the window with this title, once it no longer changes.
    pub fn take(&mut self, desktop: &Desktop, window: Option<&str>, title: &str) {
        let id = window.map_or("root".to_owned(), |name| {
            let name = format!("^{name}$");
            let found = run(desktop.command("xdotool").args(["search", "--onlyvisible", "--name", &name]));
            found.trim().to_owned()
        });
        let file = format!("{:02}.png", self.all.len() + 1);
        // This format has no time of its making, so that pictures can be compared.
        let raw = self.folder.join("raw.ppm");
        let grab = || {
            run(desktop.command("import").args(["-window", &id]).arg(&raw));
            fs::read(&raw).expect("the picture was just taken")
        };
        let mut last = grab();
        wait_for("a still picture", DEADLINE, || {
            std::thread::sleep(STILL);
            let next = grab();
            let is_still = next == last;
            last = next;
            is_still.then_some(())
        });
        run(Command::new("convert").arg(&raw).arg(self.folder.join(&file)));
        let _ = fs::remove_file(&raw);
        self.all.push(Picture { file, title: title.to_owned(), whole: window.is_none() });
    }

    /// Writes the page and the contact sheet.
    pub fn write_index(&self) -> [PathBuf; 2] {
        let figure = |picture: &Picture| {
            let Picture { file, title, .. } = picture;
            format!("<figure><img src=\"{file}\" alt=\"\"><figcaption>{title}</figcaption></figure>\n")
        };
        let figures: String = self.all.iter().map(figure).collect();
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"fr\"><meta charset=\"utf-8\"><title>Vigie : la visite</title>\n\
             <style>body{{font:16px sans-serif;margin:2em;display:flex;flex-wrap:wrap;gap:2em}}\
             figure{{margin:0}}img{{max-width:100%;display:block}}</style>\n{figures}</html>\n"
        );
        let index = self.folder.join("index.html");
        fs::write(&index, page).expect("the folder is ours");
        let sheet = self.folder.with_file_name("tour.png");
        let parts = [self.sheet(true, "4x", "640x400+8+8"), self.sheet(false, "7x", "359x584+8+8")];
        run(Command::new("convert").args(&parts).args(["-background", "white", "-append"]).arg(&sheet));
        for part in parts {
            let _ = fs::remove_file(part);
        }
        [sheet, index]
    }

    fn sheet(&self, whole: bool, tile: &str, geometry: &str) -> PathBuf {
        let sheet = self.folder.join(format!("sheet-{whole}.png"));
        let mut montage = Command::new("montage");
        montage.current_dir(&self.folder);
        for picture in self.all.iter().filter(|picture| picture.whole == whole) {
            montage.args(["-label", &picture.title, &picture.file]);
        }
        run(montage.args(["-tile", tile, "-geometry", geometry, "-pointsize", "18"]).arg(&sheet));
        sheet
    }
}
