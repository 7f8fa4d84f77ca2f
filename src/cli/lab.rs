//! `up`, `down`, `dsn`, `prune`.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::net::Ipv4Addr;

use indicatif::{ProgressBar, ProgressStyle};

use super::args::{DsnEndpoint, DsnFormat, LabArgs};
use super::{CliError, Exit, settings};
use crate::chaos::ledger;
use crate::engine::locked::Locked;
use crate::lab::ready::NotReady;
use crate::lab::up::{self, News, UpOrder};
use crate::lab::{LabError, down as take_down, images, reach, record};
use crate::model::{HostName, LabSpec, MemberId, Service, Span};
use crate::report::html::cut;

/// Letters of what is said of one member that is waited for.
const WIDE: usize = 110;

/// Prints news of a founding: one line a step, and one line a member that is waited for. On a terminal these lines move.
pub struct NewsPrinter {
    bar: Option<ProgressBar>,
    waited: Locked<Waited>,
}

/// Members that were waited for, and those that have been.
#[derive(Debug, Default)]
struct Waited {
    open: BTreeSet<MemberId>,
    ready: BTreeSet<MemberId>,
}

impl Waited {
    /// Hears which members are not ready; what is said of it: once whom it is waited for, and once of each that it is ready.
    fn hear(&mut self, waiting: &[NotReady]) -> Vec<String> {
        let now: BTreeSet<MemberId> = waiting.iter().map(|waiting| waiting.member.clone()).collect();
        let mut said = Vec::new();
        if self.open.is_empty() && self.ready.is_empty() && !now.is_empty() {
            let names: Vec<&str> = now.iter().map(MemberId::as_str).collect();
            said.push(format!("waiting for {}", names.join(", ")));
        }
        for member in self.open.difference(&now) {
            if self.ready.insert(member.clone()) {
                said.push(format!("{member} is ready"));
            }
        }
        self.open = now;
        said
    }
}

/// Members that are not ready, a line each.
fn board(waiting: &[NotReady]) -> String {
    let width = waiting.iter().map(|waiting| waiting.member.as_str().len()).max().unwrap_or(0);
    let line = |waiting: &NotReady| format!("  {:width$}  {}", waiting.member, cut(&waiting.why, WIDE));
    std::iter::once("waiting for".to_owned()).chain(waiting.iter().map(line)).collect::<Vec<_>>().join("\n")
}

impl NewsPrinter {
    /// A printer for this stderr: a moving line only on a terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, waited: Locked::default() }
    }

    /// Prints one line.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Whether anything moves.
    #[must_use]
    pub const fn moves(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows several lines that are replaced by the next ones; nothing where nothing moves.
    pub fn board(&self, text: &str) {
        if let Some(bar) = &self.bar {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.set_message(text.to_owned());
        }
    }

    /// Prints one piece of news.
    pub fn news(&self, news: &News) {
        match news {
            News::Step(text) => self.line(&format!("  {text}")),
            News::Waiting(waiting) if self.moves() => self.board(&board(waiting)),
            News::Waiting(waiting) => {
                let said = self.waited.lock().hear(waiting);
                for line in said {
                    eprintln!("  {line}");
                }
            }
        }
    }

    /// Clears the moving line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `pgha up`
pub async fn up(args: &LabArgs, wait: Span) -> Result<Exit, CliError> {
    let resolved = settings::to_found(args)?;
    let docker = super::engine().await?;
    let lab = resolved.spec.name.to_string();
    let caveat = resolved.spec.haproxy_caveat();
    let order = UpOrder { spec: resolved.spec, preset: resolved.preset, program: settings::program()?, wait };
    let printer = NewsPrinter::new();
    let news = |news: News| printer.news(&news);
    let outcome = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted(
            "what was made so far stands; `pgha up` goes on, `pgha down` removes it".to_owned(),
        )),
        outcome = up::up(&docker, &order, &news) => outcome.map_err(CliError::from),
    };
    printer.finish();
    let standing = outcome?;
    if let Some(reason) = &standing.plain_volumes {
        eprintln!("note: volumes have no size of their own here ({reason}); disk faults and scaling are off");
    }
    if let Some(caveat) = caveat {
        eprintln!("note: {caveat}");
    }
    println!(
        "lab `{lab}` is ready after {:.1} s ({} containers created)",
        standing.took.as_secs_f64(),
        standing.created
    );
    if let Some(uri) = dsn_text(&standing.record, 5432, DsnFormat::Uri, false) {
        println!("writes: {uri}   (`pgha dsn rw` prints it with the password)");
    }
    Ok(Exit::Done)
}

