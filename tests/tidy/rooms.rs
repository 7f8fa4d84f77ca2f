//! The table of rooms: who may import whom. ARCHITECTURE.md tells it to people, this file to the build.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Named, Source, paths};

/// One room of the house.
pub struct Room {
    /// Its module.
    pub name: &'static str,
    /// No async, no clock, no files, no network, no global randomness.
    pub pure: bool,
    /// What it may import: rooms, or parts of rooms.
    pub may: &'static [&'static str],
    /// What to do instead of importing something else.
    pub instead: &'static str,
}

const AS_DATA: &str = "move the plain data both need to `model`, or take it as an argument";

/// Bottom up: a room may import only rooms above it in this table, so a circle cannot be written down.
pub const ROOMS: [Room; 19] = [
    Room {
        name: "model",
        pure: true,
        may: &[],
        instead: "`model` is plain data and knows nobody: put the behaviour into the room that needs it",
    },
    Room {
        name: "stats",
        pure: true,
        may: &[],
        instead: "`stats` is mathematics over slices: pass numbers in",
    },
    Room {
        name: "spec",
        pure: true,
        may: &["model"],
        instead: "`spec` turns text into values and problems: what needs more than the text belongs to `decide` or `lab`",
    },
    Room {
        name: "decide",
        pure: true,
        may: &["model", "stats"],
        instead: "`decide` sees the world as `model::Observed`: let `engine` observe and pass the observation in",
    },
    Room {
        name: "history",
        pure: true,
        may: &["model"],
        instead: "`history` is the record: what judges it belongs to `check`, what writes it to `load` and `run`",
    },
    Room {
        name: "check",
        pure: true,
        may: &["model", "stats", "spec", "history"],
        instead: "no checker needs a living lab: write what it must know into the run directory and read it from there",
    },
    Room {
        name: "report",
        pure: true,
        may: &["model", "stats", "spec", "history", "check"],
        instead: "`report` turns verdicts and numbers into text: let `run` collect and pass them in",
    },
    Room {
        name: "view",
        pure: true,
        may: &["model", "stats", "history"],
        instead: "`view` draws what it is told: let `cli` own the terminal, and `run` and `lab` look",
    },
    Room {
        name: "engine",
        pure: false,
        may: &["model"],
        instead: "`engine` does what it is told: let `decide` choose and `drive` or `lab` call it",
    },
    Room {
        name: "drive",
        pure: false,
        may: &["model", "decide::body", "decide::placement", "history", "engine"],
        instead: "`drive` is generic over a brain: pass the brain in as a value of its trait",
    },
    Room {
        name: "lab",
        pure: false,
        may: &["model", "spec", "decide::placement", "decide::body", "decide::found", "engine", "drive"],
        instead: AS_DATA,
    },
    Room {
        name: "operate",
        pure: false,
        may: &["model", "decide::placement", "engine", "lab"],
        instead: AS_DATA,
    },
    Room { name: "load", pure: false, may: &["model", "spec", "history", "engine"], instead: AS_DATA },
    Room {
        name: "chaos",
        pure: false,
        may: &["model", "spec", "history", "engine", "lab", "operate"],
        instead: AS_DATA,
    },
    Room {
        name: "broker",
        pure: false,
        may: &["model", "decide::body", "decide::placement", "engine", "lab"],
        instead: "the broker does what it is ordered to and decides nothing but whether it may",
    },
    Room {
        name: "control",
        pure: false,
        may: &["model", "stats", "decide", "history", "engine", "drive"],
        instead: "controllers are containers like anybody's: they meet the lab through etcd and the engine, not through its code",
    },
    Room {
        name: "run",
        pure: false,
        may: &[
            "model",
            "stats",
            "spec",
            "decide::placement",
            "decide::body",
            "decide::found",
            "decide::safety",
            "history",
            "check",
            "report",
            "view",
            "engine",
            "drive",
            "lab",
            "operate",
            "load",
            "chaos",
        ],
        instead: "a run knows the lab and its faults, not who repairs it, and it prints nothing: return values to `cli`",
    },
    Room {
        name: "site",
        pure: false,
        may: &["model", "spec", "check", "report", "engine", "run"],
        instead: "a site is made from what lies on disk: let `run` write it there, and `report` make pages of it",
    },
    Room {
        name: "cli",
        pure: false,
        may: &[
            "model", "stats", "spec", "decide", "history", "check", "report", "view", "engine", "drive",
            "lab", "operate", "load", "chaos", "broker", "control", "run", "site",
        ],
        instead: "`cli` may import any room there is: is this a room?",
    },
];

/// Rooms that must not know who repairs and who scales.
const IGNORANT: [&str; 5] = ["lab", "load", "chaos", "operate", "run"];
/// What they must not know.
const SECRET: [&str; 3] = ["control", "decide::repair", "decide::scaling"];

