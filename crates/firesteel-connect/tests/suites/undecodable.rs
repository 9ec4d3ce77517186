//! Sources that break a rule where a record cannot be decoded.

use firesteel_connect::{
    ConnectError, Discovery, Payload, PositionUnit, ReadRange, Replay, Result, Source, SourceReader, Split, SplitId,
    conformance,
};
use firesteel_window::Timestamp;

use crate::broken;

/// What a source does wrong with records that it cannot decode.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Undecoded {
    Told,
    AsAFailure,
    WithoutPayload,
    CutPayload,
    AtAnotherPlace,
    StaysBeforeIt,
    SkipsTheNext,
    BlockDropsWhatCameBefore,
    InSilence,
}

/// Digits that are read as numbers; anything else cannot be decoded.
struct Digits(&'static [u8], Undecoded);

struct DigitReader {
    text: &'static [u8],
    at: usize,
    fault: Undecoded,
}

impl Source for Digits {
    type Item = u32;
    type Reader = DigitReader;

    fn describe(&self) -> String {
        "digits".into()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("0"), Some(self.0.len() as u64));
        let split = Split::new(id, PositionUnit::Records).available(available).divisible(true).finished(true);
        Ok(Discovery::all([split]).complete(true))
    }
    fn open(&self, range: &ReadRange) -> Result<DigitReader> {
        Ok(DigitReader { text: self.0, at: range.from as usize, fault: self.1 })
    }
}

impl SourceReader for DigitReader {
    type Item = u32;

    fn next_record(&mut self) -> Result<Option<u32>> {
        let Some(&byte) = self.text.get(self.at) else { return Ok(None) };
        let position = self.at as u64 + u64::from(self.fault == Undecoded::AtAnotherPlace);
        self.at += 1;
        if byte.is_ascii_digit() {
            return Ok(Some(u32::from(byte - b'0')));
        }
        match self.fault {
            Undecoded::InSilence => return self.next_record(),
            Undecoded::AsAFailure => return Err(ConnectError::unknown_split("digits", &SplitId::new("0"))),
            Undecoded::StaysBeforeIt => self.at -= 1,
            Undecoded::SkipsTheNext => self.at += 1,
            _ => {}
        }
        let bytes = if self.fault == Undecoded::CutPayload { &[][..] } else { &[byte][..] };
        let payload = (self.fault != Undecoded::WithoutPayload).then(|| Box::new(Payload::of(bytes)));
        Err(ConnectError::Malformed {
            place: "digits".into(),
            position,
            line: None,
            reason: "no digit".into(),
            payload,
        })
    }
    fn position(&self) -> u64 {
        self.at as u64
    }
    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }
    fn read_block(&mut self, most: usize, block: &mut Vec<u32>) -> Result<bool> {
        for _ in 0..most {
            match self.next_record() {
                Ok(Some(record)) => block.push(record),
                Ok(None) => return Ok(false),
                Err(error) => {
                    if self.fault == Undecoded::BlockDropsWhatCameBefore {
                        block.clear();
                    }
                    return Err(error);
                }
            }
        }
        Ok(true)
    }
}

#[test]
fn the_suite_for_records_that_cannot_be_decoded_finds_each_fault() {
    let expected = b"12x3yz4".iter().map(|byte| match byte {
        b'0'..=b'9' => Ok(u32::from(byte - b'0')),
        other => Err(vec![*other]),
    });
    let expected: Vec<_> = expected.collect();
    let suite = |fault| conformance::undecodable(|| Digits(b"12x3yz4", fault), &expected);
    suite(Undecoded::Told);
    let cases = [
        (Undecoded::AsAFailure, "S12"),
        (Undecoded::WithoutPayload, "S12"),
        (Undecoded::CutPayload, "S12"),
        (Undecoded::AtAnotherPlace, "S12"),
        (Undecoded::StaysBeforeIt, "S12"),
        (Undecoded::SkipsTheNext, "S12"),
        (Undecoded::BlockDropsWhatCameBefore, "S13"),
        (Undecoded::InSilence, "S13"),
    ];
    for (fault, rule) in cases {
        assert_eq!(broken(|| suite(fault)), rule, "{fault:?}");
    }
}
