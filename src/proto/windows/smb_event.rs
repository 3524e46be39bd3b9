//! What the SMB parser tells, and the table that it goes to.

use super::gss::{Attempt, challenge_facts};
use crate::base::Timestamp;
use crate::base::secret::Reveal;
use crate::proto::api::{About, Direction, Fact, Login};
use crate::proto::ntlm::Challenge;
use crate::record::schema::FLOW_PREFIX;
use crate::record::{Column, RowWriter, Table, Type};

/// The table.
pub static TABLE: Table = Table {
    name: "smb",
    doc: "One SMB action with the answer to it: a negotiation, a step of a login, a share, a file or pipe (each name once \
          in a flow), an interface bound in a pipe, a NetBIOS session",
    prefix: FLOW_PREFIX,
    columns: &[
        Column::repeating(
            "action",
            Type::Text,
            "negotiate, session-setup, tree-connect, open, bind, netbios-session, encrypted",
        ),
        Column::repeating("version", Type::Text, "SMB1 or SMB2 (also for 3); null for what stands before"),
        Column::repeating("dialect", Type::Text, "Dialect that the server chose: NT LM 0.12, 2.0.2 ... 3.1.1"),
        Column::repeating("signing", Type::Text, "What the server says of signing: required, enabled, disabled"),
        Column::repeating(
            "status",
            Type::Text,
            "Status of the answer, by its name in MS-ERREF or in hexadecimal; null where it was not seen",
        ),
        Column::repeating("mechanism", Type::Text, "How the login is made: ntlm, ntlmv2, lm, plain, kerberos"),
        Column::repeating("username", Type::Text, "User who logs in"),
        Column::repeating("domain", Type::Text, "Domain of the user"),
        Column::repeating("workstation", Type::Text, "Machine of the user, as the user's side says"),
        Column::repeating("guest", Type::Bool, "Whether the server let the user in as a guest or as nobody"),
        Column::repeating("principal", Type::Text, "Service that a Kerberos ticket is for"),
        Column::repeating("client_os", Type::Text, "System of the client, as it says (SMB 1)"),
        Column::repeating("server_os", Type::Text, "System and software of the server, as it says (SMB 1)"),
        Column::repeating(
            "share",
            Type::Text,
            "Share that is connected to; for a NetBIOS session the called and the calling name",
        ),
        Column::repeating("share_type", Type::Text, "disk, pipe or printer"),
        Column::repeating("file", Type::Text, "File or pipe that is opened"),
        Column::repeating("interface", Type::Text, "DCE/RPC interface that is bound, by name or UUID"),
        Column::new("reply_packet", Type::Int64, "Packet with the answer"),
    ],
};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The server says its names in a challenge: facts only.
    Challenge,
    /// SMB 1 is spoken beyond its negotiation: no row.
    Smb1,
    /// Dialects are negotiated.
    Negotiate,
    /// A login, or a step of one.
    SessionSetup,
    /// A share.
    TreeConnect,
    /// A file or pipe.
    Open,
    /// An interface in a pipe.
    Bind,
    /// A session of NetBIOS.
    NetbiosSession,
    /// From here on everything is encrypted.
    Encrypted,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Challenge | Self::Smb1 => "",
            Self::Negotiate => "negotiate",
            Self::SessionSetup => "session-setup",
            Self::TreeConnect => "tree-connect",
            Self::Open => "open",
            Self::Bind => "bind",
            Self::NetbiosSession => "netbios-session",
            Self::Encrypted => "encrypted",
        }
    }
}

/// What the server says of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Every message must be signed.
    Required,
    /// Messages may be signed.
    Enabled,
    /// None is signed.
    Disabled,
}

