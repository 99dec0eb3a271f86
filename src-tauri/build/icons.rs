//! Draws the icons: SVG layers in `icons/` become the pictures of the tray and the program's own icon.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::path::Path;
use std::{env, fs};

/// One layer for each verdict; the names are those of `runtime/tray/mod.rs`.
const VERDICTS: [&str; 8] =
    ["unknown", "offline", "captive", "disconnected", "connecting", "connected", "stalled", "on-site"];

/// Edge lengths in pixels: what the trays of Xfce, KDE and GNOME show on ordinary and fine screens, and what Windows
/// shows at 100, 125, 150, 200 and 250 %.
const SIZES: [u8; 7] = [16, 20, 22, 24, 32, 40, 48];

/// Edge lengths in the program's own icon.
const PROGRAM_SIZES: [u32; 6] = [16, 24, 32, 48, 64, 256];

/// A bar's ground, by the end of the file's name, and what is made of the shapes on it. A shape has a white edge, which
/// is lost on a light bar; there it has its own colour up to its edge.
const GROUNDS: [(&str, Option<&str>); 2] = [("", None), ("-light", Some(".edge { stroke: currentColor }"))];

/// Writes for each verdict and ground, with and without the badge, one deflated file into `OUT_DIR` (for each size one
/// byte that says it, then the pixels: RGBA, not premultiplied), and the program's icon where `tauri.conf.json` expects
/// it. That one is not kept under version control: the SVG is.
pub fn compose() {
    println!("cargo:rerun-if-changed=src-tauri/build/icons.rs");
    let out = env::var_os("OUT_DIR").expect("set by cargo");
    let badge = layer("badge", None);
    for (verdict, (ground, style)) in VERDICTS.iter().flat_map(|verdict| GROUNDS.map(|ground| (verdict, ground))) {
        let shape = layer(verdict, style);
        let name = format!("{verdict}{ground}");
        for (name, layers) in [(format!("{name}-badge"), vec![&shape, &badge]), (name, vec![&shape])] {
            let raw: Vec<u8> = SIZES.iter().flat_map(|size| picture(&layers, *size)).collect();
            write(&Path::new(&out).join(name), &miniz_oxide::deflate::compress_to_vec(&raw, 10));
        }
    }
    let logo = layer("logo", None);
    let png = |size| draw(&[&logo], size).encode_png().expect("a picture in memory");
    write(Path::new("icons/icon.png"), &png(256));
    write(Path::new("icons/icon.ico"), &ico(&PROGRAM_SIZES.map(|size| (size, png(size)))));
}

fn layer(name: &str, style: Option<&str>) -> Tree {
    let path = format!("icons/{name}.svg");
    println!("cargo:rerun-if-changed={path}");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let options = Options { style_sheet: style.map(str::to_owned), ..Options::default() };
    Tree::from_str(&text, &options).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn draw(layers: &[&Tree], size: u32) -> Pixmap {
    let mut picture = Pixmap::new(size, size).expect("a size that is not zero");
    for tree in layers {
        let scale = size as f32 / tree.size().width();
        resvg::render(tree, Transform::from_scale(scale, scale), &mut picture.as_mut());
    }
    picture
}

fn picture(layers: &[&Tree], size: u8) -> Vec<u8> {
    let drawn = draw(layers, size.into());
    let pixels = drawn.pixels().iter().map(|pixel| pixel.demultiply());
    let rgba = pixels.flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]);
    std::iter::once(size).chain(rgba).collect()
}

/// An .ico file of PNG pictures (understood since Windows Vista): header, one entry each, then the pictures.
fn ico(pictures: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let count = pictures.len() as u16;
    let mut file: Vec<u8> = [0_u16, 1, count].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut offset = 6 + 16 * u32::from(count);
    for (size, png) in pictures {
        // 256 is written as 0, which is what the cast makes of it.
        file.extend([*size as u8, *size as u8, 0, 0, 1, 0, 32, 0]);
        file.extend((png.len() as u32).to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += png.len() as u32;
    }
    file.extend(pictures.iter().flat_map(|(_, png)| png));
    file
}

/// Leaves an equal file alone, so that nothing that depends on it is built again.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
