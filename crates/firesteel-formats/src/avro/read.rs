//! The bytes of a message, or of a block.

use super::damage::Damage;
use super::nodes::{Node, Nodes};

/// Records within records, lists within lists: deeper than this none is read.
pub(super) const DEEPEST: usize = 128;
/// A message may have this many elements of lists that take no bytes, or as many as it has bytes.
const ELEMENTS: u64 = 1 << 16;

type Result<T> = std::result::Result<T, Damage>;

/// What is left of a message.
pub(super) struct Bytes<'a> {
    left: &'a [u8],
    length: usize,
    /// How many elements it may still have: damage must not make more than there is room for.
    elements: u64,
    pub(super) depth: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { left: body, length: body.len(), elements: ELEMENTS.max(body.len() as u64), depth: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.length - self.left.len()
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<()> {
        match self.left.len() {
            0 => Ok(()),
            left => Err(Damage::new(format_args!(
                "{left} bytes stand after the end of the record: is it written by another schema?"
            ))),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, left)) = self.left.split_at_checked(count) else {
            let left = self.left.len();
            return Err(Damage::new(format_args!("it ends too soon: {count} bytes should follow, and {left} do")));
        };
        self.left = left;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(<[u8; N]>::try_from(taken).unwrap_or([0; N]))
    }

    #[inline]
    pub(super) fn long(&mut self) -> Result<i64> {
        let mut value = 0_u64;
        for (at, byte) in self.left.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                if at == 9 && *byte > 1 {
                    break;
                }
                self.left = &self.left[at + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(self.no_long())
    }

    #[cold]
    fn no_long(&mut self) -> Damage {
        let left = self.left.len().min(10);
        self.left = &self.left[left..];
        if left < 10 {
            Damage::new("it ends too soon: a number should continue, and nothing follows")
        } else {
            Damage::new("a number has more than 64 bits")
        }
    }

    pub(super) fn int(&mut self) -> Result<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| Damage::new(format_args!("{value} stands where an int should")))
    }

    pub(super) fn boolean(&mut self) -> Result<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Damage::new(format_args!("the byte {other} stands where a boolean should"))),
        }
    }

    /// Bytes after their length.
    pub(super) fn octets(&mut self) -> Result<&'a [u8]> {
        let length = self.long()?;
        let length =
            usize::try_from(length).map_err(|_| Damage::new(format_args!("{length} stands where a length should")))?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        let bytes = self.octets()?;
        std::str::from_utf8(bytes)
            .map_err(|error| Damage::new(format_args!("byte {} of the text is not UTF-8", error.valid_up_to())))
    }

    /// The branch of a union.
    pub(super) fn branch(&mut self, branches: &[usize]) -> Result<usize> {
        let index = self.long()?;
        let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
        branch.copied().ok_or_else(|| {
            Damage::new(format_args!("{index} stands where one of the {} branches of a union should", branches.len()))
        })
    }

    pub(super) fn symbol<'s>(&mut self, symbols: &'s [String]) -> Result<&'s str> {
        let index = self.int()?;
        let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
        let none = || Damage::new(format_args!("{index} stands where one of the {} symbols should", symbols.len()));
        symbol.map(String::as_str).ok_or_else(none)
    }

    /// How many elements come in the next block of a list or map, and in how many bytes where that is said; none at its end.
    pub(super) fn block(&mut self) -> Result<(u64, Option<usize>)> {
        let count = self.long()?;
        let bytes = if count < 0 {
            let bytes = self.long()?;
            let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= self.left.len());
            Some(bytes.ok_or_else(|| Damage::new("a block of a list is longer than what is left"))?)
        } else {
            None
        };
        let count = count.unsigned_abs();
        self.elements = self.elements.checked_sub(count).ok_or_else(|| {
            Damage::new(format_args!("{count} elements should follow, which is more than there can be"))
        })?;
        Ok((count, bytes))
    }

    /// Goes into what consists of others.
    pub(super) fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Damage::new(format_args!("it is nested more than {DEEPEST} deep")));
        }
        Ok(())
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, nodes: &Nodes, place: usize) -> Result<()> {
        match nodes.at(place) {
            Node::Null | Node::Same(_) => {}
            Node::Bool => drop(self.boolean()?),
            Node::Int | Node::Enum(_) => drop(self.int()?),
            Node::Long | Node::Time(_) => drop(self.long()?),
            Node::Float => drop(self.take(4)?),
            Node::Double => drop(self.take(8)?),
            Node::Bytes | Node::Text | Node::Decimal(_, None) => drop(self.octets()?),
            Node::Fixed(size) | Node::Decimal(_, Some(size)) => drop(self.take(*size)?),
            Node::Uuid => drop(self.take(16)?),
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                self.skip(nodes, branch)?;
            }
            Node::Record(record) => {
                self.deeper()?;
                for field in &record.fields {
                    self.skip(nodes, field.place)?;
                }
                self.depth -= 1;
            }
            Node::Array(element) => self.skip_blocks(nodes, *element, false)?,
            Node::Map(value) => self.skip_blocks(nodes, *value, true)?,
        }
        Ok(())
    }

    fn skip_blocks(&mut self, nodes: &Nodes, element: usize, has_keys: bool) -> Result<()> {
        self.deeper()?;
        loop {
            let (count, bytes) = self.block()?;
            if count == 0 {
                break;
            }
            if let Some(bytes) = bytes {
                self.take(bytes)?;
                continue;
            }
            for _ in 0..count {
                if has_keys {
                    self.octets()?;
                }
                self.skip(nodes, element)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
