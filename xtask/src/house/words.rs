//! Words that are not used, as the table at the end of `docs/glossary.md` has them, and where a file uses one.
//!
//! A row has what is not written, what is written instead, and phrases in which it may stand all the same. A text is
//! compared word by word, whatever its case, and names are taken apart at `_` and capitals: where "of old" is wrong,
//! `OfOld` and `of_old` are, also where a line or string ends between the words. `old*` is every word that begins so, and
//! `…` in a phrase is up to four words. What the table has in backticks is a name, compared as it is written; in comments
//! only where it is marked as one, since some are words as well.

use super::rules::Fault;

/// The heading above the table.
const HEADING: &str = "## Words that are not used";

/// Up to so much may stand for a `…`.
const GAP: usize = 4;

/// The table.
#[derive(Debug)]
pub(super) struct Words {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    not: Vec<Pattern>,
    but: String,
    unless: Vec<Pattern>,
}

/// What a text is compared with.
#[derive(Debug)]
enum Pattern {
    Name(String),
    Phrase(Vec<Piece>),
}

#[derive(Debug)]
enum Piece {
    Word(String),
    Prefix(String),
    Gap,
}

/// A word of a text, in lower case, and whether nothing but blanks and marks of comments is before it.
struct Token {
    word: String,
    at: usize,
    joined: bool,
}

impl Words {
    /// Reads the table.
    ///
    /// # Errors
    /// When there is no table, or a row of it is not complete.
    pub(super) fn of_glossary(glossary: &str) -> Result<Self, String> {
        let (_, section) = glossary.split_once(HEADING).ok_or(format!("there is no heading {HEADING:?}"))?;
        let lines = section.lines().skip(1).take_while(|line| !line.starts_with('#'));
        let mut rows = Vec::new();
        for line in lines.filter(|line| line.starts_with('|')).skip(2) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells[..] {
                [not, but, unless] if !not.is_empty() && !but.is_empty() => {
                    rows.push(Row { not: patterns(not), but: but.to_owned(), unless: patterns(unless) });
                }
                _ => return Err(format!("a row has no three cells: {line}")),
            }
        }
        if rows.is_empty() { Err(format!("there is no table under {HEADING:?}")) } else { Ok(Self { rows }) }
    }

    /// The uses in a text. Where it is the glossary, the table itself is none.
    pub(super) fn faults(&self, text: &str) -> Vec<Fault> {
        let text = text.split(HEADING).next().unwrap_or(text);
        let tokens = tokens(text);
        let names = names(text);
        let mut faults = Vec::new();
        for row in &self.rows {
            for pattern in &row.not {
                let places = match pattern {
                    Pattern::Name(name) => names.iter().filter(|(_, found)| found == name).map(|(at, _)| *at).collect(),
                    Pattern::Phrase(pieces) => row.uses(pieces, &tokens),
                };
                faults.extend(places.into_iter().map(|at| Fault {
                    line: 1 + text[..at].matches('\n').count(),
                    what: format!("not {pattern}, but {}", row.but),
                }));
            }
        }
        faults.sort_by_key(|fault| fault.line);
        faults
    }
}

impl Row {
    fn uses(&self, pieces: &[Piece], tokens: &[Token]) -> Vec<usize> {
        let mut places = Vec::new();
        for first in 0..tokens.len() {
            if let Some(end) = longest(pieces, tokens, first)
                && !self.may_stand(tokens, first, end)
            {
                places.push(tokens[first].at);
            }
        }
        places
    }

    /// Whether a phrase in which the words may stand is around them.
    fn may_stand(&self, tokens: &[Token], first: usize, end: usize) -> bool {
        self.unless.iter().any(|pattern| {
            let Pattern::Phrase(pieces) = pattern else { return false };
            let most = pieces.len() * (GAP + 1);
            (first.saturating_sub(most)..=first)
                .any(|from| longest(pieces, tokens, from).is_some_and(|found| found >= end))
        })
    }
}

/// Where the longest match that begins at `first` ends.
fn longest(pieces: &[Piece], tokens: &[Token], first: usize) -> Option<usize> {
    fn walk(pieces: &[Piece], tokens: &[Token], at: usize, joined: bool) -> Option<usize> {
        let Some((piece, rest)) = pieces.split_first() else { return Some(at) };
        if matches!(piece, Piece::Gap) {
            return (0..=GAP).rev().find_map(|skipped| walk(rest, tokens, at + skipped, false));
        }
        let token = tokens.get(at)?;
        let same = match piece {
            Piece::Word(word) => token.word == *word,
            Piece::Prefix(prefix) => token.word.starts_with(prefix),
            Piece::Gap => false,
        };
        if same && (token.joined || !joined) { walk(rest, tokens, at + 1, true) } else { None }
    }
    walk(pieces, tokens, first, false)
}

fn patterns(cell: &str) -> Vec<Pattern> {
    cell.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pattern).collect()
}

fn pattern(part: &str) -> Pattern {
    if let Some(name) = part.strip_prefix('`') {
        return Pattern::Name(name.trim_end_matches('`').to_owned());
    }
    let piece = |word: &str| match word.strip_suffix('*') {
        _ if word == "…" => Piece::Gap,
        Some(prefix) => Piece::Prefix(prefix.to_lowercase()),
        None => Piece::Word(word.to_lowercase()),
    };
    Pattern::Phrase(part.split_whitespace().map(piece).collect())
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pieces = match self {
            Self::Name(name) => return write!(f, "`{name}`"),
            Self::Phrase(pieces) => pieces,
        };
        let words = pieces.iter().map(|piece| match piece {
            Piece::Word(word) => word.clone(),
            Piece::Prefix(prefix) => format!("{prefix}*"),
            Piece::Gap => "…".to_owned(),
        });
        write!(f, "\"{}\"", words.collect::<Vec<_>>().join(" "))
    }
}

/// The words of a text. A letter after a backslash is no part of one.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut before = ' ';
    let mut joined = true;
    for (at, c) in text.char_indices() {
        if !c.is_alphabetic() || before == '\\' {
            joined &= c.is_whitespace() || c.is_alphabetic() || "/!*_-\\".contains(c);
        } else if before.is_alphabetic() && !(before.is_lowercase() && c.is_uppercase()) {
            if let Some(token) = tokens.last_mut() {
                token.word.extend(c.to_lowercase());
            }
        } else {
            tokens.push(Token { word: c.to_lowercase().collect(), at, joined });
            joined = true;
        }
        before = if before == '\\' { ' ' } else { c };
    }
    tokens
}

/// The names in a text, with their places: whatever is made of letters, digits and `_`. In comments, only what is marked
/// as a name.
fn names(text: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let comment = line.trim_start().starts_with("//");
        let mut rest = 0;
        while let Some(from) = line[rest..].find(is_of_name).map(|found| rest + found) {
            let to = line[from..].find(|c| !is_of_name(c)).map_or(line.len(), |found| from + found);
            if !comment || line[..from].ends_with(['`', '[', ':']) {
                names.push((begin + from, &line[from..to]));
            }
            rest = to;
        }
        begin += line.len();
    }
    names
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests;
