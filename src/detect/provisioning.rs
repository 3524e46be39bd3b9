//! Configuration and firmware that devices fetch in clear, and the transfers that they come in.

use super::cleartext::on_flow;
use super::sighting::{Party, Sighting};
use crate::base::Timestamp;
use crate::base::secret::{self, BLANK};
use crate::policy::HomeNet;
use crate::proto::api::{Cx, Event as _, FlowView, Login};
use crate::proto::files::provisioning::{file_name, is_firmware_file, is_update_check};
use crate::proto::files::{ftp, tftp};
use crate::proto::registry::Event;
use crate::proto::text;
use crate::proto::web::http;
use crate::proto::web::http_login::blanked;

/// Characters of a file's name that evidence shows.
const NAME_CHARS: usize = 96;

/// A file's name, fit for one line: nothing behind a question mark, which may hold secrets.
fn shown(path: &[u8]) -> String {
    let name = String::from_utf8_lossy(file_name(path.get(..1024).unwrap_or(path))).into_owned();
    crate::record::clean(&name.chars().take(NAME_CHARS).collect::<String>())
}

/// The flow as the client opened it: the answer to a TFTP request, and data of active FTP, are opened
/// by the server.
fn by_client(flow: &FlowView, service: &str) -> FlowView {
    let is_turned = match service {
        "tftp" => flow.resp_port != 69,
        "ftp-data" => flow.orig_port == 20,
        _ => false,
    };
    if !is_turned {
        return *flow;
    }
    FlowView {
        orig_ip: flow.resp_ip,
        orig_port: flow.resp_port,
        orig_mac: flow.resp_mac,
        resp_ip: flow.orig_ip,
        resp_port: if service == "tftp" { 69 } else { flow.orig_port },
        resp_mac: flow.orig_mac,
        ..*flow
    }
}

/// A sighting about the client: it is the one that takes what it is given.
fn about_client(
    rule: &'static str,
    home: &HomeNet,
    cx: &Cx<'_>,
    service: &'static str,
    at: (Timestamp, u64),
    evidence: String,
) -> Sighting {
    let flow = by_client(cx.flow, service);
    let mut sighting = on_flow(rule, home, &flow, service, at, evidence);
    sighting.device = Party { ip: flow.orig_ip, mac: flow.orig_mac };
    sighting.peer = Some(Party { ip: flow.resp_ip, mac: flow.resp_mac });
    sighting
}

/// Judges what any protocol that carries files has shown.
pub fn judge(home: &HomeNet, cx: &Cx<'_>, event: &Event<'_>, out: &mut Vec<Sighting>) {
    match event {
        Event::Http(http::Event::Login(login)) => account(home, cx, "http", &[], login, out),
        Event::Tftp(tftp::Event::Login { file, login }) => account(home, cx, "tftp", file, login, out),
        Event::FtpData(e) => account(home, cx, "ftp-data", e.file, &e.login, out),
        Event::Http(http::Event::Exchange(e)) => {
            if let Some(uri) = e.uri.filter(|_| e.method.is_some_and(|m| matches!(m, b"GET" | b"HEAD" | b"POST"))) {
                firmware_http(home, cx, uri, e.status, e.at, out);
            }
        }
        Event::Tftp(tftp::Event::Entry(e)) if e.is_request => {
            if let Some(file) = e.file.filter(|f| e.operation == Some(tftp::Operation::Read) && is_program(f)) {
                let evidence = format!("firmware {} asked for over TFTP", shown(file));
                out.push(about_client("firmware-download-in-clear", home, cx, "tftp", e.at, evidence));
            }
        }
        Event::Ftp(ftp::Event { command: "RETR", arg: Some(file), reply_code, at, .. })
            if reply_code.is_none_or(|c| c < 400) && is_firmware_file(file) =>
        {
            let evidence = format!("firmware {} fetched over FTP", shown(file));
            out.push(about_client("firmware-download-in-clear", home, cx, "ftp", *at, evidence));
        }
        _ => {}
    }
}

/// Whether a file that is fetched by TFTP is a program: there, `.bin` hardly is anything else. Over FTP it
/// may be, and the name has to say more.
fn is_program(file: &[u8]) -> bool {
    let name = file_name(file);
    is_firmware_file(file) || [&b".bin"[..], b".img"].iter().any(|e| name.to_ascii_lowercase().ends_with(e))
}

