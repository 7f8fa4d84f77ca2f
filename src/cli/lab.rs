//! `up`, `down`, `dsn`, `prune`.

use std::net::Ipv4Addr;

use super::args::{DsnEndpoint, DsnFormat, LabArgs};
use super::news::NewsPrinter;
use super::{CliError, Exit, settings};
use crate::chaos::ledger;
use crate::lab::news::News;
use crate::lab::up::{self, UpOrder};
use crate::lab::{LabError, down as take_down, images, reach, record};
use crate::model::{HostName, LabSpec, Service, Span};

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
}
