//! The report of the measurements: printed, and written as a page.

use std::fmt::Write;
use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");

/// What was measured (mostly a program), and its value.
#[derive(Debug, Clone, Copy)]
pub struct BarValue<'a>(pub &'a str, pub f64);

/// A report to which sections are added.
pub struct Report {
    goals: String,
    body: String,
    missed: usize,
}

impl Report {
    /// Returns an empty report.
    pub fn new() -> Report {
        Report { goals: String::new(), body: String::new(), missed: 0 }
    }

    /// Starts a section.
    pub fn section(&mut self, title: &str, what: &str) {
        self.say(&format!("\n## {title}\n\n{what}\n"));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: &str) {
        self.say(&format!("\n{text}\n"));
    }

    /// Adds a table of the values, with the ratio of the first one to each other.
    pub fn table(&mut self, unit: &str, rows: &[BarValue]) {
        let mut table = format!("\n| | {unit} | ratio |\n| --- | ---: | ---: |\n");
        for (index, BarValue(name, value)) in rows.iter().enumerate() {
            let ratio = if index == 0 { String::new() } else { ratio(rows[0].1, *value) };
            let _ = writeln!(table, "| {name} | {value:.1} | {ratio} |");
        }
        self.say(&table);
    }

    /// Adds a goal: the measured value must not exceed the limit.
    pub fn goal(&mut self, goal: &str, measured: f64, limit: f64, unit: &str) {
        let met = measured <= limit;
        self.missed += usize::from(!met);
        let (ratio, met) = (ratio(measured, limit), if met { "met" } else { "**not met**" });
        let line = format!("| {goal} | {measured:.1} {unit} | {limit:.1} {unit} | {ratio} | {met} |\n");
        say(&format!("\n{line}"));
        self.goals.push_str(&line);
    }

    /// Returns whether every goal so far is met.
    pub fn is_met(&self) -> bool {
        self.missed == 0
    }

    /// Prints the goals, and writes the page. Returns whether every goal is met.
    pub fn finish(self) -> bool {
        let goals = format!(
            "\n## Goals\n\n| goal | measured | at most | ratio | |\n| --- | ---: | ---: | ---: | --- |\n{}",
            self.goals
        );
        say(&goals);
        let page = format!(
            "# Speed and memory\n\nWritten by `make bench` on {}: {}. Compare a number only with the others of its \
             table, which were measured in the same session. A ratio is Vigie's value divided by the other one.\n{goals}{}",
            jiff::ZonedDateTime::now().strftime("%Y-%m-%d"),
            machine(),
            self.body
        );
        fs::write(PAGE, page).expect("docs/ can be written");
        if self.missed > 0 {
            say(&format!("{} of the goals were not met.", self.missed));
        }
        self.missed == 0
    }

    fn say(&mut self, text: &str) {
        say(text);
        self.body.push_str(text);
    }
}

fn ratio(value: f64, other: f64) -> String {
    // There is no ratio to zero.
    if other > 0.0 { format!("{:.2}", value / other) } else { "–".into() }
}

/// Describes the machine.
fn machine() -> String {
    let mut system = sysinfo::System::new().expect("Linux is supported");
    system.refresh_memory();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let gigabytes = system.total_memory() as f64 / 1e9;
    format!(
        "{processors} processors, {gigabytes:.0} GB, {}",
        sysinfo::System::long_os_version().unwrap_or_else(|_| "Linux".into())
    )
}

#[expect(clippy::print_stdout, reason = "what the benchmark is for")]
fn say(text: &str) {
    print!("{text}");
}
