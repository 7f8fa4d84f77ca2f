//! `connections`: a storm from the client host to the victim's own port, held until it is told to end.
//! Proof comes from the other side: the kernel's table of the victim's sockets, and PostgreSQL's own
//! list of its sessions. A victim that is full has been hit as well.

use std::net::{Ipv4Addr, SocketAddr};

use async_trait::async_trait;

use super::family::{Family, Scene, Victim, VictimSeen};
use super::sql;
use crate::engine::clock;
use crate::lab::{names, reach};
use crate::model::plan::StormPlan;
use crate::model::{ContainerStatus, FaultRecord, Member, Service, Span};

const SOCKETS: &str = "sockets of the victim's host";
const SESSIONS: &str = "pg_stat_activity";
const REFUSAL: &str = "sockets of the victim's host, and PostgreSQL's refusal";
/// Longest wait of the storm for one connection.
const CONNECT: Span = Span::secs(10);
/// How long the deed waits until every connection was tried once, as long as the last of them may take; the
/// storm itself goes on. Where cores are few, hundreds of passwords are checked for longer than evidence is waited for.
const FIRST_ROUND: std::time::Duration = CONNECT.0;

/// Storms of connections.
#[derive(Clone, Copy, Debug)]
pub struct Storms {
    /// So many connections.
    pub count: u32,
}

#[async_trait]
impl Family for Storms {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        _: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        for victim in victims {
            door(scene, victim)?;
            if victim.container.status != ContainerStatus::Running {
                return Err(format!("{} is {}", victim.hit, victim.container.status.as_str()));
            }
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let plan = StormPlan {
            to: door(scene, victim)?.0,
            count: self.count,
            credentials: reach::application(scene.record),
            timeout: CONNECT,
            until_gone: file(fault, victim).into(),
        };
        let plan = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
        let mut command = reach::program("storm");
        // so that the client's process table says which storm it is
        command.push(file(fault, victim));
        let client = client(scene);
        let mut stream =
            scene.docker.exec_stream(&client, &command).await.map_err(|error| error.to_string())?;
        stream.send_line(&plan).await.map_err(|error| error.to_string())?;
        match clock::timeout(FIRST_ROUND, stream.next_line()).await {
            Ok(Ok(None)) => Err(format!("the storm ended at once: {}", stream.stderr().trim())),
            Ok(Err(error)) => Err(error.to_string()),
            // the storm outlives this conversation
            Ok(Ok(Some(_))) | Err(_) => Ok(()),
        }
    }

    async fn bit(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let count = self.count;
        match crowd(scene, victim).await {
            Err((source, why)) => VictimSeen::new(false, source, why),
            Ok(crowd) => {
                let bit = crowd.here >= count || crowd.full;
                let full = if crowd.full { ", full" } else { "" };
                VictimSeen::new(bit, crowd.source, format!("{} of {count} connections{full}", crowd.here))
            }
        }
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let command = ["/bin/rm", "-f", &file(fault, victim)].map(str::to_owned);
        scene.docker.exec(&client(scene), &command).await.map(drop).map_err(|error| error.to_string())
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        const SOURCE: &str = "process table of the client";
        match super::process::processes(scene.docker, &client(scene)).await {
            Err(why) => VictimSeen::new(false, SOURCE, why),
            Ok(table) => {
                let file = file(fault, victim);
                let left = table.iter().filter(|entry| entry.arguments.last() == Some(&file)).count();
                VictimSeen::new(left == 0, SOURCE, format!("{left} storms left"))
            }
        }
    }
}

fn client(scene: &Scene<'_>) -> String {
    let client = scene.record.members.iter().find(|member| member.service == Service::Client);
    names::container(scene.record.spec.name.as_str(), client.map_or("client", |member| member.id.as_str()))
}

/// The file a storm lives by.
fn file(fault: &FaultRecord, victim: &Victim) -> String {
    format!("/tmp/pgha-storm-{}-{}", fault.id, victim.hit)
}

/// Where a victim accepts connections, and what it is.
fn door(scene: &Scene<'_>, victim: &Victim) -> Result<(SocketAddr, Service), String> {
    let member: Option<&Member> =
        scene.record.members.iter().find(|member| Some(&member.id) == victim.hit.member());
    let door = member.and_then(|member| Some((reach::door(scene.record, member)?, member.service)));
    door.ok_or_else(|| {
        format!("{} serves no connections of clients: name a member of postgres or a balancer", victim.hit)
    })
}

/// Who is at a victim's door.
struct StormCrowd {
    here: u32,
    full: bool,
    source: &'static str,
}

