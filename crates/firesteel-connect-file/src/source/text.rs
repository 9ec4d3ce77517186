//! What is made of lines of text.

use std::convert::Infallible;

use firesteel_connect::{Decode, InvalidUtf8};

use super::{Bytes, DecodeText, Files, Text, TextFiles, spares_for};

impl<D: Decode> TextFiles<D> {
    /// As [`longest_record`](Self::longest_record), where records are lines.
    #[must_use]
    pub fn longest_line(self, bytes: usize) -> Self {
        self.longest_record(bytes)
    }

    /// Makes records of lines with a decoder.
    #[must_use]
    pub fn decode_with<E: Decode>(self, decode: E) -> TextFiles<E> {
        let Self { paths, policy, look_every, longest, invalid_utf8, format, catalog, looks, spares: _ } = self;
        let format = format.with(|_| decode);
        let spares = spares_for(&format);
        Files { paths, policy, look_every, longest, invalid_utf8, format, catalog, looks, spares }
    }
}

impl<D: DecodeText> TextFiles<D> {
    /// What becomes of a line that is not UTF-8. The default is [`InvalidUtf8::Fail`]: an error that concerns one
    /// record, since data is never changed in silence.
    #[must_use]
    pub fn invalid_utf8(mut self, policy: InvalidUtf8) -> Self {
        self.invalid_utf8 = policy;
        let decode = self.format.decoder().clone().with_invalid_utf8(policy);
        self.decode_with(decode)
    }

    /// Makes records of lines as they stand in the read buffer, without an allocation per line.
    #[must_use]
    pub fn decode<T, F>(
        self,
        decode: F,
    ) -> TextFiles<Text<impl Fn(&str) -> std::result::Result<T, Infallible> + Send + Sync + 'static>>
    where
        F: Fn(&str) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.try_decode(move |line: &str| Ok(decode(line)))
    }

    /// As [`decode`](Self::decode), with the line as bytes, which need not be UTF-8.
    #[must_use]
    pub fn decode_bytes<T, F>(
        self,
        decode: F,
    ) -> TextFiles<Bytes<impl Fn(&[u8]) -> std::result::Result<T, Infallible> + Send + Sync + 'static>>
    where
        F: Fn(&[u8]) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.try_decode_bytes(move |line: &[u8]| Ok(decode(line)))
    }

    /// As [`decode`](Self::decode), for a function that may fail: a line that it refuses is an error which concerns that
    /// line, with its text and place. It stops the job, unless the job sets such records aside.
    ///
    /// ```
    /// use firesteel_connect_file::TextFiles;
    ///
    /// let temperatures = TextFiles::new("readings.txt").try_decode(|line| line.parse::<f64>());
    /// # let _ = temperatures;
    /// ```
    #[must_use]
    pub fn try_decode<T, E, F>(self, decode: F) -> TextFiles<Text<F>>
    where
        F: Fn(&str) -> std::result::Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::fmt::Display,
    {
        let invalid = self.invalid_utf8;
        self.decode_with(Text::new(decode, invalid))
    }

    /// As [`try_decode`](Self::try_decode), with the line as bytes, which need not be UTF-8.
    #[must_use]
    pub fn try_decode_bytes<T, E, F>(self, decode: F) -> TextFiles<Bytes<F>>
    where
        F: Fn(&[u8]) -> std::result::Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::fmt::Display,
    {
        self.decode_with(Bytes::new(decode))
    }
}