pub fn find(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

/// Paths of this crate that a file names, also when it says `super` for `crate`.
fn crate_paths(source: &Source) -> Vec<Named> {
    let mut found = paths(&source.code, "crate");
    if source.is_door_of_room() {
        let of_root = |named: &Named| named.segments.first().is_some_and(|first| find(first).is_some());
        found.extend(paths(&source.code, "super").into_iter().filter(of_root));
    }
    found
}

/// `entry` allows `path`: it is the path or a room around it.
fn covers(entry: &str, path: &Named) -> bool {
    let entry: Vec<&str> = entry.split("::").collect();
    path.segments.len() >= entry.len() && entry.iter().zip(&path.segments).all(|(a, b)| a == b)
}

/// Imports the table does not allow.
pub fn imports(source: &Source) -> Vec<String> {
    let Some(name) = source.room() else { return Vec::new() };
    let path = &source.path;
    let Some(room) = find(name) else {
        return vec![format!(
            "{path}: `{name}` is no room of this house. A new room gets a row in tests/tidy/rooms.rs and in ARCHITECTURE.md, \
             below everything it imports; most code belongs into a room that is there."
        )];
    };
    let mut findings = Vec::new();
    for named in paths(&source.code, "super") {
        if source.text.lines().nth(named.line - 1).is_some_and(|line| line.contains("super::super")) {
            findings.push(format!(
                "{path}:{}: `super::super` hides which room is meant: write the path from `crate::`.",
                named.line
            ));
        }
    }
    for named in crate_paths(source) {
        let own = named.segments.first().is_some_and(|first| first == name);
        if own || room.may.iter().any(|entry| covers(entry, &named)) {
            continue;
        }
        findings.push(format!(
            "{path}:{}: room `{name}` may not import `{}`; it may import {}. Instead: {}.",
            named.line,
            named.text(),
            if room.may.is_empty() { "nothing".to_owned() } else { room.may.join(", ") },
            room.instead,
        ));
    }
    findings.dedup();
    findings
}

/// The module of a source file, segment by segment: `src/lab/up.rs` and `src/lab/up/mod.rs` are both `lab::up`.
fn module(source: &Source) -> Vec<String> {
    let path = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| last == "mod") {
        segments.pop();
    }
    segments
}

/// Modules with their sources, and what the door of each hands on from its children: the child it comes from.
struct House<'a> {
    modules: BTreeMap<Vec<String>, &'a Source>,
    handed: BTreeMap<(Vec<String>, String), String>,
}

impl<'a> House<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let modules: BTreeMap<Vec<String>, &Source> = sources
            .iter()
            .filter(|source| source.room().is_some() && !source.path.contains("tests"))
            .map(|source| (module(source), source))
            .collect();
        let mut handed = BTreeMap::new();
        for path in modules.keys() {
            let Some((child, folder)) = path.split_last() else { continue };
            let Some(door) = modules.get(folder) else { continue };
            for named in paths(&door.product, child) {
                let Some(word) = named.segments.into_iter().next() else { continue };
                handed.insert((folder.to_vec(), word), child.clone());
            }
        }
        Self { modules, handed }
    }

    /// The module that a path leads to, through every door that hands it on.
    fn owner(&self, path: &[String]) -> Vec<String> {
        let known = (0..=path.len()).rev().find(|end| self.modules.contains_key(&path[..*end])).unwrap_or(0);
        let mut owner = path[..known].to_vec();
        while let Some(child) =
            path.get(known).and_then(|word| self.handed.get(&(owner.clone(), word.clone())))
        {
            owner.push(child.clone());
        }
        owner
    }

    fn imports(&self, path: &[String], source: &Source) -> Vec<Vec<String>> {
        let parent = &path[..path.len().saturating_sub(1)];
        let own = paths(&source.product, "super").into_iter().map(|named| [parent, &named.segments].concat());
        let all = paths(&source.product, "crate").into_iter().map(|named| named.segments);
        own.chain(all).map(|path| self.owner(&path)).collect()
    }
}

/// Circles among the files and folders of every folder. What a door hands on belongs to the file it comes from; a child
/// that imports what its door itself declares leads back to the door.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let house = House::of(sources);
    let folders: BTreeSet<&[String]> =
        house.modules.keys().filter_map(|path| Some(path.split_last()?.1)).collect();
    let in_rooms = folders.into_iter().filter(|folder| !folder.is_empty());
    in_rooms.flat_map(|folder| circles_of(&house, folder)).collect()
}

fn circles_of(house: &House<'_>, folder: &[String]) -> Vec<String> {
    let depth = folder.len();
    let inside = |path: &[String]| path.starts_with(folder);
    let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in &house.modules {
        let Some(name) = path.get(depth).filter(|_| inside(path)) else { continue };
        let imports = house.imports(path, source).into_iter().filter(|owner| inside(owner));
        let imports = imports.map(|owner| owner.get(depth).cloned().unwrap_or_else(|| "mod".to_owned()));
        left.entry(name.clone()).or_default().extend(imports.filter(|import| import != name));
    }
    // whoever imports nothing that is left stands in no circle
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, its| its.iter().any(|one| one == "mod" || names.contains(one)));
        if left.len() == before {
            break;
        }
    }
    let folder = folder.join("::");
    left.into_iter()
        .map(|(name, its)| {
            let its: Vec<String> = its.into_iter().collect();
            format!(
                "{folder}::{name} stands in a circle, or leads into one: it imports {}. Move what both need into a file of its own.",
                its.join(", ")
            )
        })
        .collect()
}

