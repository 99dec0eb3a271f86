//! The tray and the command line; see `vigie::cli`.

fn main() -> std::process::ExitCode {
    vigie::cli::main()
}
