//! A story as rows: who stands where and does what, with sizes; what is on; what happened. Plain data, for any screen.

use super::changes::{decision, hosts};
use super::story::{LoadStory, Story};
use crate::model::lab::Service;
use crate::model::status::{HostStatus, MemberStatus, Status};
use crate::stats::figures::{bytes, count, seconds, seconds_or_dash};

/// What a text says about the state of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewTone {
    /// Nothing.
    #[default]
    Plain,
    /// It heads what is below.
    Head,
    /// It matters least.
    Dim,
    /// It is as it should be, and worth seeing.
    Good,
    /// It is not yet, or no more, as it should be.
    Warn,
    /// It is broken, or somebody must do something.
    Bad,
}

/// A text and its tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The words.
    pub text: String,
    /// How they look.
    pub tone: ViewTone,
}

impl Piece {
    /// A text in a tone.
    #[must_use]
    pub fn new(tone: ViewTone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

/// Columns of the table of members.
pub const COLUMNS: [&str; 9] = ["HOST", "MEMBER", "ROLE", "TL", "LAG", "CORES", "MEMORY", "DISK", "NOW"];

/// One member, or a host that carries nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberRow {
    /// A cell for each of `COLUMNS`.
    pub cells: [Piece; COLUMNS.len()],
    /// The host, also where an earlier row says it.
    pub host: String,
}

/// One load, or the WAL where nobody writes through this program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRow {
    /// Its name.
    pub name: String,
    /// What it reached in the last second.
    pub rate: String,
    /// Since when nobody was acknowledged.
    pub last: Piece,
    /// What was not acknowledged.
    pub bad: Piece,
    /// Latency.
    pub latency: String,
    /// The seconds that are over, the oldest first.
    pub past: Vec<u64>,
    /// Whether a second without anything is an outage.
    pub steady: bool,
}

/// Everything that a view draws, as texts with tones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewScene {
    /// What is watched, and how far it is.
    pub title: Vec<Piece>,
    /// The lab in a word.
    pub verdict: Piece,
    /// A row for each member, ordered by host.
    pub rows: Vec<MemberRow>,
    /// Images and bodies that are waited for, before the lab stands: name and state.
    pub parts: Vec<(String, Piece)>,
    /// A row for each load.
    pub loads: Vec<LoadRow>,
    /// What is on, needs somebody, or is decided.
    pub now: Vec<Piece>,
    /// What happened, the newest last.
    pub log: Vec<String>,
    /// What each key does.
    pub keys: String,
}

/// Acknowledgements that are older than this are worth a look, seconds.
const QUIET: f64 = 1.0;

impl Story {
    /// The story as it is drawn now.
    #[must_use]
    pub fn scene(&self) -> ViewScene {
        let mut title = vec![Piece::new(ViewTone::Head, &self.title)];
        if let Some((phase, at)) = &self.phase {
            title.push(Piece::new(ViewTone::Plain, format!("{} {at:.0} s", phase.as_str())));
        }
        let lab = self.lab.as_ref();
        let wal = || lab.is_some().then(|| self.wal_row());
        let loads: Vec<LoadRow> = if self.loads.is_empty() {
            wal().into_iter().collect()
        } else {
            self.loads.iter().map(load).collect()
        };
        let parts = if lab.is_some() { Vec::new() } else { self.part_rows() };
        ViewScene {
            title,
            verdict: lab.map_or_else(|| self.unmade(), verdict),
            rows: lab.map(rows).unwrap_or_default(),
            parts,
            loads,
            now: self.now(),
            log: self.log().cloned().collect(),
            keys: self.keys.clone(),
        }
    }

    /// How far a lab is that is being made.
    fn unmade(&self) -> Piece {
        match self.parts.done() {
            (_, 0) => Piece::default(),
            (done, all) => Piece::new(ViewTone::Warn, format!("{done} of {all} ready")),
        }
    }

    fn part_rows(&self) -> Vec<(String, Piece)> {
        self.parts.open().map(|part| (part.name.clone(), Piece::new(ViewTone::Plain, &part.state))).collect()
    }

    /// WAL by the second: what a lab does that nobody here writes to.
    fn wal_row(&self) -> LoadRow {
        let past: Vec<u64> = self.wal.over().collect();
        LoadRow {
            name: "WAL".to_owned(),
            rate: past.last().map_or_else(|| "–".to_owned(), |last| format!("{}/s", bytes(*last))),
            past,
            ..LoadRow::default()
        }
    }

