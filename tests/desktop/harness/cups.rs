//! A real cupsd whose socket is where Vigie looks on the machine of [`Desktop::vigie_on_isolated_machine`].

use super::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

/// The print server. It ends when this is dropped; its socket stays, as after a crash.
pub struct CupsServer {
    socket: PathBuf,
    _server: ChildProcess,
}

impl CupsServer {
    /// Starts a server without queues.
    pub fn start(desktop: &Desktop) -> CupsServer {
        let root = desktop.home().join("cups");
        let socket = desktop.home().join("machine/run/cups/cups.sock");
        for folder in ["spool/tmp", "cache", "state", "root"] {
            fs::create_dir_all(root.join(folder)).expect("the home folder is writable");
        }
        fs::create_dir_all(socket.parent().expect("the socket is in a folder")).expect("the home folder is writable");
        let (at, listen) = (root.display(), socket.display());
        let config = format!(
            "Listen {listen}\nWebInterface No\nBrowsing No\nLogLevel warn\n\
             <Policy default>\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>\n"
        );
        let files = format!(
            "FileDevice Yes\nServerRoot {at}/root\nRequestRoot {at}/spool\nTempDir {at}/spool/tmp\n\
             CacheDir {at}/cache\nStateDir {at}/state\nAccessLog {at}/access\nErrorLog {at}/error\nPageLog {at}/page\n"
        );
        let config = desktop.write("cups/cupsd.conf", &config);
        let files = desktop.write("cups/cups-files.conf", &files);
        let mut command = desktop.command("/usr/sbin/cupsd");
        command.arg("-f").arg("-c").arg(config).arg("-s").arg(files);
        let server = desktop.spawn("cupsd", &command);
        wait_for("cupsd to listen", DEADLINE, || UnixStream::connect(&socket).ok());
        CupsServer { socket, _server: server }
    }

    /// Adds a queue.
    pub fn add_queue(&self, name: &str) {
        self.run_tool("lpadmin", &["-p", name, "-E", "-v", "file:///dev/null", "-m", "raw"]);
    }

    /// Makes a queue the default one.
    pub fn set_default_queue(&self, name: &str) {
        self.run_tool("lpadmin", &["-d", name]);
    }

    /// Runs one of CUPS's command-line tools against this server, and returns its output.
    pub fn run_tool(&self, program: &str, arguments: &[&str]) -> String {
        run(Command::new(program).env("LC_ALL", "C").arg("-h").arg(&self.socket).args(arguments))
    }
}
