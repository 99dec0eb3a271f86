//! What types cannot express: addresses, hours, names that refer to other names.

use super::error::{ConfigError, Expected};
use super::intranet::{IntranetHost, is_key_hash};
use super::tree::{KeyPath, LocatedError};
use super::{Day, Holiday, Hours, Profile};
use jiff::civil::Time;
use std::collections::{HashMap, HashSet};

impl Profile {
    /// Returns the errors that types cannot rule out and the loader refuses, each with the path to its value. Empty for
    /// every profile that [`load_with`](crate::load_with) returns.
    pub fn inconsistencies(&self) -> Vec<(Vec<String>, ConfigError)> {
        check(self)
    }
}

/// Returns every error of a profile that types cannot rule out.
pub(super) fn check(profile: &Profile) -> Vec<LocatedError> {
    let mut checks = Checks(Vec::new());
    check_sites(profile, &mut checks);
    check_vpn(profile, &mut checks);
    check_telephone(profile, &mut checks);
    check_helpdesk(profile, &mut checks);
    check_calendar(profile, &mut checks);
    check_printing(profile, &mut checks);
    check_things_to_open(profile, &mut checks);
    checks.require_descending_leads(&profile.shutdown.leads_minutes);
    let percent = profile.panel.warn_disk_free_percent;
    checks.require_in_range("panel.warn_disk_free_percent", percent.into(), 0, 100);
    // On a black or a white desktop, a more transparent background falls below the contrast that WCAG 2.1 (1.4.3)
    // requires. A smaller panel is unreadable; a larger one fits on no screen.
    checks.require_in_range("panel.opacity_percent", profile.panel.opacity_percent.into(), 60, 100);
    checks.require_in_range("panel.width", profile.panel.width.into(), 280, 1600);
    checks.require_in_range("panel.height", profile.panel.height.into(), 240, 2400);
    checks.0
}

/// Checks values, and collects the errors.
struct Checks(Vec<LocatedError>);

/// Returns the path that a text such as `vpn.pin_min` names.
fn path(dotted: &str) -> KeyPath {
    dotted.split('.').map(str::to_owned).collect()
}

/// Returns the path to a key of a list's entry, or to the entry itself if `key` is empty.
fn entry_path(list: &str, name: &str, key: &str) -> KeyPath {
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

    /// Reports `value` as wrong unless it is `good`.
    fn expect(&mut self, good: bool, path: KeyPath, value: &str, expected: Expected) {
        if !good {
            let found = toml_edit::Value::from(value).to_string();
            self.add(path, ConfigError::WrongValue { found, expected });
        }
    }

    /// Reports a text that is empty.
    fn require_text(&mut self, path: KeyPath, text: &str) {
        if text.trim().is_empty() {
            self.add(path, ConfigError::Empty);
        }
    }

    /// Reports a list if one of its texts is empty.
    fn require_texts(&mut self, path: &KeyPath, texts: &[String]) {
        if texts.iter().any(|text| text.trim().is_empty()) {
            self.add(path.clone(), ConfigError::Empty);
        }
    }

    /// Reports an id with other characters than small letters, digits and hyphens.
    fn require_id(&mut self, list: &str, id: &str) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = !id.is_empty() && id.chars().all(good);
        self.expect(good, entry_path(list, id, "id"), id, Expected::Id);
    }

    /// Reports the name of an entry that its list does not have.
    fn require_entry(&mut self, path: KeyPath, exists: bool, list: &'static str, name: &str) {
        if !exists {
            self.add(path, ConfigError::NoSuch { list, name: name.to_owned() });
        }
    }

    /// Reports a number that is not between `min` and `max`, both included.
    fn require_in_range(&mut self, key: &str, number: i64, min: i64, max: i64) {
        if !(min..=max).contains(&number) {
            let error = ConfigError::WrongValue { found: number.to_string(), expected: Expected::Number(min, max) };
            self.add(path(key), error);
        }
    }

    /// Reports the leads of the reminders unless each is smaller than the one before and none is zero.
    fn require_descending_leads(&mut self, leads: &[u16]) {
        let descending = leads.windows(2).all(|pair| pair[0] > pair[1]);
        if !descending || leads.contains(&0) {
            self.add(path("shutdown.leads_minutes"), ConfigError::LeadsNotDescending);
        }
    }
}

fn check_sites(profile: &Profile, checks: &mut Checks) {
    for site in &profile.sites {
        let at = |key: &str| entry_path("site", &site.id, key);
        checks.require_id("site", &site.id);
        checks.require_text(at("name"), &site.name);
        checks.require_texts(&at("departments"), &site.departments);
        checks.expect(is_host(&site.gateway), at("gateway"), &site.gateway, Expected::Host);
        if site.inside.is_empty() {
            checks.add(at("inside"), ConfigError::Empty);
        }
        for pin in &site.certificate_pins {
            let hash = pin.strip_prefix("pin-sha256:").unwrap_or_default();
            checks.expect(is_key_hash(hash), at("certificate_pins"), pin, Expected::CertificatePin);
        }
        for host in &site.inside {
            checks.expect(host.parse::<IntranetHost>().is_ok(), at("inside"), host, Expected::IntranetHost);
        }
    }
    if let Some(site) = &profile.user.site {
        checks.require_entry(path("user.site"), site_ids(profile).contains(site.as_str()), "site", site);
    }
}

