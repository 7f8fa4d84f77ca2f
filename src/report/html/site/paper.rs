//! Markdown → HTML: papers as pages of the site. Markup inside of a paper is text, and a link leads to a page of the site,
//! to another site, or nowhere.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::Site;
use super::links::{picture, place, resolve, way};
use super::shell::{PAPERS, Shell};
use crate::report::html::markup::{Attribute, Markup};

/// The contents of the book of papers.
const CONTENTS: &str = "docs/src/SUMMARY.md";

/// A heading of a paper.
struct Heading {
    text: String,
    /// What a link to it says behind `#`.
    anchor: String,
}

fn events(text: &str) -> Vec<Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).collect()
}

/// Where the links and pictures of a paper lead.
#[must_use]
pub fn links(text: &str) -> Vec<String> {
    let lead = |event: &Event<'_>| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    };
    events(text).iter().filter_map(lead).collect()
}

/// The first heading of a paper.
#[must_use]
pub fn title(text: &str) -> Option<String> {
    headings(&events(text)).into_iter().next().map(|(_, heading)| heading.text)
}

/// Headings of a paper by their place among its events, with anchors as code hosts and mdBook make them.
fn headings(events: &[Event<'_>]) -> Vec<(usize, Heading)> {
    let mut found: Vec<(usize, Heading)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if !matches!(event, Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let inside =
            events.iter().skip(at + 1).take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let text: String = inside
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
                Event::SoftBreak | Event::HardBreak => Some(" "),
                _ => None,
            })
            .collect();
        let plain = |letter: char| match letter {
            ' ' => Some('-'),
            letter if letter.is_alphanumeric() || letter == '-' || letter == '_' => Some(letter),
            _ => None,
        };
        let anchor: String = text.to_lowercase().chars().filter_map(plain).collect();
        let again = known.entry(anchor.clone()).or_default();
        let heading = Heading { text, anchor: if *again > 0 { format!("{anchor}-{again}") } else { anchor } };
        *again += 1;
        found.push((at, heading));
    }
    found
}

/// Every paper, and every other text that one leads to.
pub(super) fn pages(site: &Site, pages: &mut BTreeMap<String, String>) {
    let order: Vec<String> = site.texts.get(CONTENTS).map(|text| contents(text)).unwrap_or_default();
    for (path, text) in &site.texts {
        let at = place(path);
        // the page of a scenario has its text already
        if pages.contains_key(&at) {
            continue;
        }
        let markdown = std::path::Path::new(path).extension().is_some_and(|end| end == "md");
        let name = if markdown { title(text) } else { None }.unwrap_or_else(|| path.clone());
        let shell = Shell { site, at: &at, title: &name, changes: false };
        let page = shell.page(|out| {
            if markdown {
                out.around("article", &[("class", &"paper")], |out| paper(out, &shell, path, text));
                pager(out, &shell, path, &order);
            } else {
                out.leaf("h1", &[], path).leaf("pre", &[], text);
            }
        });
        pages.insert(at, page);
    }
}

/// Papers in the order of the contents.
fn contents(text: &str) -> Vec<String> {
    links(text).iter().filter_map(|link| resolve(CONTENTS, link)).collect()
}

/// The ways to the papers before and after.
fn pager(out: &mut Markup, shell: &Shell<'_>, path: &str, order: &[String]) {
    let Some(here) = order.iter().position(|known| known == path) else { return };
    let other = |at: Option<usize>| order.get(at?).filter(|path| shell.site.texts.contains_key(*path));
    let name = |path: &String| {
        shell.site.texts.get(path).and_then(|text| title(text)).unwrap_or_else(|| path.clone())
    };
    out.around("p", &[("class", &"pager")], |out| {
        for (at, mark) in [(here.checked_sub(1), "← "), (None, ""), (Some(here + 1), "→ ")] {
            if mark.is_empty() {
                shell.link(out, PAPERS, "contents");
            } else if let Some(path) = other(at) {
                shell.link(out, &place(path), format_args!("{mark}{}", name(path)));
            }
        }
    });
}

/// Where a link of a paper leads.
enum Lead {
    /// To a page of the site, from this one.
    Here(String),
    /// To another site.
    Away(String),
    /// To nothing that the site has.
    Nowhere,
}