async fn crowd(scene: &Scene<'_>, victim: &Victim) -> Result<StormCrowd, (&'static str, String)> {
    let (door, service) = door(scene, victim).map_err(|why| (SOCKETS, why))?;
    if service == Service::Postgres {
        // the superuser has slots of its own when all others are taken, unless the lab keeps none for it
        let said = match sql::ask(scene.docker, &victim.container.id, STORM_QUERY).await {
            Err(why) if refused_for_want_of_room(&why) => {
                let table = sockets(scene, victim).await?;
                let from = client_address(scene).ok_or((SOCKETS, "the client has no address".to_owned()))?;
                let here = established(&table, door.port(), Some(from));
                return Ok(StormCrowd { here, full: here > 0, source: REFUSAL });
            }
            said => said.map_err(|why| (SESSIONS, why))?,
        };
        let mut numbers = said.split('|').map(|word| word.trim().parse::<u32>().unwrap_or(0));
        let (here, left) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(u32::MAX));
        return Ok(StormCrowd { here, full: crowded_out(here, left), source: SESSIONS });
    }
    let here = established(&sockets(scene, victim).await?, door.port(), None);
    Ok(StormCrowd { here, full: here >= scene.record.spec.balancers.maxconn, source: SOCKETS })
}

/// The kernel's table of the sockets of a victim's host.
async fn sockets(scene: &Scene<'_>, victim: &Victim) -> Result<String, (&'static str, String)> {
    let command = ["/bin/cat", "/proc/net/tcp"].map(str::to_owned);
    let said = scene.docker.exec(&victim.container.id, &command).await;
    said.map(|said| said.stdout).map_err(|error| (SOCKETS, error.to_string()))
}

/// Where storms come from.
fn client_address(scene: &Scene<'_>) -> Option<Ipv4Addr> {
    scene.record.of(Service::Client).next().map(|(_, address)| address)
}

/// Whether PostgreSQL refuses even the superuser because every connection is taken (SQLSTATE 53300).
fn refused_for_want_of_room(why: &str) -> bool {
    why.contains("too many clients already") || why.contains("remaining connection slots are reserved")
}

/// Whether a storm has taken what there was. Sessions of others end and begin all the time, so a few places are
/// free at any moment: one in twenty of what the storm holds.
const fn crowded_out(here: u32, left: u32) -> bool {
    here > 0 && left <= here / 20
}

/// Sessions of the storm, and how many more clients would be let in.
const STORM_QUERY: &str = "select count(*) filter (where application_name = 'pgha-storm'), \
     greatest(0, current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
     - coalesce(current_setting('reserved_connections', true)::int, 0) \
     - count(*) filter (where backend_type = 'client backend')) \
     from pg_stat_activity";

/// Established connections to a local port, of all or of one remote address, from the kernel's table (`/proc/net/tcp`,
/// state 01; addresses are in the machine's order of bytes).
fn established(table: &str, port: u16, from: Option<Ipv4Addr>) -> u32 {
    let from = from.map(|from| format!("{:08X}", u32::from_ne_bytes(from.octets())));
    let here = table.lines().skip(1).filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().and_then(|local| local.rsplit_once(':'));
        let local = local.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        let remote = fields.next().and_then(|remote| remote.split(':').next());
        let wanted = from.as_deref().is_none_or(|from| remote == Some(from));
        local == Some(port) && wanted && fields.next() == Some("01")
    });
    u32::try_from(here.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_that_left_room_has_not_filled_anything() {
        assert!(crowded_out(185, 0) && crowded_out(185, 9));
        assert!(!crowded_out(185, 10) && !crowded_out(0, 0));
    }

    #[test]
    fn a_server_that_refuses_the_superuser_says_that_it_is_full() {
        let said = "psql: error: connection to server on socket \"/run/x\" failed: FATAL:  sorry, too many clients already";
        assert!(refused_for_want_of_room(said));
        assert!(!refused_for_want_of_room("FATAL:  the database system is starting up"));
    }

    #[test]
    fn only_established_connections_to_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
               0: 00000000:1538 00000000:0000 0A 00000000:00000000\n\
               1: 0B0012C6:1538 0E0012C6:9C40 01 00000000:00000000\n\
               2: 0B0012C6:1539 0E0012C6:9C41 01 00000000:00000000\n\
               3: 0B0012C6:9C42 0E0012C6:1538 01 00000000:00000000\n\
               4: 0B0012C6:1538 0E0012C6:9C43 06 00000000:00000000\n";
        assert_eq!(established(table, 5432, None), 1);
        assert_eq!(established("", 5432, None), 0);
        if cfg!(target_endian = "little") {
            assert_eq!(established(table, 5432, Some(Ipv4Addr::new(198, 18, 0, 14))), 1);
            assert_eq!(established(table, 5432, Some(Ipv4Addr::new(198, 18, 0, 15))), 0);
        }
    }
}
