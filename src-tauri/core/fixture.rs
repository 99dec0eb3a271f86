//! Fixtures for the tests of core and view.

use super::Now;
use super::connect::{ConnectMethod, Pin, Submission};
use super::message::{
    Battery, DriveMount, DriveState, Effect, Event, Host, Printer, Printers, Reading, RequestId, SensorRequest, Space,
    Wapt,
};
use super::state::{SavedState, State};
use super::update::update;
use super::vpn::{Answer, DefaultRoute, Ends, Gateway, Interface, Links, Probe, VpnStatus, Witness};
use jiff::ZonedDateTime;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use vigie_profile::{Profile, UserChoices};

/// The guide.
pub fn guide() -> Arc<Profile> {
    static GUIDE: LazyLock<Arc<Profile>> = LazyLock::new(|| Arc::new(vigie_profile::guide()));
    GUIDE.clone()
}

/// A filled-in form: user `mdupont` in Caen, PIN 4321.
pub fn submission() -> Submission {
    Submission {
        way: ConnectMethod::Connect,
        site: "caen".into(),
        identifier: "mdupont".into(),
        pin: Pin::Typed("4321".to_owned().into()),
        digits: "123456".to_owned().into(),
        remember_pin: false,
    }
}

/// A moment in Paris, `2026-11-24T14:02`.
pub fn at(text: &str) -> ZonedDateTime {
    format!("{text}[Europe/Paris]").parse().expect("a test names a moment")
}

/// A moment in Paris, on a machine that was booted at midnight, 24 November 2026.
pub fn now(text: &str) -> Now {
    let wall = at(text);
    let uptime = at("2026-11-24T00:00").duration_until(&wall);
    Now { wall, uptime: Duration::try_from(uptime).expect("a test plays after midnight") }
}

/// A moment on the same machine, in seconds after it was booted.
pub fn after(seconds: f64) -> Now {
    let uptime = Duration::from_secs_f64(seconds);
    let lasted = jiff::SignedDuration::try_from(uptime).expect("a test is short");
    Now { wall: at("2026-11-24T00:00").checked_add(lasted).expect("a test is short"), uptime }
}

/// The machine's own address at home.
pub const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10));
/// The tunnel's address.
pub const TUNNEL: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 26, 200, 7));

/// The guide's intranet host.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 26, 66, 73));

/// A witness of the profile's form, and its answer.
pub fn witness(host: &str, answer: Answer) -> Witness {
    Witness::new(&host.parse().expect("a test names an intranet host"), answer, 12)
}

/// The guide's file and print server, both with this answer.
pub fn witnesses(answer: Answer) -> Vec<Witness> {
    ["smb://172.26.66.73", "ipp://172.26.66.73"].map(|host| witness(host, answer)).into()
}

/// The intranet answers a connection from that local address.
pub fn correct(local: IpAddr) -> Vec<Witness> {
    witnesses(Answer::Correct(Ends { local, remote: HOST }))
}

/// The intranet is silent.
pub fn silent() -> Vec<Witness> {
    witnesses(Answer::Silent)
}

/// The end of a probe.
pub fn probe(id: RequestId, witnesses: Vec<Witness>, gateway: Option<Gateway>) -> Probe {
    Probe { id, witnesses, gateway, gateway_local: None, complete: true }
}

/// A network at home, without the VPN.
pub fn home() -> Links {
    network(HOME)
}

/// A network in which the machine has that address.
pub fn network(address: IpAddr) -> Links {
    Links {
        interfaces: vec![interface(2, "eth0", address)],
        default_route: Some(DefaultRoute { interface: 2, router: Some([192, 168, 1, 1].into()) }),
        uplinks: vec![2],
        leads_elsewhere: false,
        intranet: Vec::new(),
        dns: vec![[192, 168, 1, 1].into()],
    }
}

