//! FTP data connections that carry a configuration file (RFC 959, section 3.2): the control connection
//! tells the file's name, and the accounts in it are found.

use super::provisioning;
use crate::base::limits;
use crate::base::secret::Reveal;
use crate::base::{Timestamp, hash};
use crate::proto::api::{AppParser, Cx, Direction, Login, Probe, Progress, Spec, Transport};
use crate::record::RowWriter;

/// A login in the file.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Name of the file as the control connection told it.
    pub file: &'e [u8],
    /// The login.
    pub login: Login<'e>,
}

impl crate::proto::api::Event for Event<'_> {
    fn moment(&self) -> Option<(Timestamp, u64)> {
        Some((self.login.ts, self.login.packet))
    }

    fn has_row(&self) -> bool {
        false
    }

    fn write(&self, _row: &mut RowWriter<'_>, _reveal: Reveal) {}

    fn login(&self) -> Option<Login<'_>> {
        Some(self.login)
    }
}

/// Follows one data connection.
#[derive(Debug, Default)]
pub struct FtpData {
    file: Box<[u8]>,
    /// When the file began.
    at: Option<(Timestamp, u64)>,
    told: bool,
}

type Emit<'a> = &'a mut dyn FnMut(Event<'_>);

/// Hands over the logins of a configuration file, each once.
pub fn tell_logins(body: &[u8], at: (Timestamp, u64), tell: &mut dyn FnMut(Login<'_>)) {
    let mut told: Vec<u64> = Vec::new();
    for found in provisioning::logins(body) {
        let secret = found.secret.as_ref().map(|s| s.borrow());
        let id = hash::stable64(
            hash::stable64(0, found.user.as_deref().unwrap_or_default()),
            secret.map_or(&[], |s| s.expose()),
        );
        if !told.contains(&id) {
            told.push(id);
            tell(Login {
                mechanism: found.mechanism,
                username: found.user.as_deref(),
                secret,
                secret_kind: found.kind,
                ..Login::at(at)
            });
        }
    }
}

impl AppParser for FtpData {
    const SPEC: Spec = Spec {
        name: "ftp-data",
        title: "FTP data",
        transports: &[Transport::Tcp],
        ports: &[20],
        reference: "RFC 959",
        yields: "accounts in configuration files",
        ..Spec::EMPTY
    };
    type Event<'e> = Event<'e>;

    /// A file may begin with anything: only the control connection tells.
    fn probe(_dir: Direction, _payload: &[u8]) -> Probe {
        Probe::No
    }

    fn introduce(&mut self, words: &[u8]) {
        self.file = words.into();
    }

    fn on_data(&mut self, cx: Cx<'_>, _dir: Direction, bytes: &[u8], emit: Emit<'_>) -> Progress {
        let at = *self.at.get_or_insert((cx.ts, cx.packet));
        if bytes.len() < limits::SETTINGS_BYTES_MAX {
            return Progress::Partial { consumed: 0, needed: bytes.len() + 1 };
        }
        cx.limit_hit();
        let body = bytes.get(..limits::SETTINGS_BYTES_MAX).unwrap_or(bytes);
        self.told = true;
        tell_logins(body, at, &mut |login| emit(Event { file: &self.file, login }));
        Progress::Finished
    }

    fn on_end(&mut self, cx: Cx<'_>, _dir: Direction, rest: &[u8], emit: Emit<'_>) {
        if self.told {
            return;
        }
        let at = self.at.unwrap_or((cx.ts, cx.packet));
        tell_logins(rest, at, &mut |login| emit(Event { file: &self.file, login }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::{Script, probe_all};

    #[test]
    fn accounts_of_a_file() {
        let seen = Script::new()
            .resp("account.1.user_name = 201\naccount.1.pass")
            .resp("word = hunter2\naccount.1.password = hunter2\n")
            .any_chunking::<FtpData>();
        assert_eq!(seen.logins.len(), 1, "each is told once");
        assert!(seen.logins[0].contains("provisioning") && seen.logins[0].contains("packet: 1"), "{:?}", seen.logins);
        assert!(!format!("{seen:?}").contains("hunter2"));
        let long = "x = y\n".repeat(20_000);
        let seen = Script::new().resp("account.1.password = a\n").resp(long).any_chunking::<FtpData>();
        assert_eq!((seen.logins.len(), seen.stopped), (1, Some(Progress::Finished)));
        assert_eq!(probe_all::<FtpData>(Direction::Orig, b"account.1.password = a\n"), Probe::No);
    }
}
