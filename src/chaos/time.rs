//! `clock`: one member's clock is wrong, for Patroni and PostgreSQL alike, as on a computer whose clock
//! is wrong. libfaketime reads the offset from a file at every look at the clock; the monotonic clock
//! stays true, and etcd, a static program, cannot be lied to. Only a lab that was founded with
//! `postgres.fake-clock = true` can do it.
//!
//! Proof is PostgreSQL's own time against the time of a program beside it that nobody lies to.

use async_trait::async_trait;

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::lab::reach;
use crate::model::{BodyFile, FaultRecord, Member, Service, offset_ms};

const CLOCK_SOURCE: &str = "clock_timestamp() against the kernel's clock";
/// The file libfaketime reads.
const CLOCK_FILE: &str = "/etc/pgha/clock";
/// The user of the PostgreSQL image.
const OWNER: u32 = 999;
/// How far a clock may be from where it should be.
const MARGIN_MS: i64 = 1000;
/// The kernel's time before and after PostgreSQL's, in seconds since 1970; psql comes as arguments.
const CLOCK_SCRIPT: &str = r#"date +%s.%N && "$@" && date +%s.%N"#;

/// What a person is told when the lab's clocks cannot be set wrong.
pub const HINT: &str = "`clock` needs a lab whose clocks can be set wrong: set = { postgres = { fake-clock = true } } under [lab], \
     or `--set postgres.fake-clock=true`";

/// Wrong clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clocks<'a> {
    /// By how much, with a sign.
    pub offset: &'a str,
}

#[async_trait]
impl Family for Clocks<'_> {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        _: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        wanted(self.offset)?;
        if !scene.record.spec.postgres.fake_clock {
            return Err(HINT.to_owned());
        }
        let postgres = |victim: &&Victim| {
            let member: Option<&Member> =
                scene.record.members.iter().find(|member| Some(&member.id) == victim.hit.member());
            member.is_some_and(|member| member.service == Service::Postgres)
        };
        match victims.iter().find(|victim| !postgres(victim)) {
            Some(other) => {
                Err(format!("{} is no member of postgres: only their clocks can be set wrong", other.hit))
            }
            None => Ok(()),
        }
    }

    async fn deed(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        set(scene, victim, wanted(self.offset)?).await
    }

    async fn bit(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        match wanted(self.offset) {
            Ok(wanted) => off_by(scene, victim, wanted).await,
            Err(why) => VictimSeen::new(false, CLOCK_SOURCE, why),
        }
    }

    async fn undo(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        set(scene, victim, 0).await
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        off_by(scene, victim, 0).await
    }
}

fn wanted(offset: &str) -> Result<i64, String> {
    offset_ms(offset).map_err(|error| error.to_string())
}

/// What the file says, in libfaketime's words: seconds with a sign.
fn words(offset_ms: i64) -> String {
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let offset = offset_ms.unsigned_abs();
    format!("{sign}{}.{:03}\n", offset / 1000, offset % 1000)
}

async fn set(scene: &Scene<'_>, victim: &Victim, offset_ms: i64) -> Result<(), String> {
    let file = BodyFile {
        path: CLOCK_FILE.to_owned(),
        mode: 0o600,
        uid: OWNER,
        gid: OWNER,
        contents: words(offset_ms),
    };
    scene.docker.write_file(&victim.container.id, &file).await.map_err(|error| error.to_string())
}

async fn off_by(scene: &Scene<'_>, victim: &Victim, wanted_ms: i64) -> VictimSeen {
    let mut command = ["/bin/sh", "-c", CLOCK_SCRIPT, "sh"].map(str::to_owned).to_vec();
    command.extend(reach::psql("select extract(epoch from clock_timestamp())"));
    match scene.docker.exec(&victim.container.id, &command).await {
        Err(error) => VictimSeen::new(false, CLOCK_SOURCE, error.to_string()),
        Ok(said) => match difference_ms(&said.stdout) {
            None => VictimSeen::new(false, CLOCK_SOURCE, said.stderr.trim().to_owned()),
            Some(off) => VictimSeen::new(
                (off - wanted_ms).abs() <= MARGIN_MS,
                CLOCK_SOURCE,
                format!("off by {off} ms"),
            ),
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
