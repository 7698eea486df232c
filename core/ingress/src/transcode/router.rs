// SPDX-License-Identifier: Apache-2.0
//! Which rule a request meets: a tree by segment, literals before `*` before `**`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use adjoin_entity::spec::Answers;
use adjoin_model::Result;
use http::Method;

use crate::http::path;
use crate::transcode::binding::Binding;
use crate::transcode::template::Segment;

/// Rules of all contracts together.
const RULES: usize = 10_000;

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    one: Option<Box<Node>>,
    /// Rules that end in `**` here.
    rest: Vec<Arc<Binding>>,
    /// Rules that end here.
    leaves: Vec<Arc<Binding>>,
}

/// Every rule.
#[derive(Debug, Default)]
pub(crate) struct Router {
    root: Node,
    rules: usize,
}

/// What a request meets.
#[derive(Debug)]
pub(crate) enum Found {
    Binding(Arc<Binding>),
    /// Rules have this path, with these other HTTP methods.
    OtherMethods(String),
    Nothing,
}

impl Router {
    /// Adds a rule; of two for the same requests, the later one stays, and both are said.
    pub(crate) fn add(&mut self, binding: Binding, notes: &mut Vec<String>) {
        if self.rules == RULES {
            notes.push(format!("{} is not served: there are more than {RULES} paths", binding.path));
            return;
        }
        self.rules += 1;
        let mut node = &mut self.root;
        let mut ends_in_rest = false;
        for segment in &binding.template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => {
                    ends_in_rest = true;
                    break;
                }
            };
        }
        let place = if ends_in_rest { &mut node.rest } else { &mut node.leaves };
        let same = |other: &Arc<Binding>| other.verb == binding.verb && other.template.verb == binding.template.verb;
        if let Some(at) = place.iter().position(same) {
            let other = place.remove(at);
            let (verb, path) = (&binding.verb, &binding.path);
            let (winner, loser) = (&binding.served.path, &other.served.path);
            if winner != loser || *path != other.path {
                notes.push(format!("{verb} {path} of {winner} hides {} of {loser}", other.path));
            }
        }
        place.push(Arc::new(binding));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// Every rule, in no order.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Arc<Binding>)) {
        let mut open = vec![&self.root];
        while let Some(node) = open.pop() {
            node.leaves.iter().chain(&node.rest).for_each(&mut visit);
            open.extend(node.literals.values().chain(node.one.as_deref()));
        }
    }

    /// The rule for a request.
    ///
    /// # Errors
    /// `Invalid` for a broken escape in the path.
    pub(crate) fn find<'a>(&'a self, method: &Method, path: &str) -> Result<Found> {
        if self.is_empty() {
            return Ok(Found::Nothing);
        }
        let split = Split::of(path)?;
        let mut others: Vec<&str> = Vec::new();
        let tries = [split.verb.map(|verb| (Some(verb), &split.trimmed[..])), Some((None, &split.whole[..]))];
        for (verb, segments) in tries.into_iter().flatten() {
            let mut fits = |binding: &'a Arc<Binding>| {
                let same = binding.template.verb.as_deref() == verb;
                let takes = takes(&binding.verb, method);
                if same && !takes && !others.contains(&&*binding.verb) {
                    others.push(&binding.verb);
                }
                same && takes
            };
            if let Some(binding) = walk(&self.root, segments, &mut fits) {
                return Ok(Found::Binding(binding.clone()));
            }
        }
        Ok(if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others.join(", ")) })
    }
}

fn takes(verb: &str, method: &Method) -> bool {
    verb == "*" || verb == method.as_str() || (verb == "GET" && *method == Method::HEAD)
}

/// Each node stands at one place of the tree, so a walk sees it once at most.
fn walk<'a>(
    node: &'a Node,
    segments: &[Cow<'_, str>],
    fits: &mut impl FnMut(&'a Arc<Binding>) -> bool,
) -> Option<&'a Arc<Binding>> {
    let Some((first, others)) = segments.split_first() else {
        return exact_first(&node.leaves, fits).or_else(|| exact_first(&node.rest, fits));
    };
    let literal = node.literals.get(&**first).and_then(|node| walk(node, others, fits));
    let one = || node.one.as_ref().filter(|_| !first.is_empty());
    literal.or_else(|| one().and_then(|node| walk(node, others, fits))).or_else(|| exact_first(&node.rest, fits))
}

