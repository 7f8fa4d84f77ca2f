//! One connection as libpq makes it from a connection string of several hosts.
//!
//! The rules are those of `PQconnectPoll` in PostgreSQL 17's `src/interfaces/libpq/fe-connect.c`,
//! with the defaults of its documentation ("Database Connection Control Functions"):
//!
//! - `load_balance_hosts=disable`: hosts are tried in the order of the string, and every new connection begins
//!   with the first one again. Nothing is remembered of a host that was down.
//! - `sslmode=prefer`: the first packet is the `SSLRequest`. With `gssencmode=prefer` a `GSSENCRequest` goes ahead of
//!   it where libpq is built with GSSAPI and finds a ticket in a credential cache (`pg_GSS_have_cred_cache`). Debian's
//!   libpq is built so, and a host without Kerberos has no such cache: it sends none, and neither does this.
//! - The next host is tried when the socket cannot be had (refused, unreachable), when a host's `connect_timeout` ran
//!   out, when the server says 57P03 (cannot connect now), and when it is not what `target_session_attrs` wants.
//! - Everything else ends the attempt, whatever other hosts there are: also a connection that is
//!   accepted and closed without a word, which is what a balancer without a server does.
//! - `connect_timeout=0`: no limit, unless the load states one, which then holds for each host.

use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::postgres::{Broken, within};
use crate::engine::wire::{Ssl, Wire};
use crate::model::plan::Credentials;
use crate::model::scenario::SessionAttrs;

/// Why a host was not the one.
enum HostRefusal {
    /// The next host is tried.
    Next(Broken),
    /// The attempt is over.
    Over(Broken),
}

/// Connects to the first of `hosts` that will do.
///
/// # Errors
/// [`Broken`] of the host that ended the attempt: of the last one when none would do.
pub async fn connect(
    hosts: &[SocketAddr],
    who: &Credentials,
    application: &str,
    wanted: SessionAttrs,
    limit: Option<Duration>,
) -> Result<Wire, Broken> {
    let passes: &[SessionAttrs] = match wanted {
        // a second pass over all hosts takes any server
        SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
        _ => &[wanted],
    };
    let mut last = Broken::Other("the connection string names no host".to_owned());
    for wanted in passes {
        for host in hosts {
            match one(*host, who, application, *wanted, limit).await {
                Ok(wire) => return Ok(wire),
                Err(HostRefusal::Next(broken)) => last = broken,
                Err(HostRefusal::Over(broken)) => return Err(broken),
            }
        }
    }
    Err(last)
}

async fn one(
    host: SocketAddr,
    who: &Credentials,
    application: &str,
    wanted: SessionAttrs,
    limit: Option<Duration>,
) -> Result<Wire, HostRefusal> {
    let mut reached = false;
    let connecting = async {
        let mut wire = Wire::reach(host).await?;
        reached = true;
        wire.log_in(who, application, Ssl::Preferred).await?;
        suits(&mut wire, wanted).await?;
        Ok(wire)
    };
    let done = within(limit, connecting).await;
    done.map_err(|broken| {
        if goes_on(reached, &broken) { HostRefusal::Next(broken) } else { HostRefusal::Over(broken) }
    })
}

/// Whether the next host is tried; `reached`: the socket stood.
fn goes_on(reached: bool, broken: &Broken) -> bool {
    match broken {
        Broken::Timeout(_) | Broken::WrongServer(_) => true,
        Broken::Sql { state, .. } => state == "57P03",
        _ => !reached,
    }
}

/// Whether the server is what is wanted: by what it reported of itself, or by a question where it did
/// not (PostgreSQL before 14).
async fn suits(wire: &mut Wire, wanted: SessionAttrs) -> Result<(), Broken> {
    let wrong = |what: &str| Err(Broken::WrongServer(what.to_owned()));
    match wanted {
        SessionAttrs::Any | SessionAttrs::PreferStandby => Ok(()),
        SessionAttrs::ReadWrite if read_only(wire).await? => wrong("session is read-only"),
        SessionAttrs::ReadOnly if !read_only(wire).await? => wrong("session is not read-only"),
        SessionAttrs::Primary if standby(wire).await? => wrong("server is in hot standby mode"),
        SessionAttrs::Standby if !standby(wire).await? => wrong("server is not in hot standby mode"),
        SessionAttrs::ReadWrite | SessionAttrs::ReadOnly | SessionAttrs::Primary | SessionAttrs::Standby => {
            Ok(())
        }
    }
}

async fn read_only(wire: &mut Wire) -> Result<bool, Broken> {
    let told = wire.told();
    match (told.read_only, told.standby) {
        (Some(read_only), Some(standby)) => Ok(read_only || standby),
        _ => ask(wire, "show transaction_read_only", "on").await,
    }
}

async fn standby(wire: &mut Wire) -> Result<bool, Broken> {
    match wire.told().standby {
        Some(standby) => Ok(standby),
        None => ask(wire, "select pg_catalog.pg_is_in_recovery()", "t").await,
    }
}

/// Whether the answer to a question of one value is `yes`. A server that cannot say is not the one.
async fn ask(wire: &mut Wire, question: &str, yes: &str) -> Result<bool, Broken> {
    wire.queue_text(question)?;
    wire.send().await?;
    match wire.answer().await {
        Ok(reply) => Ok(reply.first().and_then(|row| row.text(0)) == Some(yes)),
        Err(Broken::Sql { message, .. }) => Err(Broken::WrongServer(message)),
        Err(broken) => Err(broken),
    }
}
