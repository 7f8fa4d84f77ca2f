//! A balancer: HAProxy with one server for every host that may carry PostgreSQL. Members come and
//! go without its configuration changing; a host without a database fails its checks.
//!
//! `start = "checked"` rests on HAProxy's server state file: every server begins down and needs
//! `rise` good checks, so a fresh or restarted balancer routes nothing to a server nobody looked at.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::context::RecipeContext;
use super::parts::{command, conf_mount, data_mount, private_file, service_body};
use super::ports::{ADMIN_PORT, CONF_PATH, PATRONI_PORT, POSTGRES_PORT};
use super::template::fill_own;
use crate::model::lab::{BalancerStart, BalancersSpec, OnMarkedDown, Reads};
use crate::model::self_report::sessions;
use crate::model::{Body, HostName, ImageRole, Member, Service, Span};

/// The user the HAProxy image knows.
const HAPROXY_UID: u32 = 997;
const HAPROXY_TEMPLATE: &str = include_str!("../../../lab/config/haproxy.cfg");
const HOLD_TEMPLATE: &str = include_str!("../../../lab/config/hold.lua");
const READERS_TEMPLATE: &str = include_str!("../../../lab/config/readers.lua");
/// Where a reader goes, when somebody says so (`readers.lua`).
const READERS: &str = "    tcp-request content set-var(txn.reader) lua.least_busy\n    \
                       use-server %[var(txn.reader)] if { var(txn.reader) -m found }\n";
const STATE_TEMPLATE: &str = include_str!("../../../lab/config/haproxy.state");
/// The backends with the number HAProxy gives each: sections count in the order of the
/// configuration, and the first of them, `statistics`, is 1.
const BACKEND_NUMBERS: [(u32, &str); 2] = [(2, "rw"), (3, "ro")];

pub(super) fn body(ctx: &RecipeContext, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Haproxy, HAPROXY_UID);
    body.command = command(&["/usr/sbin/haproxy", "-db", "-f", "/etc/pgha/haproxy.cfg"]);
    body.mounts = vec![data_mount(ctx, member, HAPROXY_UID), conf_mount(ctx, member, HAPROXY_UID)];
    body.files = vec![private_file("haproxy.cfg", HAPROXY_UID, config(ctx, member))];
    if checked_start(&ctx.spec.balancers) {
        body.files.push(private_file("haproxy.state", HAPROXY_UID, state(ctx)));
    }
    if !ctx.spec.balancers.hold.0.is_zero() {
        let limit = ctx.spec.balancers.hold.0.as_millis().to_string();
        body.files.push(private_file("hold.lua", HAPROXY_UID, fill_own(HOLD_TEMPLATE, &[("limit", limit)])));
    }
    if !ctx.spec.controllers.is_empty() {
        body.files.push(private_file("readers.lua", HAPROXY_UID, READERS_TEMPLATE.to_owned()));
    }
    // SIGTERM and not SIGUSR1: database sessions outlast any patience, a soft stop would wait for them
    body
}

/// Without checks nothing would ever bring a server up that begins down.
fn checked_start(balancers: &BalancersSpec) -> bool {
    balancers.start == BalancerStart::Checked && balancers.check.enabled
}

fn servers<'a>(ctx: &'a RecipeContext) -> impl Iterator<Item = (&'a HostName, Ipv4Addr)> {
    let spec = ctx.spec;
    spec.hosts
        .iter()
        .filter(|host| spec.may_stand(Service::Postgres, host))
        .map(|host| (&host.name, ctx.address(&host.name)))
}

fn config(ctx: &RecipeContext, member: &Member) -> String {
    let balancers = &ctx.spec.balancers;
    let read = match ctx.spec.postgres.reads {
        Reads::Any => "/read-only",
        Reads::Replicas => "/replica",
    };
    let read = balancers.check.lag.map_or_else(|| read.to_owned(), |lag| format!("{read}?lag={}", lag.0));
    // the diagram of the service's page of 2022: reads go to replicas, to the primary only when no replica can serve
    let fallback = match ctx.spec.postgres.reads {
        Reads::Any => "",
        Reads::Replicas => "    use_backend rw if { nbsrv(ro) eq 0 }\n",
    };
    let (state_file, load_state) = if checked_start(balancers) {
        (format!("    server-state-file {CONF_PATH}/haproxy.state\n"), "global")
    } else {
        (String::new(), "none")
    };
    fill_own(
        HAPROXY_TEMPLATE,
        &[
            ("maxconn", balancers.maxconn.to_string()),
            ("sessions", sessions(member.size.memory, balancers.maxconn).to_string()),
            ("threads", threads(member.size.cpus).to_string()),
            ("state-file", state_file),
            ("admin", admin(ctx)),
            ("lua", holds(balancers, &format!("    lua-load {CONF_PATH}/hold.lua\n"))),
            ("readers", if ctx.spec.controllers.is_empty() { "" } else { READERS }.to_owned()),
            ("hold", holds(balancers, &hold_rules(balancers))),
            ("load-state", load_state.to_owned()),
            ("retries", balancers.retries.to_string()),
            (
                "redispatch",
                if balancers.redispatch { "option redispatch" } else { "no option redispatch" }.to_owned(),
            ),
            ("read-retries", read_retries(balancers.read_retries)),
            ("timeout-connect", ms(balancers.timeout_connect)),
            ("timeout-client", ms(balancers.timeout_client)),
            ("timeout-server", ms(balancers.timeout_server)),
            ("timeout-check", ms(balancers.check.timeout)),
            ("keepalive", keepalive(balancers)),
            ("check-rw", check(balancers, "/primary")),
            ("check-ro", check(balancers, &read)),
            ("fallback", fallback.to_owned()),
            ("server", default_server(balancers)),
            ("servers", server_lines(ctx)),
        ],
    )
}

