// SPDX-License-Identifier: Apache-2.0
//! The part of an address behind `?`.

use std::borrow::Cow;

use adjoin_model::{Error, Result};

use crate::http::path;

/// Parameters in order; a name without `=` has no value.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;

/// Splits and decodes; `+` is a space.
///
/// # Errors
/// `Invalid` for a broken escape.
pub(crate) fn parse(query: &str) -> Result<Pairs<'_>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn pair(pair: &str) -> Result<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    match pair.split_once('=') {
        None => Ok((text(pair)?, None)),
        Some((name, value)) => Ok((text(name)?, Some(text(value)?))),
    }
}

fn text(text: &str) -> Result<Cow<'_, str>> {
    if !text.contains('+') {
        return path::decode(text);
    }
    path::decode(&text.replace('+', "%20")).map(|text| Cow::Owned(text.into_owned()))
}

/// Takes `watch` out: the bare word, or `watch=true` where the handler has no parameter of this name. Says whether it
/// stood there.
///
/// # Errors
/// `Invalid` for another value than `true` and `false`.
pub(crate) fn take_watch(pairs: &mut Pairs<'_>, declared: bool) -> Result<bool> {
    let ours = |pair: &(Cow<'_, str>, Option<Cow<'_, str>>)| pair.0 == "watch" && (pair.1.is_none() || !declared);
    let Some(at) = pairs.iter().position(ours) else { return Ok(false) };
    match pairs.remove(at).1.as_deref() {
        None | Some("" | "true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Error::invalid("watch is true or false").at("parameter", "watch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let pairs = parse("a=1+2%2B&b&c=&&d=%C3%BC").expect("parsed");
        let shown: Vec<(&str, Option<&str>)> = pairs.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        assert_eq!(shown, [("a", Some("1 2+")), ("b", None), ("c", Some("")), ("d", Some("ü"))]);
        assert!(parse("a=%zz").is_err());
        assert!(parse("a=%ff").is_err());
    }

    #[test]
    fn watch_is_ours_unless_a_parameter_has_that_name() {
        let watch = |query, declared| take_watch(&mut parse(query).expect("parsed"), declared);
        assert_eq!(watch("watch", false), Ok(true));
        assert_eq!(watch("watch=true", false), Ok(true));
        assert_eq!(watch("watch=false", false), Ok(false));
        assert_eq!(watch("a=1", false), Ok(false));
        assert_eq!(watch("watch=true", true), Ok(false));
        assert_eq!(watch("watch", true), Ok(true));
        assert!(watch("watch=maybe", false).is_err());
    }
}