/// A rule for the request's own method comes before one of GET for HEAD, and that before one for any.
fn exact_first<'a>(
    rules: &'a [Arc<Binding>],
    fits: &mut impl FnMut(&'a Arc<Binding>) -> bool,
) -> Option<&'a Arc<Binding>> {
    let rank = |rule: &&Arc<Binding>| match rule.verb.as_str() {
        "*" => 2,
        "GET" => 1,
        _ => 0,
    };
    rules.iter().filter(|rule| fits(rule)).min_by_key(rank)
}

/// A path in segments, decoded, with and without a verb at its end.
struct Split<'a> {
    whole: Vec<Cow<'a, str>>,
    trimmed: Vec<Cow<'a, str>>,
    verb: Option<&'a str>,
}

impl<'a> Split<'a> {
    fn of(path: &'a str) -> Result<Self> {
        let whole = segments(path).map(path::decode).collect::<Result<Vec<_>>>()?;
        let Some((trimmed, verb)) = with_verb(path) else { return Ok(Self { whole, trimmed: Vec::new(), verb: None }) };
        let trimmed = segments(trimmed).map(path::decode).collect::<Result<Vec<_>>>()?;
        Ok(Self { whole, trimmed, verb: Some(verb) })
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').filter(move |_| !path.is_empty())
}

fn with_verb(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once(':').filter(|(_, verb)| !verb.contains('/') && !verb.is_empty())
}

/// What the variables of a rule hold in a path that meets it, in their order, decoded.
///
/// # Errors
/// `Invalid` for a broken escape.
pub(crate) fn captures(binding: &Binding, path: &str) -> Result<Vec<String>> {
    let path = match (&binding.template.verb, with_verb(path)) {
        (Some(_), Some((trimmed, _))) => trimmed,
        _ => path,
    };
    let segments: Vec<&str> = segments(path).collect();
    let ends_in_rest = binding.template.segments.last() == Some(&Segment::Rest);
    let plain = binding.served.answers == Answers::Cloudstate;
    let text = |variable: &crate::transcode::template::Variable| {
        let reaches_rest = ends_in_rest && variable.to == binding.template.segments.len();
        let to = if reaches_rest { segments.len() } else { variable.to };
        let part = segments.get(variable.from..to).unwrap_or_default();
        let many = part.len() > 1 || reaches_rest;
        let decoded = part.iter().map(|segment| capture(segment, many && !plain, plain)).collect::<Result<Vec<_>>>();
        decoded.map(|decoded| decoded.join("/"))
    };
    binding.template.variables.iter().map(text).collect()
}

/// Among several segments an encoded `/` stays encoded, as `google/api/http.proto` says; Cloudstate's proxy decodes it,
/// and reads a `+` as a space.
fn capture(segment: &str, keep_slash: bool, plus_is_space: bool) -> Result<String> {
    if keep_slash && segment.to_ascii_uppercase().contains("%2F") {
        let kept = segment.replace("%2F", "%252F").replace("%2f", "%252f");
        return path::decode(&kept).map(Cow::into_owned);
    }
    if plus_is_space && segment.contains('+') {
        return path::decode(&segment.replace('+', "%20")).map(Cow::into_owned);
    }
    path::decode(segment).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_contract::{Contract, HttpRule, Limits, Verb};

    /// A router with these rules of one method, and what was noted.
    fn router(rules: &[(&str, &str)]) -> (Router, Vec<String>) {
        let mut compiler = protox::Compiler::new(["tests/protos", "../contract/tests/protos"]).expect("folders");
        compiler.include_imports(true).open_file("post.proto").expect("sound files");
        let contract =
            Contract::parse(&compiler.encode_file_descriptor_set().into(), &Limits::default()).expect("a contract");
        let method = contract.service("post.Box").and_then(|service| service.method("Send")).expect("a method");
        let (mut router, mut notes) = (Router::default(), Vec::new());
        for (at, (verb, path)) in rules.iter().enumerate() {
            let verb = match *verb {
                "GET" => Verb::Get,
                "POST" => Verb::Post,
                other => Verb::Custom(other.into()),
            };
            let (path, body, response_body) = ((*path).into(), String::new(), String::new());
            let http = vec![HttpRule { selector: String::new(), verb, path, body, response_body }];
            let served = crate::contract::Served::for_tests(
                &format!("m{at}"),
                adjoin_contract::Method { http, ..method.clone() },
            );
            for binding in crate::transcode::bindings(&Arc::new(served), &mut notes) {
                router.add(binding, &mut notes);
            }
        }
        (router, notes)
    }

    /// Which rule is met, and what its variables hold.
    fn met(router: &Router, method: Method, path: &str) -> Option<(String, Vec<String>)> {
        match router.find(&method, path).expect("sound escapes") {
            Found::Binding(binding) => Some((binding.path.clone(), captures(&binding, path).expect("texts"))),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }

    fn get(router: &Router, path: &str) -> Option<(String, Vec<String>)> {
        met(router, Method::GET, path)
    }

    fn some(path: &str, captures: &[&str]) -> Option<(String, Vec<String>)> {
        Some((path.into(), captures.iter().map(|text| (*text).to_owned()).collect()))
    }

    #[test]
    fn the_most_exact_rule_is_met() {
        let rules = [
            ("GET", "/v1/{box}"),
            ("GET", "/v1/mine"),
            ("GET", "/v1/{box=**}"),
            ("GET", "/v1/{box=shelves/*}/{text}"),
            ("GET", "/v1/{box}:open"),
            ("*", "/any/{box}"),
            ("GET", "/any/{text}"),
            ("LINK", "/link/{box=a/**}"),
        ];
        let (router, notes) = router(&rules);
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(get(&router, "/v1/x"), some("/v1/{box}", &["x"]));
        assert_eq!(get(&router, "/v1/mine"), some("/v1/mine", &[]));
        assert_eq!(get(&router, "/v1/x/y/z"), some("/v1/{box=**}", &["x/y/z"]));
        assert_eq!(get(&router, "/v1/shelves/1/t"), some("/v1/{box=shelves/*}/{text}", &["shelves/1", "t"]));
        assert_eq!(get(&router, "/v1/x:open"), some("/v1/{box}:open", &["x"]));
        assert_eq!(get(&router, "/v1/x:shut"), some("/v1/{box}", &["x:shut"]));
        assert_eq!(get(&router, "/any/x"), some("/any/{text}", &["x"]));
        assert_eq!(met(&router, Method::DELETE, "/any/x"), some("/any/{box}", &["x"]));
        let link = Method::from_bytes(b"LINK").expect("a method");
        assert_eq!(met(&router, link, "/link/a/b/c"), some("/link/{box=a/**}", &["a/b/c"]));
        for path in ["/", "/v2/x", "/any", "/any/", "/any/x/y"] {
            assert_eq!(get(&router, path), None, "{path}");
        }
    }

    #[test]
    fn escapes_are_decoded_behind_the_split() {
        let (router, _) = router(&[("GET", "/one/{box}"), ("GET", "/all/{box=**}"), ("GET", "/caf%C3%A9/{box}")]);
        assert_eq!(get(&router, "/one/a%2Fb+c"), some("/one/{box}", &["a/b+c"]));
        assert_eq!(get(&router, "/all/a%2Fb/c%20d"), some("/all/{box=**}", &["a%2Fb/c d"]));
        assert_eq!(get(&router, "/caf%c3%a9/x"), some("/caf%C3%A9/{box}", &["x"]));
        assert!(router.find(&Method::GET, "/one/%zz").is_err());
    }

    #[test]
    fn of_two_rules_for_the_same_requests_both_are_named() {
        let (router, notes) = router(&[("GET", "/a/{box}"), ("POST", "/a/{box}"), ("GET", "/a/{text}")]);
        assert_eq!(notes, ["GET /a/{text} of /post.Box/m2 hides /a/{box} of /post.Box/m0"]);
        assert_eq!(get(&router, "/a/x"), some("/a/{text}", &["x"]));
        let Ok(Found::OtherMethods(allow)) = router.find(&Method::PUT, "/a/x") else { panic!("other methods") };
        assert_eq!(allow, "POST, GET");
    }

    #[test]
    fn rules_that_do_not_fit_their_messages_are_said() {
        let rules =
            [("GET", "/a/{nothing}"), ("GET", "/b/{tags}"), ("GET", "/c/{sender}"), ("GET", "d"), ("A B", "/e")];
        let (router, notes) = router(&rules);
        assert!(router.is_empty());
        for (note, part) in notes.iter().zip([
            "no field \"nothing\"",
            "no single value",
            "no single value",
            "begin with",
            "HTTP method",
        ]) {
            assert!(note.contains(part), "{note}");
        }
        assert_eq!(notes.len(), rules.len());
    }
}
