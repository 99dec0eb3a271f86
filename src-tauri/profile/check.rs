//! What types cannot express: addresses, hours, names that refer to other names.

use super::error::{ConfigError, Expected};
use super::intranet::{IntranetHost, is_key_hash};
use super::tree::{Found, KeyPath};
use super::{Day, Holiday, Hours, Profile};
use jiff::civil::Time;
use std::collections::{HashMap, HashSet};

impl Profile {
    /// Returns what types cannot rule out and the loader refuses: the path to each value, and what is wrong with it.
    /// Empty for every profile that [`load_with`](crate::load_with) returns.
    pub fn inconsistencies(&self) -> Vec<(Vec<String>, ConfigError)> {
        check(self)
    }
}

/// Returns everything that is wrong with a profile.
pub(super) fn check(profile: &Profile) -> Vec<Found> {
    let mut found = Checks(Vec::new());
    sites(profile, &mut found);
    vpn(profile, &mut found);
    telephone(profile, &mut found);
    helpdesk(profile, &mut found);
    calendar(profile, &mut found);
    printing(profile, &mut found);
    things_to_open(profile, &mut found);
    found.leads(&profile.shutdown.leads_minutes);
    let percent = profile.panel.warn_disk_free_percent;
    found.number("panel.warn_disk_free_percent", percent.into(), 0, 100);
    // A more transparent background would lose the contrast of WCAG 2.1 (1.4.3) on a black or a white desktop; a smaller
    // panel cannot be read, and none is larger than the largest screen.
    found.number("panel.opacity_percent", profile.panel.opacity_percent.into(), 60, 100);
    found.number("panel.width", profile.panel.width.into(), 280, 1600);
    found.number("panel.height", profile.panel.height.into(), 240, 2400);
    found.0
}

struct Checks(Vec<Found>);

fn path(dotted: &str) -> KeyPath {
    dotted.split('.').map(str::to_owned).collect()
}

/// Returns the path to a key of an entry.
fn at(list: &str, name: &str, key: &str) -> KeyPath {
    let mut steps = path(list);
    steps.push(name.to_owned());
    if !key.is_empty() {
        steps.extend(path(key));
    }
    steps
}

impl Checks {
    fn add(&mut self, path: KeyPath, error: ConfigError) {
        self.0.push((path, error));
    }

    fn expect(&mut self, good: bool, path: KeyPath, found: &str, expected: Expected) {
        if !good {
            let found = toml_edit::Value::from(found).to_string();
            self.add(path, ConfigError::WrongValue { found, expected });
        }
    }

    fn text(&mut self, path: KeyPath, text: &str) {
        if text.trim().is_empty() {
            self.add(path, ConfigError::Empty);
        }
    }

    fn texts(&mut self, path: &KeyPath, texts: &[String]) {
        if texts.iter().any(|text| text.trim().is_empty()) {
            self.add(path.clone(), ConfigError::Empty);
        }
    }

    fn id(&mut self, list: &str, id: &str) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = !id.is_empty() && id.chars().all(good);
        self.expect(good, at(list, id, "id"), id, Expected::Id);
    }

    fn refers(&mut self, path: KeyPath, exists: bool, list: &'static str, name: &str) {
        if !exists {
            self.add(path, ConfigError::NoSuch { list, name: name.to_owned() });
        }
    }

    fn number(&mut self, key: &str, number: i64, from: i64, to: i64) {
        if !(from..=to).contains(&number) {
            let error = ConfigError::WrongValue { found: number.to_string(), expected: Expected::Number(from, to) };
            self.add(path(key), error);
        }
    }

    fn leads(&mut self, leads: &[u16]) {
        let descending = leads.windows(2).all(|pair| pair[0] > pair[1]);
        if !descending || leads.contains(&0) {
            self.add(path("shutdown.leads_minutes"), ConfigError::LeadsNotDescending);
        }
    }
}

fn sites(profile: &Profile, found: &mut Checks) {
    for site in &profile.sites {
        let at = |key: &str| at("site", &site.id, key);
        found.id("site", &site.id);
        found.text(at("name"), &site.name);
        found.texts(&at("departments"), &site.departments);
        found.expect(is_host(&site.gateway), at("gateway"), &site.gateway, Expected::Host);
        if site.inside.is_empty() {
            found.add(at("inside"), ConfigError::Empty);
        }
        for pin in &site.certificate_pins {
            let hash = pin.strip_prefix("pin-sha256:").unwrap_or_default();
            found.expect(is_key_hash(hash), at("certificate_pins"), pin, Expected::CertificatePin);
        }
        for host in &site.inside {
            found.expect(host.parse::<IntranetHost>().is_ok(), at("inside"), host, Expected::IntranetHost);
        }
    }
    if let Some(site) = &profile.user.site {
        found.refers(path("user.site"), site_ids(profile).contains(site.as_str()), "site", site);
    }
}

