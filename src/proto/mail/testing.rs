//! What the tests of this family share.

use crate::base::{Addr, Mac, Timestamp};
use crate::proto::api::{AppParser, Cx, Direction, Event, FlowView, LimitCount, Transport};

/// The logins of a session as `mechanism user secret success #packet`: the one place where a test looks at
/// a secret itself. Every piece of the script is a packet, the first one has number 1.
pub fn logins<P: AppParser>(script: &[(Direction, &str)]) -> Vec<String> {
    let mut out = Vec::new();
    let mut note = |e: P::Event<'_>| {
        if let Some(l) = e.login() {
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            let secret = l.secret.map_or("-".into(), |s| text(s.expose()));
            let user = l.username.map_or("-".into(), text);
            let success = l.success.map_or("?".to_owned(), |s| s.to_string());
            out.push(format!("{} {user} {secret} {success} #{}", l.mechanism, l.packet));
        }
    };
    let mut parser = P::default();
    let flow = FlowView {
        flow_id: 1,
        capture: 0,
        orig_ip: Addr::v4([192, 0, 2, 1]),
        orig_port: 40_000,
        resp_ip: Addr::v4([198, 51, 100, 2]),
        resp_port: 1234,
        orig_mac: Mac([2, 0, 0, 0, 0, 1]),
        resp_mac: Mac([2, 0, 0, 0, 0, 2]),
        transport: Transport::Tcp,
        from_start: true,
    };
    let limited = LimitCount::default();
    let mut packet = 0;
    for (dir, bytes) in script {
        packet += 1;
        let cx = Cx { ts: Timestamp::from_parts(packet as i64, 0), packet, flow: &flow, limited: &limited };
        parser.on_data(cx, *dir, bytes.as_bytes(), &mut note);
    }
    let cx = Cx { ts: Timestamp::from_parts(packet as i64, 0), packet, flow: &flow, limited: &limited };
    for dir in [Direction::Orig, Direction::Resp] {
        parser.on_end(cx, dir, &[], &mut note);
    }
    out
}
