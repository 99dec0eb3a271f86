//! The real program on a real desktop.
#![cfg(target_os = "linux")]

mod item;
mod menu;
mod rig;
mod rig_works;