    /// What is on now, the most urgent first.
    fn now(&self) -> Vec<Piece> {
        let mut now: Vec<Piece> =
            self.trouble.iter().map(|why| Piece::new(ViewTone::Bad, format!("cannot look: {why}"))).collect();
        let members = self.lab.iter().flat_map(|lab| &lab.members);
        for member in members.clone() {
            let alarms = member.controller.iter().flat_map(|seen| &seen.alarms);
            now.extend(
                alarms.map(|alarm| Piece::new(ViewTone::Bad, format!("ALARM {}: {alarm}", member.name))),
            );
        }
        now.extend(self.faults.iter().map(|fault| Piece::new(ViewTone::Bad, format!("fault on: {fault}"))));
        let waiting = self.lab.iter().flat_map(|lab| &lab.waiting);
        now.extend(waiting.map(|(member, why)| Piece::new(ViewTone::Warn, format!("{member}: {why}"))));
        for member in members {
            now.extend(decision(member).map(|said| Piece::new(ViewTone::Plain, said)));
            let expects = member.controller.iter().filter(|seen| seen.active).flat_map(|seen| &seen.expects);
            now.extend(
                expects.map(|said| Piece::new(ViewTone::Dim, format!("{}: expects {said}", member.name))),
            );
        }
        now
    }
}

/// The lab in a word.
fn verdict(lab: &Status) -> Piece {
    let primary =
        lab.primary.as_ref().map_or_else(|| "no primary".to_owned(), |primary| format!("primary {primary}"));
    if lab.ready {
        Piece::new(ViewTone::Good, format!("ready, {primary}"))
    } else {
        let tone = if lab.primary.is_some() { ViewTone::Warn } else { ViewTone::Bad };
        Piece::new(tone, format!("not ready, {primary}"))
    }
}

fn load(load: &LoadStory) -> LoadRow {
    let past: Vec<u64> = load.acknowledged.over().collect();
    let last = match load.beat.last_ok_s {
        None => Piece::new(ViewTone::Dim, "none yet"),
        Some(age) => {
            let tone = if age >= QUIET { ViewTone::Bad } else { ViewTone::Plain };
            Piece::new(tone, format!("{age:.1} s ago"))
        }
    };
    LoadRow {
        name: load.beat.name.clone(),
        rate: past.last().map_or_else(|| "–".to_owned(), |last| format!("{}/s", count(*last))),
        last,
        bad: Piece::new(if load.bad == 0 { ViewTone::Dim } else { ViewTone::Warn }, count(load.bad)),
        latency: match load.beat.max_ms {
            Some(max) => format!("{} – {}", seconds_or_dash(load.beat.p50_ms), seconds(max)),
            None => "–".to_owned(),
        },
        past,
        steady: true,
    }
}

/// Members by host, in the order of hosts; hosts that carry nobody last.
fn rows(lab: &Status) -> Vec<MemberRow> {
    let mut rows = Vec::new();
    for host in lab.hosts.iter().filter(|host| !host.carries.is_empty()) {
        let carried =
            host.carries.iter().filter_map(|id| lab.members.iter().find(|member| member.name == *id));
        for (index, member) in carried.enumerate() {
            let mut row = of_member(lab, member);
            row.host = host.name.to_string();
            if index == 0 {
                row.cells[0] = named(host);
            }
            rows.push(row);
        }
    }
    rows.extend(lab.hosts.iter().filter(|host| host.carries.is_empty()).map(|host| {
        let mut row = MemberRow { host: host.name.to_string(), ..MemberRow::default() };
        row.cells[0] = named(host);
        row.cells[1] = Piece::new(ViewTone::Dim, "spare");
        row
    }));
    rows
}

/// A host; one that does not run says so.
fn named(host: &HostStatus) -> Piece {
    match host.state.as_str() {
        "running" | "not looked at" => Piece::new(ViewTone::Plain, host.name.as_str()),
        state => Piece::new(ViewTone::Bad, format!("{} {state}", host.name)),
    }
}