impl Signing {
    /// The name as the `signing` column spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// What was seen. Texts are UTF-8 and empty where nothing was said.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// When and where it was asked for.
    pub at: (Timestamp, u64),
    /// What.
    pub action: Action,
    /// 1 or 2; zero where that is not known.
    pub version: u8,
    /// Dialect that the server chose.
    pub dialect: &'e str,
    /// What the server says of signing.
    pub signing: Option<Signing>,
    /// Whether the client offered SMB 1.
    pub offers_smb1: bool,
    /// Status of the answer.
    pub status: Option<u32>,
    /// The login.
    pub attempt: Option<&'e Attempt>,
    /// How the login is made.
    pub mechanism: &'static str,
    /// Whether somebody was let in as a guest or as nobody.
    pub guest: Option<bool>,
    /// Service of a ticket.
    pub principal: &'e [u8],
    /// System and software of the client.
    pub client_os: [&'e [u8]; 2],
    /// System and software of the server.
    pub server_os: [&'e [u8]; 2],
    /// Share.
    pub share: &'e [u8],
    /// Its kind.
    pub share_type: &'static str,
    /// File or pipe.
    pub file: &'e [u8],
    /// Interface.
    pub interface: &'e str,
    /// The answer.
    pub reply: Option<(Timestamp, u64)>,
    /// The side that answers.
    pub server: Direction,
    /// Names of server and client, and the server's domain.
    pub names: [&'e [u8]; 3],
    pub(super) challenge: Option<&'e Challenge>,
}

/// Success, and a guest's or an unfinished login.
pub(super) const STATUS_SUCCESS: u32 = 0;
pub(super) const STATUS_MORE_PROCESSING: u32 = 0xc000_0016;

impl<'e> Event<'e> {
    /// An event that says nothing but when and what.
    pub const fn new(at: (Timestamp, u64), action: Action, version: u8, server: Direction) -> Self {
        Self {
            at,
            action,
            version,
            dialect: "",
            signing: None,
            offers_smb1: false,
            status: None,
            attempt: None,
            mechanism: "",
            guest: None,
            principal: &[],
            client_os: [&[]; 2],
            server_os: [&[]; 2],
            share: &[],
            share_type: "",
            file: &[],
            interface: "",
            reply: None,
            server,
            names: [&[]; 3],
            challenge: None,
        }
    }

    /// Whether the server said yes; `None` where it said nothing yet, or not all.
    pub const fn accepted(&self) -> Option<bool> {
        match self.status {
            Some(STATUS_SUCCESS) => Some(true),
            Some(STATUS_MORE_PROCESSING) | None => None,
            Some(_) => Some(false),
        }
    }
}

/// The name of a status (MS-ERREF, section 2.3.1), without its prefix.
pub const fn status_name(status: u32) -> Option<&'static str> {
    Some(match status {
        STATUS_SUCCESS => "SUCCESS",
        STATUS_MORE_PROCESSING => "MORE_PROCESSING_REQUIRED",
        0x8000_0005 => "BUFFER_OVERFLOW",
        0xc000_000d => "INVALID_PARAMETER",
        0xc000_000f => "NO_SUCH_FILE",
        0xc000_0022 => "ACCESS_DENIED",
        0xc000_0033 => "OBJECT_NAME_INVALID",
        0xc000_0034 => "OBJECT_NAME_NOT_FOUND",
        0xc000_0035 => "OBJECT_NAME_COLLISION",
        0xc000_003a => "OBJECT_PATH_NOT_FOUND",
        0xc000_0043 => "SHARING_VIOLATION",
        0xc000_005e => "NO_LOGON_SERVERS",
        0xc000_0064 => "NO_SUCH_USER",
        0xc000_006a => "WRONG_PASSWORD",
        0xc000_006d => "LOGON_FAILURE",
        0xc000_006e => "ACCOUNT_RESTRICTION",
        0xc000_0070 => "INVALID_WORKSTATION",
        0xc000_0071 => "PASSWORD_EXPIRED",
        0xc000_0072 => "ACCOUNT_DISABLED",
        0xc000_00ac => "PIPE_NOT_AVAILABLE",
        0xc000_00ba => "FILE_IS_A_DIRECTORY",
        0xc000_00bb => "NOT_SUPPORTED",
        0xc000_00c9 => "NETWORK_NAME_DELETED",
        0xc000_00cc => "BAD_NETWORK_NAME",
        0xc000_0103 => "NOT_A_DIRECTORY",
        0xc000_015b => "LOGON_TYPE_NOT_GRANTED",
        0xc000_0193 => "ACCOUNT_EXPIRED",
        0xc000_0203 => "USER_SESSION_DELETED",
        0xc000_0224 => "PASSWORD_MUST_CHANGE",
        0xc000_0234 => "ACCOUNT_LOCKED_OUT",
        _ => return None,
    })
}

fn some(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes).filter(|b| !b.is_empty())
}

/// Two texts as one, or null.
fn joined(row: &mut RowWriter<'_>, parts: [&[u8]; 2]) {
    let parts: Vec<&[u8]> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    row.opt_bytes(some(&parts.join(&b"; "[..])));
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some(self.at)
    }