/// `pgha down`
pub async fn down(args: &LabArgs, all: bool) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let (labs, unseen) =
        if all { take_down::known_labs(&docker).await } else { (vec![settings::lab_name(args)?], None) };
    let mut failed = unseen.map(LabError::Engine);
    if labs.is_empty() && failed.is_none() {
        println!("there is no lab on this engine");
    }
    for lab in labs {
        let removed = match take_down::down(&docker, &lab).await {
            Ok(removed) => removed,
            Err(error) => {
                // one lab that stays is no reason to keep the others
                if let Some(earlier) = failed.replace(error) {
                    eprintln!("{earlier}");
                }
                continue;
            }
        };
        // a lab that is gone has no faults
        ledger::forget(&settings::state(), &lab).map_err(|error| {
            CliError::usage(format!("what was known of the faults of lab `{lab}` stays: {error}"), "")
        })?;
        if removed.is_empty() {
            println!("lab `{lab}`: nothing was there");
        } else {
            println!("lab `{lab}`: removed {removed}");
        }
    }
    failed.map_or(Ok(Exit::Done), |error| Err(error.into()))
}

/// `pgha dsn`
pub async fn dsn(args: &LabArgs, endpoint: DsnEndpoint, format: DsnFormat) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let record = record::require(&docker, &settings::lab_name(args)?).await?;
    let port = match endpoint {
        DsnEndpoint::Rw => 5432,
        DsnEndpoint::Ro => 5433,
    };
    match dsn_text(&record, port, format, true) {
        Some(text) => {
            println!("{text}");
            Ok(Exit::Done)
        }
        None => Err(CliError::usage(
            "this lab publishes nothing on the machine (`[network] publish = \"none\"`)",
            "reach it from inside: `pgha exec client -- …`",
        )),
    }
}

/// Loopback addresses at which balancers serve, and after them those at which one may come to stand.
fn published(record: &record::LabRecord) -> Vec<Ipv4Addr> {
    let Some(base) = crate::lab::names::network_address(&record.spec.network.publish) else {
        return Vec::new();
    };
    let [a, b, c, _] = base.octets();
    let placed: Vec<&HostName> = record.of(Service::Balancer).map(|(member, _)| &member.host).collect();
    let at = |index: usize| u8::try_from(index + 1).ok().map(|last| Ipv4Addr::new(a, b, c, last));
    balancer_hosts(&record.spec, &placed).into_iter().filter_map(at).collect()
}

/// Hosts of balancers: those that have one, and then the others that may have one. A balancer that is replaced comes to
/// stand on one of these, and a client that holds the connection string of an earlier day finds it there. A host without
/// one refuses at once.
fn balancer_hosts(spec: &LabSpec, placed: &[&HostName]) -> Vec<usize> {
    let mut all: Vec<usize> = placed.iter().filter_map(|host| spec.host_index(host)).collect();
    for (index, host) in spec.hosts.iter().enumerate() {
        if !all.contains(&index) && spec.may_stand(Service::Balancer, host) {
            all.push(index);
        }
    }
    all
}

