//! Tables that are drawn again where they stand: at the bottom of the screen, above the bars.
//!
//! What is printed meanwhile comes above them, and scrolls up as all text does. So a table on the screen is not in the
//! way of what is told, and nothing that was told is overwritten.

use std::fmt::Write as _;

use crate::table::{Room, Table};

/// How large a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The tables on the screen, from above, and what of them is drawn.
#[derive(Debug)]
pub(crate) struct InPlace {
    tables: Vec<(Id, Table)>,
    drawn: Option<Drawn>,
}

/// Which table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub(super) u64);

/// The cursor stands at the start of the line below.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    lines: usize,
    /// The columns of the screen then.
    columns: usize,
}

impl InPlace {
    pub(crate) const fn new() -> Self {
        Self { tables: Vec::new(), drawn: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Puts a table in the place of the one that it was, or below all others.
    pub(crate) fn put(&mut self, id: Id, table: Table) {
        match self.tables.iter_mut().find(|(other, _)| *other == id) {
            Some((_, old)) => *old = table,
            None => self.tables.push((id, table)),
        }
    }

    /// Takes a table away: it is not drawn again, and goes from the screen when the others are.
    pub(crate) fn remove(&mut self, id: Id) {
        self.tables.retain(|(other, _)| *other != id);
    }

    /// Leaves a table where it stands, as text like any other.
    pub(crate) fn leave(&mut self, id: Id) {
        if self.tables.iter().any(|(other, _)| *other == id) {
            self.drawn = None;
        }
        self.remove(id);
    }

    /// The text that takes what is drawn off the screen.
    pub(crate) fn erase(&mut self, size: Size) -> String {
        let text = self.back(size);
        if text.is_empty() { text } else { text + BELOW }
    }

    /// The text that draws all tables, in the place of those that are there. This many lines below are others'.
    pub(crate) fn draw(&mut self, size: Size, below: usize) -> String {
        let mut text = self.back(size);
        // The cursor needs a line, too: that of a bar will do.
        let room = size.rows.saturating_sub(below.max(1));
        let wishes: Vec<_> = self.tables.iter().map(|(_, table)| table.height()).collect();
        let lines: Vec<_> = self
            .tables
            .iter()
            .zip(shares(&wishes, room))
            .flat_map(|((_, table), lines)| {
                let room = Room { columns: Some(size.columns.min(table.widest)), lines: Some(lines) };
                if lines == 0 { Vec::new() } else { table.lines(room) }
            })
            .collect();
        text.push_str(NO_WRAP);
        for line in &lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{LINE}{line}");
        }
        text.push_str(BELOW);
        text.push_str(WRAP);
        self.drawn = Some(Drawn { lines: lines.len(), columns: size.columns });
        text
    }

    /// Moves the cursor to the first line that is drawn. In a terminal that has become narrower nobody knows how many lines
    /// up that is, since some break long lines again and others do not: then what is there stays, and the tables come below.
    fn back(&mut self, size: Size) -> String {
        match self.drawn.take() {
            Some(Drawn { lines, columns }) if lines > 0 && columns <= size.columns => format!("\r\u{1b}[{lines}A"),
            _ => String::new(),
        }
    }
}

/// Clears the line of the cursor, and all from the cursor on.
const LINE: &str = "\u{1b}[2K";
const BELOW: &str = "\u{1b}[J";
/// A line that some terminal takes for longer than it is does not become two, which would be counted as one.
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";

/// Shares `room` out: what some do not need, the others have.
fn shares(wishes: &[usize], room: usize) -> Vec<usize> {
    let (mut shares, mut room) = (vec![0; wishes.len()], room);
    let mut order: Vec<_> = (0..wishes.len()).collect();
    order.sort_by_key(|at| wishes[*at]);
    for (done, at) in order.iter().enumerate() {
        shares[*at] = wishes[*at].min(room / (wishes.len() - done));
        room -= shares[*at];
    }
    shares
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use crate::value::Value;

    /// A terminal, and the tables on it.
    struct Terminal {
        screen: vt100::Parser,
        tables: InPlace,
        size: Size,
        bars: usize,
    }

    fn cells(count: usize) -> NonZero<u16> {
        u16::try_from(count).ok().and_then(NonZero::new).expect("a screen has some cells and not too many")
    }

    impl Terminal {
        fn of(rows: usize, columns: usize) -> Self {
            let screen = vt100::Parser::new(cells(rows), cells(columns), 1_000);
            Self { screen, tables: InPlace::new(), size: Size { rows, columns }, bars: 0 }
        }

        fn resize(&mut self, rows: usize, columns: usize) {
            self.screen.screen_mut().set_size(cells(rows), cells(columns));
            self.size = Size { rows, columns };
        }

        fn write(&mut self, text: &str) {
            // What a terminal's driver makes of it.
            self.screen.process(text.replace('\n', "\r\n").as_bytes());
        }

        /// A table of the numbers from 1 on.
        fn show(&mut self, id: u64, title: &str, rows: usize) {
            let values = (1..=rows).map(|row| Value::of(&row).unwrap().into_fields());
            self.tables.put(Id(id), Table::new(title, values.collect(), rows as u64, false, &[]));
            let text = self.tables.draw(self.size, self.bars);
            self.write(&text);
        }

        fn say(&mut self, words: &str) {
            let erased = self.tables.erase(self.size);
            self.write(&(erased + words + "\n"));
            let drawn = self.tables.draw(self.size, self.bars);
            self.write(&drawn);
        }

        /// What a person sees.
        fn seen(&self) -> Vec<String> {
            self.screen.screen().contents().lines().map(|line| line.trim_end().to_owned()).collect()
        }

        /// And what he finds when he scrolls up.
        fn all(&mut self) -> Vec<String> {
            let screen = self.screen.screen_mut();
            let rows = usize::from(screen.size().0.get());
            let mut all = Vec::new();
            for back in (1..=screen.scrollback_len()).rev() {
                screen.set_scrollback(back);
                all.extend(screen.rows(0, u16::MAX).next().map(|row| row.trim_end().to_owned()));
            }
            screen.set_scrollback(0);
            all.extend(screen.rows(0, u16::MAX).take(rows).map(|row| row.trim_end().to_owned()));
            all.truncate(all.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
            all
        }
    }

    const TWO: [&str; 5] = [" value", "───────", "     1", "     2", ""];

    fn two(title: &'static str) -> Vec<&'static str> {
        [&[title][..], &TWO[..4]].concat()
    }

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let mut terminal = Terminal::of(10, 30);
        terminal.write("$ job\n");
        terminal.show(1, "epoch 1", 3);
        terminal.show(1, "epoch 2", 2);
        assert_eq!(terminal.all(), [vec!["$ job"], two("epoch 2: 2 rows")].concat());
    }

    #[test]
    fn what_is_said_meanwhile_stands_above_and_is_not_lost() {
        let mut terminal = Terminal::of(7, 30);
        terminal.show(1, "epoch 1", 2);
        let words: Vec<_> = (1..=20).map(|number| format!("warning {number}")).collect();
        for words in &words {
            terminal.say(words);
            terminal.show(1, "epoch 2", 2);
        }
        let table = two("epoch 2: 2 rows");
        assert_eq!(terminal.seen()[1..], table);
        assert_eq!(terminal.all(), [words.iter().map(String::as_str).collect(), table].concat());
    }

    #[test]
    fn a_table_that_is_higher_than_the_screen_shows_its_first_rows_and_overwrites_nothing() {
        let mut terminal = Terminal::of(8, 30);
        terminal.bars = 1;
        terminal.write("$ job\n");
        for epoch in 1..=5 {
            terminal.show(1, &format!("epoch {epoch}"), 500);
        }
        let table = ["epoch 5: 500 rows", " value", "───────", "     1", "     2", "     3", " … and 497 more"];
        assert_eq!(terminal.all(), [&["$ job"], &table[..]].concat());
        assert_eq!(
            terminal.seen().len(),
            7,
            "a line is left for the bar and one for the cursor, which may be the same"
        );
    }

    #[test]
    fn several_tables_share_the_screen() {
        assert_eq!(shares(&[5, 100, 100], 25), [5, 10, 10]);
        assert_eq!(shares(&[5, 7], 25), [5, 7]);
        assert_eq!(shares(&[9, 9, 9], 2), [0, 1, 1]);
        let mut terminal = Terminal::of(12, 30);
        terminal.show(1, "all, epoch 1", 2);
        terminal.show(2, "busy, epoch 1", 2);
        terminal.show(1, "all, epoch 2", 2);
        let expected = [two("all, epoch 2: 2 rows"), two("busy, epoch 1: 2 rows")].concat();
        assert_eq!(terminal.all(), expected);
        terminal.tables.leave(Id(1));
        terminal.show(2, "busy, epoch 3", 2);
        assert_eq!(terminal.all(), [expected, two("busy, epoch 3: 2 rows")].concat(), "what was left stays");
    }

    #[test]
    fn a_screen_may_become_larger_and_smaller() {
        let mut terminal = Terminal::of(8, 30);
        terminal.write("$ job\n");
        terminal.show(1, "epoch 1", 500);
        terminal.resize(12, 60);
        terminal.show(1, "epoch 2", 500);
        let rows = |count: usize| (1..=count).map(|row| format!("{row:6}")).collect::<Vec<_>>();
        let table = |title: &str, count| {
            let more = format!(" … and {} more", 500 - count);
            [vec![title.to_owned(), " value".to_owned(), "───────".to_owned()], rows(count), vec![more]].concat()
        };
        assert_eq!(terminal.all(), [vec!["$ job".to_owned()], table("epoch 2: 500 rows", 7)].concat());
        terminal.resize(12, 29);
        terminal.say("a warning");
        let all = terminal.all();
        assert_eq!(all[0], "$ job");
        assert_eq!(all[all.len() - 12..], [vec!["a warning".to_owned()], table("epoch 2: 500 rows", 7)].concat());
        terminal.show(1, "epoch 3", 500);
        assert_eq!(terminal.seen(), table("epoch 3: 500 rows", 7), "from then on it stands again");
        assert!(terminal.all().contains(&"a warning".to_owned()));
    }

    #[test]
    fn in_the_end_a_table_stands_there_whole() {
        let mut terminal = Terminal::of(6, 30);
        terminal.show(1, "epoch 1", 500);
        terminal.tables.remove(Id(1));
        let erased = terminal.tables.erase(terminal.size);
        terminal.write(&(erased + "whole\nsummary\n"));
        assert_eq!(terminal.all(), ["whole", "summary"]);
    }
}