    fn has_row(&self) -> bool {
        !matches!(self.action, Action::Challenge | Action::Smb1)
    }

    fn write(&self, row: &mut RowWriter<'_>, _reveal: Reveal) {
        row.text(self.action.name());
        row.opt_text(match self.version {
            1 => Some("SMB1"),
            2 => Some("SMB2"),
            _ => None,
        });
        row.nonempty(self.dialect).opt_text(self.signing.map(Signing::name));
        match self.status {
            Some(status) => match status_name(status) {
                Some(name) => row.text(name),
                None => row.text(&format!("{status:08x}")),
            },
            None => row.null(),
        };
        row.nonempty(self.attempt.map_or(self.mechanism, |a| a.mechanism));
        row.opt_user(self.attempt.and_then(|a| some(&a.username)));
        row.opt_bytes(self.attempt.and_then(|a| some(&a.domain)));
        row.opt_bytes(self.attempt.and_then(|a| some(&a.workstation)));
        row.opt_bool(self.guest).opt_bytes(some(self.principal));
        joined(row, self.client_os);
        joined(row, self.server_os);
        if self.action == Action::NetbiosSession {
            let [called, calling, _] = self.names;
            row.bytes(&[called, b" from ", calling].concat());
        } else {
            row.opt_bytes(some(self.share));
        }
        row.nonempty(self.share_type).opt_bytes(some(self.file)).nonempty(self.interface);
        match self.reply {
            Some((_, packet)) => row.count(packet),
            None => row.null(),
        };
    }

    fn login(&self) -> Option<Login<'_>> {
        self.attempt.filter(|_| self.action == Action::SessionSetup)?.login(self.accepted())
    }

    fn service(&self) -> Option<&'static str> {
        // A session of NetBIOS may carry something else, or nothing.
        (self.action == Action::NetbiosSession).then_some("nbss").or(Some("smb").filter(|_| self.version != 0))
    }

    fn facts(&self, tell: &mut dyn FnMut(Fact<'_>)) {
        let (server, client) = (About::Side(self.server), About::Side(self.server.other()));
        if let Some(challenge) = self.challenge {
            challenge_facts(challenge, &mut |attribute, value| tell(Fact { about: server, attribute, value }));
        }
        let mut say = |about, attribute, value: &[u8]| {
            if !value.is_empty() {
                tell(Fact { about, attribute, value });
            }
        };
        let [server_name, client_name, domain] = self.names;
        say(server, "hostname", server_name);
        say(client, "hostname", client_name);
        say(server, "domain", domain);
        // Samba states a version of Windows that it is not.
        let own = |[os, lanman]: [&'_ [u8]; 2]| {
            let word = |text: &[u8], of: &[u8]| text.get(..of.len()).is_some_and(|t| t.eq_ignore_ascii_case(of));
            !(word(lanman, b"Samba") && word(os, b"Windows"))
        };
        if own(self.server_os) {
            say(server, "os", self.server_os[0]);
        }
        say(server, "server", self.server_os[1]);
        if own(self.client_os) {
            say(client, "os", self.client_os[0]);
        }
        say(client, "user-agent", self.client_os[1]);
        if let Some(attempt) = self.attempt {
            say(client, "hostname", &attempt.workstation);
            say(client, "os", attempt.os.as_deref().unwrap_or_default().as_bytes());
        }
    }
}
