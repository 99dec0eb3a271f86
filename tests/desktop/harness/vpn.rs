//! A VPN on one machine, in three network namespaces: "home" is the user's network, "gateway" runs ocserv (which speaks
//! the AnyConnect protocol), and "intranet" is reached only through the tunnel.
//!
//!     home 192.168.77.2 ── 192.168.77.1 gateway 172.26.66.1 ── 172.26.66.73 intranet
//!                 └─ cscotun0 ═══ 10.20.30.1 ┘
//!
//! Programs at home resolve `portailotp.test`. They trust its certificate if `SSL_CERT_FILE` names [`TestVpn::ca_file`].

use super::{ChildProcess, DEADLINE, require_other_users, run, wait_for};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustix::process::{Pid, Signal};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// The name of the gateway, which resolves at home.
pub const GATEWAY: &str = "portailotp.test";
/// The address of the intranet host, that of the print server in the guide.
pub const INTRANET_ADDRESS: &str = "172.26.66.73";
/// The intranet host's print server.
pub const INTRANET_HOST: &str = "172.26.66.73:631";
/// The tunnel interface at home.
pub const TUNNEL: &str = "cscotun0";

/// The route of a split tunnel: the intranet.
const SPLIT_ROUTE: &str = "172.26.66.0/255.255.255.0";
/// The PIN of the user.
pub const PIN: &str = "Kx9vPq4T";
/// The secret of the user's OTP key.
const OTP_SECRET: &str = "3132333435363738393031323334353637383930";
const PASSCODE: &str = "1234567890";

/// The networks, the server and the client. They end when this is dropped.
pub struct TestVpn {
    // In the order in which they must be dropped.
    client: RefCell<Option<ChildProcess>>,
    server: RefCell<Option<ChildProcess>>,
    auth_method: RefCell<String>,
    /// Lines of ocserv's configuration that some tests add.
    extra_config: RefCell<String>,
    home: NetworkNamespace,
    gateway: NetworkNamespace,
    intranet: NetworkNamespace,
    intranet_connections: Arc<AtomicUsize>,
    files: tempfile::TempDir,
}

/// A network namespace.
struct NetworkNamespace {
    name: String,
}

