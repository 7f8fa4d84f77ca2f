//! The hidden subcommands of the client host, from plan to last line.
//!
//! Each reads its plan as the first line of its input and writes lines of JSON. The end of the
//! input means that whoever asked is gone: stop at once. Generic over input and output, so that a
//! test can be the other side.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, Lines};
use tokio::signal::unix::{SignalKind, signal};

use super::generator::{self, BalancerAddresses, LoadEnd};
use super::tally::Tallied;
use super::watch::Watcher;
use super::{final_read, workload};
use crate::engine::clock;
use crate::engine::journal_writer::{self, Journal};
use crate::engine::postgres::{Broken, Session};
use crate::history::Event;
use crate::model::plan::{Endpoints, FinalReadPlan, LoadPlan, WatchPlan};
use crate::model::{Load, Mono};

/// Text of the note that says every table is made and the load waits for `go`.
pub const READY: &str = "ready: waiting for go";

/// The `writer` of the client's journal.
pub const WRITER: &str = "client";
/// The `writer` of the journal of the final reads.
pub const READER: &str = "final-reads";

/// Why a subcommand of the client host could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientHostError {
    /// The input ended or broke before the plan was there.
    #[error("no plan on stdin: {0}")]
    NoPlan(String),
    /// The first line is no plan.
    #[error("the plan cannot be read: {0}")]
    BadPlan(String),
    /// The output is gone.
    #[error("nobody reads the output: {0}")]
    Output(#[from] std::io::Error),
    /// The work itself.
    #[error("{0}")]
    Work(String),
}

/// A line on the input after the plan.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentOrder {
    /// Start the load at this instant.
    #[serde(default)]
    go: Option<Mono>,
    /// Stop at once, in order.
    #[serde(default)]
    stop: bool,
    /// Balancers stand there now.
    #[serde(default)]
    endpoints: Option<Endpoints>,
}

/// What the other side wants.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Go(Mono),
    /// Balancers stand elsewhere.
    Follow(Endpoints),
    Stop,
    /// Whoever drives this program has left.
    Gone,
}

/// What the first process of the client host does: it waits until it is told to end.
///
/// # Errors
/// When signals cannot be received.
pub async fn idle() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Runs the loads of a [`LoadPlan`] and writes [`Event`]s: `Journal`, a `Prepared` for each load, the
/// note [`READY`]; after `{"go":<ns>}` the operations; in the end `End`. `{"stop":true}` ends it early
/// with `End`, the end of the input without.
///
/// # Errors
/// [`ClientHostError`]; a table that cannot be made is one.
pub async fn load<R, W>(input: R, output: W) -> Result<(), ClientHostError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut lines = input.lines();
    let plan: Arc<LoadPlan> = Arc::new(plan(&mut lines).await?);
    // held until the end of this function: the system lets go of it however the program ends
    let _lock = plan.lock.as_deref().map(lock).transpose()?;
    let (journal, queue) = journal_writer::channel();
    writing(journal_writer::write_out(queue, output), async move {
        let loads = plan.loads.iter().map(|load| load.name.clone()).collect();
        let boot_id = clock::boot_id();
        let (writer, run) = (WRITER.to_owned(), plan.run.clone());
        journal.say(Event::Journal { t: clock::now(), writer, boot_id, loads, run });
        let ready = generator::ready(&plan).map_err(ClientHostError::Work)?;
        let prepared = tokio::select! {
            biased; // an order that waits behind finished work is no early order
            done = prepare(&plan, &journal) => done.map_err(ClientHostError::Work),
            wish = wish(&mut lines) => Err(early(&wish)),
        };
        prepared.inspect_err(|error| note(&journal, &error.to_string()))?;
        note(&journal, READY);
        let told = Tallied::new(journal.clone(), plan.loads.len());
        let wanted = loop {
            match wish(&mut lines).await {
                Wish::Follow(endpoints) => ready.doors().follow(&endpoints),
                other => break other,
            }
        };
        let over = match wanted {
            Wish::Go(start) => {
                let mut gone = false;
                let doors = ready.doors();
                let stop = async { gone = !until_stop(&mut lines, &doors).await };
                let over = generator::run(ready, &plan, &told, start, stop).await;
                if gone {
                    return Ok(());
                }
                over
            }
            Wish::Stop => LoadEnd::Stopped,
            Wish::Gone | Wish::Follow(_) => return Ok(()),
        };
        if over == LoadEnd::Stopped {
            note(&journal, "stopped before its time");
        }
        let (writer, signed) = (WRITER.to_owned(), Some(told.operations()));
        journal.say(Event::End { t: clock::now(), writer, signed });
        Ok(())
    })
    .await
}

