// SPDX-License-Identifier: Apache-2.0
//! Where a function listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use adjoin_model::Error;

/// The address of a function: `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`, or `unix:/run/shop.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host and a port over TCP. The host is a name or an IP address; one of version 6 without its brackets.
    Tcp {
        /// Name or IP address.
        host: String,
        /// Port; 0, for a listener, is any free one.
        port: u16,
    },
    /// A Unix socket, by its path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is the same path, as URIs write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(malformed(text)) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| malformed(text))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) => host,
            None if host.contains(':') => return Err(malformed(text)),
            None => host,
        };
        let sound = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:%".contains(&b));
        match port.parse() {
            Ok(port) if sound => Ok(Self::Tcp { host: host.to_owned(), port }),
            Ok(_) | Err(_) => Err(malformed(text)),
        }
    }
}

fn malformed(text: &str) -> Error {
    let shown: String = text.chars().take(64).collect();
    Error::invalid(format!("{shown:?} is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/path/to.sock"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["127.0.0.1:8080", "localhost:0", "[::1]:80", "shop-1.svc.local:65535", "unix:/run/shop.sock"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        assert_eq!("unix:///run/x".parse::<Address>(), Ok(Address::Unix("/run/x".into())));
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in ["", "8080", ":8080", "::1:80", "a b:80", "host:port", "host:70000", "unix:", "unix://"] {
            let error = text.parse::<Address>().expect_err(text);
            assert_eq!(error.kind, Kind::Invalid, "{text}");
            assert!(error.message.contains("127.0.0.1:8080"), "{error}");
        }
    }
}
