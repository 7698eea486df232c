// SPDX-License-Identifier: Apache-2.0
//! Which protocol a function speaks, and what it said in it.

use std::sync::Arc;

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::spec::Spec;
use adjoin_model::{Error, Kind, Limits, Result};
use adjoin_wire::protocol::Hello;
use adjoin_wire::welcome;
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::cloudstate::{self, Found};
use crate::contract;
use crate::dial::{Discovered, Link};
use crate::inbound::Inbound;
use crate::settings::Protocol;
use crate::status::is_unimplemented;

/// What a function has, sound, in the protocol that it speaks.
pub(crate) enum Agreed {
    Adjoin(Discovered),
    Cloudstate(Box<Found>),
}

/// Why a function is not taken.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    cloudstate: bool,
}

/// What a function in session says.
pub(crate) enum Said {
    Adjoin(Box<Inbound<FunctionFrame>>),
    Cloudstate(cloudstate::Session),
}

type ToFunction = UnboundedSender<Vec<adjoin_entity::frame::HostFrame>>;

/// Asks the function what it has, in the protocol that it is to speak, or in those that it may speak.
pub(crate) async fn ask(link: &mut Link) -> core::result::Result<Agreed, Refusal> {
    let protocol = link.settings().protocol;
    if protocol != Protocol::Cloudstate {
        let check = link.settings().check;
        match link.discover().await.and_then(|discovered| checked(discovered, check)) {
            Ok(discovered) => return Ok(Agreed::Adjoin(discovered)),
            Err(error) if protocol == Protocol::Auto && is_unimplemented(&error) => {
                let again = link.for_cloudstate().await;
                *link = again.map_err(|error| Refusal { error, cloudstate: true })?;
            }
            Err(error) => return Err(Refusal { error, cloudstate: false }),
        }
    }
    let found = cloudstate::discover(link).await;
    found.map(|found| Agreed::Cloudstate(Box::new(found))).map_err(|error| {
        let error = if protocol == Protocol::Auto && is_unimplemented(&error) { neither(error, link) } else { error };
        Refusal { error, cloudstate: true }
    })
}

fn checked(discovered: Discovered, also: fn(&Spec) -> Result<()>) -> Result<Discovered> {
    discovered.spec.check()?;
    contract::check(&discovered.spec)?;
    also(&discovered.spec)?;
    Ok(discovered)
}

fn neither(error: Error, link: &Link) -> Error {
    let said = format!(
        "what listens at {} speaks neither adjoin.protocol.v1 nor the Cloudstate protocol 0.2 (Discover and discover are \
         not implemented there): start a function made with an SDK of one of them, or correct the address",
        link.address()
    );
    Error { message: said, ..error }
}

impl Refusal {
    /// Whether the function is wrong, not the connection, and can be told so.
    pub(crate) fn is_about_the_spec(&self) -> bool {
        self.error.kind == Kind::Invalid && !is_unimplemented(&self.error)
    }

    /// Tells the function.
    pub(crate) async fn report(&self, link: &mut Link) -> Result<()> {
        if self.cloudstate {
            cloudstate::report(link, &self.error.message).await;
            return Ok(());
        }
        link.report_spec_error(&self.error.message).await
    }
}

impl Agreed {
    /// The same, if what it has may be taken.
    pub(crate) fn if_taken(self, takes: impl FnOnce(&Spec) -> Result<()>) -> core::result::Result<Self, Refusal> {
        let (spec, cloudstate) = match &self {
            Self::Adjoin(discovered) => (&discovered.spec, false),
            Self::Cloudstate(found) => (&found.spec, true),
        };
        let taken = takes(spec);
        taken.map(|()| self).map_err(|error| Refusal { error, cloudstate })
    }

    /// Opens a session: gives what the function has, what it takes, where frames to it go, and what it says.
    pub(crate) async fn open(self, link: &mut Link, limits: &Limits) -> Result<(Arc<Spec>, Hello, ToFunction, Said)> {
        let (to_function, outgoing) = mpsc::unbounded_channel();
        match self {
            Self::Adjoin(Discovered { spec, version }) => {
                let (hello, inbound) = link.connect(welcome(version, limits), outgoing).await?;
                Ok((Arc::new(spec), hello, to_function, Said::Adjoin(Box::new(inbound))))
            }
            Self::Cloudstate(found) => {
                let Found { spec, model, warnings } = *found;
                for warning in &warnings {
                    tracing::warn!(function = %link.address(), "{warning}");
                    cloudstate::report(link, warning).await;
                }
                // No bound of its own: each stream of the transport has one, and open streams of clients are no work.
                let hello = Hello { running: u32::MAX, bytes: 0 };
                let said = cloudstate::Session::new(link, model, limits, outgoing);
                Ok((Arc::new(spec), hello, to_function, Said::Cloudstate(said)))
            }
        }
    }
}

impl Said {
    /// The next frames, as [`Inbound::recv`] gives them.
    pub(crate) async fn recv(&mut self) -> Result<Option<Vec<FunctionFrame>>> {
        match self {
            Self::Adjoin(inbound) => inbound.recv().await,
            Self::Cloudstate(session) => session.recv().await,
        }
    }
}