/// The same network with the VPN's tunnel up.
pub fn with_tunnel(mut links: Links) -> Links {
    links.interfaces.push(Interface { tunnel: true, ..interface(9, "cscotun0", TUNNEL) });
    links
}

/// An interface that is no tunnel.
pub fn interface(index: u32, name: &str, address: IpAddr) -> Interface {
    Interface { index, name: name.into(), description: None, addresses: vec![address], tunnel: false }
}

/// A user in Caen who has started Vigie before, on 24 November 2026 at ten.
pub fn known() -> State {
    let profile = Profile { user: UserChoices { site: Some("caen".into()) }, ..(*guide()).clone() };
    let memory = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
    State::new(Arc::new(profile), [].into(), memory, 7, now("2026-11-24T10:00"))
}

/// The same user, with that status since 14 h 02, on a machine whose sensors have all answered.
pub fn standing(status: VpnStatus) -> State {
    let mut state = known();
    let now = now("2026-11-24T14:02");
    let drives = [
        ('I', DriveMount::Connected("/mnt/i".into())),
        ('S', DriveMount::Disconnected("/mnt/s".into())),
        ('T', DriveMount::Absent),
        ('U', DriveMount::Connected("/mnt/u".into())),
    ];
    let printer = |name: &str, default| Printer { name: name.into(), default, installed: true };
    let host = Host {
        name: "PC-14-042".into(),
        user: "mdupont".into(),
        domain: Some("ac-caen".into()),
        system: "Windows 11 Pro 23H2".into(),
        booted: at("2026-11-24T00:00").timestamp(),
        fast_startup: false,
        memory: Space { total: 8 << 30, free: 4 << 30 },
        disk: Reading::Known(Space { total: 200 << 30, free: 50 << 30 }),
    };
    let links = match status {
        VpnStatus::Unknown | VpnStatus::Captive | VpnStatus::Disconnected | VpnStatus::OnSite => home(),
        VpnStatus::Offline => Links::default(),
        VpnStatus::Connecting | VpnStatus::Connected | VpnStatus::Stalled => with_tunnel(home()),
    };
    let witnesses = match status {
        VpnStatus::Unknown | VpnStatus::Offline | VpnStatus::Connecting => None,
        VpnStatus::Captive | VpnStatus::Disconnected | VpnStatus::Stalled => Some(silent()),
        VpnStatus::Connected => Some(correct(TUNNEL)),
        VpnStatus::OnSite => Some(correct(HOME)),
    };
    let gateway = if status == VpnStatus::Captive { Gateway::OtherName } else { Gateway::Answered };
    let facts = [
        Event::Drives(Reading::Known(drives.map(|(letter, mount)| DriveState { letter, mount }).into())),
        Event::Printers(Reading::Known(Printers::Computer(vec![
            printer("I76RC-DSI04-B4", true),
            printer("Bureau", false),
        ]))),
        Event::Wapt(Reading::Known(Wapt {
            version: "2.5.4".into(),
            pending: Some(vec!["firefox".into()]),
            running: None,
        })),
        Event::Power(Reading::Known(Some(Battery { percent: 80, plugged: true }))),
        Event::Host(Arc::new(host)),
        // Links read before, so that a tunnel or a network is seen to come or go.
        Event::Links(if status == VpnStatus::Offline { home() } else { Links::default() }),
    ];
    // The tunnel is silent beyond its grace period.
    let seen = if status == VpnStatus::Stalled { self::now("2026-11-24T14:01:50") } else { now.clone() };
    for fact in facts {
        update(&mut state, fact, seen.clone());
    }
    let mut effects = update(&mut state, Event::Links(links), seen);
    // Two silent probes make a tunnel stalled.
    for _ in 0..2 {
        let id = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.id)
        });
        let (Some(witnesses), Some(id)) = (&witnesses, id) else { break };
        effects = update(&mut state, Event::Probed(probe(id, witnesses.clone(), Some(gateway))), now.clone());
    }
    assert_eq!(state.vpn.status(), status);
    state
}
