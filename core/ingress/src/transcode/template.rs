// SPDX-License-Identifier: Apache-2.0
//! Path templates of `google.api.http`, by the grammar in `google/api/http.proto`.

/// Segments of one template, so that a router stays small whatever a function declares.
const SEGMENTS: usize = 64;

/// What one segment of a path is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text, percent-decoded.
    Literal(String),
    /// `*`: anything but nothing.
    One,
    /// `**`: all that is left, at the end only.
    Rest,
}

/// A field that a part of the path is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// `sender.name`
    pub(crate) field: String,
    /// Its first segment.
    pub(crate) from: usize,
    /// Behind its last one; of one that holds a `**`, not more than what the template says.
    pub(crate) to: usize,
}

/// `/v1/{name=shelves/*}:verb`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) verb: Option<String>,
    pub(crate) variables: Vec<Variable>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else { return Err("it does not begin with '/'".into()) };
        let mut template = Self::default();
        let mut rest = rest;
        while !rest.is_empty() {
            rest = template.piece(rest)?;
            match rest.chars().next() {
                None => break,
                Some('/') if rest.len() > 1 => rest = &rest[1..],
                Some('/') => return Err("it ends in '/'".into()),
                Some(':') => {
                    template.verb = Some(verb(&rest[1..])?);
                    break;
                }
                Some(other) => return Err(format!("{other:?} stands where a '/' is expected")),
            }
        }
        template.check()?;
        Ok(template)
    }

    /// Takes a segment, or a variable with the segments of its own.
    fn piece<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(['/', ':', '{', '}']).unwrap_or(text.len());
            self.segments.push(segment(&text[..end])?);
            return Ok(&text[end..]);
        };
        let (inner, rest) = inner.split_once('}').ok_or("a '{' has no '}'")?;
        let (field, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        let from = self.segments.len();
        for piece in pattern.split('/') {
            self.segments.push(segment(piece)?);
        }
        let variable = Variable { field: field.trim().to_owned(), from, to: self.segments.len() };
        if self.variables.iter().any(|other| other.field == variable.field) {
            return Err(format!("the variable {field} stands twice"));
        }
        self.variables.push(variable);
        Ok(rest)
    }

    fn check(&self) -> Result<(), String> {
        if self.segments.len() > SEGMENTS {
            return Err(format!("it has more than {SEGMENTS} segments"));
        }
        let inner = self.segments.split_last().map_or(&[][..], |(_, inner)| inner);
        if inner.contains(&Segment::Rest) { Err("'**' stands before its end".into()) } else { Ok(()) }
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    match text {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        "" => Err("a segment is empty".into()),
        _ if text.contains(['*', '{', '}', ':', '=']) => Err(format!("{text:?} is no segment")),
        _ => match crate::http::path::decode(text) {
            Ok(literal) => Ok(Segment::Literal(literal.into_owned())),
            Err(error) => Err(error.message),
        },
    }
}

fn verb(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['/', ':', '*', '{', '}']) {
        return Err(format!("{text:?} is no verb"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.into())
    }

    #[test]
    fn every_form_is_read() {
        let template = Template::parse("/v1/{name=shelves/*/books/**}:read").expect("a template");
        assert_eq!(
            template.segments,
            [literal("v1"), literal("shelves"), Segment::One, literal("books"), Segment::Rest]
        );
        assert_eq!(template.variables, [Variable { field: "name".into(), from: 1, to: 5 }]);
        assert_eq!(template.verb.as_deref(), Some("read"));
        let template = Template::parse("/{a}/*/{b.c}").expect("a template");
        assert_eq!(template.segments, [Segment::One, Segment::One, Segment::One]);
        assert_eq!(template.variables[1], Variable { field: "b.c".into(), from: 2, to: 3 });
        assert_eq!(Template::parse("/"), Ok(Template::default()));
        assert_eq!(Template::parse("/caf%C3%A9").expect("a template").segments, [literal("café")]);
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = "/a".repeat(SEGMENTS + 1);
        for text in [
            "",
            "a",
            "/a/",
            "/a//b",
            "/{a",
            "/a}",
            "/{a}b",
            "/{a}/{a}",
            "/**/a",
            "/{a=**}/b",
            "/a:",
            "/a:b:c",
            "/a*",
            &long,
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse("/{a={b}}").is_err(), "nested");
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "[/a{}=*:%.]{0,24}") {
            let _ = Template::parse(&text);
        }
    }
}
