//! `clock`: one member's clock is wrong, for Patroni and PostgreSQL alike, as on a computer whose clock
//! is wrong. libfaketime reads the offset from a file at every look at the clock; the monotonic clock
//! stays true, and etcd, a static program, cannot be lied to. Only a lab that was founded with
//! `postgres.fake-clock = true` can do it.
//!
//! Proof is PostgreSQL's own time against the time of a program beside it that nobody lies to.

use async_trait::async_trait;

use super::family::{Family, Scene, Seen, Victim};
use crate::lab::reach;
use crate::model::{BodyFile, FaultRecord, Member, Service, Verb, offset_ms};

const SOURCE: &str = "clock_timestamp() against the kernel's clock";
/// The file libfaketime reads.
const FILE: &str = "/etc/pgha/clock";
/// The user of the PostgreSQL image.
const OWNER: u32 = 999;
/// How far a clock may be from where it should be.
const MARGIN_MS: i64 = 1000;
/// The kernel's time before and after PostgreSQL's, in seconds since 1970; psql comes as arguments.
const ASK: &str = r#"date +%s.%N && "$@" && date +%s.%N"#;

/// What a person is told when the lab's clocks cannot be set wrong.
pub const HINT: &str = "`clock` needs a lab whose clocks can be set wrong: set = { postgres = { fake-clock = true } } under [lab], \
     or `--set postgres.fake-clock=true`";

/// Wrong clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clocks;

#[async_trait]
impl Family for Clocks {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        wanted(&fault.verb)?;
        if !scene.record.spec.postgres.fake_clock {
            return Err(HINT.to_owned());
        }
        let postgres = |victim: &&Victim| {
            let member: Option<&Member> = scene.record.members.iter().find(|member| member.id == victim.name);
            member.is_some_and(|member| member.service == Service::Postgres)
        };
        match victims.iter().find(|victim| !postgres(victim)) {
            Some(other) => {
                Err(format!("{} is no member of postgres: only their clocks can be set wrong", other.name))
            }
            None => Ok(()),
        }
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        set(scene, victim, wanted(&fault.verb)?).await
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        match wanted(&fault.verb) {
            Ok(wanted) => off_by(scene, victim, wanted).await,
            Err(why) => Seen::new(false, SOURCE, why),
        }
    }

    async fn undo(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        set(scene, victim, 0).await
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Seen {
        off_by(scene, victim, 0).await
    }
}

fn wanted(verb: &Verb) -> Result<i64, String> {
    match verb {
        Verb::Clock { offset, .. } => offset_ms(offset).map_err(|error| error.to_string()),
        other => Err(format!("`{}` is no verb of time", other.name())),
    }
}

/// What the file says, in libfaketime's words: seconds with a sign.
fn words(offset_ms: i64) -> String {
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let offset = offset_ms.unsigned_abs();
    format!("{sign}{}.{:03}\n", offset / 1000, offset % 1000)
}

async fn set(scene: &Scene<'_>, victim: &Victim, offset_ms: i64) -> Result<(), String> {
    let file =
        BodyFile { path: FILE.to_owned(), mode: 0o600, uid: OWNER, gid: OWNER, contents: words(offset_ms) };
    scene.docker.write_file(&victim.container.id, &file).await.map_err(|error| error.to_string())
}

async fn off_by(scene: &Scene<'_>, victim: &Victim, wanted_ms: i64) -> Seen {
    let mut command = ["/bin/sh", "-c", ASK, "sh"].map(str::to_owned).to_vec();
    command.extend(reach::psql("select extract(epoch from clock_timestamp())"));
    match scene.docker.exec(&victim.container.id, &command).await {
        Err(error) => Seen::new(false, SOURCE, error.to_string()),
        Ok(said) => match difference_ms(&said.stdout) {
            None => Seen::new(false, SOURCE, said.stderr.trim().to_owned()),
            Some(off) => Seen::new((off - wanted_ms).abs() <= MARGIN_MS, SOURCE, format!("off by {off} ms")),
        },
    }
}

/// By how much the second of three times is off the middle of the first and the third.
fn difference_ms(said: &str) -> Option<i64> {
    let times: Vec<f64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let [before, asked, after] = times[..] else { return None };
    #[expect(clippy::cast_possible_truncation, reason = "a difference of clocks in milliseconds fits")]
    let off = ((asked - f64::midpoint(before, after)) * 1000.0).round() as i64;
    Some(off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_written_as_libfaketime_reads_it() {
        assert_eq!(words(-30_000), "-30.000\n");
        assert_eq!(words(1_005), "+1.005\n");
        assert_eq!(words(0), "+0.000\n");
    }

    #[test]
    fn a_clock_is_off_by_what_lies_between() {
        assert_eq!(difference_ms("1000.0\n970.100000\n1000.2\n"), Some(-30_000));
        assert_eq!(difference_ms("1000.0\n1000.2\n"), None);
        assert_eq!(difference_ms(""), None);
    }
}
