//! `inject`, `faults`, `heal`: faults by hand, with the verbs, rules and messages of scenario files.
//!
//! What was typed becomes the text of a scenario with one step, which is read as any other.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::args::{InjectArgs, LabArgs, Output};
use super::news::NewsPrinter;
use super::{CliError, Exit, settings};
use crate::chaos::{Injector, Ledger, ledger};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::engine::locked::Locked;
use crate::lab::news::News;
use crate::lab::{reach, record};
use crate::model::{FaultRecord, FaultTarget, Name, Receipt, ReceiptState, Scenario, Span};
use crate::run::steps::{self, Stage, Word};
use crate::run::{RunError, refusals};
use crate::spec::{scenario, schedule};

/// The scenario that does what was typed and nothing else.
fn as_scenario(args: &InjectArgs, id: &Name) -> String {
    let keys: Vec<String> = args.keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let lasts = args.lasts.map(|lasts| format!("for = \"{lasts}\"\n")).unwrap_or_default();
    format!(
        "schema = 1\nname = \"by-hand\"\nabout = \"a fault by hand\"\nduration = \"365d\"\ntimeout = \"365d\"\n\
         [[step]]\nid = \"{id}\"\nat = \"0s\"\n{lasts}do.{} = {{ {} }}\n",
        args.verb,
        keys.join(", ")
    )
}

fn parse(args: &InjectArgs, id: &Name) -> Result<(Scenario, String), CliError> {
    let text = as_scenario(args, id);
    Ok((scenario::parse(&format!("pgha inject {}", args.verb), &text)?, text))
}

fn failed(error: io::Error) -> CliError {
    CliError::Run(RunError::Io(error))
}

/// `pgha inject`
pub async fn inject(args: &InjectArgs) -> Result<Exit, CliError> {
    let nameless = Name::new(args.verb.as_str()).map_err(|why| CliError::usage(why.to_string(), ""))?;
    parse(args, args.id.as_ref().unwrap_or(&nameless))?;
    let docker = super::engine().await?;
    let record = Arc::new(record::require(&docker, &settings::lab_name(&args.lab)?).await?);
    let path = ledger::of_lab(&settings::state(), record.spec.name.as_str(), &record.token);
    let on = ledger::standing(&path).map_err(failed)?;
    let id = free_id(args.id.clone(), &nameless, &on)?;
    let (scenario, text) = parse(args, &id)?;
    scenario::fits_lab(&format!("pgha inject {}", args.verb), &text, &record.spec)?;
    let program = settings::program()?;
    let printer = NewsPrinter::plain();
    let news = |news: News| printer.news(&news);
    let cannot = refusals::refusals(&docker, &record.spec, &scenario, &program, &news).await?;
    if !cannot.is_empty() {
        return Err(RunError::Refused(cannot).into());
    }
    let sighting = reach::look(&docker, &record).await?;
    let (_newest, newest) = watch::channel(sighting);
    let (_record, known) = watch::channel(Arc::clone(&record));
    let (over, is_over) = watch::channel(false);
    let told: Arc<Locked<Vec<FaultRecord>>> = Arc::default();
    let stage = Stage::new(
        docker,
        known,
        Arc::new(Ledger::open_lab(path).map_err(failed)?),
        newest,
        clock::now(),
        is_over,
        hears(Arc::clone(&told)),
        true,
    );
    let plan = schedule::plan(&scenario, args.seed);
    let stays = args.lasts.is_none() && !matches!(args.verb.as_str(), "repeat" | "swizzle");
    let ended = if stays {
        steps::begin(&stage, &plan).await
    } else {
        let work = steps::run(&stage, &plan);
        tokio::pin!(work);
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                eprintln!("interrupted: healing");
                over.send_replace(true);
                work.await
            }
            ended = &mut work => ended,
        }
    };
    ended?;
    let told = told.lock();
    if stays && told.iter().any(ledger::is_on) {
        eprintln!("it stays on: `pgha heal {id}` undoes it");
    }
    Ok(if told.iter().any(refuted) { Exit::Failed } else { Exit::Done })
}

/// The id that was asked for, when it is free, or the first free one after the verb.
fn free_id(asked: Option<Name>, verb: &Name, on: &[FaultRecord]) -> Result<Name, CliError> {
    let taken = |id: &Name| on.iter().any(|fault| fault.id == *id);
    match asked {
        Some(id) if taken(&id) => Err(CliError::usage(
            format!("fault `{id}` is on already"),
            "`pgha faults` shows what is on; take another --id, or heal it first",
        )),
        Some(id) => Ok(id),
        None => {
            let numbered = (2..).filter_map(|n| Name::new(format!("{verb}-{n}")).ok());
            Ok(std::iter::once(verb.clone())
                .chain(numbered)
                .find(|id| !taken(id))
                .unwrap_or_else(|| verb.clone()))
        }
    }
}