fn lead(shell: &Shell<'_>, path: &str, link: &str) -> Lead {
    if link.starts_with("https://") || link.starts_with("http://") {
        return Lead::Away(link.to_owned());
    }
    if link.starts_with('#') {
        return Lead::Here(link.to_owned());
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let Some(target) = resolve(path, file) else { return Lead::Nowhere };
    if shell.site.pictures.contains(&target) {
        return Lead::Here(way(shell.at, &picture(&target)));
    }
    if !shell.site.texts.contains_key(&target) {
        return Lead::Nowhere;
    }
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    Lead::Here(way(shell.at, &format!("{}{anchor}", place(&target))))
}

/// The HTML of a paper.
fn paper(out: &mut Markup, shell: &Shell<'_>, path: &str, text: &str) {
    let events = events(text);
    let mut headings = headings(&events).into_iter();
    let mut writer = Writer { shell, path, head: false, picture: None, links: Vec::new() };
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let anchor = headings.next().map(|(_, heading)| heading.anchor).unwrap_or_default();
                out.open(level_tag(level), &[("id", &anchor)]);
            }
            event => writer.event(out, event),
        }
    }
}

const fn level_tag(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h1",
        HeadingLevel::H2 => "h2",
        HeadingLevel::H3 => "h3",
        HeadingLevel::H4 => "h4",
        HeadingLevel::H5 => "h5",
        HeadingLevel::H6 => "h6",
    }
}

/// What must be known from one event to the next.
struct Writer<'a, 'b> {
    shell: &'a Shell<'b>,
    path: &'a str,
    /// Whether cells are those of a head.
    head: bool,
    /// The picture that is open: where it is, and its description so far.
    picture: Option<(Lead, String)>,
    /// For each open link whether it leads somewhere.
    links: Vec<bool>,
}

