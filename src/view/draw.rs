//! A scene onto a screen of any size: with colours or without, with letters of every script or ASCII alone.
//!
//! Colours are the terminal's own, so that they fit light and dark ones. Nothing is said by a colour alone.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row as TableRow, Sparkline, Table};

use super::layout::{Wants, share};
use super::scene::{COLUMNS, LoadRow, MemberRow, Piece, ViewScene, ViewTone};
use super::table::{SPACE, columns};

/// How a screen may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewLook {
    /// With colours.
    pub colour: bool,
    /// With letters that are not ASCII.
    pub unicode: bool,
}

/// A smaller screen shows nothing that helps.
const LEAST: (u16, u16) = (30, 5);
/// Bars of ASCII.
const ASCII: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "*",
    three_quarters: "+",
    five_eighths: "=",
    half: "-",
    three_eighths: ":",
    one_quarter: ".",
    one_eighth: ".",
    empty: " ",
};

/// Draws a scene over the whole screen.
pub fn draw(frame: &mut Frame<'_>, scene: &ViewScene, look: ViewLook) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(Paragraph::new(look.text("too small to show anything")), area);
        return;
    }
    let mut pen = Pen { frame, look, area, line: 0 };
    pen.title(scene);
    let heading = |rows: usize| if rows == 0 { 0 } else { lines(rows + 1) };
    let hosts = by_host(&scene.rows);
    let wants = Wants {
        members: heading(scene.rows.len().max(scene.parts.len())),
        hosts: heading(hosts.len().max(scene.parts.len())),
        loads: heading(scene.loads.len()),
        now: heading(scene.now.len()),
        log: heading(scene.log.len()),
    };
    let given = share(area.height - 2, &wants);
    let gap = u16::from(given.gaps);
    if given.table > 0 {
        let area = pen.take(gap, given.table);
        match (scene.rows.is_empty(), given.by_host) {
            (true, _) => pen.parts(area, &scene.parts),
            (false, true) => pen.hosts(area, &hosts),
            (false, false) => pen.members(area, &scene.rows),
        }
    }
    if given.loads > 0 {
        let area = pen.take(gap, given.loads);
        pen.loads(area, &scene.loads);
    }
    if given.now > 0 {
        let area = pen.take(gap, given.now);
        pen.list(area, "NOW", scene.now.iter().map(|piece| (piece.text.as_str(), piece.tone)));
    }
    if given.log > 0 {
        let area = pen.take(gap, given.log);
        let shown = usize::from(given.log).saturating_sub(1);
        let past = scene.log.iter().skip(scene.log.len().saturating_sub(shown));
        pen.list(area, "WHAT HAPPENED", past.map(|line| (line.as_str(), ViewTone::Plain)));
    }
    pen.keys(&scene.keys);
}

fn lines(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Members of each host in one line.
fn by_host(rows: &[MemberRow]) -> Vec<(String, Vec<&MemberRow>)> {
    let mut hosts: Vec<(String, Vec<&MemberRow>)> = Vec::new();
    for row in rows {
        match hosts.last_mut().filter(|(host, _)| *host == row.host) {
            Some((_, members)) => members.push(row),
            None => hosts.push((row.host.clone(), vec![row])),
        }
    }
    hosts
}

impl ViewLook {
    /// A text that this screen can show.
    fn text(self, text: &str) -> String {
        if self.unicode {
            return text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        }
        let mut plain = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '→' => plain.push_str("->"),
                '≤' => plain.push_str("<="),
                '…' => plain.push_str("..."),
                '–' | '−' | '·' => plain.push('-'),
                '×' => plain.push('x'),
                '’' | '‘' => plain.push('\''),
                letter if letter.is_ascii() && !letter.is_ascii_control() => plain.push(letter),
                letter if letter.is_control() => plain.push(' '),
                _ => plain.push('?'),
            }
        }
        plain
    }

    /// A text in so many columns at most.
    fn cut(self, text: &str, width: u16) -> String {
        let text = self.text(text);
        let (width, more) = (usize::from(width), self.text("…"));
        if Span::raw(text.as_str()).width() <= width {
            return text;
        }
        let mut short = String::new();
        for letter in text.chars() {
            short.push(letter);
            if Span::raw(short.as_str()).width() + more.chars().count() > width {
                short.pop();
                break;
            }
        }
        if width > more.chars().count() { short + &more } else { short }
    }

    fn style(self, tone: ViewTone) -> Style {
        let style = Style::new();
        let coloured = |colour: Color| if self.colour { style.fg(colour) } else { style };
        match tone {
            ViewTone::Plain => style,
            ViewTone::Head => style.add_modifier(Modifier::BOLD),
            ViewTone::Dim => style.add_modifier(Modifier::DIM),
            ViewTone::Good => coloured(Color::Green),
            ViewTone::Warn => coloured(Color::Yellow),
            ViewTone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    fn span(self, piece: &Piece) -> Span<'static> {
        Span::styled(self.text(&piece.text), self.style(piece.tone))
    }

    fn width(self, piece: &Piece) -> u16 {
        lines(self.span(piece).width())
    }
}

