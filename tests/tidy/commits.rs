//! Subjects of commits: room first, imperative, short. Commits before [`BASE`] were made before this rule.

use std::path::Path;
use std::process::Command;

/// The last commit to which the rule does not apply.
const BASE: &str = "b18d43637a90ea48b05b9f08651cd800e0be1529";
/// The most characters of a subject.
const SUBJECT: usize = 72;
/// Words that end as a past or a present form does, and are imperative.
const IMPERATIVE: [&str; 9] = ["bring", "embed", "feed", "focus", "need", "proceed", "seed", "shed", "speed"];
/// Words that begin no order.
const NO_ORDERS: [&str; 11] =
    ["a", "an", "the", "no", "not", "one", "more", "what", "when", "whatever", "who"];

/// What git says, where there is a git and a repository.
fn git(root: &Path, words: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command.env_remove("GIT_DIR").arg("-C").arg(root).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Subjects after the base, newest first; none where the history does not reach back to it, as in a shallow clone.
pub fn subjects(root: &Path) -> Vec<String> {
    if git(root, &["merge-base", "--is-ancestor", BASE, "HEAD"]).is_none() {
        return Vec::new();
    }
    let said =
        git(root, &["log", "--no-merges", "--format=%h %s", &format!("{BASE}..HEAD")]).unwrap_or_default();
    said.lines().map(str::to_owned).collect()
}

/// Whether a word is seen to be no imperative: `added`, `adds`, `adding`, `the`.
fn no_order(word: &str) -> bool {
    let form =
        word.ends_with("ed") || word.ends_with("ing") || (word.ends_with('s') && !word.ends_with("ss"));
    NO_ORDERS.contains(&word) || (form && !IMPERATIVE.contains(&word))
}

/// What is wrong with a subject, which follows its commit's short name.
pub fn subject(line: &str) -> Vec<String> {
    let (commit, subject) = line.split_once(' ').unwrap_or(("", line));
    let mut wrong = Vec::new();
    let length = subject.chars().count();
    if length > SUBJECT {
        wrong.push(format!("it has {length} characters, {SUBJECT} are allowed"));
    }
    if subject.ends_with('.') {
        wrong.push("it ends with a full stop".to_owned());
    }
    let is_room = |room: &str| {
        !room.is_empty() && room.chars().all(|letter| letter.is_ascii_lowercase() || "-:,_ ".contains(letter))
    };
    match subject.split_once(": ").filter(|(room, _)| is_room(room)) {
        None => wrong.push("it does not begin with a room and a colon".to_owned()),
        Some((_, order)) => {
            let first = order.split_whitespace().next().unwrap_or_default();
            if no_order(&first.to_lowercase()) {
                wrong.push(format!("`{first}` is no imperative"));
            }
        }
    }
    wrong
        .iter()
        .map(|why| {
            format!("commit {commit}, `{subject}`: {why}. Write it as `check: count a doubled row once`.")
        })
        .collect()
}

mod tests {
    use super::*;

    #[test]
    fn good_subjects_are_left_alone() {
        for good in [
            "1234567 check: count a doubled row once",
            "1234567 broker, control: pass the token on",
            "1234567 decide::repair: hold while Patroni fails over",
        ] {
            assert_eq!(subject(good), [""; 0]);
        }
    }

    #[test]
    fn what_is_wrong_with_a_subject_is_said() {
        for (bad, why) in [
            ("1234567 count a doubled row once", "room and a colon"),
            ("1234567 Check: count a doubled row once", "room and a colon"),
            ("1234567 check: counts a doubled row once", "`counts` is no imperative"),
            ("1234567 check: counted a doubled row once", "`counted` is no imperative"),
            ("1234567 check: the doubled row counts once", "`the` is no imperative"),
            ("1234567 check: count a doubled row once.", "full stop"),
            (
                "1234567 check: count a doubled row once, and say of every row that was doubled who wrote it",
                "it has 83 characters, 72 are allowed",
            ),
        ] {
            let findings = subject(bad);
            assert_eq!(findings.len(), 1, "{bad}: {findings:?}");
            assert!(findings[0].contains(why), "{findings:?}");
        }
    }

    #[test]
    fn without_a_repository_there_is_nothing_to_say() {
        assert_eq!(subjects(Path::new("/")), [""; 0]);
    }
}