/// Locks a file for this process alone.
fn lock(path: &Path) -> Result<File, ClientHostError> {
    let failed =
        |error: &dyn std::fmt::Display| ClientHostError::Work(format!("{}: {error}", path.display()));
    let file = File::create(path).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(ClientHostError::Work("another run is writing into this lab: wait for its end".to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Looks at the lab as a [`WatchPlan`] says and writes [`crate::model::Sighting`]s until it is told to stop, or one.
/// Another plan on the input takes the place of the first: members come and go.
///
/// # Errors
/// [`ClientHostError`].
pub async fn watch<R, W>(input: R, output: W) -> Result<(), ClientHostError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut lines = input.lines();
    let mut plan: WatchPlan = plan(&mut lines).await?;
    let (journal, queue) = journal_writer::channel();
    writing(journal_writer::write_out(queue, output), async move {
        loop {
            let mut watcher = Watcher::new(&plan);
            if plan.once {
                journal.say(watcher.look().await);
                return Ok(());
            }
            let watching = async {
                loop {
                    let sighting = watcher.look().await;
                    let began = sighting.at;
                    journal.say(sighting);
                    watcher.turn(began).await;
                }
            };
            tokio::select! {
                next = next_plan(&mut lines) => match next {
                    Some(next) => plan = next,
                    None => return Ok(()),
                },
                () = watching => return Ok(()),
            }
        }
    })
    .await
}

/// The next plan on the input; `None` when it says stop, or ends.
async fn next_plan<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Option<WatchPlan> {
    loop {
        let line = lines.next_line().await.ok()??;
        if let Ok(plan) = serde_json::from_str(&line) {
            return Some(plan);
        }
        if serde_json::from_str::<AgentOrder>(&line).is_ok_and(|order| order.stop) {
            return None;
        }
    }
}

/// Reads every node as a [`FinalReadPlan`] says and writes one `FinalRead` event for each node and load, between
/// `Journal` and `End`.
///
/// # Errors
/// [`ClientHostError`]; a node that cannot be read is an event, no error.
pub async fn final_read<R, W>(input: R, output: W) -> Result<(), ClientHostError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut lines = input.lines();
    let plan: FinalReadPlan = plan(&mut lines).await?;
    let (journal, queue) = journal_writer::channel();
    writing(journal_writer::write_out(queue, output), async move {
        let (writer, boot_id, run) = (READER.to_owned(), clock::boot_id(), plan.run.clone());
        journal.say(Event::Journal { t: clock::now(), writer, boot_id, loads: Vec::new(), run });
        let told = Tallied::new(journal.clone(), 0);
        final_read::run(&plan, &told).await;
        let (writer, signed) = (READER.to_owned(), Some(told.reads()));
        journal.say(Event::End { t: clock::now(), writer, signed });
        Ok(())
    })
    .await
}

/// Does `work` while its journal is written; what it said is written out even when it failed.
async fn writing(
    write: impl Future<Output = std::io::Result<()>>,
    work: impl Future<Output = Result<(), ClientHostError>>,
) -> Result<(), ClientHostError> {
    let mut write = std::pin::pin!(write);
    tokio::select! {
        broken = &mut write => {
            broken?;
            Err(ClientHostError::Work("the journal ended before the work".to_owned()))
        }
        done = work => {
            write.await?;
            done
        }
    }
}

async fn plan<T: DeserializeOwned, R: AsyncBufRead + Unpin>(
    lines: &mut Lines<R>,
) -> Result<T, ClientHostError> {
    let line = lines.next_line().await.map_err(|e| ClientHostError::NoPlan(e.to_string()))?;
    let line = line.ok_or_else(|| ClientHostError::NoPlan("it ended".to_owned()))?;
    // the text of a plan holds passwords, so the error names the place and what was wrong, no more
    serde_json::from_str(&line).map_err(|e| ClientHostError::BadPlan(e.to_string()))
}

async fn wish<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Wish {
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str::<AgentOrder>(&line) {
            Ok(AgentOrder { stop: true, .. }) => return Wish::Stop,
            Ok(AgentOrder { go: Some(start), .. }) => return Wish::Go(start),
            Ok(AgentOrder { endpoints: Some(endpoints), .. }) => return Wish::Follow(endpoints),
            // an order this version does not know must not start or stop anything
            Ok(_) | Err(_) => {}
        }
    }
    Wish::Gone
}

/// Waits for the order to stop (true) or the end of the input (false).
async fn until_stop<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>, doors: &BalancerAddresses) -> bool {
    loop {
        match wish(lines).await {
            Wish::Stop => return true,
            Wish::Gone => return false,
            Wish::Follow(endpoints) => doors.follow(&endpoints),
            Wish::Go(_) => {}
        }
    }
}

fn early(wish: &Wish) -> ClientHostError {
    ClientHostError::Work(match wish {
        Wish::Go(_) | Wish::Follow(_) => "told to go before it said it was ready".to_owned(),
        Wish::Stop => "stopped while making its tables".to_owned(),
        Wish::Gone => "the input ended while it was making its tables".to_owned(),
    })
}

fn note(journal: &Journal<Event>, text: &str) {
    journal.say(Event::Note { t: clock::now(), text: text.to_owned() });
}

