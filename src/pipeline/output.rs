//! What leaves a shard with a batch: owned values on their way to the collector.

use std::collections::BTreeSet;

use super::app::EndedFlow;
use super::shard::counters_of;
use super::tables;
use crate::base::{Addr, Timestamp, counters::Counters};
use crate::detect::asking::{Server, Unproven};
use crate::detect::certificates::Shown;
use crate::detect::{Sighting, guessing::Attempt};
use crate::device::{Claim, links::Banner};
use crate::record::{RowBuffer, Table};

/// A host learnt what a name stands for.
#[derive(Debug, Clone)]
pub struct NameBinding {
    /// Who asked.
    pub host: Addr,
    /// The address in the answer.
    pub addr: Addr,
    /// The name that was asked for.
    pub name: String,
    /// When the answer came.
    pub ts: Timestamp,
}

/// What one shard made of one batch.
#[derive(Debug)]
pub struct ShardOutput {
    /// Rows by table, in the order of [`tables::ALL`].
    pub rows: Vec<RowBuffer>,
    /// Flows that ended.
    pub flows: Vec<EndedFlow>,
    /// What detectors saw.
    pub sightings: Vec<Sighting>,
    /// Servers that asked for a login with HTTP, once for each batch.
    pub asking: BTreeSet<Server>,
    /// Logins that count as accepted only where their server asks.
    pub unproven: Vec<Unproven>,
    /// Logins that were tried.
    pub attempts: Vec<Attempt>,
    /// Certificates that hosts showed for the first time.
    pub certificates: Vec<Shown>,
    /// What was learnt of devices.
    pub claims: Vec<Claim>,
    /// What servers said of themselves.
    pub banners: Vec<Banner>,
    /// Names that hosts looked up.
    pub names: Vec<NameBinding>,
    /// DNS servers that DHCP told clients to use.
    pub resolvers: Vec<Addr>,
    /// Bytes that the shard's flows and parsers take after the batch.
    pub memory: usize,
    /// Counters by interface of the batch's capture.
    counters: Vec<Counters>,
}

impl Default for ShardOutput {
    fn default() -> Self {
        Self {
            rows: (0..tables::ALL.len()).map(|_| RowBuffer::default()).collect(),
            flows: Vec::new(),
            sightings: Vec::new(),
            asking: BTreeSet::new(),
            unproven: Vec::new(),
            attempts: Vec::new(),
            certificates: Vec::new(),
            claims: Vec::new(),
            banners: Vec::new(),
            names: Vec::new(),
            resolvers: Vec::new(),
            memory: 0,
            counters: Vec::new(),
        }
    }
}

impl ShardOutput {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.iter_mut().for_each(RowBuffer::clear);
        self.flows.clear();
        self.sightings.clear();
        self.asking.clear();
        self.unproven.clear();
        self.attempts.clear();
        self.certificates.clear();
        self.claims.clear();
        self.banners.clear();
        self.names.clear();
        self.resolvers.clear();
        self.counters.clear();
    }

    /// Counters of an interface.
    #[inline]
    pub fn counters(&mut self, interface: u16) -> &mut Counters {
        counters_of(&mut self.counters, interface)
    }

    /// Counters by interface.
    pub fn all_counters(&self) -> &[Counters] {
        &self.counters
    }

    /// The rows of a table.
    #[inline]
    pub fn rows_of(&mut self, table: &'static Table) -> Option<&mut RowBuffer> {
        self.rows.get_mut(tables::position(table)?)
    }
}
