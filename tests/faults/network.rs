//! The network, and the services that Vigie asks.

use crate::FaultCase;
use crate::fixture::{Fixture, PROMPTLY, ProcessUsage, SETTINGS};
use crate::harness::login1::FakeLogind;
use crate::harness::vpn::{GATEWAY, TestVpn};
use crate::harness::{DEADLINE, Desktop, run, wait_for};
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "every packet to the gateway is lost",
        may: "« Connexion limitée » or « Serveur VPN injoignable »",
        never: "« VPN connecté », or more threads with every attempt",
        tests: &[
            "network::gateway_is_silent",
            "tests/desktop/vpn.rs::a_silent_gateway_is_first_disconnected_then_unreachable",
        ],
    },
    FaultCase {
        what: "the gateway refuses connections",
        may: "« Serveur VPN injoignable »",
        never: "« VPN connecté »; a status that stays once it accepts them again",
        tests: &["network::gateway_refuses"],
    },
    FaultCase {
        what: "something at the gateway's address answers garbage, a byte at a time",
        may: "« Connexion limitée »",
        never: "a probe without end",
        tests: &["network::gateway_answers_garbage"],
    },
    FaultCase {
        what: "the intranet host accepts connections and says nothing",
        may: "« VPN déconnecté », or « Le VPN ne répond plus » through a tunnel",
        never: "« Sur site » or « VPN connecté »",
        tests: &["network::inside_host_hangs"],
    },
    FaultCase {
        what: "no DNS server answers, while the network flaps",
        may: "« Connexion limitée »",
        never: "a lookup more for each flap",
        tests: &["network::dns_is_dead"],
    },
    FaultCase {
        what: "the DNS server answers after 4 s",
        may: "a status that is known some seconds later",
        never: "a wrong status",
        tests: &["network::dns_is_slow"],
    },
    FaultCase {
        what: "the DNS server lies about the gateway",
        may: "« Connexion limitée »",
        never: "« VPN connecté »",
        tests: &["network::dns_lies"],
    },
    FaultCase {
        what: "a tunnel comes and goes 1,000 times in a minute",
        may: "« Connexion en cours »",
        never: "a notification for each; a wrong status once it is quiet; memory or descriptors that stay",
        tests: &["network::tunnel_flaps", "tests/desktop/vpn.rs::a_flapping_connection_is_notified_four_times_at_most"],
    },
    FaultCase {
        what: "100 interfaces and 10,000 routes",
        may: "nothing",
        never: "a status that is late",
        tests: &["network::there_are_many_interfaces_and_routes"],
    },
    FaultCase {
        what: "something else listens on the port of WAPT's agent: garbage, no end, control characters",
        may: "« indisponible » in the row of WAPT",
        never: "its control characters in a status, memory that grows with its answer",
        tests: &["network::wapts_port_is_hostile"],
    },
    FaultCase {
        what: "CUPS accepts connections and says nothing",
        may: "« indisponible » in the row of the printers",
        never: "a panel or a status that waits for it",
        tests: &["network::cups_hangs"],
    },
    FaultCase {
        what: "logind and the system bus are restarted",
        may: "nothing",
        never: "a sleep that goes unnoticed afterwards",
        tests: &["network::system_bus_is_restarted"],
    },
    FaultCase {
        what: "the computer sleeps across a reminder, and wakes in another network",
        may: "the reminder on waking, with the minutes that are left",
        never: "a status from before the sleep; two reminders",
        tests: &[
            "tests/desktop/shutdown.rs::a_reminder_missed_in_sleep_is_shown_once_on_waking",
            "tests/desktop/vpn.rs::after_sleep_the_status_is_unknown_until_it_was_probed",
        ],
    },
];

/// Runs a Python program on the gateway, and waits until it listens there.
fn serve_on_gateway(fixture: &mut Fixture, name: &str, filter: &str, script: &str) {
    let mut server = fixture.vpn.gateway_command("python3");
    server.args(["-c", script]);
    fixture.others.push(fixture.desktop.spawn(name, &server));
    wait_for(&format!("{name} to listen"), DEADLINE, || {
        let sockets = run(fixture.vpn.gateway_command("ss").args(["-Hlntu", filter]));
        (!sockets.is_empty()).then_some(())
    });
}