fn site_ids(profile: &Profile) -> HashSet<&str> {
    profile.sites.iter().map(|site| site.id.as_str()).collect()
}

fn vpn(profile: &Profile, found: &mut Checks) {
    let vpn = &profile.vpn;
    found.number("vpn.gateway_port", vpn.gateway_port.into(), 1, 65_535);
    found.number("vpn.probe_seconds", vpn.probe_seconds.into(), 5, 86_400);
    found.number("vpn.probe_timeout_seconds", vpn.probe_timeout_seconds.into(), 1, 60);
    found.number("vpn.hold_seconds", vpn.hold_seconds.into(), 0, 600);
    found.number("vpn.settle_seconds", vpn.settle_seconds.into(), 0, 600);
    found.number("vpn.pin_min", vpn.pin_min.into(), 1, 64);
    found.number("vpn.pin_max", vpn.pin_max.into(), vpn.pin_min.into(), 64);
    found.number("vpn.wrong_tries", vpn.wrong_tries.into(), 1, 20);
    found.number("vpn.connect_seconds", vpn.connect_seconds.into(), 10, 600);
    for (key, patterns) in
        [("vpn.tunnel_names", &vpn.tunnel_names), ("vpn.tunnel_descriptions", &vpn.tunnel_descriptions)]
    {
        found.texts(&path(key), patterns);
        // Such a pattern would mistake every network for a tunnel.
        if patterns.iter().any(|pattern| !pattern.is_empty() && pattern.chars().all(|c| c == '*')) {
            found.add(path(key), ConfigError::MatchesAll);
        }
    }
    found.refers(path("vpn.client"), profile.program(&vpn.client).is_some(), "program", &vpn.client);
    for (key, places) in [("vpn.command_line", &vpn.command_line), ("vpn.preferences", &vpn.preferences)] {
        per_os(found, &path(key), places);
    }
    for drive in &profile.drives {
        let letter = drive.letter.to_string();
        found.expect(drive.letter.is_ascii_uppercase(), at("drive", &letter, "letter"), &letter, Expected::DriveLetter);
        found.texts(&at("drive", &letter, "mount_points"), &drive.mount_points);
    }
}

fn per_os(found: &mut Checks, path: &KeyPath, places: &super::PerOs<Vec<String>>) {
    for (system, places) in [("windows", &places.windows), ("linux", &places.linux)] {
        let mut path = path.clone();
        path.push(system.to_owned());
        found.texts(&path, places);
    }
}

fn telephone(profile: &Profile, found: &mut Checks) {
    for code in &profile.codes {
        let at = |key: &str| at("code", &code.id, key);
        found.id("code", &code.id);
        found.text(at("label"), &code.label);
        let good = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        let good = !code.code.is_empty() && code.code.chars().all(good);
        found.expect(good, at("code"), &code.code, Expected::TelephoneCode);
    }
}

fn helpdesk(profile: &Profile, found: &mut Checks) {
    let helpdesk = &profile.helpdesk;
    found.refers(path("helpdesk.link"), profile.link(&helpdesk.link).is_some(), "link", &helpdesk.link);
    hours("helpdesk.school", &helpdesk.school, found);
    hours("helpdesk.holidays", &helpdesk.holidays, found);
    for (index, urgent) in helpdesk.urgent.iter().enumerate() {
        let at = |key: &str| {
            let mut steps = path("helpdesk.urgent");
            steps.extend([format!("[{index}]"), key.to_owned()]);
            steps
        };
        found.text(at("establishments"), &urgent.establishments);
        if urgent.numbers.is_empty() {
            found.add(at("numbers"), ConfigError::Empty);
        }
        for number in &urgent.numbers {
            let good = number.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '+');
            let good = good && number.chars().any(|c| c.is_ascii_digit());
            found.expect(good, at("numbers"), number, Expected::TelephoneNumber);
        }
    }
}

fn hours(key: &str, hours: &[Hours], found: &mut Checks) {
    let at = |index: usize, key_of_hours: &str| {
        let mut steps = path(key);
        steps.extend([format!("[{index}]"), key_of_hours.to_owned()]);
        steps
    };
    let mut open: HashMap<Day, Vec<(Time, Time, usize)>> = HashMap::new();
    for (index, stretch) in hours.iter().enumerate() {
        if stretch.days.is_empty() {
            found.add(at(index, "days"), ConfigError::Empty);
        }
        if stretch.from >= stretch.to {
            found.add(at(index, "to"), ConfigError::HoursReversed);
            continue;
        }
        for day in &stretch.days {
            open.entry(*day).or_default().push((stretch.from, stretch.to, index));
        }
    }
    let mut overlapping = std::collections::BTreeSet::new();
    for mut stretches in open.into_values() {
        stretches.sort_unstable();
        let mut last: Option<(Time, usize)> = None;
        for (from, to, index) in stretches {
            match last {
                Some((end, other)) if from < end => {
                    overlapping.insert(index.max(other));
                    last = Some((end.max(to), index.max(other)));
                }
                _ => last = Some((to, index)),
            }
        }
    }
    for index in overlapping {
        found.add(at(index, "days"), ConfigError::HoursOverlap);
    }
}