fn dsn_text(record: &record::LabRecord, port: u16, format: DsnFormat, with_password: bool) -> Option<String> {
    let hosts = published(record);
    if hosts.is_empty() {
        return None;
    }
    let who = reach::application(record);
    let hosts_text = hosts.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(",");
    let ports_text = hosts.iter().map(|_| port.to_string()).collect::<Vec<_>>().join(",");
    // passwords are letters and digits, so no shape needs quoting
    Some(match format {
        DsnFormat::Uri => {
            let pairs = hosts.iter().map(|host| format!("{host}:{port}")).collect::<Vec<_>>().join(",");
            let password = if with_password { format!(":{}", who.password) } else { String::new() };
            format!("postgresql://{}{password}@{pairs}/{}?connect_timeout=2", who.user, who.database)
        }
        DsnFormat::Kv => format!(
            "host={hosts_text} port={ports_text} user={} password={} dbname={} connect_timeout=2",
            who.user, who.password, who.database
        ),
        DsnFormat::Env => format!(
            "export PGHOST={hosts_text}\nexport PGPORT={ports_text}\nexport PGUSER={}\nexport PGPASSWORD={}\n\
             export PGDATABASE={}\nexport PGCONNECT_TIMEOUT=2",
            who.user, who.password, who.database
        ),
    })
}

/// `pgha prune`
pub async fn prune(base: bool) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let labs = take_down::labs(&docker).await?;
    if !labs.is_empty() {
        return Err(CliError::usage(
            format!("labs stand on this engine: {}", labs.join(", ")),
            "take them down first: `pgha down --all`",
        ));
    }
    let freed = images::prune(&docker, |image, kept| match kept {
        None => println!("removed {image}"),
        Some(why) => eprintln!("kept {image}: {why}"),
    })
    .await?;
    if base {
        let spec = settings::resolve(&LabArgs::default())?.spec;
        for reference in images::bases(&spec.images) {
            docker.remove_image(&reference).await?;
            println!("removed {reference}");
        }
    }
    println!(
        "images of this program are gone ({} MiB, shared layers counted each time)",
        freed / (1024 * 1024)
    );
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_outlives_the_balancers_of_today() {
        let built_in = crate::spec::lab::resolve(&[crate::spec::lab::Layer::built_in()]);
        let mut spec = built_in.map_err(|_| "it has problems").expect("a lab");
        let name = |text: &str| HostName::new(text).expect("a name");
        // where they stand comes first, in the order of their members
        let (third, first) = (name("h3"), name("h1"));
        let all = balancer_hosts(&spec, &[&third, &first]);
        assert_eq!(all[..2], [2, 0]);
        let may =
            |spec: &LabSpec| spec.hosts.iter().filter(|host| spec.may_stand(Service::Balancer, host)).count();
        assert_eq!(all.len(), may(&spec), "every host that may carry one, once");
        assert!(all.len() > 2);
        spec.balancers.hosts = vec![first.clone(), third.clone()];
        assert_eq!(balancer_hosts(&spec, &[&third]), [2, 0], "pins hold");
    }

    fn waiting(members: &[(&str, &str)]) -> Vec<NotReady> {
        let of = |(member, why): &(&str, &str)| NotReady {
            member: MemberId::new(*member).expect("a name"),
            why: (*why).to_owned(),
        };
        members.iter().map(of).collect()
    }

    #[test]
    fn each_member_is_said_to_be_ready_once() {
        let mut waited = Waited::default();
        let all = waiting(&[("etcd-1", "has no leader"), ("postgres-1", "does not answer")]);
        assert_eq!(waited.hear(&all), ["waiting for etcd-1, postgres-1"]);
        let one = waiting(&[("postgres-1", "no primary yet")]);
        assert_eq!(waited.hear(&one), ["etcd-1 is ready"]);
        // another reason is no news, and who falls back is not said to be ready again
        assert_eq!(waited.hear(&all), [""; 0]);
        assert_eq!(waited.hear(&one), [""; 0]);
        assert_eq!(waited.hear(&[]), ["postgres-1 is ready"]);
        assert_eq!(waited.hear(&[]), [""; 0]);
    }

    #[test]
    fn members_that_are_not_ready_have_a_line_each() {
        let seen = board(&waiting(&[("etcd-1", "has no leader"), ("postgres-1", &"x".repeat(200))]));
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[..2], ["waiting for", "  etcd-1      has no leader"]);
        assert_eq!((lines.len(), lines[2].chars().count()), (3, 2 + 10 + 2 + WIDE + 1));
    }
}
