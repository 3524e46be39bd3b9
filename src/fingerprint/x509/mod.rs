//! X.509 certificates (RFC 5280): what one says, as owned and bounded facts.
//!
//! A certificate is taken apart piece by piece, so that a damaged piece costs its own facts and no others.
//! Nothing here trusts a certificate: signatures are not checked.

pub mod hosts;
mod key;
mod name;
mod oids;
mod time;

pub use key::PublicKey;
pub use name::AltNames;
pub use oids::Hash;

use sha1::{Digest, Sha1};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use super::hex;
use crate::base::limits;
use name::{Name, oid_text};

/// What a certificate says. `None` where it does not say it, or not in a form that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the whole, in hex.
    pub sha256: String,
    /// SHA-1 of the whole, in hex: the fingerprint that many programs show.
    pub sha1: String,
    /// Bytes of the whole.
    pub length: usize,
    /// Whether a piece of it could not be read.
    pub malformed: bool,
    /// Whether a name was cut, or names were left out, because of a limit.
    pub limited: bool,
    /// Version: 1, 2 or 3 (the field counts from 0).
    pub version: Option<u32>,
    /// Serial number in hex, without a zero byte that is there for the sign only.
    pub serial: Option<String>,
    /// Distinguished name of the holder, as [`AltNames`] and RFC 4514 have it; empty where it has none.
    pub subject: Option<String>,
    /// Distinguished name of who issued it.
    pub issuer: Option<String>,
    /// The holder's common names, the most specific first.
    pub common_names: Vec<String>,
    /// The holder's organization.
    pub organization: Option<String>,
    /// The organization of who issued it.
    pub issuer_organization: Option<String>,
    /// Start of validity, in seconds since 1970.
    pub not_before: Option<i64>,
    /// Last second of validity.
    pub not_after: Option<i64>,
    /// Names in the subjectAltName.
    pub names: AltNames,
    /// The key.
    pub key: Option<PublicKey>,
    /// Name of the algorithm that it is signed with, else its object identifier.
    pub signature_algorithm: Option<String>,
    /// Hash function of the signature, where the algorithm is known.
    pub signature_hash: Option<Hash>,
    /// Whether holder and issuer have the same name.
    pub self_issued: Option<bool>,
    /// Whether it is its own issuer: self-issued, and the identifiers of both keys agree where both are
    /// there (RFC 5280, sections 4.2.1.1 and 4.2.1.2). The signature itself is not checked.
    pub self_signed: Option<bool>,
    /// Whether it may issue others (basicConstraints); `None` in versions 1 and 2, which do not say.
    pub is_ca: Option<bool>,
    /// How many authorities may stand below it.
    pub path_length: Option<u32>,
    /// What the key may be used for (keyUsage), in the words of RFC 5280, section 4.2.1.3.
    pub key_usage: Vec<&'static str>,
    /// For what purposes (extKeyUsage): `serverAuth`, or an object identifier.
    pub extended_key_usage: Vec<String>,
    /// Whether it has signs of an authority for the public Web: timestamps of Certificate Transparency
    /// (RFC 6962, section 3.3) or a policy of the CA/Browser Forum.
    pub public_signs: bool,
    /// Identifier of the issuer's key, in hex.
    pub authority_key: Option<String>,
}

/// Object identifier of the list of signed certificate timestamps.
const SCT_LIST: &[u8] = &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];

/// Words for the bits of keyUsage, in their order.
const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// An element at the front of bytes: its encoding, what it is, and what follows.
fn element(bytes: &[u8]) -> Option<(&[u8], Any<'_>, &[u8])> {
    let (rest, any) = Any::from_der(bytes).ok()?;
    let encoding = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
    Some((encoding, any, rest))
}

/// The content of a SEQUENCE at the front of bytes, and what follows it.
fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, any, rest) = element(bytes)?;
    (any.tag() == Tag::Sequence).then_some((any.data, rest))
}

/// How many attributes a distinguished name has: a SEQUENCE of SETs of them.
fn attributes(der: &[u8]) -> Option<usize> {
    let (mut parts, _) = sequence(der)?;
    let mut count = 0;
    while !parts.is_empty() {
        let (_, set, rest) = element(parts)?;
        parts = rest;
        let mut inner = set.data;
        while !inner.is_empty() {
            (_, _, inner) = element(inner)?;
            count += 1;
        }
    }
    Some(count)
}

