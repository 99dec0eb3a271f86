//! The tray and the command line; see `vigie::cli`.

// Never a console window; commands write into the console that started them (`vigie::runtime::console`).
#![cfg_attr(windows, windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    vigie::cli::main()
}