fn calendar(profile: &Profile, found: &mut Checks) {
    let calendar = &profile.calendar;
    found.text(path("calendar.zone"), &calendar.zone);
    if calendar.covers.from > calendar.covers.to {
        found.add(path("calendar.covers.to"), ConfigError::DatesReversed);
    }
    let mut before: Option<&Holiday> = None;
    for holiday in &calendar.holidays {
        let at = |key: &str| at("calendar.holiday", &holiday.from.to_string(), key);
        found.text(at("name"), &holiday.name);
        if holiday.from >= holiday.back {
            found.add(at("back"), ConfigError::DatesReversed);
            continue;
        }
        if before.is_some_and(|before| holiday.from < before.back) {
            found.add(at("from"), ConfigError::HolidaysOverlap);
        }
        let last = holiday.back.yesterday().unwrap_or(holiday.back);
        if holiday.from < calendar.covers.from || last > calendar.covers.to {
            found.add(at("from"), ConfigError::OutsideCalendar);
        }
        before = Some(holiday);
    }
}

fn printing(profile: &Profile, found: &mut Checks) {
    let printing = &profile.printing;
    for (list, codes) in [("printing.department", &printing.departments), ("printing.place", &printing.places)] {
        for coded in codes {
            let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            let good = coded.code.len() == 2 && coded.code.chars().all(good);
            found.expect(good, at(list, &coded.code, "code"), &coded.code, Expected::PrinterCode);
            found.text(at(list, &coded.code, "name"), &coded.name);
        }
    }
    let sites = site_ids(profile);
    for example in &printing.examples {
        let path = at("printing.example", &example.site, "site");
        found.refers(path, sites.contains(example.site.as_str()), "site", &example.site);
    }
}

fn things_to_open(profile: &Profile, found: &mut Checks) {
    let sites = site_ids(profile);
    let sections: HashSet<&str> = profile.sections.iter().map(|section| section.id.as_str()).collect();
    let programs: HashSet<&str> = profile.programs.iter().map(|program| program.id.as_str()).collect();
    let links: HashSet<&str> = profile.links.iter().map(|link| link.id.as_str()).collect();
    for section in &profile.sections {
        found.id("section", &section.id);
        found.text(at("section", &section.id, "label"), &section.label);
    }
    for program in &profile.programs {
        let at = |key: &str| at("program", &program.id, key);
        found.id("program", &program.id);
        found.text(at("label"), &program.label);
        per_os(found, &at("candidates"), &program.candidates);
        if let Some(address) = &program.download {
            found.expect(is_web_address(address), at("download"), address, Expected::WebAddress);
        }
    }
    for link in &profile.links {
        let at = |key: &str| at("link", &link.id, key);
        found.id("link", &link.id);
        found.text(at("label"), &link.label);
        found.expect(is_web_address(&link.url), at("url"), &link.url, Expected::WebAddress);
        found.refers(at("section"), sections.contains(link.section.as_str()), "section", &link.section);
        if let Some(site) = &link.site {
            found.refers(at("site"), sites.contains(site.as_str()), "site", site);
        }
        if programs.contains(link.id.as_str()) {
            found.add(at("id"), ConfigError::NameTaken { by: "program" });
        }
    }
    for code in &profile.codes {
        let lists = [("program", &programs), ("link", &links)];
        for (by, _) in lists.into_iter().filter(|(_, ids)| ids.contains(code.id.as_str())) {
            found.add(at("code", &code.id, "id"), ConfigError::NameTaken { by });
        }
    }
    for (key, id) in [("remote_support", &profile.remote_support), ("wapt.program", &profile.wapt.program)] {
        found.refers(path(key), programs.contains(id.as_str()), "program", id);
    }
    found.number("wapt.service_port", profile.wapt.service_port.into(), 1, 65_535);
    for card in &profile.cards {
        let at = |key: &str| at("card", &card.id, key);
        found.id("card", &card.id);
        found.text(at("title"), &card.title);
        for (key, texts) in [("text", &card.text), ("steps", &card.steps)] {
            found.texts(&at(key), texts);
        }
    }
    for (id, words) in &profile.keywords {
        found.texts(&at("keywords", id, ""), words);
    }
}

/// Returns whether a text is an http or https address with a host.
fn is_web_address(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Returns whether a text is a host's name or IP address, without a port.
pub(super) fn is_host(host: &str) -> bool {
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return true;
    }
    // Checked here, because `url` accepts "1.2" as an address.
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let numeric = name.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    if numeric {
        return host.parse::<std::net::Ipv4Addr>().is_ok();
    }
    name.len() <= 253 && name.split('.').all(label)
}