impl CertificateFacts {
    /// Reads a certificate in DER; `sha256` is the hash of these bytes. Of bytes that are none only hashes
    /// and length are known.
    pub fn read(der: &[u8], sha256: &[u8; 32]) -> Self {
        let mut facts =
            Self { sha256: hex(sha256), sha1: hex(&Sha1::digest(der)), length: der.len(), ..Self::default() };
        facts.malformed |= facts.certificate(der).is_none();
        facts
    }

    /// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
    fn certificate(&mut self, der: &[u8]) -> Option<()> {
        let (content, after) = sequence(der)?;
        self.malformed |= !after.is_empty();
        let (body, rest) = sequence(content)?;
        match AlgorithmIdentifier::from_der(rest) {
            Ok((_, algorithm)) => self.signature(&algorithm),
            Err(_) => self.malformed = true,
        }
        self.body(body)
    }

    fn signature(&mut self, algorithm: &AlgorithmIdentifier<'_>) {
        let oid = algorithm.algorithm.as_bytes();
        let known = oids::signature(oid);
        let name = known.map_or_else(|| oid_text(&algorithm.algorithm), |(name, _)| name.to_owned());
        self.signature_hash = known.map(|(_, hash)| hash);
        if name == "rsassaPss"
            && let Some(parameters) = &algorithm.parameters
        {
            let parsed = RsaSsaPssParams::try_from(parameters);
            self.signature_hash = parsed.ok().and_then(|p| Hash::of(p.hash_algorithm_oid().as_bytes()));
        }
        self.signature_algorithm = Some(name);
    }

    /// TBSCertificate ::= SEQUENCE { [0] version DEFAULT v1, serialNumber, signature, issuer, validity,
    /// subject, subjectPublicKeyInfo, [1] issuerUniqueID, [2] subjectUniqueID, [3] extensions }
    fn body(&mut self, body: &[u8]) -> Option<()> {
        let (_, first, mut rest) = element(body)?;
        let mut serial = first;
        self.version = Some(1);
        if serial.tag().0 == 0 {
            let (_, version, _) = element(serial.data)?;
            self.version = match *version.data {
                [n @ 0..=2] => Some(u32::from(n) + 1),
                _ => None,
            };
            self.malformed |= self.version.is_none();
            (_, serial, rest) = element(rest)?;
        }
        self.serial = (serial.tag() == Tag::Integer).then(|| serial_text(serial.data));
        self.malformed |= self.serial.is_none();
        let (_, _algorithm, rest) = element(rest)?;
        let (issuer, _, rest) = element(rest)?;
        let (validity, rest) = sequence(rest)?;
        let (subject, _, rest) = element(rest)?;
        let (key, _, rest) = element(rest)?;
        self.validity(validity);
        let name = self.name(issuer);
        (self.issuer, self.issuer_organization) = (Some(name.text), name.organization);
        let name = self.name(subject);
        (self.subject, self.common_names, self.organization) = (Some(name.text), name.common_names, name.organization);
        self.key = PublicKey::read(key);
        self.malformed |= self.key.is_none();
        self.self_issued = Some(issuer == subject);
        if self.version == Some(3) {
            self.is_ca = Some(false);
        }
        let keys = self.extensions(rest);
        let differ = matches!(keys, (Some(own), Some(issuers)) if own != issuers);
        self.self_signed = self.self_issued.map(|same| same && !differ);
        self.authority_key = keys.1.map(|id| hex(id.get(..64).unwrap_or(id)));
        Some(())
    }

    fn validity(&mut self, validity: &[u8]) {
        let times = element(validity).and_then(|(_, first, rest)| Some((first, element(rest)?.1)));
        if let Some((first, last)) = times {
            self.not_before = time::seconds(first.tag().0, first.data);
            self.not_after = time::seconds(last.tag().0, last.data);
        }
        self.malformed |= self.not_before.is_none() || self.not_after.is_none();
    }

