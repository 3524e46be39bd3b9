//! What the engine needs to know of the user's wishes.

use std::sync::Arc;

use crate::base::limits::Room;
use crate::base::secret::Reveal;
use crate::detect::CaseKey;
use crate::flow::Timeouts;
use crate::policy::HomeNet;
use crate::proto::tls::opening::keylog::KeyStore;
use crate::signature::{Intel, defaults::Defaults};

/// Options of the packet path, the same for every shard.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// When silent flows end.
    pub timeouts: Timeouts,
    /// Whether mirrored copies are recognised.
    pub dedup: bool,
    /// Whether secrets are written.
    pub reveal: Reveal,
    /// Key of the HMAC that shows the reuse of secrets.
    pub case_key: CaseKey,
    /// What is inside.
    pub home: HomeNet,
    /// Bytes for flow tables and parsers.
    pub flow_memory: usize,
    /// By what the limits of what waits for the whole run are measured.
    pub room: Room,
    /// Bytes for reassembly.
    pub stream_memory: usize,
    /// Factory default logins; `None` for the list that is compiled in, parsed at the first login.
    pub defaults: Option<&'static Defaults>,
    /// Secrets of TLS sessions.
    pub tls_keys: Arc<KeyStore>,
    /// Lists of indicators.
    pub intel: Option<Arc<Intel>>,
    /// Distinguishes separate networks in identifiers; zero for one network.
    pub network: u64,
}
