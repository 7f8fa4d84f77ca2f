//! Names that say whose they are: no two types of the house that another file can see have one name.

use std::collections::BTreeMap;

use crate::source::Source;

/// Words that declare a type.
const DECLARES: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// The type that a line declares for other files to see.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(visibility) => visibility.split_once(')')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    DECLARES.contains(&words.next()?).then_some(())?;
    let name = words.next()?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// Types of one name in several files.
pub fn homonyms(sources: &[Source]) -> Vec<String> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in source.product.lines().filter_map(declared) {
            all.entry(name).or_default().push(&source.path);
        }
    }
    let shared = all.into_iter().filter(|(_, paths)| paths.len() > 1);
    shared
        .map(|(name, paths)| {
            format!("`{name}` is a type of {}: say in each name whose it is.", paths.join(" and of "))
        })
        .collect()
}

mod tests {
    use super::*;

    #[test]
    fn two_types_of_one_name_are_found() {
        let file = |name: &str, text: &str| Source::new(&format!("src/{name}.rs"), text);
        let two = [file("lab/a", "pub struct Record {\n"), file("check/b", "pub(super) enum Record<'a> {\n")];
        assert_eq!(
            homonyms(&two),
            ["`Record` is a type of src/lab/a.rs and of src/check/b.rs: say in each name whose it is."]
        );
        let own = [file("lab/a", "struct Record {\n"), file("check/b", "pub struct Record;\n")];
        assert_eq!(homonyms(&own), [""; 0], "a type that its file keeps to itself may be called anything");
        let inside =
            [file("lab/a", "    pub type Step = u8;\n"), file("check/b", "    pub type Step = u8;\n")];
        assert_eq!(homonyms(&inside), [""; 0], "a type of a trait is the trait's");
    }
}
