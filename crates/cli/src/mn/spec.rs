//! `name,arg,key=value`: how Mininet writes a thing with parameters.

use crate::exit::Failure;

/// A thing and its parameters, each to be taken once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec<'a> {
    pub(super) name: &'a str,
    plain: Vec<&'a str>,
    keyed: Vec<(&'a str, &'a str)>,
    whole: &'a str,
}

impl<'a> Spec<'a> {
    pub(super) fn parse(whole: &'a str) -> Result<Self, Failure> {
        let mut parts = whole.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut plain, mut keyed) = (Vec::new(), Vec::new());
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => keyed.push((key, value)),
                None if !part.is_empty() => plain.push(part),
                _ => {
                    return Err(Failure::usage(format!("`{whole}`: `{part}` is no parameter."))
                        .hint("name,key=value,..."));
                }
            }
        }
        Ok(Self { name, plain, keyed, whole })
    }

    /// Takes the parameter of that name.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let index = self.keyed.iter().position(|(name, _)| *name == key)?;
        Some(self.keyed.remove(index).1)
    }

    /// Takes the parameter of that name, or the next one without a name.
    pub(super) fn take_or_next(&mut self, key: &str) -> Option<&'a str> {
        self.take(key).or_else(|| (!self.plain.is_empty()).then(|| self.plain.remove(0)))
    }

    /// The number of that name, or the next one without a name.
    pub(super) fn number(&mut self, key: &str, default: u32) -> Result<u32, Failure> {
        match self.take_or_next(key) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|&number| number > 0).ok_or_else(|| {
                Failure::usage(format!("`{}`: {key}={text} is no number above 0.", self.whole))
            }),
        }
    }

    /// Refuses what is left: a parameter is never ignored.
    pub(super) fn end(self, known: &str) -> Result<(), Failure> {
        let left = self.keyed.first().map(|(key, _)| *key).or_else(|| self.plain.first().copied());
        match left {
            None => Ok(()),
            Some(left) => {
                Err(Failure::usage(format!("`{}`: the parameter `{left}` is not known.", self.whole))
                    .hint(format!("parameters: {known}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_once_and_none_is_left_over() {
        let mut spec = Spec::parse("tree,2,fanout=3").unwrap();
        assert_eq!(spec.name, "tree");
        assert_eq!(spec.number("fanout", 1).unwrap(), 3);
        assert_eq!(spec.number("depth", 1).unwrap(), 2);
        assert_eq!(spec.number("more", 9).unwrap(), 9);
        spec.end("").unwrap();
        assert!(Spec::parse("tree,2").unwrap().end("depth").is_err());
        assert!(Spec::parse("tree,=2").is_err() && Spec::parse("tree,,2").is_err());
        assert!(Spec::parse("tree,k=0").unwrap().number("k", 1).is_err());
    }
}
