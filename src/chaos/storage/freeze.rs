//! `disk-freeze`: `fsfreeze`. Whoever writes to a frozen filesystem waits in the kernel,
//! uninterruptible; on any other it returns at once. That wait is the evidence.

use super::hand::Hand;
use crate::chaos::family::VictimSeen;

const FREEZE: &str = "fsfreeze --freeze /disk";
/// One that is not frozen is fine; whether it is, says `undone`.
const THAW: &str = "fsfreeze --unfreeze /disk 2>/dev/null || true";
/// One probe at a time: a second would wait behind the first. It must write: opening a file that is there does not
/// wait. A dead process that nobody collected has returned, too.
const PROBE: &str = r#"waits() { [ -n "$1" ] && [ -e "/proc/$1" ] && ! grep -qs '^State:.*Z' "/proc/$1/status"; }
pid=$(cat /dev/shm/probe 2>/dev/null)
if ! waits "$pid"; then
  ( echo probe >> "/disk/$1" ) </dev/null >/dev/null 2>&1 &
  pid=$!; echo "$pid" > /dev/shm/probe; sleep 0.2
fi
waits "$pid" || { rm -f "/disk/$1"; echo returned; exit 0; }
sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status"
"#;
/// A synced write, in the background: nobody could end it on a frozen filesystem.
const SYNCED_WRITE_SCRIPT: &str = r#"waits() { [ -n "$1" ] && [ -e "/proc/$1" ] && ! grep -qs '^State:.*Z' "/proc/$1/status"; }
! waits "$(cat /dev/shm/probe 2>/dev/null)" || { echo "an earlier write still waits"; exit 0; }
dd if=/dev/zero of="/disk/$1" bs=512 count=1 conv=fsync </dev/null >/dev/null 2>&1 &
pid=$!; echo "$pid" > /dev/shm/probe; n=0
while waits "$pid" && [ "$n" -lt 100 ]; do sleep 0.02; n=$(( n + 1 )); done
if waits "$pid"; then echo waits; else wait "$pid" && rm -f "/disk/$1" && echo returned; fi
"#;
const FREEZE_SOURCE: &str = "process table, a write of the helper";

fn file(fault: &str) -> String {
    format!(".pgha-probe-{fault}")
}

pub async fn deed(hand: Hand<'_>) -> Result<(), String> {
    hand.run(FREEZE, &[]).await.map(|_| ())
}

pub async fn bit(hand: Hand<'_>, fault: &str) -> VictimSeen {
    match hand.run(PROBE, &[&file(fault)]).await {
        Err(why) => VictimSeen::new(false, FREEZE_SOURCE, why),
        Ok(state) => {
            VictimSeen::new(hangs(&state), FREEZE_SOURCE, format!("a process that writes a line: {state}"))
        }
    }
}

fn hangs(state: &str) -> bool {
    state.starts_with('D')
}

pub async fn undo(hand: Hand<'_>) -> Result<(), String> {
    hand.run(THAW, &[]).await.map(|_| ())
}

pub async fn undone(hand: Hand<'_>, fault: &str) -> VictimSeen {
    match hand.run(SYNCED_WRITE_SCRIPT, &[&file(fault)]).await {
        Err(why) => VictimSeen::new(false, FREEZE_SOURCE, why),
        Ok(said) => VictimSeen::new(said == "returned", FREEZE_SOURCE, format!("a synced write: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_returned_or_merely_sleeps_shows_no_freeze() {
        assert!(hangs("D (disk sleep)"));
        assert!(!hangs("returned"));
        assert!(!hangs("S (sleeping)"));
        assert!(!hangs(""));
    }
}