fn account(
    home: &HomeNet,
    cx: &Cx<'_>,
    service: &'static str,
    file: &[u8],
    login: &Login<'_>,
    out: &mut Vec<Sighting>,
) {
    if login.mechanism != "provisioning" {
        return;
    }
    let of_file = if file.is_empty() { "a file".to_owned() } else { format!("file {}", shown(file)) };
    let whose = match login.username {
        Some(user) => format!("the account {}", shown(&secret::user(user))),
        None => "an account".to_owned(),
    };
    let kind = login.secret_kind.name();
    let evidence = format!("{of_file} holds {whose} ({kind} {BLANK})");
    // The server gives the file to whoever asks, whichever side opened the flow.
    let (flow, at) = (by_client(cx.flow, service), (login.ts, login.packet));
    out.push(on_flow("provisioning-in-clear", home, &flow, service, at, evidence));
}

fn firmware_http(
    home: &HomeNet,
    cx: &Cx<'_>,
    uri: &[u8],
    status: Option<u16>,
    at: (Timestamp, u64),
    out: &mut Vec<Sighting>,
) {
    let path = uri.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
    if is_firmware_file(path) {
        if status.is_none_or(|s| s < 300) {
            let evidence = format!("firmware {} fetched over HTTP", shown(path));
            out.push(about_client("firmware-download-in-clear", home, cx, "http", at, evidence));
        }
        return;
    }
    // Of a proxy's request, only what follows the host: what stands before may be user information.
    let path = match memchr::memmem::find(path, b"://") {
        Some(at) => path.get(at + 3..).and_then(|p| Some(text::split_once(p, b'/')?.1)).unwrap_or_default(),
        None => path,
    };
    if is_update_check(path) {
        let path = blanked(path.get(..1024).unwrap_or(path));
        let path = String::from_utf8_lossy(&path);
        let path = crate::record::clean(&path.chars().take(NAME_CHARS).collect::<String>());
        let evidence = format!("update check over HTTP: {path}");
        out.push(about_client("firmware-update-check-in-clear", home, cx, "http", at, evidence));
    }
}

/// TFTP in use; once per flow.
pub fn tftp(home: &HomeNet, cx: &Cx<'_>, event: &tftp::Event<'_>, first: bool, out: &mut Vec<Sighting>) {
    let tftp::Event::Entry(e) = event else { return };
    if !first {
        return;
    }
    let what = match (e.operation, e.file) {
        (Some(operation), Some(file)) => format!("{} of {}", operation.name(), shown(file)),
        _ => "a file".to_owned(),
    };
    // A transfer comes from another port; it belongs to the service on the usual one.
    let flow = if e.is_request { *cx.flow } else { by_client(cx.flow, "tftp") };
    let evidence = format!("TFTP: {what}");
    out.push(on_flow("tftp-in-use", home, &flow, "tftp", event.moment().unwrap_or((cx.ts, cx.packet)), evidence));
}