/// Prints receipts as they come, and keeps the newest record of every fault.
fn hears(told: Arc<Locked<Vec<FaultRecord>>>) -> steps::Hears {
    Arc::new(move |word| {
        match word {
            Word::Fault(fault) => {
                match (&fault.heal, &fault.receipt) {
                    (Some(heal), _) => println!("{}", receipt("heal", &fault, heal)),
                    (None, Some(seen)) => println!("{}", receipt("inject", &fault, seen)),
                    (None, None) => {}
                }
                let mut told = told.lock();
                told.retain(|known| known.id != fault.id);
                told.push(*fault);
            }
            Word::Says(text) | Word::Note(text) => eprintln!("{text}"),
            Word::Hurt => {}
        }
        Ok(())
    })
}

fn receipt(what: &str, fault: &FaultRecord, receipt: &Receipt) -> String {
    let state = match receipt.state {
        ReceiptState::Confirmed => "confirmed",
        ReceiptState::Refuted => "refuted",
        ReceiptState::Superseded => "superseded",
        ReceiptState::Nothing => "nothing to undo",
    };
    format!("{what} {}: {state}: {} ({})", fault.id, receipt.evidence, receipt.source)
}

fn refuted(fault: &FaultRecord) -> bool {
    let is = |receipt: &Receipt| receipt.state == ReceiptState::Refuted;
    fault.began.is_none() || fault.receipt.as_ref().is_some_and(is) || fault.heal.as_ref().is_some_and(is)
}

/// `pgha faults`
pub async fn faults(args: &LabArgs, output: Output) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let lab = settings::lab_name(args)?;
    let on = on(&docker, &lab).await?;
    match output {
        Output::Json => println!("{}", json!({ "schema_version": 1, "lab": lab, "faults": as_json(&on) })),
        Output::Text if on.is_empty() => println!("no fault is on in lab `{lab}`"),
        Output::Text => on.iter().for_each(|fault| println!("{}", line(fault))),
    }
    Ok(Exit::Done)
}

/// What is on in a lab that stands; nothing in one without a record, and nothing that is on bodies which are no more.
///
/// # Errors
/// When the engine does not answer, or the ledger cannot be read.
pub async fn on(docker: &Docker, lab: &str) -> Result<Vec<FaultRecord>, CliError> {
    let Some(record) = record::read(docker, lab).await? else { return Ok(Vec::new()) };
    let mut on = ledger::standing(&ledger::of_lab(&settings::state(), lab, &record.token)).map_err(failed)?;
    if !on.is_empty() {
        let seen = docker.containers(Some(lab)).await?;
        let there = seen.values().map(|container| container.id.as_str()).collect();
        on.retain(|fault| !ledger::superseded(fault, &there));
    }
    Ok(on)
}

/// Faults for programs; keys are only ever added.
pub fn as_json(on: &[FaultRecord]) -> Vec<Value> {
    on.iter()
        .map(|fault| {
            json!({
                "id": fault.id,
                "verb": fault.verb,
                "targets": fault.targets,
                "age_ms": age(fault).as_ms(),
                "injected": fault.began.is_some(),
                "receipt": fault.receipt,
                "heal": fault.heal,
            })
        })
        .collect()
}

/// One fault in one line.
pub fn line(fault: &FaultRecord) -> String {
    let targets: Vec<&str> = fault.targets.iter().map(FaultTarget::as_str).collect();
    let evidence = match (&fault.heal, &fault.receipt) {
        (Some(heal), _) => format!("a heal did not take: {}", heal.evidence),
        (None, Some(receipt)) => receipt.evidence.clone(),
        (None, None) => "meant, and perhaps done: whoever began it was cut short".to_owned(),
    };
    let age = std::time::Duration::from_secs(age(fault).0.as_secs());
    format!("{}: {} on {} for {}: {evidence}", fault.id, fault.verb.name(), targets.join(", "), Span(age))
}

/// The same without its age, so that it stays the same while it is on.
pub fn in_short(fault: &FaultRecord) -> String {
    let targets: Vec<&str> = fault.targets.iter().map(FaultTarget::as_str).collect();
    format!("{} ({} on {})", fault.id, fault.verb.name(), targets.join(", "))
}

/// Since when it is on, or was meant.
fn age(fault: &FaultRecord) -> Span {
    Span(clock::now().since(fault.began.unwrap_or(fault.intent)))
}

