//! Renders the icons of the tray and of the program from the SVG layers in `icons/`.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::path::Path;
use std::{env, fs};

/// A layer for each status, with the names of `runtime/tray/mod.rs`.
const STATUSES: [&str; 8] =
    ["unknown", "offline", "captive", "disconnected", "connecting", "connected", "stalled", "on-site"];

/// Edge lengths in pixels in the trays of Xfce, KDE and GNOME, on ordinary and high-resolution screens, and in that of
/// Windows at 100, 125, 150, 200 and 250 %.
const TRAY_SIZES: [u8; 7] = [16, 20, 22, 24, 32, 40, 48];

/// Edge lengths in pixels in the program's icon.
const PROGRAM_SIZES: [u32; 6] = [16, 24, 32, 48, 64, 256];

/// Variants for dark and light task bars: the suffix of the file's name, and a style sheet. Shapes have a white edge, which
/// would be invisible on a light bar; there the edge has the colour of the shape.
const VARIANTS: [(&str, Option<&str>); 2] = [("", None), ("-light", Some(".edge { stroke: currentColor }"))];

/// Writes the icons. For each status and variant, with and without the badge, `OUT_DIR` gets a deflated file: for each size
/// one byte with the size, then the pixels (RGBA, not premultiplied). The program's icon goes where `tauri.conf.json`
/// expects it; it is not under version control, its SVG is.
pub fn render() {
    println!("cargo:rerun-if-changed=src-tauri/build/icons.rs");
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    let badge = layer("badge", None);
    for (status, (suffix, style)) in STATUSES.iter().flat_map(|status| VARIANTS.map(|variant| (status, variant))) {
        let shape = layer(status, style);
        let name = format!("{status}{suffix}");
        for (name, layers) in [(format!("{name}-badge"), vec![&shape, &badge]), (name, vec![&shape])] {
            let raw: Vec<u8> = TRAY_SIZES.iter().flat_map(|size| sized_pixels(&layers, *size)).collect();
            write(&Path::new(&out).join(name), &miniz_oxide::deflate::compress_to_vec(&raw, 10));
        }
    }
    let logo = layer("logo", None);
    let png = |size| draw(&[&logo], size).encode_png().expect("encodes in memory");
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

fn sized_pixels(layers: &[&Tree], size: u8) -> Vec<u8> {
    let pixmap = draw(layers, size.into());
    let pixels = pixmap.pixels().iter().map(|pixel| pixel.demultiply());
    let rgba = pixels.flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]);
    std::iter::once(size).chain(rgba).collect()
}

/// Returns an .ico file of PNG images (supported since Windows Vista): a header, an entry for each, then the images.
fn ico(images: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let count = images.len() as u16;
    let mut file: Vec<u8> = [0_u16, 1, count].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut offset = 6 + 16 * u32::from(count);
    for (size, png) in images {
        // The cast turns 256 into 0, as the format requires.
        file.extend([*size as u8, *size as u8, 0, 0, 1, 0, 32, 0]);
        file.extend((png.len() as u32).to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += png.len() as u32;
    }
    file.extend(images.iter().flat_map(|(_, png)| png));
    file
}

/// Writes a file unless it has this content already: a new one would make Cargo rebuild what depends on it.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