/// An action may wait only while there is time for inspection left, so there is a little more of it.
fn hold_rules(balancers: &BalancersSpec) -> String {
    let inspect = balancers.hold.0 + std::time::Duration::from_secs(1);
    format!("    tcp-request inspect-delay {}ms\n    tcp-request content lua.hold\n", inspect.as_millis())
}

/// On another server every time: whoever has just refused has the fewest connections, and would be tried first.
fn read_retries(times: u32) -> String {
    if times == 0 { String::new() } else { format!("    retries {times}\n    option redispatch 1\n") }
}

/// `text` where new connections are held.
fn holds(balancers: &BalancersSpec, text: &str) -> String {
    if balancers.hold.0.is_zero() { String::new() } else { text.to_owned() }
}

/// The runtime API, for controllers on other hosts; the sandbox lets nobody else through.
fn admin(ctx: &RecipeContext) -> String {
    if ctx.spec.controllers.is_empty() {
        return String::new();
    }
    let readers = format!("    lua-load {CONF_PATH}/readers.lua\n");
    format!("    stats socket ipv4@0.0.0.0:{ADMIN_PORT} level admin\n    stats timeout 1h\n{readers}")
}

/// Where HAProxy ends no sessions, the kernel ends those whose server is silent: probed after five quiet seconds, given
/// up after three more; `tcp-ut` is the same for what was sent and is not acknowledged.
fn keepalive(balancers: &BalancersSpec) -> String {
    match balancers.on_marked_down {
        OnMarkedDown::ShutdownSessions => String::new(),
        OnMarkedDown::None => {
            "    option srvtcpka\n    srvtcpka-idle 5s\n    srvtcpka-intvl 1s\n    srvtcpka-cnt 3\n"
                .to_owned()
        }
    }
}

fn check(balancers: &BalancersSpec, path: &str) -> String {
    if balancers.check.enabled {
        format!("    option httpchk OPTIONS {path}\n    http-check expect status 200")
    } else {
        "    # no checks: every server counts as up".to_owned()
    }
}

fn default_server(balancers: &BalancersSpec) -> String {
    let check = &balancers.check;
    let mut line = format!("maxconn {}", balancers.maxconn);
    if check.enabled {
        // writing to a String cannot fail
        let _ = write!(line, " check port {PATRONI_PORT} inter {}", ms(check.inter));
        for (key, pause) in [("fastinter", check.fastinter), ("downinter", check.downinter)] {
            if let Some(pause) = pause {
                let _ = write!(line, " {key} {}", ms(pause));
            }
        }
        let _ = write!(line, " fall {} rise {}", check.fall, check.rise);
    }
    match balancers.on_marked_down {
        OnMarkedDown::ShutdownSessions if check.enabled => line.push_str(" on-marked-down shutdown-sessions"),
        OnMarkedDown::ShutdownSessions => {}
        OnMarkedDown::None => line.push_str(" tcp-ut 8s"),
    }
    line
}

fn server_lines(ctx: &RecipeContext) -> String {
    let lines: Vec<String> =
        servers(ctx).map(|(name, address)| format!("    server {name} {address}:{POSTGRES_PORT}")).collect();
    lines.join("\n")
}

/// Every server stopped: operational state 0, which also takes its health to 0, so it needs `rise`
/// good checks. Check status 1 is "initialized"; with 0, "unknown", HAProxy 3.0 never evaluates an
/// answer. Check state 6 is "configured and enabled".
fn state(ctx: &RecipeContext) -> String {
    let mut lines = Vec::new();
    for (backend_id, backend) in BACKEND_NUMBERS {
        for (n, (name, address)) in servers(ctx).enumerate() {
            lines.push(format!(
                "{backend_id} {backend} {} {name} {address} 0 0 1 1 0 1 0 0 6 0 0 0 - {POSTGRES_PORT} - 0 0 - - 0",
                n + 1
            ));
        }
    }
    fill_own(STATE_TEMPLATE, &[("servers", lines.join("\n"))])
}

/// HAProxy counts the machine's cores, not the share a body may use of them.
fn threads(cpus: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a declared size is far from where a conversion could lose anything"
    )]
    let whole = cpus.ceil() as u32;
    whole.clamp(1, 64)
}

fn ms(span: Span) -> String {
    format!("{}ms", span.0.as_millis())
}