/// Writes from the top down.
struct Pen<'a, 'b> {
    frame: &'a mut Frame<'b>,
    look: ViewLook,
    area: Rect,
    line: u16,
}

impl Pen<'_, '_> {
    /// The next so many lines, after a gap.
    fn take(&mut self, gap: u16, lines: u16) -> Rect {
        let area = Rect { y: self.area.y + self.line + gap, height: lines, ..self.area };
        self.line += gap + lines;
        area
    }

    /// Writes one line of an area.
    fn write(&mut self, area: Rect, line: u16, text: Line<'_>) {
        if line < area.height {
            self.frame.render_widget(text, Rect { y: area.y + line, height: 1, ..area });
        }
    }

    fn title(&mut self, scene: &ViewScene) {
        let area = self.take(0, 1);
        let mut spans: Vec<Span<'_>> = Vec::new();
        for piece in &scene.title {
            spans.push(self.look.span(piece));
            spans.push(Span::raw("  "));
        }
        let verdict = Line::from(self.look.span(&scene.verdict));
        let right = lines(verdict.width()).min(area.width);
        self.write(Rect { width: area.width.saturating_sub(right + 1), ..area }, 0, Line::from(spans));
        self.write(Rect { x: area.x + area.width - right, width: right, ..area }, 0, verdict);
    }

    fn keys(&mut self, keys: &str) {
        let area = Rect { y: self.area.y + self.area.height - 1, height: 1, ..self.area };
        let text = self.look.cut(keys, area.width);
        self.write(area, 0, Line::styled(text, self.look.style(ViewTone::Dim)));
    }

    fn heading(&mut self, area: Rect, text: &str) {
        let style = self.look.style(ViewTone::Dim);
        let text = self.look.cut(text, area.width);
        self.write(area, 0, Line::styled(text, style));
    }

    /// A heading and lines; where they do not fit, the last one says so.
    fn list<'s>(
        &mut self,
        area: Rect,
        heading: &str,
        texts: impl ExactSizeIterator<Item = (&'s str, ViewTone)>,
    ) {
        self.heading(area, heading);
        let (all, room) = (texts.len(), usize::from(area.height.saturating_sub(1)));
        for (index, (text, tone)) in texts.take(room).enumerate() {
            let more = all - index;
            let text =
                if index + 1 == room && more > 1 { format!("and {more} more") } else { text.to_owned() };
            let text = self.look.cut(&text, area.width);
            self.write(area, lines(index + 1), Line::styled(text, self.look.style(tone)));
        }
    }

    fn parts(&mut self, area: Rect, parts: &[(String, Piece)]) {
        self.heading(area, "WAITING FOR");
        let width = parts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (index, (name, state)) in parts.iter().enumerate() {
            let line = format!("{name:width$}  {}", state.text);
            let text = self.look.cut(&line, area.width);
            self.write(area, lines(index + 1), Line::styled(text, self.look.style(state.tone)));
        }
    }

    fn hosts(&mut self, area: Rect, hosts: &[(String, Vec<&MemberRow>)]) {
        self.heading(area, "HOST  MEMBERS");
        for (index, (_, members)) in hosts.iter().enumerate() {
            let mut spans: Vec<Span<'_>> = Vec::new();
            for (nth, member) in members.iter().enumerate() {
                let [host, name, role, _, lag, ..] = &member.cells;
                if nth == 0 {
                    let host = self.look.span(host);
                    let width = host.width();
                    spans.push(host);
                    spans.push(Span::raw(" ".repeat(6_usize.saturating_sub(width).max(2))));
                } else {
                    spans.push(Span::raw(self.look.text(" · ")));
                }
                let name = Piece { text: short_name(&name.text, area.width), ..name.clone() };
                spans.push(self.look.span(&name));
                for piece in [role, lag] {
                    if !piece.text.is_empty() {
                        spans.push(Span::raw(" "));
                        spans.push(self.look.span(piece));
                    }
                }
            }
            self.write(area, lines(index + 1), Line::from(spans));
        }
    }