/// Mentions of the controllers in rooms that must not know them.
pub fn ignorance(source: &Source) -> Vec<String> {
    let Some(room) = source.room().filter(|room| IGNORANT.contains(room)) else { return Vec::new() };
    let known =
        crate_paths(source).into_iter().filter(|named| SECRET.iter().any(|secret| covers(secret, named)));
    known
        .map(|named| {
            format!(
                "{}:{}: room `{room}` mentions `{}`, but the lab knows neither repair nor scaling. Controllers are containers \
                 declared in lab.toml; reach them as members, through etcd or the engine.",
                source.path,
                named.line,
                named.text()
            )
        })
        .collect()
}

mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        imports(&Source::new(path, text))
    }

    #[test]
    fn the_table_has_no_circle() {
        for (position, room) in ROOMS.iter().enumerate() {
            for entry in room.may {
                let head = entry.split("::").next().unwrap_or(entry);
                let above = ROOMS[..position].iter().any(|other| other.name == head);
                assert!(above, "`{}` may import `{entry}`, which does not stand above it", room.name);
            }
        }
    }

    #[test]
    fn a_pure_room_imports_pure_rooms_only() {
        for room in ROOMS.iter().filter(|room| room.pure) {
            for entry in room.may {
                assert!(
                    find(entry).is_some_and(|other| other.pure),
                    "`{}` is pure, `{entry}` is not",
                    room.name
                );
            }
        }
    }

    #[test]
    fn a_circle_in_a_room_is_found_also_through_its_door() {
        let file = |name: &str, text: &str| Source::new(&format!("src/x/{name}.rs"), text);
        let door = file("mod", "mod a;\nmod b;\nmod c;\npub use a::{A, One};\npub use b::B;\n");
        let c = file("c", "use super::A;\nuse super::b::{self};\n");
        let fine = [door, file("a", "pub struct A;\n"), file("b", "use super::A;\n"), c];
        assert_eq!(circles(&fine), [""; 0]);
        let door = file("mod", "pub use a::{A, One};\npub use b::B;\n");
        let round = [door, file("a", "use super::B;\n"), file("b", "use super::a::One;\n")];
        assert_eq!(circles(&round).len(), 2);
        let deep = [
            file("mod", ""),
            file("a/mod", "use crate::x::b::B;"),
            file("a/deep", "pub struct Deep;"),
            file("b", "use super::a::deep::Deep;"),
        ];
        assert_eq!(circles(&deep).len(), 2, "a folder is one thing to its neighbours");
    }

    #[test]
    fn a_wrong_import_is_answered_with_a_lesson() {
        assert_eq!(
            findings("src/lab/up.rs", "//! Up.\n\nuse crate::load::plan::Plan;\n"),
            [
                "src/lab/up.rs:3: room `lab` may not import `load::plan::Plan`; it may import model, spec, decide::placement, \
                 decide::body, decide::found, engine, drive. Instead: move the plain data both need to `model`, or take it as an \
                 argument."
            ]
        );
    }

    #[test]
    fn wrong_imports_are_found_however_they_are_written() {
        for (path, text) in [
            ("src/model/id.rs", "use crate::{history::Event};"),
            ("src/check/mod.rs", "fn f() { crate::engine::clock::now(); }"),
            ("src/check/mod.rs", "use super::engine::clock;"),
            ("src/drive/mod.rs", "use crate::decide;"),
            ("src/drive/mod.rs", "use crate::decide::{body, repair};"),
            ("src/drive/mod.rs", "use crate::decide::*;"),
            ("src/run/mod.rs", "use crate::*;"),
            ("src/run/x.rs", "use super::super::control;"),
            ("src/cellar/mod.rs", ""),
        ] {
            assert_eq!(findings(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn right_imports_are_left_alone() {
        for (path, text) in [
            ("src/model/lab.rs", "use super::id::Name; use crate::model::units::Bytes;"),
            (
                "src/check/mod.rs",
                "mod tests { use super::*; } use crate::{model::Name, history::{Event, event}};",
            ),
            ("src/drive/mod.rs", "use crate::decide::{body::Body, placement};"),
            ("src/control/mod.rs", "use crate::decide::repair;"),
            ("src/lib.rs", "pub mod control;"),
            ("src/model/mod.rs", "// use crate::engine;\nconst X: &str = \"crate::engine\";"),
        ] {
            assert_eq!(findings(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn the_lab_is_caught_when_it_learns_of_a_controller() {
        for text in [
            "use crate::control::lease;",
            "use crate::decide::{body, repair};",
            "crate::decide::scaling::step()",
        ] {
            assert_eq!(ignorance(&Source::new("src/lab/up.rs", text)).len(), 1, "{text}");
            assert_eq!(ignorance(&Source::new("src/cli/mod.rs", text)), [""; 0], "{text}");
        }
    }
}
