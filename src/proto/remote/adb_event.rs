//! What the Android debug bridge tells of a connection.

use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact};
use crate::proto::text;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// Connections: one row each.
pub static TABLE: Table = Table {
    name: "adb",
    doc: "Connections of the Android debug bridge, one row each, written at their end",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating("product", Type::Text, "Product that the device names"),
        Column::repeating("model", Type::Text, "Model of the device"),
        Column::repeating("device", Type::Text, "Code name of the device's board"),
        Column::repeating("serial", Type::Text, "Serial number, where the device names it"),
        Column::repeating("authentication", Type::Text, "`none`, `signature`, `public-key`, `tls`; null where unknown"),
        Column::repeating("client_key_name", Type::Text, "User and host that the client's key names"),
        Column::new("success", Type::Bool, "Whether the device let the client in; null where that was not seen"),
        Column::repeating("services", Type::TextList, "Services that were asked for, commands by their first word"),
    ],
};

/// How the client proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// The device asked, and the client has not answered so far.
    Asked,
    /// By the signature of a key that the device knows.
    Signature,
    /// By a key that somebody accepts on the device's screen.
    PublicKey,
    /// By TLS.
    Tls,
}

/// What is known of a connection.
#[derive(Debug)]
pub struct Session {
    /// When it began, and with which packet.
    pub at: (Timestamp, u64),
    /// Whether it goes to the ADB server of a workstation, not to a device.
    pub to_server: bool,
    /// Whether the client was let in.
    pub connected: bool,
    /// How the client proved itself, where the device asked.
    pub authentication: Option<Authentication>,
    /// Product, model, device and serial number.
    pub names: [Vec<u8>; 4],
    /// What the client's key says whose it is.
    pub key_name: Vec<u8>,
    /// Services that were asked for.
    pub services: Vec<Vec<u8>>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            at: (Timestamp(0), 0),
            to_server: false,
            connected: false,
            authentication: None,
            names: Default::default(),
            key_name: Vec::new(),
            services: Vec::new(),
        }
    }
}

impl Session {
    /// What a device says of itself: `device:SERIAL:ro.product.name=a;ro.product.model=b;...`.
    pub fn device(&mut self, payload: &[u8]) {
        let line = payload.split(|c| *c == 0).next().unwrap_or_default();
        let mut parts = line.splitn(3, |c| *c == b':');
        let (_, serial, properties) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let [product, model, device, number] = &mut self.names;
        *number = serial.unwrap_or_default().to_vec();
        for property in properties.split(|c| *c == b';') {
            let Some((name, value)) = text::split_once(property, b'=') else { continue };
            let slot = match name {
                b"ro.product.name" => &mut *product,
                b"ro.product.model" => &mut *model,
                b"ro.product.device" => &mut *device,
                _ => continue,
            };
            *slot = value.to_vec();
        }
    }

    /// An AUTH message.
    pub fn authenticates(&mut self, kind: u32, payload: &[u8]) {
        let said = match kind {
            1 => Authentication::Asked,
            2 => Authentication::Signature,
            3 => Authentication::PublicKey,
            _ => return,
        };
        if kind == 3 {
            let line = payload.split(|c| *c == 0).next().unwrap_or_default().trim_ascii();
            let name = line.rsplit(|c| *c == b' ').next().unwrap_or_default();
            if name.len() < line.len() {
                self.key_name = name.to_vec();
            }
        }
        if kind > 1 || self.authentication.is_none() {
            self.authentication = Some(said);
        }
    }

    /// Whether the device let the client in without asking for anything.
    pub const fn is_open(&self) -> bool {
        self.connected && self.authentication.is_none() && !self.to_server
    }

    const fn authentication_name(&self) -> Option<&'static str> {
        match self.authentication {
            Some(Authentication::Signature) => Some("signature"),
            Some(Authentication::PublicKey) => Some("public-key"),
            Some(Authentication::Tls) => Some("tls"),
            Some(Authentication::Asked) => None,
            None if self.connected => Some("none"),
            None => None,
        }
    }
}

/// What the parser emits.
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// The connection as a whole.
    Session(&'e Session),
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        let Self::Session(session) = self;
        Some(session.at)
    }

    fn has_row(&self) -> bool {
        true
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        let Self::Session(s) = self;
        for name in &s.names {
            row.opt_bytes(Some(name.as_slice()).filter(|n| !n.is_empty()));
        }
        row.opt_text(s.authentication_name());
        row.opt_bytes(Some(s.key_name.as_slice()).filter(|n| !n.is_empty()));
        row.opt_bool(s.connected.then_some(true));
        row.list(s.services.len());
        for service in &s.services {
            row.bytes(service);
        }
    }

    fn upgrades(&self) -> bool {
        let Self::Session(s) = self;
        s.authentication == Some(Authentication::Tls)
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let Self::Session(s) = self;
        let about = About::Side(Direction::Resp);
        for (attribute, value) in ["product", "model", "device", "serial"].into_iter().zip(&s.names) {
            if !value.is_empty() {
                tell(Fact { about, attribute, value });
            }
        }
        if s.names.iter().any(|n| !n.is_empty()) {
            tell(Fact { about, attribute: "os", value: b"Android" });
        }
        if let Some((_, host)) =
            text::split_once(&s.key_name, b'@').filter(|(_, host)| !matches!(*host, b"" | b"unknown"))
        {
            tell(Fact { about: About::Side(Direction::Orig), attribute: "hostname", value: host });
        }
    }
}
