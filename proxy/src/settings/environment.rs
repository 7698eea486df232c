// SPDX-License-Identifier: Apache-2.0
//! Settings from variables of the environment: `ADJOIN_LISTEN`, `ADJOIN_ENGINE__LIMITS__MAILBOX`, and the names that
//! Cloudstate's containers use.

use serde_json::Value;

use super::Layers;
use crate::failure::{Failure, Outcome};

const PREFIX: &str = "ADJOIN_";

/// Variables with the prefix that are read elsewhere: by `adjoin call` and the admin commands, and by SDKs.
const OTHERS: [&str; 4] = ["ADJOIN_ADDRESS", "ADJOIN_SETTINGS", "ADJOIN_FUNCTION_LISTEN", "ADJOIN_CACHE"];

/// Adds what the variables say.
///
/// # Errors
/// Usage, naming the variable, when a value does not fit.
pub(super) fn add(layers: &mut Layers, variables: &[(String, String)]) -> Outcome<()> {
    add_cloudstate(layers, variables)?;
    for name in layers.names() {
        let variable = variable_of(&name);
        if let Some(text) = find(variables, &variable) {
            let origin = format!("variable {variable}");
            let number = text.parse::<u64>().ok().filter(|_| layers.get(&name).is_some_and(Value::is_null));
            // A setting without default does not show what kind of value it takes.
            if number.is_some_and(|number| layers.set(&name, number.into(), origin.clone()).is_ok()) {
                continue;
            }
            let value = value_like(layers.get(&name), text);
            layers.set(&name, value, origin)?;
        }
    }
    warn_of_unknown(layers, variables);
    Ok(())
}

fn find<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The variable of a setting: `engine.limits.mailbox` is `ADJOIN_ENGINE__LIMITS__MAILBOX`.
fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase().replace('.', "__"))
}

/// The text as the kind of value that the setting has now; what fits nothing stays text and is refused by its setting.
fn value_like(present: Option<&Value>, text: &str) -> Value {
    match present {
        Some(Value::Number(_)) => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
        Some(Value::Bool(_)) => match text {
            "true" | "1" => true.into(),
            "false" | "0" => false.into(),
            other => other.into(),
        },
        // Nothing between the commas is nothing: so a list can be emptied.
        Some(Value::Array(_)) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
        _ => text.into(),
    }
}

/// `USER_FUNCTION_HOST`, `USER_FUNCTION_PORT` and `HTTP_PORT`, weaker than the variables of our own.
fn add_cloudstate(layers: &mut Layers, variables: &[(String, String)]) -> Outcome<()> {
    let host = find(variables, "USER_FUNCTION_HOST");
    let port = find(variables, "USER_FUNCTION_PORT");
    if host.is_some() || port.is_some() {
        let port = number("USER_FUNCTION_PORT", port.unwrap_or("8080"))?;
        let address = format!("{}:{port}", host.unwrap_or("127.0.0.1"));
        layers.set("function", address.into(), "variable USER_FUNCTION_HOST or USER_FUNCTION_PORT".into())?;
    }
    if let Some(text) = find(variables, "HTTP_PORT") {
        let port = number("HTTP_PORT", text)?;
        let host = layers.settings()?.listen.ip();
        layers.set("listen", std::net::SocketAddr::new(host, port).to_string().into(), "variable HTTP_PORT".into())?;
    }
    Ok(())
}

fn number(variable: &str, text: &str) -> Outcome<u16> {
    text.parse().map_err(|_| Failure::usage(format!("{variable} is {text:?}: it must be a port, 0 to 65535")))
}

/// Only warned of: a cluster puts variables of its own into a container (`ADJOIN_PORT_9000_TCP`, …), and a host that
/// refuses to start because a service has its name would be a bad neighbour.
fn warn_of_unknown(layers: &mut Layers, variables: &[(String, String)]) {
    let names = layers.names();
    for (variable, _) in variables.iter().filter(|(variable, _)| variable.starts_with(PREFIX)) {
        let known = OTHERS.contains(&variable.as_str()) || names.iter().any(|name| variable_of(name) == *variable);
        if known || variable.contains("_PORT") || variable.contains("_SERVICE_") {
            continue;
        }
        let meant = layers.nearest(&variable[PREFIX.len()..].to_lowercase().replace("__", "."));
        let meant = meant.map_or(String::new(), |name| format!("; did you mean {}?", variable_of(&name)));
        layers.notices.push(format!("the variable {variable} names no setting{meant}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Outcome<Settings> {
        let mut layers = Layers::new(&Settings::default())?;
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        add(&mut layers, &variables)?;
        layers.settings()
    }

    #[test]
    fn a_variable_sets_the_setting_it_names() {
        let settings = read(&[
            ("ADJOIN_LISTEN", "127.0.0.1:7"),
            ("ADJOIN_ENGINE__LIMITS__MAILBOX", "9"),
            ("ADJOIN_MEMORY", "1"),
            ("ADJOIN_DATA", "7"),
            ("ADJOIN_SHARDS", "64"),
            ("ADJOIN_INGRESS__CORS_ORIGINS", "https://a.example, http://b.example:8080"),
            ("ADJOIN_LOG_FORMAT", "json"),
        ])
        .unwrap();
        assert_eq!((settings.listen.port(), settings.engine.limits.mailbox, settings.memory), (7, 9, true));
        assert_eq!(settings.shards, Some(64));
        assert_eq!(settings.ingress.cors_origins, ["https://a.example", "http://b.example:8080"]);
        assert_eq!((settings.data, settings.log_format), (Some("7".into()), super::super::LogFormat::Json));
    }

    #[test]
    fn own_variables_are_stronger_than_those_of_cloudstate() {
        let settings = read(&[("USER_FUNCTION_PORT", "1"), ("HTTP_PORT", "2")]).unwrap();
        assert_eq!((settings.function.as_str(), settings.listen.port()), ("127.0.0.1:1", 2));
        let settings = read(&[("USER_FUNCTION_HOST", "f"), ("ADJOIN_FUNCTION", "g:3"), ("HTTP_PORT", "2")]).unwrap();
        assert_eq!(settings.function, "g:3");
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_variable() {
        for (variable, value) in [("ADJOIN_SHARDS", "many"), ("HTTP_PORT", "x"), ("ADJOIN_LISTEN", "9000")] {
            let said = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(said.contains(variable), "{said}");
        }
    }
}
