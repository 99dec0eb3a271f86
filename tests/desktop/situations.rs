//! Situations of a user at home or on site, set up with real parts, and what `vigie status` says in each: status, reason
//! and the first sentence of the advice.
//!
//! The rows of a table share one network and one desktop; each row sets up its own situation and undoes it.

use crate::harness::cups::CupsServer;
use crate::harness::login1::FakeLogind;
use crate::harness::vpn::{GATEWAY, TUNNEL, TestVpn};
use crate::harness::{DEADLINE, Desktop, run, wait_for, wait_for_described};
use serde_json::Value;
use std::any::Any;
use std::fs;
use std::process::Command;

/// A situation, how it is set up, status and reason, and the first sentence of the advice.
type SituationRow = (&'static str, fn(&mut SituationWorld), &'static str, &'static str);

const OUT_OF_REACH: &str = "Les lecteurs réseau et les applications métiers sont hors d’atteinte.";
const WITHIN_REACH: &str = "Les applications métiers sont accessibles.";
const INTRANET_SILENT: &str = "Les lecteurs réseau et les applications métiers ne répondent pas.";
const UNVERIFIED: &str = "Le certificat du serveur VPN ne peut pas être vérifié.";
const OTHER_SERVER: &str = "Un autre serveur répond à la place du serveur VPN.";
const NO_DNS: &str = "Ce réseau ne trouve aucune adresse d’Internet (le DNS ne répond pas).";
const CONFLICT: &str = "Le réseau local « docker0 » utilise les mêmes adresses que l’académie.";

const PRINT_SERVER: &str = "172.26.66.73:631";
const FILE_SERVER: &str = "smb://172.26.66.73";
/// An address of the intranet that nobody has.
const NOBODY: &str = "smb://172.26.66.99";

#[test]
fn at_home_without_a_tunnel() {
    play(&[
        ("nothing special", |_| {}, "disconnected no-tunnel", OUT_OF_REACH),
        (
            "the cable is out",
            |here| {
                here.vpn.unplug();
                here.undo(|here| {
                    here.vpn.plug();
                    here.add_ipv6_at_home();
                });
            },
            "offline no-network",
            "Aucun réseau : vérifiez le câble ou le Wi-Fi.",
        ),
        (
            "the gateway refuses connections",
            SituationWorld::stop_gateway,
            "captive gateway-refused",
            "Le serveur VPN refuse la connexion, ou ce réseau la refuse à sa place.",
        ),
        (
            "the gateway is silent",
            |here| here.filter("iifname wan0 ip daddr 192.168.77.1 tcp dport 443 drop"),
            "captive gateway-silent",
            "Le serveur VPN ne répond pas.",
        ),
        (
            "every seventh packet is lost",
            |here| {
                here.timeout_seconds = 6;
                here.filter("iifname wan0 numgen inc mod 7 == 3 drop");
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        ("the line is slow", SituationWorld::slow_line, "disconnected no-tunnel", OUT_OF_REACH),
        (
            "the gateway is reached by IPv6 alone",
            |here| here.names("fd00:77::1 portailotp.test\n", ""),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the gateway's AAAA record leads nowhere, its A record is good",
            |here| {
                here.filter("ip6 daddr 2001:db8::dead drop");
                here.names("2001:db8::dead portailotp.test\n192.168.77.1 portailotp.test\n", "");
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the user's own file server at home",
            |here| {
                here.bookmark("smb://172.26.66.73/photos");
                here.file_server();
                here.on_site();
                here.ask(&[NOBODY]);
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
    ]);
}

#[test]
fn names_at_home() {
    play(&[
        (
            "the provider's DNS knows the gateway",
            |here| here.dns("--local=/test/ --address=/portailotp.test/192.168.77.1"),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the gateway's name does not exist",
            |here| here.dns("--local=/test/"),
            "captive gateway-unresolved",
            "L’adresse du serveur VPN est introuvable sur ce réseau.",
        ),
        (
            "the provider invents an address where nobody answers",
            |here| {
                here.dns("--address=/#/192.168.77.9");
                here.filter("ip daddr 192.168.77.9 drop");
            },
            "captive name-invented",
            "Le nom du serveur VPN n’existe pas pour ce réseau, dont le fournisseur répond à sa place.",
        ),
        (
            "the provider invents the address of its own web server",
            |here| {
                here.dns("--address=/#/192.168.77.1");
                here.certificate("impostor");
            },
            "captive name-invented",
            "Le nom du serveur VPN n’existe pas pour ce réseau, dont le fournisseur répond à sa place.",
        ),
        (
            "the provider invents addresses, and knows the gateway",
            |here| here.dns("--address=/#/192.168.77.9 --address=/portailotp.test/192.168.77.1"),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        ("no DNS server listens", |here| here.names("", "nameserver 192.168.77.1\n"), "captive resolver-down", NO_DNS),
        (
            "the DNS server is silent",
            |here| {
                here.filter("iifname wan0 udp dport 53 drop");
                here.names("", "nameserver 192.168.77.1\n");
            },
            "captive resolver-down",
            NO_DNS,
        ),
        (
            "a witness has a name that only the intranet knows",
            |here| {
                here.dns("--local=/test/ --address=/portailotp.test/192.168.77.1");
                here.ask(&["https://intranet.test"]);
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
    ]);
}

#[test]
fn networks_that_answer_in_everybodys_place() {
    play(&[
        (
            "every connection is accepted, but the gateway's passes: print server",
            |here| here.accept_every_connection("b''", true),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the same: file server",
            |here| {
                here.accept_every_connection("b''", true);
                here.ask(&[FILE_SERVER]);
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the same: web server",
            |here| {
                here.accept_every_connection("b''", true);
                here.ask(&["https://172.26.66.73"]);
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "the same: a host without a protocol",
            |here| {
                here.accept_every_connection("b''", true);
                here.ask(&["tcp://172.26.66.73:8080"]);
            },
            "unknown unproven",
            "Ce réseau accepte les connexions, mais rien ne prouve que celui de l’académie y répond.",
        ),
        (
            "a public Wi-Fi before the log-in",
            |here| {
                let page = "b'HTTP/1.1 302 Found\\r\\nLocation: http://login.test/\\r\\nContent-Length: 0\\r\\n\\r\\n'";
                here.accept_every_connection(page, false);
            },
            "captive portal",
            "Ce réseau ne laisse rien passer avant que vous soyez identifié.",
        ),
        (
            "a private VPN without the academy's routes",
            |here| here.private_vpn("tun0", false),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "a private VPN that takes every route",
            |here| here.private_vpn("tun0", true),
            "disconnected other-vpn",
            "Un VPN est actif (« tun0 »), mais il ne mène pas à l’académie.",
        ),
        ("WireGuard that takes every route", |here| here.wireguard(), "disconnected no-tunnel", OUT_OF_REACH),
        (
            "a private VPN whose interface has an odd name",
            |here| here.private_vpn("tun-home", false),
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "another employer's Cisco client",
            |here| here.private_vpn("cscotun0", false),
            "disconnected other-vpn",
            "Un VPN est actif (« cscotun0 »), mais il ne mène pas à l’académie.",
        ),
        (
            "a network that refuses every connection",
            |here| here.filter("iifname wan0 tcp flags syn reject with tcp reset"),
            "captive gateway-refused",
            "Le serveur VPN refuse la connexion, ou ce réseau la refuse à sa place.",
        ),
        (
            "a container with the print server's address",
            |here| here.container(true),
            "disconnected address-conflict",
            CONFLICT,
        ),
        (
            "the same, and it accepts connections",
            |here| {
                here.container(true);
                here.ask(&["tcp://172.26.66.73:631"]);
            },
            "disconnected address-conflict",
            CONFLICT,
        ),
        (
            "a bridge with the academy's addresses and nothing behind it",
            |here| here.container(false),
            "disconnected address-conflict",
            CONFLICT,
        ),
    ]);
}

#[test]
fn certificates_of_the_gateway() {
    play(&[
        (
            "the chain is incomplete",
            |here| here.certificate("incomplete"),
            "disconnected certificate-incomplete",
            "Le certificat du serveur VPN ne peut pas être vérifié : le serveur ne l’envoie pas en entier.",
        ),
        (
            "the issuer is unknown",
            |here| here.certificate("self-signed"),
            "disconnected certificate-untrusted",
            "Le certificat du serveur VPN ne peut pas être vérifié : cet ordinateur ne connaît pas son émetteur.",
        ),
        (
            "the issuer is unknown, and the key is pinned",
            |here| {
                here.certificate("self-signed");
                here.pin("self-signed");
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "another key is pinned",
            |here| here.pin("self-signed"),
            "disconnected pin-mismatch",
            "Le serveur VPN n’a pas la clé attendue.",
        ),
        (
            "it expired yesterday",
            |here| here.certificate("expired"),
            "disconnected certificate-expired",
            "Le certificat du serveur VPN a expiré.",
        ),
        (
            "the computer's clock shows 2020",
            |here| {
                here.certificate("fresh");
                here.clock = Some("@2020-01-01 08:00:00");
            },
            "disconnected clock-wrong",
            UNVERIFIED,
        ),
        (
            "the computer's clock is three years ahead",
            |here| {
                here.certificate("fresh");
                here.clock = Some("+3y");
            },
            "disconnected clock-wrong",
            UNVERIFIED,
        ),
        ("it is another host's", |here| here.certificate("impostor"), "captive other-server", OTHER_SERVER),
        (
            "the server speaks TLS 1.1 alone",
            SituationWorld::old_tls,
            "disconnected old-tls",
            "Le serveur VPN n’accepte que d’anciennes connexions, qui ne sont plus sûres.",
        ),
        (
            "on site, it expired yesterday",
            |here| {
                here.on_site();
                here.certificate("expired");
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "on site, it is another host's",
            |here| {
                here.on_site();
                here.certificate("impostor");
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "on site, the computer's clock shows 2020",
            |here| {
                here.on_site();
                here.clock = Some("@2020-01-01 08:00:00");
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "on site, the gateway is not reached",
            |here| {
                here.on_site();
                here.stop_gateway();
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
    ]);
}

#[test]
fn on_site() {
    play(&[
        ("a print server answers", SituationWorld::on_site, "on-site intranet-answers", WITHIN_REACH),
        (
            "a real print server answers",
            |here| {
                here.on_site();
                here.cups();
                here.ask(&["ipp://172.26.66.75"]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a file server answers",
            |here| {
                here.on_site();
                here.file_server();
                here.ask(&[FILE_SERVER]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a web server answers in its own name",
            |here| {
                here.on_site();
                here.web_server("intranet");
                here.ask(&["https://intranet.test"]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a web server answers in another's name",
            |here| {
                here.on_site();
                here.web_server("impostor");
                here.ask(&["https://intranet.test"]);
            },
            "disconnected no-tunnel",
            OUT_OF_REACH,
        ),
        (
            "a host is named, and the DNS knows it",
            |here| {
                here.on_site();
                here.dns(
                    "--local=/test/ --address=/portailotp.test/192.168.77.1 --address=/impressions.test/172.26.66.73",
                );
                here.ask(&["ipp://impressions.test"]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a host answers by IPv6",
            |here| {
                here.on_site();
                here.ask(&["ipp://[fd00:66::73]"]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "one host of two is silent",
            |here| {
                here.on_site();
                here.ask(&[NOBODY, PRINT_SERVER]);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "every seventh packet is lost",
            |here| {
                here.on_site();
                here.timeout_seconds = 6;
                here.filter("iifname wan0 numgen inc mod 7 == 3 drop");
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "the line is slow",
            |here| {
                here.on_site();
                here.slow_line();
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a private VPN is on beside it",
            |here| {
                here.on_site();
                here.private_vpn("tun0", false);
            },
            "on-site intranet-answers",
            WITHIN_REACH,
        ),
        (
            "the academy's VPN is on beside it",
            |here| {
                here.on_site();
                here.connect();
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a host accepts connections, without a protocol",
            |here| {
                here.on_site();
                here.ask(&["tcp://172.26.66.73:631"]);
            },
            "unknown unproven",
            "Ce réseau accepte les connexions, mais rien ne prouve que celui de l’académie y répond.",
        ),
    ]);
}

#[test]
fn through_the_tunnel() {
    play(&[
        ("a print server answers", SituationWorld::connect, "connected intranet-answers", WITHIN_REACH),
        (
            "every route goes through it",
            |here| {
                here.connect_to(TestVpn::start_full_tunnel_server);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a host answers by IPv6",
            |here| {
                here.connect_to(TestVpn::start_ipv6_server);
                here.ask(&["ipp://[fd00:66::73]"]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a file server answers",
            |here| {
                here.file_server();
                here.connect();
                here.ask(&[FILE_SERVER]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "one host of two is silent",
            |here| {
                here.connect();
                here.ask(&[NOBODY, PRINT_SERVER]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "every host of the profile is silent, the server of the user's drive answers",
            |here| {
                here.file_server();
                here.bookmark("smb://172.26.66.73/commun");
                here.connect();
                here.ask(&[NOBODY]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "every host of the profile is silent, the tunnel's DNS server answers",
            |here| {
                here.inside_dns();
                here.connect_with_dns();
                here.ask(&[NOBODY]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "the tunnel's DNS server knows the intranet's zone",
            |here| {
                here.inside_dns();
                here.connect_with_dns();
                here.ask(&["dns://in.test"]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a host is named, and the tunnel's DNS server knows it",
            |here| {
                here.inside_dns();
                here.connect_with_dns();
                here.ask(&["ipp://impressions.in.test"]);
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "a host is named, and no DNS server answers",
            |here| {
                here.connect_with_dns();
                here.ask(&["ipp://impressions.in.test"]);
            },
            "stalled resolver-down",
            "Aucun serveur de l’académie n’est trouvé par son nom (le DNS ne répond pas).",
        ),
        (
            "every host is silent",
            |here| {
                here.connect();
                here.vpn.cut_intranet();
                here.undo(|here| here.vpn.restore_intranet());
            },
            "stalled intranet-silent",
            INTRANET_SILENT,
        ),
        (
            "every host is silent, and so is the gateway",
            |here| {
                here.connect();
                here.filter("iifname wan0 drop");
            },
            "stalled nothing-answers",
            "Plus rien ne répond, pas même le serveur VPN.",
        ),
        (
            "a container has the academy's addresses",
            |here| {
                here.connect();
                here.container(false);
                here.home("address add 172.26.66.126/25 dev docker0");
            },
            "stalled address-conflict",
            CONFLICT,
        ),
        (
            "a private VPN is on beside it",
            |here| {
                here.private_vpn("tun0", false);
                here.connect();
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "every seventh packet is lost",
            |here| {
                here.connect();
                here.timeout_seconds = 6;
                here.filter("iifname lan0 numgen inc mod 7 == 3 drop");
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
        (
            "the line is slow",
            |here| {
                here.connect();
                here.slow_line();
            },
            "connected intranet-answers",
            WITHIN_REACH,
        ),
    ]);
}

#[test]
fn between_two_networks_asleep() {
    let mut here = SituationWorld::new();
    here.desktop.skip_first_run();
    let login1 = FakeLogind::start(&here.desktop);
    here.on_site();
    here.configure();
    let (_vigie, _item) = here.desktop.start_vigie();
    here.becomes("on-site intranet-answers");
    // Closed at the office, opened at home, with the same address, as many routers give it.
    login1.prepare_for_sleep(true);
    here.restore();
    login1.prepare_for_sleep(false);
    here.becomes("disconnected no-tunnel");
    // And back, with another one.
    login1.prepare_for_sleep(true);
    here.home("address delete 192.168.77.2/24 dev eth0");
    here.home("address add 192.168.77.40/24 dev eth0");
    here.home("route add default via 192.168.77.1");
    here.on_site();
    login1.prepare_for_sleep(false);
    here.becomes("on-site intranet-answers");
}

/// Sets up each situation, reads what Vigie says, and undoes it.
fn play(rows: &[SituationRow]) {
    let mut here = SituationWorld::new();
    let mut wrong = Vec::new();
    for (situation, set_up, expected, advice) in rows {
        set_up(&mut here);
        here.configure();
        let (said, text) = here.says();
        let sentence = text.split_inclusive(". ").next().unwrap_or_default().trim();
        if (said.0.as_str(), sentence) != (*expected, *advice) {
            wrong.push(format!("{situation}: {} instead of {expected}\n  {text}\n  {}", said.0, said.1));
        }
        here.restore();
    }
    assert!(wrong.is_empty(), "{} situations are reported wrongly:\n{}", wrong.len(), wrong.join("\n"));
}

/// Undoes a part of a situation.
type Undo = Box<dyn FnOnce(&SituationWorld)>;

/// A user at home, without the VPN, and what a situation has changed.
struct SituationWorld {
    // In the order in which they must be dropped.
    parts: Vec<Box<dyn Any>>,
    undo: Vec<Undo>,
    desktop: Desktop,
    vpn: TestVpn,
    /// The profile's intranet hosts.
    hosts: Vec<String>,
    /// More settings of the site.
    site: String,
    timeout_seconds: u32,
    /// What `faketime` makes of the clock.
    clock: Option<&'static str>,
}

impl SituationWorld {
    fn new() -> SituationWorld {
        let vpn = TestVpn::start();
        let desktop = Desktop::at_home(&vpn);
        let mut here = SituationWorld {
            parts: Vec::new(),
            undo: Vec::new(),
            desktop,
            vpn,
            hosts: Vec::new(),
            site: String::new(),
            timeout_seconds: 0,
            clock: None,
        };
        here.add_ipv6();
        run(here.vpn.intranet_command("ip").args(["address", "add", "172.26.66.75/24", "dev", "eth0"]));
        here.restore();
        here
    }

    /// The same networks in IPv6.
    fn add_ipv6(&self) {
        self.gateway("address add fd00:77::1/64 dev wan0 nodad");
        self.gateway("address add fd00:66::1/64 dev lan0 nodad");
        self.intranet("address add fd00:66::73/64 dev eth0 nodad");
        self.intranet("-6 route add default via fd00:66::1");
        run(self.vpn.gateway_command("sh").args(["-c", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"]));
        self.add_ipv6_at_home();
        self.vpn.start_print_server("[fd00:66::73]:631");
        self.gateway("-6 rule add iif wan0 to fd00:66::/64 blackhole");
    }

    fn add_ipv6_at_home(&self) {
        self.home("address add fd00:77::2/64 dev eth0 nodad");
        self.home("-6 route add default via fd00:77::1");
    }

    fn restore(&mut self) {
        self.parts.clear();
        while let Some(undo) = self.undo.pop() {
            undo(self);
        }
        self.hosts = vec![PRINT_SERVER.into()];
        (self.site, self.timeout_seconds, self.clock) = (String::new(), 2, None);
    }

    fn undo(&mut self, undo: impl FnOnce(&SituationWorld) + 'static) {
        self.undo.push(Box::new(undo));
    }

    fn configure(&self) {
        let hosts: Vec<String> = self.hosts.iter().map(|host| format!("\"{host}\"")).collect();
        let site = format!(
            "[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [{}]\n{}\n",
            hosts.join(", "),
            self.site
        );
        let limit = self.timeout_seconds;
        let settings = format!("[user]\nsite = \"caen\"\n\n{site}\n[vpn]\nprobe_timeout_seconds = {limit}\n");
        self.desktop.write(".config/vigie/vigie.toml", &settings);
    }

    /// Status and reason with the witnesses, and headline's advice.
    fn says(&self) -> ((String, String), String) {
        let mut vigie = match self.clock {
            None => self.desktop.vigie(),
            Some(clock) => {
                let mut vigie = self.desktop.command("faketime");
                vigie.args(["-f", clock]).arg(env!("CARGO_BIN_EXE_vigie"));
                vigie
            }
        };
        let output = vigie.args(["status", "--json"]).output().expect("it starts");
        let said: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().replace('\u{a0}', " ");
        let status = format!("{} {}", text(&said["verdict"]), text(&said["reason"]));
        ((status, said["witnesses"].to_string()), text(&said["panel"]["subtitle"]))
    }

    /// Waits until the running Vigie says so.
    fn becomes(&self, expected: &str) {
        wait_for_described(
            || format!("{expected}: {:?}", self.says()),
            DEADLINE,
            || (self.says().0.0 == expected).then_some(()),
        );
    }

    fn home(&self, arguments: &str) {
        run(Command::new("ip").args(["-n", self.vpn.home_namespace()]).args(arguments.split(' ')));
    }

    fn gateway(&self, arguments: &str) {
        run(self.vpn.gateway_command("ip").args(arguments.split(' ')));
    }

    fn intranet(&self, arguments: &str) {
        run(self.vpn.intranet_command("ip").args(arguments.split(' ')));
    }

    fn start(&mut self, name: &str, command: &Command, is_ready: impl Fn(&SituationWorld) -> bool) {
        let part = self.desktop.spawn(name, command);
        wait_for(&format!("{name} to listen"), DEADLINE, || is_ready(self).then_some(()));
        self.parts.push(Box::new(part));
    }
}

/// What situations are made of.
impl SituationWorld {
    fn ask(&mut self, hosts: &[&str]) {
        self.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    }

    fn on_site(&mut self) {
        self.vpn.move_on_site();
        self.gateway("-6 rule delete iif wan0 to fd00:66::/64 blackhole");
        self.undo(|here| {
            here.vpn.move_home();
            here.gateway("-6 rule add iif wan0 to fd00:66::/64 blackhole");
        });
    }

    fn connect(&mut self) {
        self.vpn.connect();
        self.undo(|here| here.vpn.disconnect());
        assert!(self.vpn.has_tunnel(), "{TUNNEL}");
    }

    /// As [`SituationWorld::connect`], to another kind of server at the gateway.
    fn connect_to(&mut self, start: fn(&TestVpn)) {
        start(&self.vpn);
        self.undo(|here| {
            here.vpn.kill_server();
            here.vpn.start_server();
        });
        self.connect();
    }

    /// As [`SituationWorld::connect`]; the tunnel's DNS server is then asked for every name but the gateway's.
    fn connect_with_dns(&mut self) {
        self.connect();
        self.names("192.168.77.1 portailotp.test\n", "nameserver 172.26.66.73\n");
    }

    fn stop_gateway(&mut self) {
        self.vpn.kill_server();
        self.undo(|here| here.vpn.start_server());
    }

    fn certificate(&mut self, name: &str) {
        self.vpn.start_server_with_certificate(name);
        self.undo(|here| here.vpn.start_server_with_certificate("gateway"));
    }

    fn pin(&mut self, certificate: &str) {
        self.site = format!("certificate_pins = [\"{}\"]", self.vpn.certificate_pin(certificate));
    }

    /// A rule of the router, before anything else.
    fn filter(&mut self, rule: &str) {
        self.rules("filter", "type filter hook prerouting priority raw", rule);
    }

    fn rules(&mut self, table: &'static str, chain: &str, rules: &str) {
        let text = format!("table inet {table} {{ chain early {{ {chain};\n{rules}\n}}\n}}\n");
        let file = self.vpn.folder().join("rules");
        fs::write(&file, text).expect("the folder is writable");
        run(self.vpn.gateway_command("nft").arg("-f").arg(file));
        self.undo(|here| drop(run(here.vpn.gateway_command("nft").args(["delete", "table", "inet", table]))));
    }

    /// 64 kbit/s, and each packet waits for the one before.
    fn slow_line(&mut self) {
        let bucket = ["root", "tbf", "rate", "64kbit", "burst", "1600", "latency", "2s"];
        run(self.vpn.gateway_command("tc").args(["qdisc", "add", "dev", "wan0"]).args(bucket));
        self.undo(|here| drop(run(here.vpn.gateway_command("tc").args(["qdisc", "delete", "dev", "wan0", "root"]))));
    }

    /// What programs at home read of hosts(5), beside this machine, and of resolv.conf(5).
    fn names(&mut self, hosts: &str, resolver: &str) {
        self.vpn.set_names(hosts, resolver);
        self.undo(|here| here.vpn.set_names(&format!("192.168.77.1 {GATEWAY}\n172.26.66.73 intranet.test\n"), ""));
    }

    /// The provider's DNS server, a real dnsmasq, is the only source of names.
    fn dns(&mut self, arguments: &str) {
        let server = self.vpn.start_dnsmasq(self.vpn.gateway_command("dnsmasq"), "192.168.77.1", arguments);
        self.parts.push(Box::new(server));
        self.names("", "nameserver 192.168.77.1\n");
    }

    /// The intranet's DNS server, for the zone in.test.
    fn inside_dns(&mut self) {
        self.parts.push(Box::new(self.vpn.start_dns_server()));
    }

    /// A share among the bookmarks of the user's file manager.
    fn bookmark(&mut self, address: &str) {
        self.desktop.write(".config/gtk-3.0/bookmarks", &format!("{address}\n"));
        self.undo(|here| drop(here.desktop.write(".config/gtk-3.0/bookmarks", "")));
    }

    fn file_server(&mut self) {
        self.parts.push(Box::new(self.vpn.start_file_server(&[])));
    }

    /// A real cupsd in the intranet.
    fn cups(&mut self) {
        self.parts.push(Box::new(CupsServer::in_intranet(&self.vpn, "172.26.66.75:631")));
    }

    fn web_server(&mut self, certificate: &str) {
        self.parts.push(Box::new(self.vpn.start_web_server(certificate)));
    }

    /// A server of TLS 1.1 in the gateway's place.
    fn old_tls(&mut self) {
        self.stop_gateway();
        let at = |end: &str| self.vpn.folder().join(format!("gateway.{end}"));
        let mut command = self.vpn.gateway_command("openssl");
        command.args(["s_server", "-quiet", "-accept", "443", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-cert"]);
        command.arg(at("pem")).arg("-key").arg(at("key"));
        self.start("old TLS server", &command, |here| here.vpn.is_reachable("192.168.77.1:443"));
    }

    /// A router that accepts every TCP connection itself: transparent proxies, satellite links, public Wi-Fi. `answer` is
    /// what it sends. With `spare_gateway`, connections to the gateway pass.
    fn accept_every_connection(&mut self, answer: &str, spare_gateway: bool) {
        let script = format!(
            "import socket, threading\ns = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
             s.bind(('0.0.0.0', 9040)); s.listen(64)\nheld = []\n\
             def treat(c):\n held.append(c)\n c.recv(4096)\n c.sendall({answer})\n\
             while True:\n threading.Thread(target=treat, args=(s.accept()[0],), daemon=True).start()\n"
        );
        let mut command = self.vpn.gateway_command("python3");
        command.arg("-c").arg(script);
        let listens =
            |here: &SituationWorld| !run(here.vpn.gateway_command("ss").args(["-Hltn", "sport = :9040"])).is_empty();
        self.start("proxy", &command, listens);
        let spared = if spare_gateway { "ip daddr 192.168.77.1 tcp dport 443 accept" } else { "" };
        let rules = format!("{spared}\niifname wan0 meta nfproto ipv4 meta l4proto tcp redirect to :9040");
        self.rules("proxy", "type nat hook prerouting priority dstnat", &rules);
    }

    /// WireGuard as wg-quick sets it up to take every route: without a router, in a table that comes before the main one's
    /// default route.
    fn wireguard(&mut self) {
        self.private_vpn("wg0", false);
        self.home("route add default dev wg0 table 51820");
        self.home("rule add not fwmark 51820 table 51820");
        self.home("rule add table main suppress_prefixlength 0");
        self.undo(|here| {
            here.home("rule delete not fwmark 51820 table 51820");
            here.home("rule delete table main suppress_prefixlength 0");
        });
    }

    /// Another VPN, whose far end is the router. It may take every route, that to the academy's gateway too.
    fn private_vpn(&mut self, name: &'static str, takes_routes: bool) {
        let router = run(self.vpn.gateway_command("ip").args(["netns", "identify"])).trim().to_owned();
        self.home(&format!("link add {name} type veth peer name far0 netns {router}"));
        self.undo(move |here| here.home(&format!("link delete {name}")));
        self.gateway("address add 10.8.0.1/24 dev far0");
        self.gateway("link set far0 up");
        self.home(&format!("address add 10.8.0.2/24 dev {name}"));
        self.home(&format!("link set {name} up"));
        if takes_routes {
            self.gateway("rule add iif far0 to 172.26.66.0/24 blackhole");
            self.undo(|here| here.gateway("rule delete iif far0 to 172.26.66.0/24 blackhole"));
            for route in ["0.0.0.0/1", "128.0.0.0/1", "192.168.77.1/32"] {
                self.home(&format!("route add {route} via 10.8.0.1 dev {name}"));
            }
        }
    }

    /// A container network that has the academy's addresses, and maybe a container with the print server's.
    fn container(&mut self, has_print_server: bool) {
        let container = format!("{}-container", self.vpn.home_namespace());
        run(Command::new("ip").args(["netns", "add", &container]));
        self.home(&format!("link add docker0 type veth peer name eth0 netns {container}"));
        self.home("address add 172.26.0.1/16 dev docker0");
        self.home("link set docker0 up");
        let name = container.clone();
        self.undo(move |here| {
            // The kernel takes its time to delete a namespace, and with it the other end of the link.
            here.home("link delete docker0");
            run(Command::new("ip").args(["netns", "delete", &name]));
        });
        if has_print_server {
            let in_container = |arguments: &[&str]| run(Command::new("ip").args(["-n", &container]).args(arguments));
            in_container(&["address", "add", "172.26.66.73/16", "dev", "eth0"]);
            in_container(&["link", "set", "eth0", "up"]);
            let mut server = Command::new("ip");
            server.args(["netns", "exec", &container, "python3", "-m", "http.server", "631", "--bind", "172.26.66.73"]);
            self.start("container", &server, |here| here.vpn.is_reachable("172.26.66.73:631"));
        }
    }
}
