// SPDX-License-Identifier: Apache-2.0
//! Texts of a case with the names that stand for values, and comparing what came with what was expected.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::case::Expect;
use crate::http::Answer;

/// Names and what they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// The keys `{a}` to `{d}` of a case.
    pub(crate) fn of(case: &str, run: &str) -> Self {
        let key = |letter: &str| (letter.to_owned(), format!("{case}-{run}-{letter}"));
        Self(["a", "b", "c", "d"].map(key).into())
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn with(&self, name: &str, value: String) -> Self {
        let mut names = self.clone();
        names.set(name, value);
        names
    }

    /// The text with every known `{name}` replaced.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    pub(crate) fn json(&self, text: &str) -> Result<Value, String> {
        let text = self.fill(text);
        serde_json::from_str(&text).map_err(|error| format!("the case itself: {text} is no JSON: {error}"))
    }
}

type Checked = Result<(), String>;

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, expected {expected:?}"))
}

impl Expect {
    /// Says what of the answer is not as expected.
    pub(crate) fn check(&self, answer: &Answer, names: &Names) -> Checked {
        let checked =
            self.status(answer).and_then(|()| self.head(answer, names)).and_then(|()| self.body(answer, names));
        checked.map_err(|said| format!("{said}; the answer: {answer}"))
    }

    fn status(&self, answer: &Answer) -> Checked {
        self.status.map_or(Ok(()), |status| equal("the status", &answer.status, &status))
    }

    fn head(&self, answer: &Answer, names: &Names) -> Checked {
        if let Some(etag) = &self.etag {
            equal("the etag", &answer.header("etag"), &Some(&*format!("\"{}\"", names.fill(etag))))?;
        }
        for (name, value) in &self.headers {
            match (answer.header(name), &**value) {
                (Some(_), "*") => {}
                (found, expected) => equal(&format!("the header {name}"), &found, &Some(expected))?,
            }
        }
        Ok(())
    }

    fn body(&self, answer: &Answer, names: &Names) -> Checked {
        if let Some(raw) = &self.raw {
            equal("the body", &answer.text(), &names.fill(raw))?;
        }
        if let Some(body) = &self.body {
            equal("the body", &answer.json()?, &names.json(body)?)?;
        }
        for (member, expected) in [("kind", &self.kind), ("code", &self.code), ("outcome", &self.outcome)] {
            if let Some(expected) = expected {
                equal(
                    &format!("the problem's {member}"),
                    &answer.at(&format!("/{member}"))?,
                    &expected.clone().into(),
                )?;
            }
        }
        self.parts(answer, names)
    }

    fn parts(&self, answer: &Answer, names: &Names) -> Checked {
        let text = answer.text();
        if self.holds.as_ref().is_some_and(|part| !text.contains(&names.fill(part))) {
            return Err(format!("the body does not hold {:?}", self.holds));
        }
        if self.hides.as_ref().is_some_and(|part| text.contains(part)) {
            return Err(format!("the body shows {:?}", self.hides));
        }
        for (pointer, expected) in &self.at {
            equal(pointer, &answer.at(pointer)?, &names.json(expected)?)?;
        }
        for (pointer, bound) in &self.greater {
            let (found, bound) = (answer.at(pointer)?, names.json(bound)?);
            if found.as_f64() <= bound.as_f64() {
                return Err(format!("{pointer} is {found}, not greater than {bound}"));
            }
        }
        for (pointer, other) in &self.differs {
            let (found, other) = (answer.at(pointer)?, names.json(other)?);
            if found == other {
                return Err(format!("{pointer} is {found} as before"));
            }
        }
        Ok(())
    }

    /// Checks the bodies of all repetitions together.
    pub(crate) fn check_all(&self, answers: &[Answer], names: &Names) -> Checked {
        let mut expected: Vec<String> = match (&self.bodies, self.counts) {
            (Some(bodies), _) => names.json(bodies)?.as_array().into_iter().flatten().map(Value::to_string).collect(),
            (None, Some(count)) => (1..=count).map(|number| number.to_string()).collect(),
            (None, None) => return Ok(()),
        };
        let mut found: Vec<String> = answers.iter().map(Answer::text).collect();
        expected.sort();
        found.sort();
        equal("all bodies together are", &found, &expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        Answer { status, headers: [("etag".to_owned(), "\"3\"".to_owned())].into(), body: text.to_owned().into() }
    }

    fn expect(toml: &str) -> Expect {
        toml::from_str(toml).expect("an expectation")
    }

    #[test]
    fn what_is_as_expected_passes() {
        let names = Names::of("case", "1").with("before", "4".into());
        let sound = expect(
            "status = 200\netag = '3'\nbody = '{\"x\":5,\"k\":\"case-1-a\"}'\nhides = 'secret'\nholds = '{a}'\n\
             at = { '/x' = '5' }\ngreater = { '/x' = '{before}' }\ndiffers = { '/x' = '4' }\nheaders = { etag = '*' }",
        );
        assert_eq!(sound.check(&answer(200, r#"{"k":"case-1-a","x":5}"#), &names), Ok(()));
    }

    #[test]
    fn every_expectation_can_fail() {
        let names = Names::of("case", "1");
        for toml in [
            "status = 400",
            "etag = '4'",
            "body = '6'",
            "raw = '5 '",
            "kind = 'Rejected'",
            "holds = 'six'",
            "hides = '5'",
            "at = { '/x' = '1' }",
            "greater = { '' = '5' }",
            "differs = { '' = '5' }",
            "headers = { other = '*' }",
            "outcome = 'none'",
            "code = 'ABORTED'",
        ] {
            assert!(expect(toml).check(&answer(200, "5"), &names).is_err(), "{toml}");
        }
        let all = expect("bodies = '[1, 2]'");
        assert_eq!(all.check_all(&[answer(200, "2"), answer(200, "1")], &names), Ok(()));
        assert!(all.check_all(&[answer(200, "2"), answer(200, "2")], &names).is_err());
    }
}
