// SPDX-License-Identifier: Apache-2.0
//! Votes.

use crate::causal::Causal;
use crate::dot::{Dot, ReplicaId};
use crate::dots::{Carried, Dots};
use crate::edit::{Edit, slotted};
use crate::error::Error;
use crate::read::Reader;
use crate::store::{is_a, wraps};
use crate::write::Writer;

/// Yes or no of each member, counted over those who are members when it is asked. (Cloudstate's Vote, whose replicas
/// each keep one slot that only they write, as in the counters of Shapiro et al., 2011, §3.1; here the slot is a dot and
/// names the member's epoch, so that a member that came back has not voted yet.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vote(Dots<Ballot>);

wraps!(Vote);
slotted!(Vote, Ballot);
is_a!(Vote, retire: |edit: &mut Edit<'_, Self>, old| {
    edit.drop_where(|dot| dot.replica == old);
    Ok::<(), Error>(())
});

/// What a member said, in which of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ballot {
    /// The member's epoch when it voted.
    pub epoch: u64,
    /// What it said.
    pub is_yes: bool,
}

impl Carried for Ballot {
    fn write(&self, out: &mut Writer) {
        out.number(self.epoch);
        out.byte(u8::from(self.is_yes));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Error> {
        let epoch = input.number()?;
        match input.byte()? {
            yes @ (0 | 1) => Ok(Self { epoch, is_yes: yes == 1 }),
            _ => Err(Error::Malformed("a ballot that is neither yes nor no")),
        }
    }
}

/// The count of a [`Vote`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members that said yes.
    pub votes_for: usize,
    /// Members.
    pub voters: usize,
}

impl Vote {
    /// What a member said in this epoch; no if it said nothing.
    #[must_use]
    pub fn is_yes(&self, member: ReplicaId, epoch: u64) -> bool {
        self.0.newest_of(member) == Some(&Ballot { epoch, is_yes: true })
    }

    /// Counts over the members, each with its epoch.
    pub fn tally(&self, members: impl IntoIterator<Item = (ReplicaId, u64)>) -> Tally {
        members.into_iter().fold(Tally::default(), |tally, (member, epoch)| Tally {
            votes_for: tally.votes_for + usize::from(self.is_yes(member, epoch)),
            voters: tally.voters + 1,
        })
    }

    /// The ballots at hand, of members and of others.
    pub fn ballots(&self) -> impl Iterator<Item = (ReplicaId, Ballot)> {
        self.0.newest().map(|(dot, ballot)| (dot.replica, *ballot))
    }
}

impl Edit<'_, Vote> {
    /// The editing replica says yes or no in this epoch. To repeat oneself, or to say no first, is no write.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn set(&mut self, epoch: u64, is_yes: bool) -> Result<(), Error> {
        let (own, ballot) = (self.turn.replica, Ballot { epoch, is_yes });
        let said = self.0.newest_of(own).copied().unwrap_or(Ballot { epoch, is_yes: false });
        if said == ballot { Ok(()) } else { self.overwrite(|dot| dot.replica == own, ballot) }
    }

    /// Drops the ballots of all that `is_member` does not know.
    pub fn retain(&mut self, is_member: impl Fn(ReplicaId) -> bool) {
        self.drop_where(|dot: Dot| !is_member(dot.replica));
    }
}

impl Causal<Vote> {
    /// [`Edit::set`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn set(&mut self, replica: ReplicaId, epoch: u64, is_yes: bool) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |vote| vote.set(epoch, is_yes));
        outcome.map(|()| delta)
    }
}
