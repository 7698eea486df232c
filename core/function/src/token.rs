// SPDX-License-Identifier: Apache-2.0
//! A shared secret between a host and a function on a loopback port, which any user of the machine can reach.

use adjoin_model::{Error, Result};
use tonic::metadata::{Ascii, MetadataValue};

/// The metadata that carries it.
pub(crate) const HEADER: &str = "authorization";

const SCHEME: &str = "Bearer ";

/// The value of the header.
///
/// # Errors
/// `Invalid` when the token holds other than visible ASCII.
pub(crate) fn header(token: &str) -> Result<MetadataValue<Ascii>> {
    let sound = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = sound.then(|| MetadataValue::try_from(format!("{SCHEME}{token}")).ok()).flatten();
    let mut value =
        value.ok_or_else(|| Error::invalid("a function's token has one or more visible ASCII characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the headers bring this token. Takes the same time wherever they differ.
pub(crate) fn is_brought(token: &str, headers: &http::HeaderMap) -> bool {
    let brought = headers.get(HEADER).and_then(|value| value.as_bytes().strip_prefix(SCHEME.as_bytes()));
    brought.is_some_and(|brought| same(brought, token.as_bytes()))
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_taken() {
        let headers = |value: &str| {
            http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().expect("a header value"))])
        };
        assert!(is_brought("s3cret", &headers("Bearer s3cret")));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Bearer S3cret", "s3cret", "Bearer "] {
            assert!(!is_brought("s3cret", &headers(wrong)), "{wrong}");
        }
        assert!(!is_brought("s3cret", &http::HeaderMap::new()));
        assert!(header("a b").is_err() && header("").is_err() && header("ä").is_err());
    }
}
