//! A real cupsd: on the machine of the desktop, at the socket where Vigie looks, or as the print server in the intranet.

use super::vpn::TestVpn;
use super::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The print server. It ends when this is dropped; its socket stays, as after a crash.
pub struct CupsServer {
    socket: PathBuf,
    _server: ChildProcess,
}

impl CupsServer {
    /// Starts a server without queues, whose socket a Vigie that starts from now on finds at the usual place: that of
    /// [`Desktop::vigie_on_isolated_machine`] or of [`Desktop::vigie_with_real_window`].
    pub fn start(desktop: &Desktop) -> CupsServer {
        let socket = desktop.home().join("machine/run/cups/cups.sock");
        let log = desktop.home().join("logs/cupsd.log");
        CupsServer::run(desktop.command("/usr/sbin/cupsd"), &desktop.home().join("cups"), socket, "", log)
    }

    /// Starts a server without queues on the intranet host, at this address of it.
    pub fn in_intranet(vpn: &TestVpn, address: &str) -> CupsServer {
        let root = vpn.folder().join("cupsd");
        let socket = root.join("sock");
        let (command, log) = (vpn.intranet_command("/usr/sbin/cupsd"), root.with_extension("log"));
        CupsServer::run(command, &root, socket, &format!("Listen {address}\n"), log)
    }

    fn run(mut command: Command, root: &Path, socket: PathBuf, listen: &str, log: PathBuf) -> CupsServer {
        for folder in ["spool/tmp", "cache", "state", "root"] {
            fs::create_dir_all(root.join(folder)).expect("the folder is writable");
        }
        fs::create_dir_all(socket.parent().expect("the socket is in a folder")).expect("the folder is writable");
        let at = root.display();
        let config = format!(
            "{listen}Listen {}\nWebInterface No\nBrowsing No\nLogLevel warn\nServerAlias *\n\
             <Location />\nOrder allow,deny\nAllow all\n</Location>\n\
             <Policy default>\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>\n",
            socket.display()
        );
        let files = format!(
            "FileDevice Yes\nServerRoot {at}/root\nRequestRoot {at}/spool\nTempDir {at}/spool/tmp\n\
             CacheDir {at}/cache\nStateDir {at}/state\nAccessLog {at}/access\nErrorLog {at}/error\nPageLog {at}/page\n"
        );
        fs::write(root.join("cupsd.conf"), config).expect("the folder is writable");
        fs::write(root.join("cups-files.conf"), files).expect("the folder is writable");
        command.arg("-f").arg("-c").arg(root.join("cupsd.conf")).arg("-s").arg(root.join("cups-files.conf"));
        let server = ChildProcess::start(&command, log);
        wait_for("cupsd to listen", DEADLINE, || UnixStream::connect(&socket).ok());
        CupsServer { socket, _server: server }
    }

    /// Adds a queue.
    pub fn add_queue(&self, name: &str) {
        self.add_queue_to(name, "file:///dev/null");
    }

    /// Adds a queue that sends to this address.
    pub fn add_queue_to(&self, name: &str, device: &str) {
        self.run_tool("lpadmin", &["-p", name, "-E", "-v", device, "-m", "raw"]);
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