/// Returns the ids of all sites.
fn site_ids(profile: &Profile) -> HashSet<&str> {
    profile.sites.iter().map(|site| site.id.as_str()).collect()
}

fn check_vpn(profile: &Profile, checks: &mut Checks) {
    let vpn = &profile.vpn;
    checks.require_in_range("vpn.gateway_port", vpn.gateway_port.into(), 1, 65_535);
    checks.require_in_range("vpn.probe_seconds", vpn.probe_seconds.into(), 5, 86_400);
    checks.require_in_range("vpn.probe_timeout_seconds", vpn.probe_timeout_seconds.into(), 1, 60);
    checks.require_in_range("vpn.hold_seconds", vpn.hold_seconds.into(), 0, 600);
    let is_plain = vpn.portal_url.starts_with("http://") && is_web_address(&vpn.portal_url);
    checks.expect(is_plain, path("vpn.portal_url"), &vpn.portal_url, Expected::WebAddress);
    checks.require_in_range("vpn.settle_seconds", vpn.settle_seconds.into(), 0, 600);
    checks.require_in_range("vpn.pin_min", vpn.pin_min.into(), 1, 64);
    checks.require_in_range("vpn.pin_max", vpn.pin_max.into(), vpn.pin_min.into(), 64);
    checks.require_in_range("vpn.wrong_tries", vpn.wrong_tries.into(), 1, 20);
    checks.require_in_range("vpn.connect_seconds", vpn.connect_seconds.into(), 10, 600);
    for (key, patterns) in
        [("vpn.tunnel_names", &vpn.tunnel_names), ("vpn.tunnel_descriptions", &vpn.tunnel_descriptions)]
    {
        checks.require_texts(&path(key), patterns);
        // Such a pattern would mistake every network for a tunnel.
        if patterns.iter().any(|pattern| !pattern.is_empty() && pattern.chars().all(|c| c == '*')) {
            checks.add(path(key), ConfigError::MatchesAll);
        }
    }
    checks.require_entry(path("vpn.client"), profile.program(&vpn.client).is_some(), "program", &vpn.client);
    for (key, places) in [("vpn.command_line", &vpn.command_line), ("vpn.preferences", &vpn.preferences)] {
        check_per_os(checks, &path(key), places);
    }
    for drive in &profile.drives {
        let letter = drive.letter.to_string();
        checks.expect(
            drive.letter.is_ascii_uppercase(),
            entry_path("drive", &letter, "letter"),
            &letter,
            Expected::DriveLetter,
        );
        checks.require_texts(&entry_path("drive", &letter, "mount_points"), &drive.mount_points);
    }
}

fn check_per_os(checks: &mut Checks, path: &KeyPath, places: &super::PerOs<Vec<String>>) {
    for (system, places) in [("windows", &places.windows), ("linux", &places.linux)] {
        let mut path = path.clone();
        path.push(system.to_owned());
        checks.require_texts(&path, places);
    }
}

fn check_telephone(profile: &Profile, checks: &mut Checks) {
    for code in &profile.codes {
        let at = |key: &str| entry_path("code", &code.id, key);
        checks.require_id("code", &code.id);
        checks.require_text(at("label"), &code.label);
        let good = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        let good = !code.code.is_empty() && code.code.chars().all(good);
        checks.expect(good, at("code"), &code.code, Expected::TelephoneCode);
    }
}

fn check_helpdesk(profile: &Profile, checks: &mut Checks) {
    let helpdesk = &profile.helpdesk;
    checks.require_entry(path("helpdesk.link"), profile.link(&helpdesk.link).is_some(), "link", &helpdesk.link);
    check_hours("helpdesk.school", &helpdesk.school, checks);
    check_hours("helpdesk.holidays", &helpdesk.holidays, checks);
    for (index, urgent) in helpdesk.urgent.iter().enumerate() {
        let at = |key: &str| {
            let mut steps = path("helpdesk.urgent");
            steps.extend([format!("[{index}]"), key.to_owned()]);
            steps
        };
        checks.require_text(at("establishments"), &urgent.establishments);
        if urgent.numbers.is_empty() {
            checks.add(at("numbers"), ConfigError::Empty);
        }
        for number in &urgent.numbers {
            let good = number.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '+');
            let good = good && number.chars().any(|c| c.is_ascii_digit());
            checks.expect(good, at("numbers"), number, Expected::TelephoneNumber);
        }
    }
}