impl NetworkNamespace {
    fn new(role: &str, number: u32) -> NetworkNamespace {
        let name = format!("vigie-{}-{number}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = NetworkNamespace { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    /// Returns a command that runs in this namespace.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a closure in this namespace; sockets that it opens stay there.
    fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.name);
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for NetworkNamespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

impl TestVpn {
    /// The identifier of the user.
    pub const USER: &str = "jdupont";

    /// Sets up the networks, and starts the server and a print server. The client is not connected.
    pub fn start() -> TestVpn {
        let vpn = TestVpn::without_intranet();
        vpn.start_print_server(INTRANET_HOST);
        vpn
    }

    /// As [`TestVpn::start`], but nothing listens on the intranet host.
    pub fn without_intranet() -> TestVpn {
        require_other_users("a VPN server");
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let vpn = TestVpn {
            client: RefCell::new(None),
            server: RefCell::new(None),
            auth_method: RefCell::new(String::new()),
            extra_config: RefCell::new(String::new()),
            home: NetworkNamespace::new("home", number),
            gateway: NetworkNamespace::new("gateway", number),
            intranet: NetworkNamespace::new("intranet", number),
            intranet_connections: Arc::default(),
            files: tempfile::Builder::new().prefix("vigie-vpn-").tempdir().expect("/tmp can be written"),
        };
        let (home, gateway, intranet) = (&vpn.home, &vpn.gateway, &vpn.intranet);
        gateway.ip(&["link", "add", "wan0", "type", "veth", "peer", "name", "eth0", "netns", &home.name]);
        gateway.ip(&["link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", &intranet.name]);
        home.ip(&["address", "add", "192.168.77.2/24", "dev", "eth0"]);
        gateway.ip(&["address", "add", "192.168.77.1/24", "dev", "wan0"]);
        gateway.ip(&["address", "add", "172.26.66.1/24", "dev", "lan0"]);
        intranet.ip(&["address", "add", "172.26.66.73/24", "dev", "eth0"]);
        for (namespace, link) in [(home, "eth0"), (gateway, "wan0"), (gateway, "lan0"), (intranet, "eth0")] {
            namespace.ip(&["link", "set", link, "up"]);
        }
        home.ip(&["route", "add", "default", "via", "192.168.77.1"]);
        intranet.ip(&["route", "add", "default", "via", "172.26.66.1"]);
        gateway.enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1")).expect("needs root");
        vpn.move_home();

        let etc = PathBuf::from(format!("/etc/netns/{}", home.name));
        fs::create_dir_all(&etc).expect("needs root");
        vpn.set_names(&format!("192.168.77.1 {GATEWAY}\n172.26.66.73 intranet.test\n"), "");

        vpn.write_certificates();
        vpn.write_password();
        *vpn.auth_method.borrow_mut() = format!("plain[passwd={}]", vpn.file("passwords").display());
        vpn.start_server();
        vpn
    }

    /// Sets what programs at home that start from now on read of hosts(5), beside this machine, and of resolv.conf(5).
    pub fn set_names(&self, hosts: &str, resolver: &str) {
        let etc = PathBuf::from(format!("/etc/netns/{}", self.home.name));
        fs::write(etc.join("hosts"), format!("127.0.0.1 localhost\n{hosts}")).expect("needs root");
        fs::write(etc.join("resolv.conf"), resolver).expect("needs root");
    }

    /// Starts a print server in the intranet, at an address that it has.
    pub fn start_print_server(&self, address: &str) {
        let count = &self.intranet_connections;
        self.intranet.enter(|| serve(address, count));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Returns the certificate authority of the gateway's certificate, for `SSL_CERT_FILE`.
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Returns the name of the "home" network namespace.
    pub fn home_namespace(&self) -> &str {
        &self.home.name
    }

    /// Starts the server, and waits until it accepts connections.
    pub fn start_server(&self) {
        self.serve_with("gateway", SPLIT_ROUTE);
    }

    /// As [`TestVpn::start_server`], but with every route through the tunnel, not only that to the intranet.
    pub fn start_full_tunnel_server(&self) {
        self.kill_server();
        self.serve_with("gateway", "default");
    }

    /// As [`TestVpn::start_server`], with an IPv6 address for the tunnel and a route to fd00:66::/64, until the next server.
    pub fn start_ipv6_server(&self) {
        self.kill_server();
        *self.extra_config.borrow_mut() = "ipv6-network = fd00:30::/64\nroute = fd00:66::/64\n".into();
        self.serve_with("gateway", SPLIT_ROUTE);
        self.extra_config.borrow_mut().clear();
    }

    /// Replaces the server by one with the certificate of another host, as a captive portal does.
    pub fn start_impostor_server(&self) {
        self.kill_server();
        self.serve_with("impostor", SPLIT_ROUTE);
    }

    /// Replaces the server by one with a new certificate, for the same name and by the same authority.
    pub fn start_server_with_renewed_certificate(&self) {
        self.kill_server();
        self.serve_with("renewed", SPLIT_ROUTE);
    }

    /// Replaces the server by one with that certificate: `expired`, `fresh` (valid since yesterday, for a month),
    /// `incomplete` (its issuer is not sent) or `self-signed`.
    pub fn start_server_with_certificate(&self, certificate: &str) {
        self.kill_server();
        self.serve_with(certificate, SPLIT_ROUTE);
    }

    /// Returns a command that runs on the router and gateway.
    pub fn gateway_command(&self, program: &str) -> Command {
        self.gateway.command(program)
    }

    /// Returns a command that runs on the intranet host.
    pub fn intranet_command(&self, program: &str) -> Command {
        self.intranet.command(program)
    }

    /// The folder of this network's files, which ends with it.
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    fn serve_with(&self, certificate: &str, route: &str) {
        let at = |name: &str| self.file(name).display().to_string();
        let config = format!(
            "auth = \"{}\"\ntcp-port = 443\nudp-port = 443\nrun-as-user = daemon\nrun-as-group = daemon\n\
             socket-file = {}\npid-file = {}\nserver-cert = {}\nserver-key = {}\nisolate-workers = false\n\
             max-clients = 8\nmax-same-clients = 8\nkeepalive = 60\ndpd = 10\nmobile-dpd = 10\ntry-mtu-discovery = false\n\
             auth-timeout = 60\nmax-ban-score = 0\ncookie-timeout = 60\nrekey-time = 86400\nrekey-method = ssl\n\
             cisco-client-compat = true\ndtls-legacy = true\nuse-occtl = false\npredictable-ips = true\ndevice = vpns\n\
             ipv4-network = 10.20.30.0\nipv4-netmask = 255.255.255.0\nroute = {route}\n{}",
            self.auth_method.borrow(),
            at("ocserv.sock"),
            at("ocserv.pid"),
            at(&format!("{certificate}.pem")),
            at(&format!("{certificate}.key")),
            self.extra_config.borrow(),
        );
        fs::write(self.file("ocserv.conf"), config).expect("the folder is writable");
        let mut command = self.gateway.command("ocserv");
        command.arg("--foreground").arg("--config").arg(self.file("ocserv.conf"));
        *self.server.borrow_mut() = Some(ChildProcess::start(&command, self.file("ocserv.log")));
        wait_for("ocserv to answer", DEADLINE, || self.is_reachable("192.168.77.1:443").then_some(()));
    }

    /// Kills the server: its clients are not notified, and nothing listens at the gateway.
    pub fn kill_server(&self) {
        self.server.borrow_mut().take();
    }

    /// Ends the server properly: it disconnects its clients, and nothing listens at the gateway.
    pub fn stop_server(&self) {
        let server = self.server.borrow_mut().take();
        if let Some(mut server) = server {
            server.signal(Signal::TERM);
            server.wait(DEADLINE);
        }
    }

    /// Connects the client, and waits until the intranet host is reachable through the tunnel.
    pub fn connect(&self) {
        self.start_client();
        wait_for("the intranet host through the tunnel", DEADLINE, || self.is_reachable(INTRANET_HOST).then_some(()));
    }

    /// Starts the client, and waits until the tunnel has an address.
    pub fn start_client(&self) {
        self.start_client_with(PASSCODE);
    }

    /// As [`TestVpn::start_client`], with this passcode.
    pub fn start_client_with(&self, code: &str) {
        let mut command = self.home.command("sh");
        // The passcode comes from a file because `ChildProcess` starts programs without standard input.
        let passcode = self.file("passcode");
        fs::write(&passcode, format!("{code}\n")).expect("the folder is writable");
        command.arg("-c").arg(format!(
            "exec openconnect --protocol=anyconnect --non-inter --user={} --passwd-on-stdin --cafile='{}' \
             --interface={TUNNEL} --reconnect-timeout=5 {GATEWAY} <'{}'",
            TestVpn::USER,
            self.ca_file().display(),
            passcode.display()
        ));
        *self.client.borrow_mut() = Some(ChildProcess::start(&command, self.file("openconnect.log")));
        wait_for("the tunnel's address", DEADLINE, || self.has_tunnel().then_some(()));
    }

    /// Returns whether there is a tunnel interface with an address at home.
    pub fn has_tunnel(&self) -> bool {
        let show = Command::new("ip")
            .args(["-n", self.home_namespace(), "-4", "-o", "address", "show", "dev", TUNNEL])
            .output();
        show.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
    }

    /// Disconnects the client properly, and waits until the tunnel is gone.
    pub fn disconnect(&self) {
        let client = self.client.borrow_mut().take();
        if let Some(mut client) = client {
            client.signal(Signal::INT);
            client.wait(DEADLINE);
        }
        wait_for("the tunnel's end", DEADLINE, || (!self.has_tunnel()).then_some(()));
    }

    /// Drops all packets to the intranet host.
    pub fn cut_intranet(&self) {
        self.gateway.ip(&["route", "add", "blackhole", "172.26.66.73/32"]);
    }

    /// Ends [`TestVpn::cut_intranet`].
    pub fn restore_intranet(&self) {
        self.gateway.ip(&["route", "delete", "blackhole", "172.26.66.73/32"]);
    }

    /// Makes the intranet reachable without a tunnel, as on site.
    pub fn move_on_site(&self) {
        self.gateway.ip(&["rule", "delete", "iif", "wan0", "to", "172.26.66.0/24", "blackhole"]);
    }

    /// Ends [`TestVpn::move_on_site`].
    pub fn move_home(&self) {
        self.gateway.ip(&["rule", "add", "iif", "wan0", "to", "172.26.66.0/24", "blackhole"]);
    }

    /// Unplugs the network cable at home.
    pub fn unplug(&self) {
        self.home.ip(&["link", "set", "eth0", "down"]);
    }

    /// Plugs the network cable at home in again.
    pub fn plug(&self) {
        self.home.ip(&["link", "set", "eth0", "up"]);
        self.home.ip(&["route", "add", "default", "via", "192.168.77.1"]);
    }

    /// Returns whether a TCP connection from home to this address succeeds within a second.
    pub fn is_reachable(&self, address: &str) -> bool {
        let address: SocketAddr = address.parse().expect("the address has a port");
        self.home.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
    }

    /// Returns whether a TLS client at home that trusts only [`TestVpn::ca_file`] accepts the server at the gateway.
    pub fn gateway_certificate_is_valid(&self) -> bool {
        let mut client = self.home.command("openssl");
        client.args(["s_client", "-brief", "-verify_return_error", "-verify_hostname", GATEWAY, "-CAfile"]);
        client.arg(self.ca_file()).args(["-connect", "192.168.77.1:443"]).stdin(Stdio::null());
        client.output().is_ok_and(|output| output.status.success())
    }

    /// Returns how many connections the intranet host has accepted.
    pub fn intranet_connections(&self) -> usize {
        self.intranet_connections.load(Ordering::Relaxed)
    }

    /// Returns the logs of the server and the client.
    pub fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.file(name)).unwrap_or_default();
        format!("==> ocserv\n{}\n==> openconnect\n{}", read("ocserv.log"), read("openconnect.log"))
    }

    /// Makes the gateway require the passcode that the academy's does: the PIN followed by a six-digit one-time password,
    /// here [`TestVpn::otp`].
    pub fn require_otp(&self) {
        self.require_key("HOTP");
    }

    /// As [`TestVpn::require_otp`], with the one-time password that [`TestVpn::otp_at`] returns.
    pub fn require_otp_of_now(&self) {
        self.require_key("HOTP/T30");
    }

    fn require_key(&self, kind: &str) {
        self.kill_server();
        let keys = self.file("keys");
        fs::write(&keys, format!("{kind}\t{}\t{PIN}\t{OTP_SECRET}\n", TestVpn::USER)).expect("the folder is writable");
        let pam = PathBuf::from(format!("/etc/netns/{}/pam.d", self.gateway.name));
        fs::create_dir_all(&pam).expect("needs root");
        let rules = format!(
            "auth required pam_oath.so usersfile={} digits=6 window=20\naccount required pam_permit.so\n",
            keys.display()
        );
        fs::write(pam.join("ocserv"), rules).expect("the folder was just made");
        *self.auth_method.borrow_mut() = "pam".into();
        self.start_server();
    }

    /// Makes the gateway name the intranet host as the DNS server of the tunnel.
    pub fn offer_dns(&self) {
        self.kill_server();
        *self.extra_config.borrow_mut() = format!("dns = {INTRANET_ADDRESS}\n");
        self.start_server();
    }

    /// Makes the gateway offer two groups, `Agents` first.
    pub fn offer_groups(&self) {
        self.kill_server();
        *self.extra_config.borrow_mut() = "select-group = agents[Agents]\nselect-group = secours[Secours]\n".into();
        self.start_server();
    }

    /// Makes the gateway ask a second question after the one-time password, as [`TestVpn::require_otp`] does not.
    pub fn require_second_answer(&self) {
        self.kill_server();
        let keys = self.file("second-keys");
        fs::write(&keys, format!("HOTP\t{}\t-\t{OTP_SECRET}\n", TestVpn::USER)).expect("the folder is writable");
        let rules = PathBuf::from(format!("/etc/netns/{}/pam.d/ocserv", self.gateway.name));
        let first = fs::read_to_string(&rules).expect("require_otp was called");
        let second = format!("auth required pam_oath.so usersfile={} digits=6 window=20\n", keys.display());
        fs::write(rules, first.replacen("account", &format!("{second}account"), 1)).expect("needs root");
        self.start_server();
    }

    /// Returns the names of the programs at home that belong to a VPN client.
    pub fn client_processes(&self) -> Vec<String> {
        let pids = run(Command::new("ip").args(["netns", "pids", self.home_namespace()]));
        let names =
            pids.lines().map(|pid| fs::read_to_string(format!("/proc/{}/comm", pid.trim())).unwrap_or_default());
        names
            .filter(|name| ["openconnect", "vigie-openconn", "pkexec"].iter().any(|client| name.starts_with(client)))
            .collect()
    }

    /// Returns the one-time password with this counter. The gateway accepts each once, and only in ascending order.
    pub fn otp(number: u32) -> String {
        let counter = format!("--counter={number}");
        run(Command::new("oathtool").args(["--hotp", "--digits=6", &counter, OTP_SECRET])).trim().to_owned()
    }

    /// Returns the one-time password of this time, which changes every half minute. The gateway accepts each once.
    pub fn otp_at(time: jiff::Timestamp) -> String {
        let now = format!("--now=@{}", time.as_second());
        run(Command::new("oathtool").args(["--totp", "--digits=6", &now, OTP_SECRET])).trim().to_owned()
    }

    /// Returns the pin of a certificate in the format of OpenConnect.
    pub fn certificate_pin(&self, certificate: &str) -> String {
        let hash = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";
        let hash = run(Command::new("sh").args(["-c", hash]).arg(self.file(&format!("{certificate}.pem"))));
        format!("pin-sha256:{}", hash.trim())
    }

    /// Stops the server's processes: it keeps its sockets but answers no more.
    pub fn freeze_server(&self) {
        self.signal_server(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn resume_server(&self) {
        self.signal_server(Signal::CONT);
    }

    fn signal_server(&self, signal: Signal) {
        let server = self.server.borrow();
        let server = server.as_ref().expect("the server was started");
        let group = Pid::from_raw(i32::try_from(server.pid()).expect("a pid")).expect("a pid");
        rustix::process::kill_process_group(group, signal).expect("the server runs");
    }

    fn write_certificates(&self) {
        let mut authority = CertificateParams::new([]).expect("there are no names to reject");
        authority.distinguished_name.push(DnType::CommonName, "Vigie test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("the defaults are supported");
        let certificate = authority.self_signed(&key).expect("the parameters are complete");
        fs::write(self.ca_file(), certificate.pem()).expect("the folder is writable");
        let authority = Issuer::new(authority, key);

        for (file, name) in [
            ("gateway", GATEWAY),
            ("renewed", GATEWAY),
            ("impostor", "portail.hotel.test"),
            ("intranet", "intranet.test"),
            ("intranet-zone", "intranet.in.test"),
        ] {
            let mut params = CertificateParams::new([name.to_owned()]).expect("the host name is valid");
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let key = KeyPair::generate().expect("the defaults are supported");
            let certificate = params.signed_by(&key, &authority).expect("the parameters are complete");
            write(&self.file(&format!("{file}.pem")), &certificate.pem());
            write(&self.file(&format!("{file}.key")), &key.serialize_pem());
        }
        self.write_flawed_certificates(&authority);
    }

    fn write_flawed_certificates(&self, authority: &Issuer<'_, KeyPair>) {
        let day = |days: i64| {
            let seconds = jiff::Timestamp::now().as_second() + days * 86_400;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.unsigned_abs())
        };
        let mut middle = CertificateParams::new([]).expect("there are no names to reject");
        middle.distinguished_name.push(DnType::CommonName, "Vigie test intermediate");
        middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let middle = Issuer::new(middle, KeyPair::generate().expect("the defaults are supported"));
        for (file, days, issuer) in [
            ("expired", (-30, -1), Some(authority)),
            ("fresh", (-1, 30), Some(authority)),
            ("incomplete", (-1, 30), Some(&middle)),
            ("self-signed", (-1, 30), None),
        ] {
            let mut params = CertificateParams::new([GATEWAY.to_owned()]).expect("the host name is valid");
            params.distinguished_name.push(DnType::CommonName, GATEWAY);
            (params.not_before, params.not_after) = (day(days.0), day(days.1));
            let key = KeyPair::generate().expect("the defaults are supported");
            let certificate = match issuer {
                Some(issuer) => params.signed_by(&key, issuer),
                None => params.self_signed(&key),
            };
            write(&self.file(&format!("{file}.pem")), &certificate.expect("the parameters are complete").pem());
            write(&self.file(&format!("{file}.key")), &key.serialize_pem());
        }
    }

    fn write_password(&self) {
        let mut command = Command::new("ocpasswd");
        command.arg("-c").arg(self.file("passwords")).arg(TestVpn::USER).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("ocpasswd not found ({error}): run scripts/setup test"));
        let mut input = child.stdin.take().expect("piped");
        // In one piece: ocpasswd may end before a second one is written.
        input.write_all(format!("{PASSCODE}\n{PASSCODE}\n").as_bytes()).expect("ocpasswd reads its input");
        drop(input);
        assert!(child.wait().is_ok_and(|status| status.success()), "ocpasswd failed");
    }
}

impl Drop for TestVpn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::eprint(&self.logs());
        }
    }
}

/// Moves this thread into a network namespace.
pub(super) fn enter(name: &str) {
    let namespace = File::open(format!("/run/netns/{name}")).expect("ip netns made the namespace");
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind)).expect("needs root");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the folder is writable");
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

/// A print server that knows no printer; counts its connections. Ends with the test program.
fn serve(address: &str, count: &Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).expect("the address was just added");
    let count = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || answer_ipp(stream));
        }
    });
}

fn answer_ipp(mut stream: TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        request.extend_from_slice(&buffer[..length]);
        let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        // RFC 8011: version, operation, then the request's number.
        let Some(number) = request.get(head + 8..head + 12) else { continue };
        let mut body = vec![1, 1, 4, 6];
        body.extend_from_slice(number);
        body.push(1);
        for (tag, name, value) in [(0x47, "attributes-charset", "utf-8"), (0x48, "attributes-natural-language", "en")] {
            body.extend([tag, 0, u8::try_from(name.len()).expect("short")]);
            body.extend(name.bytes());
            body.extend([0, u8::try_from(value.len()).expect("short")]);
            body.extend(value.bytes());
        }
        body.push(3);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        return;
    }
}
