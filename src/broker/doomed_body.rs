//! Whether a body that was killed and does not die is doomed. One whose task waits for a disk that hangs cannot die
//! before the disk moves, and no task of it runs a line of its program any more: SIGKILL is before each of them, or it
//! has begun to end.
//!
//! Theory: SIGKILL cannot be taken back, and who has it before it leaves the kernel only to end. The end of a
//! namespace's first process kills all others in it and lets nobody be born there. So what all tasks are, twice, is what
//! they stay. Only somebody who sees the machine's processes can say so: a helper, with no capability at all.

use crate::engine::docker::{Docker, Helper};
use crate::model::Container;

/// Prints, twice, what the kernel says of every task in the control group of a container.
const PRINT_TASKS: &str = r#"look() {
  groups=$(grep -ls "$1" /proc/[0-9]*/cgroup); set --
  for group in $groups; do set -- "$@" "${group%/cgroup}"/task/*/stat "${group%/cgroup}"/task/*/status; done
  [ $# -eq 0 ] || head -v -c 4000 "$@" 2>/dev/null
}
look "$1"; echo; echo "==> again <=="; look "$1"; true
"#;
/// Bit of SIGKILL among the signals that wait.
const SIGKILL: u64 = 1 << 8;
/// Flag of a task that ends (`PF_EXITING`).
const EXITING: u64 = 0x4;

/// What shows that the container is doomed, or what speaks against it.
pub(super) async fn doomed(docker: &Docker, lab: &str, container: &Container) -> Result<String, String> {
    let helper = Helper {
        lab: lab.to_owned(),
        image: docker.helper_image(lab).await.map_err(|error| error.to_string())?,
        command: ["sh", "-c", PRINT_TASKS, "doom", &container.id].map(str::to_owned).to_vec(),
        machine_processes: true,
        ..Helper::default()
    };
    let (code, printed) = docker.help(&helper).await.map_err(|error| error.to_string())?;
    if code == 0 { judge(&printed, container.pid) } else { Err(format!("the helper ended with {code}")) }
}

/// One task, as the kernel shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct KernelTask {
    number: u32,
    name: String,
    state: char,
    flags: u64,
    pending: u64,
}

impl KernelTask {
    fn doomed(&self) -> bool {
        matches!(self.state, 'Z' | 'X') || self.flags & EXITING != 0 || self.pending & SIGKILL != 0
    }
}

/// The verdict on what [`PRINT_TASKS`] printed of a container whose first process is `first`.
fn judge(printed: &str, first: u32) -> Result<String, String> {
    let (once, twice) = printed.split_once("==> again <==").ok_or("the helper printed no second look")?;
    let (once, twice) = (tasks(once), tasks(twice));
    // otherwise it looked at other processes than the engine's
    if !once.iter().any(|task| task.number == first) {
        return Err(format!("its first process, {first}, is not among the {} tasks seen", once.len()));
    }
    if let Some(task) = once.iter().chain(&twice).find(|task| !task.doomed()) {
        return Err(format!(
            "task {} ({}) is in state {} and no SIGKILL waits for it",
            task.number, task.name, task.state
        ));
    }
    if let Some(new) = twice.iter().find(|task| once.iter().all(|known| known.number != task.number)) {
        return Err(format!("task {} ({}) came meanwhile", new.number, new.name));
    }
    let waits = twice.iter().filter(|task| task.state == 'D').count();
    Ok(format!("all {} tasks have SIGKILL before them or end, {waits} of them wait for a disk", once.len()))
}

/// Tasks of one look. One that ended meanwhile is gone, or half of what it was: then it is not called doomed.
fn tasks(printed: &str) -> Vec<KernelTask> {
    let mut tasks: Vec<KernelTask> = Vec::new();
    for part in printed.split("==> /proc/").skip(1) {
        let Some((path, content)) = part.split_once(" <==\n") else { continue };
        let mut words = path.split('/').skip(2);
        let (Some(Ok(number)), Some(file)) = (words.next().map(str::parse::<u32>), words.next()) else {
            continue;
        };
        match file {
            "stat" => tasks.extend(stat(number, content)),
            "status" => {
                if let Some(task) = tasks.iter_mut().find(|task| task.number == number) {
                    task.pending = pending(content);
                }
            }
            _ => {}
        }
    }
    tasks
}

/// One line of `stat`. The name may contain anything: it ends at the last parenthesis.
fn stat(number: u32, line: &str) -> Option<KernelTask> {
    let (before, after) = line.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some(KernelTask {
        number,
        name: before.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        flags: fields.get(6)?.parse().ok()?,
        pending: 0,
    })
}

/// Signals that wait for a task, or for the process it belongs to.
fn pending(status: &str) -> u64 {
    let lines = status.lines().filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
    let masks = lines.filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    masks.fold(0, |all, mask| all | mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `head` prints of these tasks: number, name, state, flags, signals that wait for it.
    fn look(tasks: &[(u32, &str, char, u64, u64)]) -> String {
        let mut files = Vec::new();
        for (number, name, state, flags, pending) in tasks {
            files.push(format!(
                "==> /proc/{number}/task/{number}/stat <==\n{number} ({name}) {state} 1 1 1 0 -1 {flags} 0 0\n"
            ));
            files.push(format!(
                "==> /proc/{number}/task/{number}/status <==\nName:\t{name}\nSigPnd:\t{pending:016x}\nShdPnd:\t0000000000000000\n"
            ));
        }
        files.join("\n")
    }

    fn verdict(once: &[(u32, &str, char, u64, u64)], twice: &[(u32, &str, char, u64, u64)]) -> String {
        let printed = format!("{}\n==> again <==\n{}", look(once), look(twice));
        judge(&printed, 7).unwrap_or_else(|why| format!("no: {why}"))
    }

    const FIRST: (u32, &str, char, u64, u64) = (7, "tini", 'S', 0x40_0104, 0);
    const BACKEND: (u32, &str, char, u64, u64) = (9, "postgres", 'D', 0x40_0040, SIGKILL);

    #[test]
    fn doomed_is_whoever_ends_or_has_its_end_before_it_and_everybody_must_be() {
        insta::assert_snapshot!(verdict(&[FIRST, BACKEND], &[FIRST, BACKEND]), @"all 2 tasks have SIGKILL before them or end, 1 of them wait for a disk");
        let spared = (9, "postgres", 'D', 0x40_0040, 1 << 14);
        insta::assert_snapshot!(verdict(&[FIRST, spared], &[FIRST]), @"no: task 9 (postgres) is in state D and no SIGKILL waits for it");
        let alive = (7, "tini", 'S', 0x40_0100, 0);
        insta::assert_snapshot!(verdict(&[alive, BACKEND], &[alive, BACKEND]), @"no: task 7 (tini) is in state S and no SIGKILL waits for it");
        insta::assert_snapshot!(verdict(&[FIRST], &[FIRST, BACKEND]), @"no: task 9 (postgres) came meanwhile");
    }

    #[test]
    fn who_was_not_seen_is_not_doomed() {
        insta::assert_snapshot!(verdict(&[BACKEND], &[BACKEND]), @"no: its first process, 7, is not among the 1 tasks seen");
        insta::assert_snapshot!(judge("", 7).expect_err("nothing"), @"the helper printed no second look");
        let half = "==> /proc/7/task/7/stat <==\n7 (tini) S 1 1 1 0 -1 4194560 0 0\n\n==> again <==\n";
        insta::assert_snapshot!(judge(half, 7).expect_err("half"), @"task 7 (tini) is in state S and no SIGKILL waits for it");
    }
}