/// Makes the tables of every load, trying again until the plan's limit: a lab that was just made
/// may need a moment until its balancers route.
async fn prepare(plan: &LoadPlan, journal: &Journal<Event>) -> Result<(), String> {
    let deadline = clock::now().plus(plan.prepare_timeout.0);
    for (index, load) in plan.loads.iter().enumerate() {
        let mut turn = 0;
        let rows = loop {
            let broken = match make_tables(plan, load, turn, deadline).await {
                Ok(rows) => break rows,
                Err(broken) => broken,
            };
            if clock::now() >= deadline {
                return Err(format!("load `{}`: its tables could not be made: {broken}", load.name));
            }
            turn += 1;
            clock::sleep(std::time::Duration::from_millis(100)).await;
        };
        let l = u32::try_from(index).unwrap_or(u32::MAX);
        if let Some(rows) = rows {
            journal.say(Event::Prepared { t: clock::now(), l, rows });
        }
    }
    Ok(())
}

/// Where the tables may be made: the balancers, then the databases themselves; a replica refuses at once.
/// Balancers that lead anywhere (a scenario may take their checks away) can miss the primary in every turn.
fn doors_of_tables(plan: &LoadPlan) -> Vec<SocketAddr> {
    plan.endpoints.rw.iter().copied().chain(plan.nodes.values().copied()).collect()
}

async fn make_tables(
    plan: &LoadPlan,
    load: &Load,
    turn: usize,
    deadline: Mono,
) -> Result<Option<u64>, Broken> {
    // always where writes go, whatever port the load itself uses
    let doors = doors_of_tables(plan);
    let door = *doors
        .get(turn % doors.len().max(1))
        .ok_or_else(|| Broken::Other("no address to go to".to_owned()))?;
    let session = Session::connect(door, &plan.credentials, "pgha-prepare", plan.connect_timeout.0).await?;
    let limit = deadline.since(clock::now());
    let made = clock::timeout(limit, workload::make_tables(load, &session)).await;
    made.unwrap_or(Err(Broken::Timeout(limit)))
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    fn plan_without_loads() -> String {
        r#"{"loads":[],"duration":"1s","seed":1,"endpoints":{},"nodes":{},"credentials":{"user":"pgha","password":"s3cret","database":"pgha"}}"#
            .to_owned()
    }

    async fn events(input: &str) -> Vec<Event> {
        let mut output = Vec::new();
        load(BufReader::new(input.as_bytes()), &mut output).await.expect("it runs");
        String::from_utf8(output)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect()
    }

    #[test]
    fn tables_are_made_on_a_database_where_no_balancer_leads_to_the_primary() {
        let mut plan: LoadPlan = serde_json::from_str(&plan_without_loads()).expect("a plan");
        plan.endpoints.rw = vec!["127.0.0.2:5432".parse().expect("an address")];
        plan.nodes = ["127.0.0.3:5432", "127.0.0.4:5432"]
            .iter()
            .enumerate()
            .map(|(i, at)| {
                (format!("postgres-{i}").parse().expect("a name"), at.parse().expect("an address"))
            })
            .collect();
        let doors: Vec<_> = doors_of_tables(&plan).iter().map(ToString::to_string).collect();
        assert_eq!(doors, ["127.0.0.2:5432", "127.0.0.3:5432", "127.0.0.4:5432"]);
    }

    #[tokio::test]
    async fn a_journal_begins_with_its_writer_and_ends_in_order() {
        let events = events(&format!("{}\n{{\"stop\":true}}\n", plan_without_loads())).await;
        assert!(matches!(&events[0], Event::Journal { writer, .. } if writer == WRITER));
        assert!(events.iter().any(|e| matches!(e, Event::Note { text, .. } if text == READY)));
        assert!(matches!(events.last(), Some(Event::End { .. })));
    }

    #[tokio::test]
    async fn a_journal_without_a_listener_has_no_end() {
        let events = events(&format!("{}\n", plan_without_loads())).await;
        assert!(!events.iter().any(|e| matches!(e, Event::End { .. })), "{events:?}");
    }

    #[tokio::test]
    async fn what_is_no_plan_is_refused_without_showing_it() {
        let text = r#"{"loads":[],"duration":"1s","credentials":{"password":"s3cret"}}"#;
        let error = load(BufReader::new(text.as_bytes()), Vec::new()).await.expect_err("no plan");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        let error = final_read(BufReader::new(&b""[..]), Vec::new()).await.expect_err("no plan");
        assert!(matches!(error, ClientHostError::NoPlan(_)));
    }

    #[tokio::test]
    async fn a_load_that_cannot_be_run_is_refused_with_its_reason() {
        let text = plan_without_loads()
            .replace("\"loads\":[]", r#""loads":[{"name":"b","workload":"sql","rate":1}]"#);
        let error = load(BufReader::new(text.as_bytes()), Vec::new()).await.expect_err("refused");
        assert!(error.to_string().contains("text of its file"), "{error}");
    }
}