    fn name(&mut self, der: &[u8]) -> Name {
        // The parser passes over what it cannot read: is all of it there?
        if let Ok((_, name)) = X509Name::from_der(der)
            && attributes(der) == Some(name.iter_attributes().count())
        {
            let name = Name::new(&name);
            self.limited |= name.cut;
            return name;
        }
        // What it is stays visible.
        self.malformed = true;
        Name { text: format!("#{}", hex(der.get(..256).unwrap_or(der))), ..Name::default() }
    }

    /// Reads the extensions behind the key, and returns the identifiers of the key and of the issuer's.
    fn extensions<'a>(&mut self, mut rest: &'a [u8]) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let mut keys = (None, None);
        while let Some((_, any, after)) = element(rest) {
            rest = after;
            if any.tag().0 != 3 {
                continue;
            }
            let Some((mut list, _)) = sequence(any.data) else {
                self.malformed = true;
                continue;
            };
            let mut count = 0;
            while !list.is_empty() {
                count += 1;
                if count > limits::CERTIFICATE_EXTENSIONS_MAX {
                    self.limited = true;
                    break;
                }
                let Some((encoding, _, after)) = element(list) else {
                    self.malformed = true;
                    break;
                };
                list = after;
                match X509Extension::from_der(encoding) {
                    Ok((_, extension)) => self.extension(&extension, &mut keys),
                    Err(_) => self.malformed = true,
                }
            }
        }
        self.malformed |= !rest.is_empty();
        self.limited |= self.names.cut;
        keys
    }

    fn extension<'a>(&mut self, extension: &X509Extension<'a>, keys: &mut (Option<&'a [u8]>, Option<&'a [u8]>)) {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(c) => {
                (self.is_ca, self.path_length) = (Some(c.ca), c.path_len_constraint);
            }
            ParsedExtension::KeyUsage(usage) => {
                let set = KEY_USAGES.iter().enumerate().filter(|(bit, _)| usage.flags & (1 << bit) != 0);
                self.key_usage = set.map(|(_, word)| *word).collect();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let known = [
                    (usage.server_auth, "serverAuth"),
                    (usage.client_auth, "clientAuth"),
                    (usage.code_signing, "codeSigning"),
                    (usage.email_protection, "emailProtection"),
                    (usage.time_stamping, "timeStamping"),
                    (usage.ocsp_signing, "OCSPSigning"),
                    (usage.any, "anyExtendedKeyUsage"),
                ];
                let known = known.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned());
                let other = usage.other.iter().map(oid_text);
                self.extended_key_usage = known.chain(other).take(limits::CERTIFICATE_USAGES_MAX).collect();
            }
            ParsedExtension::SubjectAlternativeName(names) => self.names.extend(&names.general_names),
            ParsedExtension::SubjectKeyIdentifier(id) => keys.0 = Some(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => keys.1 = id.key_identifier.as_ref().map(|id| id.0),
            ParsedExtension::CertificatePolicies(policies) => {
                self.public_signs |= policies.iter().any(|p| oids::is_public_policy(p.policy_id.as_bytes()));
            }
            ParsedExtension::ParseError { .. } => self.malformed = true,
            _ => {}
        }
        self.public_signs |= extension.oid.as_bytes() == SCT_LIST;
    }

    /// Whether it is an authority's: it says so, or is of a version that cannot and issued itself.
    pub fn is_authority(&self) -> bool {
        self.is_ca == Some(true)
    }

    /// Bytes that it takes, roughly.
    pub fn size(&self) -> usize {
        let texts = [&self.subject, &self.issuer, &self.organization, &self.issuer_organization];
        let texts: usize = texts.into_iter().flatten().map(String::capacity).sum();
        let names: usize =
            self.names.all.iter().chain(&self.names.hosts).chain(&self.common_names).map(|n| n.capacity() + 24).sum();
        let key = self.key.as_ref().map_or(0, |k| k.modulus.len() + 64);
        size_of::<Self>() + 512 + texts + names + self.names.addresses.len() * 16 + key
    }
}

/// A serial number in hex.
fn serial_text(bytes: &[u8]) -> String {
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(bytes.get(..limits::CERTIFICATE_SERIAL_BYTES_MAX).unwrap_or(bytes))
}

/// Certificates of any content.
#[cfg(test)]
#[path = "../../../tests/certificates/builder.rs"]
pub(crate) mod builder;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