    fn members(&mut self, area: Rect, rows: &[MemberRow]) {
        let look = self.look;
        let mut widths = [0_u16; COLUMNS.len()];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(look.width(cell));
            }
        }
        for (width, name) in widths.iter_mut().zip(COLUMNS) {
            if *width > 0 {
                *width = (*width).max(lines(name.len()));
            }
        }
        let shown = columns(area.width, &widths);
        let head =
            TableRow::new(shown.iter().map(|(column, _)| COLUMNS[*column])).style(look.style(ViewTone::Dim));
        let cells = |row: &MemberRow| {
            let cell = |(column, width): &(usize, u16)| {
                let piece = &row.cells[*column];
                Line::styled(look.cut(&piece.text, *width), look.style(piece.tone))
            };
            TableRow::new(shown.iter().map(cell).collect::<Vec<_>>())
        };
        let table =
            Table::new(rows.iter().map(cells), shown.iter().map(|(_, width)| Constraint::Length(*width)));
        self.frame.render_widget(table.header(head).column_spacing(SPACE), area);
    }

    fn loads(&mut self, area: Rect, loads: &[LoadRow]) {
        let measured = loads.iter().any(|load| load.steady);
        let mut cells: Vec<(&str, Vec<Piece>)> = vec![
            (if measured { "LOAD" } else { "" }, loads.iter().map(|load| plain(&load.name)).collect()),
            ("RATE", loads.iter().map(|load| plain(&load.rate)).collect()),
        ];
        if measured {
            cells.push(("LAST ACK", loads.iter().map(|load| load.last.clone()).collect()));
            cells.push(("NOT ACKED", loads.iter().map(|load| load.bad.clone()).collect()));
            cells.push(("P50 – MAX", loads.iter().map(|load| plain(&load.latency)).collect()));
        }
        let look = self.look;
        let width = |(name, cells): &(&str, Vec<Piece>)| {
            cells
                .iter()
                .map(|cell| look.width(cell))
                .chain([lines(look.text(name).chars().count())])
                .max()
                .unwrap_or(0)
        };
        // bars need room, too: columns go from the right until there is some
        while cells.len() > 2
            && cells.iter().map(|column| width(column) + SPACE).sum::<u16>() + 10 > area.width
        {
            cells.pop();
        }
        let mut x = area.x;
        for column in &cells {
            let wide = width(column).min(area.width.saturating_sub(x - area.x));
            let at = Rect { x, width: wide, ..area };
            self.heading(at, column.0);
            for (index, cell) in column.1.iter().enumerate() {
                let line = Line::from(look.span(cell));
                // numbers end in one column
                let line =
                    if column.0 == "RATE" || column.0 == "NOT ACKED" { line.right_aligned() } else { line };
                self.write(at, lines(index + 1), line);
            }
            x += wide + SPACE;
        }
        let past = Rect { x, width: (area.x + area.width).saturating_sub(x), ..area };
        if past.width > 0 {
            self.heading(past, "EVERY SECOND");
            for (index, load) in loads.iter().enumerate() {
                self.past(past, lines(index + 1), load);
            }
        }
    }

    /// The last seconds as bars; one in which nobody was acknowledged is marked.
    fn past(&mut self, area: Rect, line: u16, load: &LoadRow) {
        if line >= area.height {
            return;
        }
        let from = load.past.len().saturating_sub(usize::from(area.width));
        let bars: Vec<Option<u64>> =
            load.past.iter().skip(from).map(|count| (*count > 0 || !load.steady).then_some(*count)).collect();
        let sparkline = Sparkline::default()
            .data(bars)
            .bar_set(if self.look.unicode { bar::NINE_LEVELS } else { ASCII })
            .absent_value_symbol(self.look.text("×"))
            .absent_value_style(self.look.style(ViewTone::Bad));
        self.frame.render_widget(sparkline, Rect { y: area.y + line, height: 1, ..area });
    }
}

fn plain(text: &str) -> Piece {
    Piece::new(ViewTone::Plain, text)
}

/// A member's name; on a narrow screen in as few letters as say who it is.
fn short_name(name: &str, width: u16) -> String {
    const NARROW: u16 = 60;
    if width >= NARROW {
        return name.to_owned();
    }
    for (long, short) in [("postgres-", "pg-"), ("balancer-", "lb-"), ("controller-", "c-")] {
        if let Some(number) = name.strip_prefix(long) {
            return format!("{short}{number}");
        }
    }
    name.to_owned()
}