impl Writer<'_, '_> {
    fn event(&mut self, out: &mut Markup, event: Event<'_>) {
        if let Some((_, about)) =
            self.picture.as_mut().filter(|_| !matches!(event, Event::End(TagEnd::Image)))
        {
            // a description is text alone
            if let Event::Text(text) | Event::Code(text) = event {
                about.push_str(&text);
            }
            return;
        }
        match event {
            Event::Start(tag) => self.start(out, tag),
            Event::End(tag) => self.end(out, tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                out.text(text);
            }
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                out.leaf("code", &[], text);
            }
            Event::SoftBreak => {
                out.own("\n");
            }
            Event::HardBreak => {
                out.own("<br>");
            }
            Event::Rule => {
                out.own("<hr>");
            }
            Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, out: &mut Markup, tag: Tag<'_>) {
        match tag {
            Tag::Table(_) => {
                out.own("<div class=\"scroll\"><table>");
            }
            Tag::TableHead => {
                self.head = true;
                out.own("<thead><tr>");
            }
            Tag::TableCell => {
                out.own(if self.head { "<th>" } else { "<td>" });
            }
            Tag::List(Some(from)) => {
                out.open("ol", &[("start", &from)]);
            }
            Tag::CodeBlock(kind) => {
                let language = match &kind {
                    CodeBlockKind::Fenced(language) => language.as_ref(),
                    CodeBlockKind::Indented => "",
                };
                out.own("<pre>").open("code", &[("class", &language)]);
            }
            Tag::Link { dest_url, .. } => self.link(out, &dest_url),
            Tag::Image { dest_url, .. } => {
                self.picture = Some((lead(self.shell, self.path, &dest_url), String::new()));
            }
            tag => {
                if let Some(name) = simple(tag.to_end()) {
                    out.open(name, &[]);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Markup, tag: TagEnd) {
        match tag {
            TagEnd::Table => {
                out.own("</tbody></table></div>");
            }
            TagEnd::TableHead => {
                self.head = false;
                out.own("</tr></thead><tbody>");
            }
            TagEnd::TableCell => {
                out.own(if self.head { "</th>" } else { "</td>" });
            }
            TagEnd::List(true) => {
                out.close("ol");
            }
            TagEnd::CodeBlock => {
                out.own("</code></pre>");
            }
            TagEnd::Link => {
                if self.links.pop() == Some(true) {
                    out.close("a");
                }
            }
            TagEnd::Image => {
                // nothing is loaded from another site
                if let Some((Lead::Here(way), about)) = self.picture.take() {
                    out.open("img", &[("src", &way), ("alt", &about)]);
                }
            }
            TagEnd::Heading(level) => {
                out.close(level_tag(level));
            }
            tag => {
                if let Some(name) = simple(tag) {
                    out.close(name);
                }
            }
        }
    }

    fn link(&mut self, out: &mut Markup, link: &CowStr<'_>) {
        let lead = lead(self.shell, self.path, link);
        let attributes: Vec<Attribute<'_>> = match &lead {
            Lead::Here(way) => vec![("href", way)],
            Lead::Away(address) => vec![("href", address), ("rel", &"noreferrer")],
            Lead::Nowhere => Vec::new(),
        };
        self.links.push(!attributes.is_empty());
        if !attributes.is_empty() {
            out.open("a", &attributes);
        }
    }
}

/// Tags that are the same in both languages.
const fn simple(tag: TagEnd) -> Option<&'static str> {
    Some(match tag {
        TagEnd::Paragraph => "p",
        TagEnd::BlockQuote(_) => "blockquote",
        TagEnd::List(_) => "ul",
        TagEnd::Item => "li",
        TagEnd::TableRow => "tr",
        TagEnd::Emphasis => "em",
        TagEnd::Strong => "strong",
        TagEnd::Strikethrough => "s",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let texts = [("docs/src/a.md", text), ("docs/src/b.md", "# B"), ("lab/lab.toml", "")];
        let texts = texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let site = Site { texts, pictures: ["docs/src/p.svg".to_owned()].into(), ..Site::default() };
        let shell = Shell { site: &site, at: "docs/a.html", title: "A", changes: false };
        let mut out = Markup::default();
        paper(&mut out, &shell, "docs/src/a.md", text);
        out.into_string()
    }

    #[test]
    fn links_lead_to_pages_or_nowhere() {
        assert_eq!(written("[b](b.md#x)"), "<p><a href=\"b.html#x\">b</a></p>");
        assert_eq!(written("[l](../../lab/lab.toml)"), "<p><a href=\"../files/lab/lab.toml.html\">l</a></p>");
        assert_eq!(
            written("[x](https://x.org)"),
            "<p><a href=\"https://x.org\" rel=\"noreferrer\">x</a></p>"
        );
        for nowhere in ["../../../secret", "javascript:alert(1)", "absent.md", "/etc/passwd"] {
            assert_eq!(written(&format!("[x]({nowhere})")), "<p>x</p>", "{nowhere}");
        }
        assert_eq!(written("![a *b*](p.svg)"), "<p><img src=\"../files/docs/src/p.svg\" alt=\"a b\"></p>");
        assert_eq!(written("![p](https://x.org/p.svg)"), "<p></p>");
    }

    #[test]
    fn markup_inside_of_a_paper_is_text() {
        assert_eq!(written("a <script>b</script>"), "<p>a &lt;script&gt;b&lt;/script&gt;</p>");
        assert_eq!(written("<div onclick=\"x\">"), "&lt;div onclick=&quot;x&quot;&gt;");
    }

    #[test]
    fn tables_lists_and_code_are_written() {
        assert_eq!(
            written("| a |\n|---|\n| `b` |\n"),
            "<div class=\"scroll\"><table><thead><tr><th>a</th></tr></thead><tbody><tr><td><code>b</code></td></tr></tbody></table></div>"
        );
        assert_eq!(written("2. a\n\n- b\n"), "<ol start=\"2\"><li>a</li></ol><ul><li>b</li></ul>");
        assert_eq!(written("```sh\na < b\n```"), "<pre><code class=\"sh\">a &lt; b\n</code></pre>");
    }

    #[test]
    fn headings_have_the_anchors_of_code_hosts() {
        let text = "# A late `slot`: why?\n\n## Same\n\n## Same\n";
        let found: Vec<String> =
            headings(&events(text)).into_iter().map(|(_, heading)| heading.anchor).collect();
        assert_eq!(found, ["a-late-slot-why", "same", "same-1"]);
        assert_eq!(title(text).as_deref(), Some("A late slot: why?"));
    }
}