/// A server that turned down encryption (RFC 4217, section 4).
pub fn ftp_refused(home: &HomeNet, cx: &Cx<'_>, event: &ftp::Event<'_>, out: &mut Vec<Sighting>) {
    let code = event.reply_code.unwrap_or_default();
    let evidence = format!("AUTH answered with {code}");
    out.push(on_flow("ftp-tls-refused", home, cx.flow, "ftp", event.at, evidence));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Secret};
    use crate::detect::cleartext::tests::flow;
    use crate::proto::api::{LimitCount, SecretKind};
    use crate::proto::files::ftp_data;
    use crate::proto::web::http_event::Exchange;

    fn judged(flow: &FlowView, event: &Event<'_>) -> Vec<Sighting> {
        let cx = Cx { ts: Timestamp(8), packet: 12, flow, limited: &LimitCount::default() };
        let mut out = Vec::new();
        judge(&HomeNet::default(), &cx, event, &mut out);
        out
    }

    fn rules_of_request(uri: &str, status: u16) -> Vec<&'static str> {
        let exchange =
            Exchange { method: Some(b"GET"), uri: Some(uri.as_bytes()), status: Some(status), ..Exchange::default() };
        let event = Event::Http(http::Event::Exchange(exchange));
        judged(&flow("10.0.0.9", "10.0.0.5"), &event).iter().map(|s| s.rule).collect()
    }

    #[test]
    fn firmware_over_http() {
        assert_eq!(rules_of_request("/firmware/T46S.bin?key=hunter2", 200), ["firmware-download-in-clear"]);
        assert_eq!(rules_of_request("/x/T46S.rom", 200), ["firmware-download-in-clear"]);
        assert_eq!(rules_of_request("/firmware/check?model=LJ400", 200), ["firmware-update-check-in-clear"]);
        for (uri, status) in
            [("/firmware/T46S.bin", 404), ("/index.html", 200), ("/photo.img", 200), ("/fwd/x.txt", 200)]
        {
            assert_eq!(rules_of_request(uri, status), [""; 0], "{uri}");
        }
    }

    #[test]
    fn accounts_are_told_with_their_file_and_without_their_secret() {
        let login = Login {
            mechanism: "provisioning",
            username: Some(b"2041"),
            secret: Some(Secret::new(b"hunter2")),
            secret_kind: SecretKind::Password,
            ..Login::at((Timestamp(5), 9))
        };
        let event = Event::FtpData(ftp_data::Event { file: b"/cfg/000b82aabbcc.cfg", login });
        let seen = judged(&flow("10.0.0.9", "10.0.0.5"), &event);
        assert_eq!(seen[0].rule, "provisioning-in-clear");
        assert_eq!(seen[0].evidence, "file 000b82aabbcc.cfg holds the account 2041 (password [blanked])");
        let server = "10.0.0.5".parse::<Addr>().unwrap();
        assert_eq!(seen[0].device.ip, server, "about who gives it away");
        // Over TFTP the server opens the flow of the transfer.
        let mut transfer = flow("10.0.0.5", "10.0.0.9");
        (transfer.orig_port, transfer.resp_port) = (40_001, 2070);
        let seen = judged(&transfer, &Event::Tftp(tftp::Event::Login { file: b"a.cfg", login }));
        assert_eq!((seen[0].device.ip, seen[0].port), (server, 69));
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &transfer, limited: &LimitCount::default() };
        let twice = crate::detect::cleartext::login(&HomeNet::default(), &cx, "tftp", &login);
        assert!(twice.is_none(), "nobody logged in");
        let other = Login { mechanism: "basic", ..login };
        assert!(judged(&flow("10.0.0.9", "10.0.0.5"), &Event::Http(http::Event::Login(other))).is_empty());
    }

    #[test]
    fn an_image_over_ftp_has_to_speak_of_firmware() {
        for (file, rules) in
            [("/test1.bin", vec![]), ("/firmware/t46s.bin", vec!["firmware-download-in-clear"]), ("a.exe", vec![])]
        {
            let mut event = ftp::blank((Timestamp(5), 9));
            (event.command, event.arg) = ("RETR", Some(file.as_bytes()));
            let seen = judged(&flow("10.0.0.9", "10.0.0.5"), &Event::Ftp(event));
            assert_eq!(seen.iter().map(|s| s.rule).collect::<Vec<_>>(), rules, "{file}");
        }
    }

    #[test]
    fn a_tftp_transfer_belongs_to_the_server_that_opened_it() {
        let mut view = flow("10.0.0.5", "10.0.0.9");
        (view.orig_port, view.resp_port) = (40_001, 2070);
        let turned = by_client(&view, "tftp");
        assert_eq!((turned.resp_ip, turned.resp_port, turned.orig_port), (view.orig_ip, 69, 2070));
        view.resp_port = 69;
        assert_eq!(by_client(&view, "tftp").resp_ip, view.resp_ip);
    }

    #[test]
    fn a_refused_upgrade_is_told() {
        let flow = flow("10.0.0.9", "10.0.0.5");
        let cx = Cx { ts: Timestamp(8), packet: 12, flow: &flow, limited: &LimitCount::default() };
        for (agreed, rules) in [(Some(false), vec!["ftp-tls-refused"]), (Some(true), vec![]), (None, vec![])] {
            let mut event = ftp::blank((Timestamp(5), 9));
            (event.command, event.reply_code, event.auth_tls) = ("AUTH", Some(502), agreed);
            let mut out = Vec::new();
            crate::detect::events::judge(&HomeNet::default(), &cx, &Event::Ftp(event), true, &mut out);
            assert_eq!(out.iter().map(|s| s.rule).collect::<Vec<_>>(), rules, "{agreed:?}");
        }
    }
}