fn of_member(lab: &Status, member: &MemberStatus) -> MemberRow {
    let waits = lab.waiting.contains_key(&member.name);
    let plain = |text: String| Piece::new(ViewTone::Plain, text);
    let mut row = MemberRow::default();
    row.cells[1] = Piece::new(if waits { ViewTone::Warn } else { ViewTone::Plain }, member.name.as_str());
    row.cells[2] = role(member);
    row.cells[3] = plain(member.timeline.map_or_else(String::new, |timeline| timeline.to_string()));
    row.cells[4] = plain(member.lag_bytes.map_or_else(String::new, bytes));
    let most = member.most;
    row.cells[5] = Piece::new(
        if member.cpu_held_back.is_some_and(|cores| cores >= 0.05) {
            ViewTone::Warn
        } else {
            ViewTone::Plain
        },
        amount(member.cpu_used, member.size.cpus, most.map(|most| most.cpus), cores),
    );
    let whole = |number: u64| number as f64;
    let [memory, disk] = [
        (member.memory_used, member.size.memory, most.map(|most| most.memory)),
        (member.disk_used, member.size.disk, most.map(|most| most.disk)),
    ]
    .map(|(used, has, most)| {
        let (used, has) = (used.map(|used| whole(used.0)), whole(has.0));
        let tone = if used.is_some_and(|used| used > has * 0.9) { ViewTone::Warn } else { ViewTone::Plain };
        if has == 0.0 {
            Piece::default()
        } else {
            Piece::new(tone, amount(used, has, most.map(|most| whole(most.0)), short))
        }
    });
    (row.cells[6], row.cells[7]) = (memory, disk);
    row.cells[8] = Piece::new(ViewTone::Dim, doing(member));
    row
}

/// What a member is; one whose body does not run is what the engine says.
fn role(member: &MemberStatus) -> Piece {
    if !matches!(member.state.as_str(), "running" | "not looked at") {
        return Piece::new(ViewTone::Bad, &member.state);
    }
    let tone = match member.role.as_deref() {
        Some("primary") => ViewTone::Good,
        Some("standby" | "follower") => ViewTone::Dim,
        _ => ViewTone::Plain,
    };
    match (&member.role, member.service) {
        (Some(role), _) => Piece::new(tone, role),
        (None, Service::Balancer) if member.routes_rw.is_some() => Piece::new(ViewTone::Plain, "serves"),
        (None, Service::Client | Service::Broker) => Piece::default(),
        (None, _) => Piece::new(ViewTone::Warn, "silent"),
    }
}

/// What a member does now.
fn doing(member: &MemberStatus) -> String {
    let sessions =
        |number: u32| if number == 1 { "1 session".to_owned() } else { format!("{number} sessions") };
    match member.service {
        Service::Balancer => {
            let to = |port: u16, to: &Option<Vec<_>>| to.as_ref().map(|to| format!("{port}→{}", hosts(to)));
            let routes = [to(5432, &member.routes_rw), to(5433, &member.routes_ro)];
            let routes = routes.into_iter().flatten().chain(member.sessions.map(sessions));
            routes.collect::<Vec<_>>().join(" ")
        }
        Service::Controller => {
            member.controller.as_ref().filter(|seen| seen.active).map_or_else(String::new, |seen| {
                seen.subject
                    .as_ref()
                    .map_or_else(|| seen.step.clone(), |subject| format!("{} {subject}", seen.step))
            })
        }
        _ => member.work.map_or_else(String::new, |work| work.to_string()),
    }
}

/// What is used of what there is, and the most there may be.
fn amount(used: Option<f64>, has: f64, most: Option<f64>, words: fn(f64) -> String) -> String {
    let used = used.map_or_else(String::new, |used| format!("{}/", words(used)));
    let most = most.filter(|most| *most > has).map_or_else(String::new, |most| format!("≤{}", words(most)));
    format!("{used}{}{most}", words(has))
}

fn cores(cores: f64) -> String {
    trimmed(&format!("{cores:.2}")).to_owned()
}

/// Bytes in as few letters as say enough.
fn short(bytes: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("G", 1_073_741_824.0), ("M", 1_048_576.0), ("K", 1_024.0)];
    let (unit, size) = UNITS.into_iter().find(|(_, size)| bytes >= *size).unwrap_or(("K", 1_024.0));
    let number = bytes / size;
    let text = if unit == "G" && number < 99.95 { format!("{number:.1}") } else { format!("{number:.0}") };
    format!("{}{unit}", trimmed(&text))
}

/// A number without zeros behind its point.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let gib = 1_073_741_824.0;
        assert_eq!(amount(Some(0.314), 1.0, Some(5.0), cores), "0.31/1≤5");
        assert_eq!(amount(None, 1.5, Some(1.5), cores), "1.5");
        assert_eq!(amount(Some(gib * 0.4), gib, Some(gib * 4.0), short), "410M/1G≤4G");
        assert_eq!([gib * 1.26, gib * 250.0, 900.0, 0.0].map(short), ["1.3G", "250G", "1K", "0K"]);
    }
}
