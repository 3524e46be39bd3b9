//! SOAP as devices speak it: logins with WS-Security's UsernameToken (OASIS Web Services Security
//! UsernameToken Profile 1.1; the ONVIF Core Specification demands it), and ports that a UPnP gateway is
//! asked to open (UPnP WANIPConnection:1, section 2.4.16).

use super::http_login::{Found, Held};
use super::http_xml as xml;
use crate::base::secret::SecretBuf;
use crate::proto::api::SecretKind;
use crate::proto::text;

/// The login of a UsernameToken.
pub fn login(body: &[u8]) -> Option<Found> {
    let at = memchr::memmem::find(body, b"UsernameToken")?;
    let token = body.get(at..)?;
    // Where the closing tag is cut off, up to the end.
    let end = memchr::memmem::rfind(token, b"UsernameToken>").filter(|end| *end > 0);
    let token = token.get(..end.unwrap_or(token.len()))?;
    let (mut user, mut password, mut nonce, mut created) = (None, None, None, None);
    let mut is_digest = false;
    xml::walk(token, &mut |tag, value| match xml::local_name(tag) {
        b"Username" => _ = user.get_or_insert_with(|| xml::unescaped(value)),
        b"Password" => {
            is_digest |= memchr::memmem::find(tag, b"#PasswordDigest").is_some();
            password.get_or_insert_with(|| xml::unescaped(value));
        }
        b"Nonce" => _ = nonce.get_or_insert(value),
        b"Created" => _ = created.get_or_insert(value),
        _ => {}
    });
    let password = password?;
    if !is_digest {
        return Some(Found { user, secret: Some(SecretBuf::new(&password)), ..Found::of("wsse-plain") });
    }
    let bytes = |encoded: &[u8]| SecretBuf::new(&text::base64(encoded).unwrap_or_default());
    let parts = [bytes(nonce.unwrap_or_default()), SecretBuf::new(created.unwrap_or_default()), bytes(&password)];
    Some(Found {
        mechanism: "wsse-digest",
        user,
        secret: Some(SecretBuf::new(&password)),
        kind: SecretKind::ChallengeResponse,
        held: Some(Held::Wsse(parts)),
    })
}

/// A port that a gateway was asked to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Port on the outside.
    pub external_port: u16,
    /// Port inside.
    pub internal_port: u16,
    /// Address inside, as text.
    pub client: Vec<u8>,
    /// `TCP` or `UDP`.
    pub protocol: Vec<u8>,
    /// What it is said to be for.
    pub description: Vec<u8>,
}

/// The mapping that a request asks for.
pub fn mapping(body: &[u8]) -> Option<Mapping> {
    memchr::memmem::find(body, b"AddPortMapping").or_else(|| memchr::memmem::find(body, b"AddAnyPortMapping"))?;
    let mut mapping = Mapping::default();
    let port = |value: &[u8]| text::decimal(value).and_then(|n| u16::try_from(n).ok()).unwrap_or_default();
    xml::elements(body, &mut |name, value| match name {
        b"NewExternalPort" => mapping.external_port = port(value),
        b"NewInternalPort" => mapping.internal_port = port(value),
        b"NewInternalClient" => mapping.client = xml::unescaped(value),
        b"NewProtocol" => mapping.protocol = xml::unescaped(value),
        b"NewPortMappingDescription" => mapping.description = xml::unescaped(value),
        _ => {}
    });
    (mapping.internal_port != 0 || mapping.external_port != 0).then_some(mapping)
}

#[cfg(test)]
mod tests {
    use super::super::http_form::tests::shown;
    use super::*;
    use crate::proto::proof::Proof;

    const DIGEST: &str = "<s:Envelope><s:Header><Security><UsernameToken><Username>admin</Username>\
        <Password Type=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest\">\
        tuOSpGlFlIXsozq4HFNeeGeFLEI=</Password><Nonce EncodingType=\"x#Base64Binary\">LKqI6G/AikKCQrN0zqZFlg==</Nonce>\
        <Created xmlns=\"u\">2010-09-16T07:50:45Z</Created></UsernameToken></Security></s:Header></s:Envelope>";

    #[test]
    fn a_digest_with_its_nonce() {
        // The example of the ONVIF Application Programmer's Guide.
        let found = login(DIGEST.as_bytes()).unwrap();
        let Some(Proof::WsseDigest { nonce, created, digest }) = found.held.as_ref().map(Held::proof) else {
            panic!("a digest");
        };
        assert_eq!((nonce.len(), created, digest.len()), (16, &b"2010-09-16T07:50:45Z"[..], 20));
        use sha1::Digest as _;
        let computed =
            sha1::Sha1::new_with_prefix(nonce).chain_update(created).chain_update(b"userpassword").finalize();
        assert_eq!(computed[..], *digest);
        assert!(!format!("{found:?}").contains("tuOSp"));
        for end in 0..DIGEST.len() {
            login(&DIGEST.as_bytes()[..end]);
        }
    }

    #[test]
    fn a_password_in_clear() {
        let body = "<w:UsernameToken><w:Username>a</w:Username><w:Password Type='x#PasswordText'>p&lt;w</w:Password>\
                    </w:UsernameToken>";
        assert_eq!(shown(login(body.as_bytes())), "wsse-plain a p<w");
        let cut = body.split_once("</w:UsernameToken>").unwrap().0;
        assert_eq!(shown(login(cut.as_bytes())), "wsse-plain a p<w");
        assert!(login(b"<UsernameToken><Username>a</Username></UsernameToken>").is_none());
    }

    #[test]
    fn a_port_is_opened() {
        let body = "<s:Body><u:AddPortMapping xmlns:u='x'><NewExternalPort>8080</NewExternalPort><NewProtocol>TCP\
            </NewProtocol><NewInternalPort>80</NewInternalPort><NewInternalClient>192.168.1.9</NewInternalClient>\
            <NewPortMappingDescription>cam</NewPortMappingDescription></u:AddPortMapping></s:Body>";
        let m = mapping(body.as_bytes()).unwrap();
        assert_eq!((m.external_port, m.internal_port, m.client.as_slice()), (8080, 80, &b"192.168.1.9"[..]));
        assert!(mapping(b"<u:DeletePortMapping/>").is_none());
    }
}
