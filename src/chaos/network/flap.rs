//! A link that comes and goes: a loop inside the sandbox, so that it outlives the runner. Pure text.

use super::rules::{self, PacketRule};
use crate::model::Span;

/// Where the loop's process number stands: memory of the sandbox, gone when it restarts.
fn file(mark: &str) -> String {
    format!("/run/pgha-{mark}.pid")
}

/// A bash script that starts the loop and comes back when the link is silent for the first time. The
/// chains are laid already and do not act yet.
#[must_use]
pub fn start(mark: &str, rules: &[PacketRule], on: Span, off: Span) -> String {
    let (silent, reachable) = (rules::jump(mark, rules, true), rules::jump(mark, rules, false));
    let (on, off) = (on.0.as_secs_f64(), off.0.as_secs_f64());
    format!(
        "silent() {{ iptables-restore --noflush <<'RULES'\n{silent}RULES\n}}\n\
         reachable() {{ iptables-restore --noflush <<'RULES'\n{reachable}RULES\n}}\n\
         export -f silent reachable\n\
         silent || exit 1\n\
         setsid bash -c 'echo $$ > {file}; while :; do sleep {off:.3}; reachable; sleep {on:.3}; silent; done' \
         </dev/null >/dev/null 2>&1 &\n\
         for wait in 1 2 3 4 5 6 7 8 9 10; do [ -s {file} ] && exit 0; sleep 0.02; done\n\
         echo 'the loop did not start' >&2; exit 1\n",
        file = file(mark),
    )
}

/// A script that ends the loop, with whatever it is doing.
#[must_use]
pub fn end(mark: &str) -> String {
    let file = file(mark);
    format!("if [ -s {file} ]; then kill -KILL -- -$(cat {file}) 2>/dev/null; rm -f {file}; fi\n")
}

/// A script that prints `loop on` while the loop runs.
#[must_use]
pub fn look(mark: &str) -> String {
    let file = file(mark);
    format!("[ -s {file} ] && kill -0 $(cat {file}) 2>/dev/null && echo 'loop on'\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::network::rules::Hook;

    #[test]
    fn a_loop_begins_silent_and_is_a_group_of_its_own() {
        let rules =
            [PacketRule { hook: Hook::In, text: "! -i lo -j DROP".to_owned(), bait: None, shadowed: false }];
        let start = start("0011aabbccdd", &rules, Span::millis(1500), Span::secs(2));
        let (silent, looped) = (start.find("silent || exit 1"), start.find("setsid bash"));
        assert!(silent.is_some() && silent < looped, "{start}");
        insta::assert_snapshot!(start.lines().find(|line| line.starts_with("setsid")).unwrap_or_default(), @"setsid bash -c 'echo $$ > /run/pgha-0011aabbccdd.pid; while :; do sleep 2.000; reachable; sleep 1.500; silent; done' </dev/null >/dev/null 2>&1 &");
        insta::assert_snapshot!(end("0011aabbccdd"), @"if [ -s /run/pgha-0011aabbccdd.pid ]; then kill -KILL -- -$(cat /run/pgha-0011aabbccdd.pid) 2>/dev/null; rm -f /run/pgha-0011aabbccdd.pid; fi");
    }
}
