//! The records of a file, many at a time: one thread may read them while another makes a database of them.

use super::read::{FileError, Record, Records, Tail};

/// Records of a batch.
const MOST: usize = 512;

/// Some records of a file.
#[derive(Debug)]
pub struct Batch<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// How the file ends, as far as that is known.
    pub(super) tail: Tail,
}

/// All of them, one batch after the other.
#[derive(Debug)]
pub struct Batches<'a> {
    /// `None`: there are no more.
    source: Option<Records<'a>>,
    /// What comes after the records before it.
    failed: Option<FileError>,
}

impl<'a> Batches<'a> {
    /// Those of the whole of a file.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { source: Some(Records::new(bytes)), failed: None }
    }
}

impl<'a> Iterator for Batches<'a> {
    /// A batch, or [`FileError::Damaged`] for a bad record that is not the last, [`FileError::NotStandalone`] at the front.
    type Item = Result<Batch<'a>, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let mut source = self.source.take()?;
        let mut records = Vec::with_capacity(MOST);
        while records.len() < MOST {
            match source.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => return Some(Ok(Batch { records, tail: source.tail().clone() })),
                Err(error) => {
                    self.failed = Some(error);
                    return Some(Ok(Batch { records, tail: Tail::Clean }));
                }
            }
        }
        self.source = Some(source);
        Some(Ok(Batch { records, tail: Tail::Clean }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::record as emit;
    use super::*;

    #[test]
    fn batches_are_the_records_and_what_fails_comes_after_them() {
        let one = emit("{\"a\":1}");
        let count = |bytes: &[u8]| {
            Batches::new(bytes).map(|batch| batch.map(|it| it.records.len())).collect::<Vec<_>>()
        };
        assert_eq!(count(&one.repeat(MOST + 3)), [Ok(MOST), Ok(3)]);
        assert_eq!(count(&one.repeat(MOST)), [Ok(MOST), Ok(0)]);
        assert_eq!(count(&[]), [Ok(0)]);
        let damaged = [one.repeat(2), one[..one.len() - 2].to_vec(), one.clone()].concat();
        let [Ok(2), Err(FileError::Damaged { offset, .. })] = &count(&damaged)[..] else {
            panic!("{:?}", count(&damaged))
        };
        assert_eq!(*offset, 2 * one.len());
        let torn = Batches::new(&one[..one.len() - 2]).next();
        assert!(matches!(torn, Some(Ok(Batch { records, tail: Tail::Torn { .. } })) if records.is_empty()));
    }
}