fn check_hours(key: &str, hours: &[Hours], checks: &mut Checks) {
    let at = |index: usize, key_of_hours: &str| {
        let mut steps = path(key);
        steps.extend([format!("[{index}]"), key_of_hours.to_owned()]);
        steps
    };
    let mut open: HashMap<Day, Vec<(Time, Time, usize)>> = HashMap::new();
    for (index, stretch) in hours.iter().enumerate() {
        if stretch.days.is_empty() {
            checks.add(at(index, "days"), ConfigError::Empty);
        }
        if stretch.from >= stretch.to {
            checks.add(at(index, "to"), ConfigError::HoursReversed);
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
        checks.add(at(index, "days"), ConfigError::HoursOverlap);
    }
}

fn check_calendar(profile: &Profile, checks: &mut Checks) {
    let calendar = &profile.calendar;
    checks.require_text(path("calendar.zone"), &calendar.zone);
    if calendar.covers.from > calendar.covers.to {
        checks.add(path("calendar.covers.to"), ConfigError::DatesReversed);
    }
    let mut before: Option<&Holiday> = None;
    for holiday in &calendar.holidays {
        let at = |key: &str| entry_path("calendar.holiday", &holiday.from.to_string(), key);
        checks.require_text(at("name"), &holiday.name);
        if holiday.from >= holiday.back {
            checks.add(at("back"), ConfigError::DatesReversed);
            continue;
        }
        if before.is_some_and(|before| holiday.from < before.back) {
            checks.add(at("from"), ConfigError::HolidaysOverlap);
        }
        let last = holiday.back.yesterday().unwrap_or(holiday.back);
        if holiday.from < calendar.covers.from || last > calendar.covers.to {
            checks.add(at("from"), ConfigError::OutsideCalendar);
        }
        before = Some(holiday);
    }
}

fn check_printing(profile: &Profile, checks: &mut Checks) {
    let printing = &profile.printing;
    for (list, codes) in [("printing.department", &printing.departments), ("printing.place", &printing.places)] {
        for coded in codes {
            let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            let good = coded.code.len() == 2 && coded.code.chars().all(good);
            checks.expect(good, entry_path(list, &coded.code, "code"), &coded.code, Expected::PrinterCode);
            checks.require_text(entry_path(list, &coded.code, "name"), &coded.name);
        }
    }
    let sites = site_ids(profile);
    for example in &printing.examples {
        let path = entry_path("printing.example", &example.site, "site");
        checks.require_entry(path, sites.contains(example.site.as_str()), "site", &example.site);
    }
}

fn check_things_to_open(profile: &Profile, checks: &mut Checks) {
    let sites = site_ids(profile);
    let sections: HashSet<&str> = profile.sections.iter().map(|section| section.id.as_str()).collect();
    let programs: HashSet<&str> = profile.programs.iter().map(|program| program.id.as_str()).collect();
    let links: HashSet<&str> = profile.links.iter().map(|link| link.id.as_str()).collect();
    for section in &profile.sections {
        checks.require_id("section", &section.id);
        checks.require_text(entry_path("section", &section.id, "label"), &section.label);
    }
    for program in &profile.programs {
        let at = |key: &str| entry_path("program", &program.id, key);
        checks.require_id("program", &program.id);
        checks.require_text(at("label"), &program.label);
        check_per_os(checks, &at("candidates"), &program.candidates);
        if let Some(address) = &program.download {
            checks.expect(is_web_address(address), at("download"), address, Expected::WebAddress);
        }
    }
    for link in &profile.links {
        let at = |key: &str| entry_path("link", &link.id, key);
        checks.require_id("link", &link.id);
        checks.require_text(at("label"), &link.label);
        checks.expect(is_web_address(&link.url), at("url"), &link.url, Expected::WebAddress);
        checks.require_entry(at("section"), sections.contains(link.section.as_str()), "section", &link.section);
        if let Some(site) = &link.site {
            checks.require_entry(at("site"), sites.contains(site.as_str()), "site", site);
        }
        if programs.contains(link.id.as_str()) {
            checks.add(at("id"), ConfigError::NameTaken { by: "program" });
        }
    }
    for code in &profile.codes {
        let lists = [("program", &programs), ("link", &links)];
        for (by, _) in lists.into_iter().filter(|(_, ids)| ids.contains(code.id.as_str())) {
            checks.add(entry_path("code", &code.id, "id"), ConfigError::NameTaken { by });
        }
    }
    for (key, id) in [("remote_support", &profile.remote_support), ("wapt.program", &profile.wapt.program)] {
        checks.require_entry(path(key), programs.contains(id.as_str()), "program", id);
    }
    checks.require_in_range("wapt.service_port", profile.wapt.service_port.into(), 1, 65_535);
    for card in &profile.cards {
        let at = |key: &str| entry_path("card", &card.id, key);
        checks.require_id("card", &card.id);
        checks.require_text(at("title"), &card.title);
        for (key, texts) in [("text", &card.text), ("steps", &card.steps)] {
            checks.require_texts(&at(key), texts);
        }
    }
    for (id, words) in &profile.keywords {
        checks.require_texts(&entry_path("keywords", id, ""), words);
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
