//! Situations of a user at home or on site, laid with real parts, and what `vigie status` says in each.

use crate::harness::vpn::{GATEWAY, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use serde_json::Value;
use std::fs;
use std::process::Command;

const PRINT_SERVER: &str = "\"172.26.66.73:631\"";
const FILE_SERVER: &str = "\"smb://172.26.66.73\"";

/// A user at home, without the VPN, in a situation that each test makes.
struct Situation {
    desktop: Desktop,
    vpn: TestVpn,
}

impl Situation {
    fn new() -> Situation {
        let vpn = TestVpn::start();
        let desktop = Desktop::at_home(&vpn);
        let situation = Situation { desktop, vpn };
        situation.watch(PRINT_SERVER, "");
        situation
    }

    /// Sets the intranet hosts, and more of the site's settings.
    fn watch(&self, hosts: &str, more: &str) {
        let site = format!("[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [{hosts}]\n{more}\n");
        let settings = format!("[user]\nsite = \"caen\"\n\n{site}\n[vpn]\nprobe_timeout_seconds = 2\n");
        self.desktop.write(".config/vigie/vigie.toml", &settings);
    }

    /// Asserts what `vigie status --json` says: status, reason, and a part of the headline and the advice.
    fn is(&self, status: &str, reason: &str, text: &str) {
        self.is_with(self.desktop.vigie(), status, reason, text);
    }

    fn is_with(&self, mut vigie: Command, status: &str, reason: &str, text: &str) {
        let output = vigie.args(["status", "--json"]).output().expect("it starts");
        let said: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        let (title, advice) = (&said["panel"]["title"], &said["panel"]["subtitle"]);
        let words = format!("{} | {}", title.as_str().unwrap_or_default(), advice.as_str().unwrap_or_default());
        let words = words.replace('\u{a0}', " ");
        let witnesses = &said["witnesses"];
        assert_eq!(
            (said["verdict"].as_str(), said["reason"].as_str()),
            (Some(status), Some(reason)),
            "{words} {witnesses}"
        );
        assert!(words.contains(text), "{words}");
    }

    fn ip(&self, arguments: &str) {
        run(Command::new("ip").args(["-n", self.vpn.home_namespace()]).args(arguments.split(' ')));
    }

    /// A real smbd on the intranet host.
    fn start_file_server(&self) -> ChildProcess {
        let folder = self.vpn.folder().join("smbd");
        fs::create_dir_all(&folder).expect("the folder is writable");
        let at = folder.display();
        let settings = format!(
            "[global]\nworkgroup = TEST\nserver role = standalone server\ndisable netbios = yes\nsmb ports = 445\n\
             private dir = {at}\nlock directory = {at}\nstate directory = {at}\ncache directory = {at}\n\
             pid directory = {at}\nncalrpc dir = {at}/ncalrpc\nlog file = {at}/log\nload printers = no\n"
        );
        fs::write(folder.join("smb.conf"), settings).expect("the folder is writable");
        let mut command = self.vpn.intranet_command("/usr/sbin/smbd");
        command.args(["--foreground", "--no-process-group", "--configfile"]).arg(folder.join("smb.conf"));
        let server = self.desktop.spawn("smbd", &command);
        wait_for("smbd to listen", DEADLINE, || {
            let sockets = run(self.vpn.intranet_command("ss").args(["-Hltn", "sport = :445"]));
            (!sockets.is_empty()).then_some(())
        });
        server
    }

    /// A router that accepts every TCP connection itself: transparent proxies, satellite links, public Wi-Fi. `answer` is
    /// what it sends. With `spare_gateway`, connections to the gateway pass.
    fn accept_every_connection(&self, answer: &str, spare_gateway: bool) -> ChildProcess {
        let script = format!(
            "import socket, threading\ns = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
             s.bind(('0.0.0.0', 9040)); s.listen(64)\nheld = []\n\
             def treat(c):\n held.append(c)\n c.recv(4096)\n c.sendall({answer})\n\
             while True:\n threading.Thread(target=treat, args=(s.accept()[0],), daemon=True).start()\n"
        );
        let mut command = self.vpn.gateway_command("python3");
        command.arg("-c").arg(script);
        let proxy = self.desktop.spawn("proxy", &command);
        let spared = if spare_gateway { "ip daddr 192.168.77.1 tcp dport 443 accept" } else { "" };
        let rules = format!(
            "table ip proxy {{ chain pre {{ type nat hook prerouting priority dstnat\n{spared}\n\
             iifname wan0 meta l4proto tcp redirect to :9040\n}}\n}}\n"
        );
        fs::write(self.vpn.folder().join("rules"), rules).expect("the folder is writable");
        run(self.vpn.gateway_command("nft").arg("-f").arg(self.vpn.folder().join("rules")));
        wait_for("the proxy to listen", DEADLINE, || {
            let sockets = run(self.vpn.gateway_command("ss").args(["-Hltn", "sport = :9040"]));
            (!sockets.is_empty()).then_some(())
        });
        proxy
    }
}

#[test]
fn a_file_server_proves_the_intranet_on_site_and_through_the_tunnel() {
    let here = Situation::new();
    here.watch(FILE_SERVER, "");
    here.is("disconnected", "no-tunnel", "VPN déconnecté");
    let _smbd = here.start_file_server();
    here.vpn.move_on_site();
    here.is("on-site", "intranet-answers", "Sur site, VPN inutile");
    here.vpn.move_home();
    here.vpn.connect();
    here.is("connected", "intranet-answers", "VPN connecté");
    // Nobody answers in SMB any more, another service does: the tunnel works.
    here.watch(&format!("\"smb://172.26.66.74\", {PRINT_SERVER}"), "");
    here.is("connected", "intranet-answers", "Le serveur 172.26.66.74 ne répond pas.");
}

#[test]
fn a_network_that_accepts_every_connection_is_not_the_academy() {
    let here = Situation::new();
    let _proxy = here.accept_every_connection("b''", true);
    for hosts in [PRINT_SERVER, FILE_SERVER, "\"https://172.26.66.73\""] {
        here.watch(hosts, "");
        here.is("disconnected", "no-tunnel", "VPN déconnecté");
    }
    here.watch("\"tcp://172.26.66.73:8080\"", "");
    here.is("unknown", "unproven", "rien ne prouve que celui de l’académie y répond");
}

#[test]
fn a_public_wifi_before_the_log_in_is_named() {
    let here = Situation::new();
    let page = "b'HTTP/1.1 302 Found\\r\\nLocation: http://login.test/\\r\\nContent-Length: 0\\r\\n\\r\\n'";
    let _portal = here.accept_every_connection(page, false);
    here.is("captive", "portal", "Ce réseau demande une connexion (Wi-Fi public)");
}

#[test]
fn what_is_wrong_with_the_gateways_certificate_is_told_and_voids_nothing() {
    let here = Situation::new();
    here.vpn.start_server_with_certificate("incomplete");
    here.is("disconnected", "certificate-incomplete", "ne l’envoie pas en entier");
    here.vpn.start_server_with_certificate("self-signed");
    here.is("disconnected", "certificate-untrusted", "ne connaît pas son émetteur");
    let pin = here.vpn.certificate_pin("self-signed");
    here.watch(PRINT_SERVER, &format!("certificate_pins = [\"{pin}\"]"));
    here.is("disconnected", "no-tunnel", "Connectez-vous au VPN.");
    here.vpn.start_server_with_certificate("fresh");
    here.is("disconnected", "pin-mismatch", "Ne saisissez pas votre code PIN");
    here.watch(PRINT_SERVER, "");
    for (time, date) in [("@2020-01-01 08:00:00", "janvier 2020"), ("+3y", "semble fausse")] {
        let mut vigie = here.desktop.command("faketime");
        vigie.args(["-f", time]).arg(env!("CARGO_BIN_EXE_vigie"));
        here.is_with(vigie, "disconnected", "clock-wrong", date);
    }
    here.vpn.start_server_with_certificate("expired");
    here.is("disconnected", "certificate-expired", "a expiré");
    here.vpn.start_impostor_server();
    here.is("captive", "other-server", "Connexion limitée");
    here.vpn.kill_server();
    here.is("captive", "gateway-refused", "Serveur VPN injoignable");
    // On site none of that matters.
    here.vpn.move_on_site();
    here.is("on-site", "intranet-answers", "Sur site");
    here.vpn.start_server_with_certificate("expired");
    here.is("on-site", "intranet-answers", "Sur site");
}

#[test]
fn a_private_vpn_is_not_the_academys() {
    let here = Situation::new();
    // Its far end is the router, which would carry anything.
    let gateway = run(here.vpn.gateway_command("ip").args(["netns", "identify"])).trim().to_owned();
    here.ip(&format!("link add tun0 type veth peer name tun9 netns {gateway}"));
    run(here.vpn.gateway_command("ip").args(["address", "add", "10.8.0.1/24", "dev", "tun9"]));
    run(here.vpn.gateway_command("ip").args(["link", "set", "tun9", "up"]));
    here.ip("address add 10.8.0.2/24 dev tun0");
    here.ip("link set tun0 up");
    here.is("disconnected", "no-tunnel", "VPN déconnecté");
    // It takes every route, that to the academy's gateway too.
    run(here.vpn.gateway_command("ip").args(["rule", "add", "iif", "tun9", "to", "172.26.66.0/24", "blackhole"]));
    for route in ["0.0.0.0/1", "128.0.0.0/1", "192.168.77.1/32"] {
        here.ip(&format!("route add {route} via 10.8.0.1 dev tun0"));
    }
    here.is("disconnected", "other-vpn", "Un autre VPN est actif (« tun0 »)");
    for route in ["0.0.0.0/1", "128.0.0.0/1", "192.168.77.1/32"] {
        here.ip(&format!("route delete {route}"));
    }
    // Beside the academy's.
    here.vpn.connect();
    here.is("connected", "intranet-answers", "VPN connecté");
    let status = run(here.desktop.vigie().arg("status"));
    assert!(status.contains("  Adresse VPN : 10.20.30."), "{status}");
}

#[test]
fn a_local_network_with_the_academys_addresses_is_named() {
    let here = Situation::new();
    let container = format!("{}-container", here.vpn.home_namespace());
    run(Command::new("ip").args(["netns", "add", &container]));
    here.ip(&format!("link add docker0 type veth peer name eth0 netns {container}"));
    here.ip("address add 172.26.0.1/16 dev docker0");
    here.ip("link set docker0 up");
    run(Command::new("ip").args(["-n", &container, "address", "add", "172.26.66.73/16", "dev", "eth0"]));
    run(Command::new("ip").args(["-n", &container, "link", "set", "eth0", "up"]));
    let mut server = Command::new("ip");
    server.args(["netns", "exec", &container, "python3", "-m", "http.server", "631", "--bind", "172.26.66.73"]);
    let page = here.desktop.spawn("container", &server);
    wait_for("the container to answer", DEADLINE, || here.vpn.is_reachable("172.26.66.73:631").then_some(()));
    let conflict = "Le réseau local « docker0 » utilise les mêmes adresses que l’académie.";
    here.is("disconnected", "address-conflict", conflict);
    // It speaks the protocol, and is no more the academy for that.
    here.watch("\"tcp://172.26.66.73:631\"", "");
    here.is("disconnected", "address-conflict", conflict);
    drop(page);
    run(Command::new("ip").args(["netns", "delete", &container]));
}
