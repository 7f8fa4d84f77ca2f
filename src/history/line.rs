//! Lines of operations, quickly: a journal has millions, and all but a few are written by [`super::encode`].
//!
//! Only lines in exactly the shape that it writes are understood here, key by key in its order. Of every
//! other one nothing is said, and the general reader says what it is or what is wrong with it.

use super::event::{Ack, Answer, Asked, Error, Event, Mop, Outcome, RegisterOp};
use crate::model::{Lsn, MemberId, Mono};

/// The event of a line; `None` when the general reader must look at it.
pub(super) fn event(line: &str) -> Option<Event> {
    let mut cursor = Cursor { rest: line };
    let event = if cursor.has("{\"invoke\":{") { cursor.invoke()? } else { cursor.done()? };
    cursor.rest.is_empty().then_some(event)
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Steps over a text if it comes next; says whether it did.
    fn has(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn eat(&mut self, text: &str) -> Option<()> {
        self.has(text).then_some(())
    }

    /// A number without a sign, and without zeros in front of it.
    fn number(&mut self) -> Option<u64> {
        let bytes = self.rest.as_bytes();
        let mut value = 0_u64;
        let mut length = 0;
        while let Some(digit) = bytes.get(length).filter(|byte| byte.is_ascii_digit()) {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            length += 1;
        }
        let zeros = length > 1 && bytes.first() == Some(&b'0');
        self.rest = self.rest.get(length..)?;
        (length > 0 && !zeros).then_some(value)
    }

    fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn signed(&mut self) -> Option<i64> {
        if !self.has("-") {
            return self.number()?.try_into().ok();
        }
        // the general reader knows what minus nothing is
        self.number().filter(|value| *value > 0)?.try_into().ok().map(|value: i64| -value)
    }

    /// A text without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.eat("\"")?;
        let end = self.rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let text = self.rest.get(..end)?;
        self.rest = self.rest.get(end..)?;
        self.eat("\"")?;
        Some(text)
    }

    /// Steps over a key if it comes next, with a comma before all but the first of an object; says whether it did.
    fn key(&mut self, key: &str, first: &mut bool) -> bool {
        let with_comma = key.get(usize::from(*first)..).unwrap_or(key);
        let there = self.has(with_comma);
        *first &= !there;
        there
    }

    /// What stands between brackets, one by one.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.eat("[")?;
        let mut all = Vec::new();
        if self.has("]") {
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            if self.has("]") {
                return Some(all);
            }
            self.eat(",")?;
        }
    }

    #[expect(clippy::many_single_char_names, reason = "they are the keys of the line")]
    fn invoke(&mut self) -> Option<Event> {
        self.eat("\"t\":")?;
        let t = Mono(self.number()?);
        self.eat(",\"l\":")?;
        let l = self.small()?;
        self.eat(",\"o\":")?;
        let o = self.number()?;
        self.eat(",\"w\":")?;
        let w = self.small()?;
        self.eat(",\"i\":")?;
        let i = Mono(self.number()?);
        let q = if self.has(",\"q\":") { Some(Box::new(self.asked()?)) } else { None };
        let c = if self.has(",\"c\":") { Some(self.small()?) } else { None };
        self.eat("}}")?;
        Some(Event::Invoke { t, l, o, w, i, q, c })
    }

    fn done(&mut self) -> Option<Event> {
        self.eat("{\"done\":{\"t\":")?;
        let t = Mono(self.number()?);
        self.eat(",\"l\":")?;
        let l = self.small()?;
        self.eat(",\"o\":")?;
        let o = self.number()?;
        self.eat(",\"r\":{")?;
        let outcome = if self.has("\"ok\":") {
            Outcome::Ok(self.ack()?)
        } else if self.has("\"ok-local\":") {
            Outcome::OkLocal(self.ack()?)
        } else if self.has("\"fail\":") {
            Outcome::Fail(self.error()?)
        } else {
            self.eat("\"info\":")?;
            Outcome::Info(self.error()?)
        };
        self.eat("}}}")?;
        Some(Event::Done { t, l, o, outcome })
    }

    fn error(&mut self) -> Option<Error> {
        self.eat("{\"c\":")?;
        let c = self.text()?.to_owned();
        let m = if self.has(",\"m\":") { self.text()?.to_owned() } else { String::new() };
        self.eat("}")?;
        Some(Error { c, m })
    }

    fn ack(&mut self) -> Option<Ack> {
        self.eat("{")?;
        let mut first = true;
        let n = if self.key(",\"n\":", &mut first) { Some(MemberId::new(self.text()?).ok()?) } else { None };
        let tl = if self.key(",\"tl\":", &mut first) { Some(self.small()?) } else { None };
        let sys = if self.key(",\"sys\":", &mut first) { Some(self.text()?.to_owned()) } else { None };
        let lo = if self.key(",\"lo\":", &mut first) { Some(Lsn(self.number()?)) } else { None };
        let hi = if self.key(",\"hi\":", &mut first) { Some(Lsn(self.number()?)) } else { None };
        let v = if self.key(",\"v\":", &mut first) { Some(Box::new(self.answer()?)) } else { None };
        self.eat("}")?;
        Some(Ack { n, tl, sys, lo, hi, v })
    }

    fn asked(&mut self) -> Option<Asked> {
        if self.has("\"read\"") {
            return Some(Asked::Read);
        }
        let asked = if self.has("{\"txn\":") {
            Asked::Txn(self.list(Self::step)?)
        } else if self.has("{\"register\":{") {
            Asked::Register(self.register()?)
        } else {
            self.eat("{\"transfer\":{\"from\":")?;
            let from = self.small()?;
            self.eat(",\"to\":")?;
            let to = self.small()?;
            self.eat(",\"amount\":")?;
            let amount = self.signed()?;
            self.eat("}")?;
            Asked::Transfer { from, to, amount }
        };
        self.eat("}")?;
        Some(asked)
    }

    fn register(&mut self) -> Option<RegisterOp> {
        let op = if self.has("\"read\":{\"k\":") {
            RegisterOp::Read { k: self.number()? }
        } else if self.has("\"write\":{\"k\":") {
            let k = self.number()?;
            self.eat(",\"v\":")?;
            RegisterOp::Write { k, v: self.signed()? }
        } else {
            self.eat("\"cas\":{\"k\":")?;
            let k = self.number()?;
            self.eat(",\"from\":")?;
            let from = self.signed()?;
            self.eat(",\"to\":")?;
            RegisterOp::Cas { k, from, to: self.signed()? }
        };
        self.eat("}}")?;
        Some(op)
    }

    fn step(&mut self) -> Option<Mop> {
        let append = self.has("{\"a\":[");
        if !append {
            self.eat("{\"r\":[")?;
        }
        let key = self.number()?;
        let step = if append {
            self.eat(",")?;
            Mop::Append(key, self.number()?)
        } else {
            let list = if self.has(",") { Some(self.list(Self::number)?) } else { None };
            Mop::Read(key, list)
        };
        self.eat("]}")?;
        Some(step)
    }

    fn answer(&mut self) -> Option<Answer> {
        let answer = if self.has("{\"txn\":") {
            Answer::Txn(self.list(Self::step)?)
        } else if self.has("{\"value\":") {
            Answer::Value(if self.has("null") { None } else { Some(self.signed()?) })
        } else if self.has("{\"swapped\":") {
            let swapped = self.has("true");
            if !swapped {
                self.eat("false")?;
            }
            Answer::Swapped(swapped)
        } else if self.has("{\"balances\":") {
            Answer::Balances(self.list(Self::signed)?)
        } else {
            self.eat("{\"heartbeat\":")?;
            Answer::Heartbeat(if self.has("null") { None } else { Some(self.number()?) })
        };
        self.eat("}")?;
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::encode;

    fn acks() -> impl Strategy<Value = Ack> {
        let lists = prop::collection::vec(any::<u64>(), 0..4);
        let step = prop_oneof![
            (any::<u64>(), any::<u64>()).prop_map(|(key, element)| Mop::Append(key, element)),
            (0u64..9, prop::option::of(lists)).prop_map(|(key, list)| Mop::Read(key, list)),
        ];
        let answer = prop_oneof![
            prop::collection::vec(step, 0..4).prop_map(Answer::Txn),
            prop::option::of(any::<i64>()).prop_map(Answer::Value),
            any::<bool>().prop_map(Answer::Swapped),
            prop::collection::vec(any::<i64>(), 0..4).prop_map(Answer::Balances),
            prop::option::of(any::<u64>()).prop_map(Answer::Heartbeat),
        ];
        let node =
            prop::option::of("[a-z][a-z0-9-]{0,9}".prop_map(|name| MemberId::new(name).expect("a name")));
        let places = (prop::option::of(any::<u64>()), prop::option::of(any::<u64>()));
        (
            node,
            prop::option::of(any::<u32>()),
            prop::option::of("[ -~ü]{0,4}"),
            places,
            prop::option::of(answer),
        )
            .prop_map(|(n, tl, sys, (lo, hi), v)| Ack {
                n,
                tl,
                sys,
                lo: lo.map(Lsn),
                hi: hi.map(Lsn),
                v: v.map(Box::new),
            })
    }

    fn events() -> impl Strategy<Value = Event> {
        let number = any::<u64>();
        let register = prop_oneof![
            number.prop_map(|k| RegisterOp::Read { k }),
            (number, any::<i64>()).prop_map(|(k, v)| RegisterOp::Write { k, v }),
            (number, any::<i64>(), any::<i64>()).prop_map(|(k, from, to)| RegisterOp::Cas { k, from, to }),
        ];
        let asked = prop_oneof![
            prop::collection::vec(number.prop_map(|key| Mop::Read(key, None)), 0..3).prop_map(Asked::Txn),
            register.prop_map(Asked::Register),
            (any::<u32>(), any::<u32>(), any::<i64>()).prop_map(|(from, to, amount)| Asked::Transfer {
                from,
                to,
                amount
            }),
            Just(Asked::Read),
        ];
        let error = ("[A-Z0-9a-z-]{0,6}", "[ -~\nü]{0,6}").prop_map(|(c, m)| Error { c, m });
        let outcome = prop_oneof![
            acks().prop_map(Outcome::Ok),
            acks().prop_map(Outcome::OkLocal),
            error.clone().prop_map(Outcome::Fail),
            error.prop_map(Outcome::Info),
        ];
        let ids = (any::<u64>(), any::<u32>(), any::<u64>());
        prop_oneof![
            (ids, any::<u32>(), number, prop::option::of(asked), prop::option::of(any::<u32>())).prop_map(
                |((t, l, o), w, i, q, c)| {
                    Event::Invoke { t: Mono(t), l, o, w, i: Mono(i), q: q.map(Box::new), c }
                }
            ),
            (ids, outcome).prop_map(|((t, l, o), outcome)| Event::done(Mono(t), l, o, outcome)),
        ]
    }

    /// Whether all texts of an event can be read without looking for escapes.
    fn is_plain(line: &str) -> bool {
        !line.contains('\\')
    }

    proptest! {
        #[test]
        fn it_reads_what_the_general_reader_reads(sent in events()) {
            let line = encode(&sent);
            match event(&line) {
                Some(seen) => prop_assert_eq!(seen, sent),
                None => prop_assert!(!is_plain(&line), "{}", line),
            }
        }

        #[test]
        fn of_a_spoiled_line_it_says_the_same_or_nothing(sent in events(), at in any::<prop::sample::Index>(), by in 0u8..128) {
            let mut bytes = encode(&sent).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = by;
            if let Ok(line) = String::from_utf8(bytes)
                && let Some(seen) = event(&line)
            {
                prop_assert_eq!(serde_json::from_str::<Event>(&line).ok(), Some(seen), "{}", line);
            }
        }
    }
}
