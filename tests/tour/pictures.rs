//! The pictures of the tour, their page and the contact sheet.

use crate::PANEL;
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
    all: Vec<TourPicture>,
}

struct TourPicture {
    file: String,
    title: String,
    group: PictureGroup,
}

/// What a picture shows, and where it is on the contact sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureGroup {
    /// The whole desktop.
    Desktop,
    /// The panel's window, light.
    Light,
    /// The panel's window, dark.
    Dark,
}

impl Pictures {
    /// Removes the pictures of the last tour.
    pub fn start() -> Pictures {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tour");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder is writable");
        Pictures { folder, all: Vec::new() }
    }

    /// Takes a picture of the desktop or of the panel's window, once it no longer changes.
    pub fn take(&mut self, desktop: &Desktop, group: PictureGroup, title: &str) {
        let window = if group == PictureGroup::Desktop { "root".to_owned() } else { desktop.window_named(PANEL) };
        let name = format!("{:02}", self.all.len() + 1);
        self.save(desktop, &window, &name);
        self.all.push(TourPicture { file: format!("{name}.png"), title: title.to_owned(), group });
    }

    /// As [`Pictures::take`], of the window with this id, for the documentation alone.
    pub fn save(&self, desktop: &Desktop, window: &str, name: &str) {
        // This format has no time of its making, so that pictures can be compared.
        let raw = self.folder.join("raw.ppm");
        let grab = || {
            run(desktop.command("import").args(["-window", window]).arg(&raw));
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
        run(Command::new("convert").arg(&raw).arg(self.folder.join(format!("{name}.png"))));
        let _ = fs::remove_file(&raw);
    }

    /// Writes the page and the contact sheet.
    pub fn write_index(&self) -> [PathBuf; 2] {
        let figure = |picture: &TourPicture| {
            let TourPicture { file, title, .. } = picture;
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
        let parts = [
            self.sheet(PictureGroup::Desktop, "4x", "640x400+8+8"),
            self.sheet(PictureGroup::Light, "7x", "359x584+8+8"),
            self.sheet(PictureGroup::Dark, "7x", "359x584+8+8"),
        ];
        run(Command::new("convert").args(&parts).args(["-background", "white", "-append"]).arg(&sheet));
        for part in parts {
            let _ = fs::remove_file(part);
        }
        [sheet, index]
    }

    fn sheet(&self, group: PictureGroup, tile: &str, geometry: &str) -> PathBuf {
        let sheet = self.folder.join(format!("sheet-{group:?}.png"));
        let mut montage = Command::new("montage");
        montage.current_dir(&self.folder);
        for picture in self.all.iter().filter(|picture| picture.group == group) {
            montage.args(["-label", &picture.title, &picture.file]);
        }
        run(montage.args(["-tile", tile, "-geometry", geometry, "-pointsize", "18"]).arg(&sheet));
        sheet
    }
}