#[test]
fn gateway_is_silent() {
    let fixture = Fixture::start();
    let before = ProcessUsage::of(fixture.vigie().pid());
    fixture.vpn.freeze_server();
    let drop_all = ["-n", fixture.vpn.home_namespace(), "route", "add", "blackhole", "192.168.77.1/32"];
    run(Command::new("ip").args(drop_all));
    for _ in 0..20 {
        fixture.act(r#"{"do":"refresh"}"#);
        let verdict = fixture.status().expect("it answers")["verdict"].clone();
        assert!(verdict != "connected" && verdict != "on-site", "{verdict}");
    }
    fixture.assert_reminds();
    let now = ProcessUsage::of(fixture.vigie().pid());
    assert!(
        now.threads <= before.threads + 6 && now.descriptors <= before.descriptors + 12,
        "{before:?}, then {now:?}"
    );
    fixture.vpn.resume_server();
    run(Command::new("ip").args(drop_all.map(|word| if word == "add" { "delete" } else { word })));
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn gateway_refuses() {
    let fixture = Fixture::start();
    fixture.vpn.kill_server();
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("captive");
    fixture.assert_reminds();
    fixture.vpn.start_server();
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn gateway_answers_garbage() {
    let mut fixture = Fixture::start();
    fixture.vpn.kill_server();
    let script = "import socket, threading, time, os\ns = socket.create_server(('0.0.0.0', 443))\n\
        def treat(c):\n try:\n  while True:\n   c.sendall(os.urandom(1)); time.sleep(0.2)\n except OSError: pass\n\
        while True: threading.Thread(target=treat, args=(s.accept()[0],), daemon=True).start()\n";
    serve_on_gateway(&mut fixture, "garbage", "sport = :443", script);
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("captive");
    fixture.assert_reminds();
    fixture.others.clear();
    fixture.vpn.start_server();
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn inside_host_hangs() {
    let mut fixture = Fixture::prepare();
    let settings = format!(
        "[user]\nsite = \"caen\"\n\n[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [\"ipp://172.26.66.73:9100\"]\n\n"
    );
    fixture.desktop.write(".config/vigie/vigie.toml", &(settings + SETTINGS));
    let mut host = fixture.vpn.intranet_command("python3");
    host.args([
        "-c",
        "import socket\ns = socket.create_server(('0.0.0.0', 9100))\nheld = []\nwhile True: held.append(s.accept())\n",
    ]);
    fixture.others.push(fixture.desktop.spawn("host", &host));
    wait_for("the host to listen", DEADLINE, || {
        (!run(fixture.vpn.intranet_command("ss").args(["-Hltn", "sport = :9100"])).is_empty()).then_some(())
    });
    fixture.run();
    fixture.wait_for_status("disconnected");
    // As on site, but nothing proves it.
    fixture.vpn.move_on_site();
    fixture.act(r#"{"do":"refresh"}"#);
    let claims = |verdict: &str| fixture.status().is_some_and(|status| status["verdict"] == verdict);
    crate::harness::assert_holds_for("nothing is claimed", PROMPTLY, || !claims("on-site") && !claims("connected"));
    fixture.vpn.move_home();
    fixture.vpn.start_client();
    fixture.wait_for_status_within(DEADLINE, "stalled");
    fixture.assert_reminds();
    fixture.vpn.disconnect();
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

/// Leaves the name of the gateway to a DNS server, which is a Python program on the router.
fn resolve_by(fixture: &mut Fixture, answer: &str) {
    resolve_by_nobody(&fixture.vpn);
    let script = format!(
        "import socket, struct, threading, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.bind(('0.0.0.0', 53))\n\
         def reply(q, to, address):\n \
          end = q.index(b'\\0', 12) + 5\n \
          known = address is not None and q[end-4:end-2] == b'\\0\\1'\n \
          head = q[:2] + b'\\x81\\x80' + q[4:6] + struct.pack('>HHH', int(known), 0, 0)\n \
          body = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4' + socket.inet_aton(address) if known else b''\n \
          s.sendto(head + q[12:end] + body, to)\n\
         while True:\n q, to = s.recvfrom(512)\n {answer}\n"
    );
    serve_on_gateway(fixture, "dns", "sport = :53", &script);
}

/// Leaves the name of the gateway to a DNS server that does not exist.
fn resolve_by_nobody(vpn: &TestVpn) {
    let etc = format!("/etc/netns/{}", vpn.home_namespace());
    fs::write(format!("{etc}/hosts"), "127.0.0.1 localhost\n").expect("needs root");
    fs::write(format!("{etc}/resolv.conf"), "nameserver 192.168.77.1\noptions timeout:5 attempts:2\n")
        .expect("needs root");
}

#[test]
fn dns_is_dead() {
    let mut fixture = Fixture::prepare();
    // Nobody answers, and nobody says that there is nobody.
    resolve_by(&mut fixture, "pass");
    fixture.run();
    fixture.wait_for_status("captive");
    let before = ProcessUsage::of(fixture.vigie().pid());
    for _ in 0..50 {
        fixture.vpn.unplug();
        fixture.wait_for_status("offline");
        fixture.vpn.plug();
        wait_for("the network", DEADLINE, || {
            fixture.status().is_some_and(|status| status["verdict"] != "offline").then_some(())
        });
    }
    let now = ProcessUsage::of(fixture.vigie().pid());
    assert!(now.threads <= before.threads + 4, "{before:?}, then {now:?}");
    fixture.assert_reminds();
    fixture.assert_ends();
}

#[test]
fn dns_is_slow() {
    let mut fixture = Fixture::prepare();
    // The time limit that the guide sets.
    fixture.desktop.configure(&SETTINGS.replace("probe_timeout_seconds = 2\n", ""));
    resolve_by(&mut fixture, "threading.Timer(4, reply, (q, to, '192.168.77.1')).start()");
    fixture.run();
    fixture.assert_reminds();
    fixture.wait_for_status_within(DEADLINE, "disconnected");
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status_within(DEADLINE, "disconnected");
    fixture.assert_ends();
}

#[test]
fn dns_lies() {
    let mut fixture = Fixture::prepare();
    resolve_by(&mut fixture, "reply(q, to, '172.26.66.73')");
    fixture.run();
    fixture.wait_for_status("captive");
    fixture.assert_reminds();
    fixture.vpn.move_on_site();
    fixture.act(r#"{"do":"refresh"}"#);
    fixture.wait_for_status("on-site");
    fixture.assert_ends();
}

/// Runs commands of `ip` at home.
fn ip_at_home(fixture: &Fixture, commands: &str) {
    let file = fixture.desktop.write("ip.batch", commands);
    run(Command::new("ip").args(["-n", fixture.vpn.home_namespace(), "-batch"]).arg(file));
}

#[test]
fn tunnel_flaps() {
    let mut fixture = Fixture::start();
    ip_at_home(&fixture, "link add cscotun0 type veth peer name cscotun1\nlink set cscotun1 up\n");
    let flap = "address add 10.20.30.9/24 dev cscotun0\nlink set cscotun0 up\n\
        link set cscotun0 down\naddress delete 10.20.30.9/24 dev cscotun0\n";
    let start = Instant::now();
    ip_at_home(&fixture, &flap.repeat(100));
    fixture.wait_for_status("disconnected");
    let before = ProcessUsage::of(fixture.vigie().pid());
    ip_at_home(&fixture, &flap.repeat(1000));
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    fixture.wait_for_status("disconnected");
    fixture.assert_reminds();
    let shown = fixture.desktop.notifications().all();
    assert!(shown.iter().filter(|it| it.summary.starts_with("VPN")).count() <= 2, "{shown:#?}");
    wait_for("the descriptors to be as before", DEADLINE, || {
        let now = ProcessUsage::of(fixture.vigie().pid());
        (now.descriptors <= before.descriptors + 2 && now.memory * 100 <= before.memory * 105).then_some(())
    });
    fixture.assert_works();
    fixture.assert_ends();
}

#[test]
fn there_are_many_interfaces_and_routes() {
    let fixture = Fixture::start();
    let links = (0..100).map(|n| {
        let (link, peer) = (format!("many{n}"), format!("peer{n}"));
        let [add, up] = [format!("link add {link} type veth peer name {peer}"), format!("link set {link} up")];
        format!("{add}\n{up}\nlink set {peer} up\naddress add 10.77.{n}.1/24 dev {link}\n")
    });
    ip_at_home(&fixture, &links.collect::<String>());
    let routes = (0..10_000).map(|n| format!("route add 10.{}.{}.0/24 dev many{}\n", 100 + n / 250, n % 250, n % 100));
    ip_at_home(&fixture, &routes.collect::<String>());
    fixture.assert_follows_the_network();
    fixture.vpn.connect();
    fixture.wait_for_status("connected");
    fixture.vpn.disconnect();
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn wapts_port_is_hostile() {
    for answer in [
        // Nothing, garbage, a head without an end, a body without an end, and one that drives a terminal.
        "pass",
        "c.sendall(os.urandom(4096)); c.close()",
        "c.sendall(b'HTTP/1.1 200 OK\\r\\n'); [c.sendall(b'X-A: ' + b'a' * 1000 + b'\\r\\n') for _ in range(10**6)]",
        "c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 99999999999\\r\\n\\r\\n'); [c.sendall(b'[' * 65536) for _ in range(10**5)]",
        "b = b'{\"version\": \"\\\\u001b]0;x\\\\u0007\\\\u202e9\"}'; c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(b) + b); c.close()",
    ] {
        let mut fixture = Fixture::prepare();
        let script = format!(
            "import socket, threading, os\ns = socket.create_server(('127.0.0.1', 8088))\nheld = []\n\
             def treat(c):\n held.append(c)\n try:\n  c.recv(4096); {answer}\n except OSError: pass\n\
             while True: threading.Thread(target=treat, args=(s.accept()[0],), daemon=True).start()\n"
        );
        let mut agent = fixture.desktop.command("python3");
        agent.args(["-c", &script]);
        fixture.others.push(fixture.desktop.spawn("wapt", &agent));
        wait_for("the agent to listen", DEADLINE, || {
            (!run(fixture.desktop.command("ss").args(["-Hltn", "sport = :8088"])).is_empty()).then_some(())
        });
        fixture.run();
        fixture.wait_for_status("disconnected");
        let before = ProcessUsage::of(fixture.vigie().pid());
        fixture.assert_reminds();
        let text = fixture.status_text();
        let acts = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(acts), "{text:?}");
        let now = ProcessUsage::of(fixture.vigie().pid());
        assert!(now.memory < before.memory + 16 * 1024, "{before:?}, then {now:?}");
        fixture.assert_quits();
    }
}

#[test]
fn cups_hangs() {
    let mut fixture = Fixture::prepare();
    let folder = fixture.desktop.home().join("machine/run/cups");
    fs::create_dir_all(&folder).expect("the home folder is writable");
    let _silent = UnixListener::bind(folder.join("cups.sock")).expect("the folder is new");
    fixture.run();
    fixture.wait_for_status("disconnected");
    let before = ProcessUsage::of(fixture.vigie().pid());
    for _ in 0..20 {
        fixture.act(r#"{"do":"refresh"}"#);
    }
    fixture.desktop.vigie().arg("panel").status().expect("it starts");
    fixture.desktop.wait_for_window(crate::fixture::PANEL, true);
    let now = ProcessUsage::of(fixture.vigie().pid());
    assert!(now.threads <= before.threads + 4, "{before:?}, then {now:?}");
    fixture.assert_unharmed();
}

#[test]
fn system_bus_is_restarted() {
    let fixture = Fixture::start();
    for restart in [|_: &Desktop| (), Desktop::restart_system_bus] {
        let logind = FakeLogind::start(&fixture.desktop);
        notices_sleep(&fixture, &logind);
        drop(logind);
        restart(&fixture.desktop);
        let logind = FakeLogind::start(&fixture.desktop);
        notices_sleep(&fixture, &logind);
    }
    fixture.assert_unharmed();
}

/// Checks that Vigie follows logind, as soon as it watches it again.
fn notices_sleep(fixture: &Fixture, logind: &FakeLogind) {
    wait_for("a sleep to be noticed", DEADLINE, || {
        logind.prepare_for_sleep(true);
        let asleep = fixture.status().is_some_and(|status| status["verdict"] == "unknown");
        logind.prepare_for_sleep(false);
        asleep.then_some(())
    });
    fixture.wait_for_status("disconnected");
}