/// `pgha heal`
pub async fn heal(args: &LabArgs, ids: &[Name]) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let lab = settings::lab_name(args)?;
    let record = record::require(&docker, &lab).await?;
    let path = ledger::of_lab(&settings::state(), &lab, &record.token);
    let on = ledger::standing(&path).map_err(failed)?;
    if let Some(id) = ids.iter().find(|id| !on.iter().any(|fault| fault.id == **id)) {
        let names: Vec<&str> = on.iter().map(|fault| fault.id.as_str()).collect();
        let hint =
            if names.is_empty() { "nothing is on".to_owned() } else { format!("on: {}", names.join(", ")) };
        return Err(CliError::usage(format!("no fault `{id}` is on in lab `{lab}`"), hint));
    }
    if on.is_empty() {
        println!("no fault is on in lab `{lab}`");
    }
    let ledger = Ledger::open_lab(path).map_err(failed)?;
    let injector = Injector { docker: &docker, record: &record, ledger: &ledger };
    let mut exit = Exit::Done;
    // the newest first, as they lie upon each other
    for fault in on.into_iter().rev().filter(|fault| ids.is_empty() || ids.contains(&fault.id)) {
        let healed = injector.heal(fault, &mut |_| {}).await;
        if let Some(heal) = &healed.heal {
            println!("{}", receipt("heal", &healed, heal));
        }
        if ledger::is_on(&healed) {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use crate::model::Verb;
    use clap::Parser;

    fn typed(words: &[&str]) -> Result<Verb, String> {
        let cli =
            Cli::try_parse_from(["pgha", "inject"].iter().chain(words)).map_err(|error| error.to_string())?;
        let crate::cli::args::CliVerb::Inject(args) = cli.verb else { panic!("no inject") };
        let id = Name::new("x").expect("a name");
        match parse(&args, &id) {
            Ok((scenario, _)) => Ok(scenario.steps[0].verb.clone()),
            Err(error) => Err(error.render()),
        }
    }

    #[test]
    fn what_is_typed_is_what_a_file_would_say() {
        for (words, file) in [
            (
                &["kill", "--target", "primary", "--signal", "TERM"][..],
                r#"{"kill":{"target":"primary","signal":"TERM"}}"#,
            ),
            (
                &["loss", "--target", "host:h1", "--percent", "5"],
                r#"{"loss":{"target":"host:h1","percent":5}}"#,
            ),
            (
                &["clock", "--target", "postgres-1", "--offset", "-30s"],
                r#"{"clock":{"target":"postgres-1","offset":"-30s"}}"#,
            ),
            (
                &[
                    "partition",
                    "--from",
                    "host-of:primary",
                    "--to",
                    "host:h1,host:h2",
                    "--ports",
                    "2379,2380",
                ],
                r#"{"partition":{"from":["host-of:primary"],"to":["host:h1","host:h2"],"ports":[2379,2380]}}"#,
            ),
            (
                &["disk-slow", "--target", "primary", "--bytes-per-second", "1MiB", "--iops", "9"],
                r#"{"disk-slow":{"target":"primary","bytes-per-second":"1MiB","iops":9}}"#,
            ),
            (&["maintenance", "--on", "true"], r#"{"maintenance":{"on":true}}"#),
            (
                &["repeat", "--every", "3s", "--times", "2", "--do", "restart = { target = \"replica\" }"],
                r#"{"repeat":{"every":"3s","times":2,"do":{"restart":{"target":"replica"}}}}"#,
            ),
        ] {
            let wanted: Verb = serde_json::from_str(file).expect("a verb");
            assert_eq!(typed(words), Ok(wanted), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_said_as_in_a_file() {
        for (words, sentence) in [
            (&["kill", "--target", "primry"][..], "`primry` is no target"),
            (&["kill", "--target", "primary", "--signal", "KIL"], "did you mean `KILL`?"),
            (&["loss", "--target", "host:h1", "--percent", "500"], "at most 100"),
            (&["loss", "--target", "host:h1", "--percent", "much"], "a number is wanted here"),
            (&["kill"], "--target <VALUE>"),
            (&["kil", "--target", "primary"], "kill"),
            (
                &["scale", "--service", "etcd", "--count", "4"],
                "only the number of `postgres` and of `balancer` changes",
            ),
            (&["resize", "--target", "etcd:any", "--cpu", "1"], "etcd"),
            (&["pause", "--target", "host:h1"], "names hosts"),
        ] {
            let said = typed(words).expect_err("a mistake");
            assert!(said.contains(sentence), "{words:?} said:\n{said}");
        }
    }
}
