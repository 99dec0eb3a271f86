//! The servers of the academy's intranet: real smbd, cupsd, TLS server and dnsmasq, on the intranet host of a [`TestVpn`].
//! Each ends when what its function returns is dropped.

use super::vpn::{INTRANET_ADDRESS, TestVpn};
use super::{ChildProcess, DEADLINE, run, wait_for};
use std::fs;
use std::process::Command;

impl TestVpn {
    /// Starts a file server with these shares. Everybody may read them, and each has a document.
    pub fn start_file_server(&self, shares: &[&str]) -> ChildProcess {
        let folder = self.folder().join("smbd");
        fs::create_dir_all(&folder).expect("the folder is writable");
        let at = folder.display();
        let mut settings = format!(
            "[global]\nworkgroup = TEST\nserver role = standalone server\ndisable netbios = yes\nsmb ports = 445\n\
             private dir = {at}\nlock directory = {at}\nstate directory = {at}\ncache directory = {at}\n\
             pid directory = {at}\nncalrpc dir = {at}/ncalrpc\nlog file = {at}/log\nload printers = no\n\
             map to guest = Bad User\nguest account = daemon\n"
        );
        for share in shares {
            let content = folder.join("shares").join(share);
            fs::create_dir_all(&content).expect("the folder is writable");
            fs::write(content.join("Note de service.txt"), "Note de service\n").expect("the folder was just made");
            settings.push_str(&format!("[{share}]\npath = {}\nguest ok = yes\nforce user = root\n", content.display()));
        }
        fs::write(folder.join("smb.conf"), settings).expect("the folder is writable");
        let mut command = self.intranet_command("/usr/sbin/smbd");
        command.args(["--foreground", "--no-process-group", "--configfile"]).arg(folder.join("smb.conf"));
        self.start_listening("smbd", &command, 445)
    }

    /// Starts a web server over TLS, with that certificate.
    pub fn start_web_server(&self, certificate: &str) -> ChildProcess {
        let at = |end: &str| self.folder().join(format!("{certificate}.{end}"));
        let mut command = self.intranet_command("openssl");
        command.args(["s_server", "-quiet", "-www", "-accept", &format!("{INTRANET_ADDRESS}:443"), "-cert"]);
        command.arg(at("pem")).arg("-key").arg(at("key"));
        self.start_listening("web-server", &command, 443)
    }

    /// Starts the DNS server of the zone `in.test`, in which the intranet's servers have names.
    pub fn start_dns_server(&self) -> ChildProcess {
        let mut zone = String::from("--auth-server=ns.in.test,eth0 --auth-zone=in.test,172.26.66.0/24");
        for name in ["impressions", "fichiers", "intranet"] {
            zone.push_str(&format!(" --host-record={name}.in.test,{INTRANET_ADDRESS}"));
        }
        self.start_dnsmasq(self.intranet_command("dnsmasq"), INTRANET_ADDRESS, &zone)
    }

    /// Starts dnsmasq, by a command for the namespace that has this address. It knows only what the arguments say.
    pub fn start_dnsmasq(&self, mut command: Command, address: &str, arguments: &str) -> ChildProcess {
        let pid = self.folder().join("dnsmasq.pid");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv"]);
        command.args(["--bind-interfaces", "--user=root"]);
        command.args([&format!("--listen-address={address}"), &format!("--pid-file={}", pid.display())]);
        command.args(arguments.split_whitespace());
        let _ = fs::remove_file(&pid);
        let server = ChildProcess::start(&command, self.folder().join("dnsmasq.log"));
        wait_for("dnsmasq to listen", DEADLINE, || pid.exists().then_some(()));
        server
    }

    /// Starts a server on the intranet host, and waits until this port listens.
    fn start_listening(&self, name: &str, command: &Command, port: u16) -> ChildProcess {
        let server = ChildProcess::start(command, self.folder().join(format!("{name}.log")));
        let mut listening = self.intranet_command("ss");
        listening.args(["-Hltn", &format!("sport = :{port}")]);
        wait_for(&format!("{name} to listen"), DEADLINE, || (!run(&mut listening).is_empty()).then_some(()));
        server
    }
}
