//! Reads a signature: a PKCS #7 message (RFC 2315) whose content is the digest of a PE file. "Windows Authenticode
//! Portable Executable Signature Format" defines this format. Firmware verifies a signature as EDK2's CryptPkcs7Verify
//! and OpenSSL do.

use crate::asn1::{Elements, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context_tag};
use crate::certificate::{Certificate, common_name};
use crate::key::Hash;

/// A PKCS #7 SignedData, with references to its parts.
#[derive(Debug)]
pub struct SignedData<'a> {
    /// The digest algorithm.
    pub hash: Hash,
    /// The digest of the PE file.
    pub digest: &'a [u8],
    /// The signed content. The signed attributes, if any, contain its digest.
    content: &'a [u8],
    certificates: Vec<Certificate>,
    signer: Signer<'a>,
}

#[derive(Debug)]
struct Signer<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    hash: Hash,
    attributes: Option<&'a [u8]>,
    signature: &'a [u8],
}

/// The maximum number of certificates that are read from a message. A chain has two or three certificates.
const MAX_CERTIFICATES: usize = 32;

impl<'a> SignedData<'a> {
    /// Parses a message; `None` if it is not an Authenticode signature.
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
        const INDIRECT_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04";

        let mut outer = Elements::new(octets).sequence()?;
        if outer.read(OID)?.content != SIGNED_DATA {
            return None;
        }
        let mut parts = Elements::new(outer.read(context_tag(0))?.content).sequence()?;
        parts.read(INTEGER)?; // the version
        parts.read(SET)?; // the digest algorithms
        let mut inner = parts.sequence()?;
        if inner.read(OID)?.content != INDIRECT_DATA {
            return None;
        }
        let content = Elements::new(inner.read(context_tag(0))?.content).read(SEQUENCE)?.content;
        let certificates = parts.read(context_tag(0)).map_or(&[][..], |set| set.content);
        let certificates =
            Elements::new(certificates).take_while(|element| element.tag == SEQUENCE).take(MAX_CERTIFICATES);
        let certificates = certificates.filter_map(|element| Certificate::from_der(element.raw)).collect();
        parts.read(context_tag(1)); // revoked certificates
        let mut signers = Elements::new(parts.read(SET)?.content);
        let signer = signer(signers.sequence()?)?;
        // An Authenticode message has one signer. A file with several signatures contains several messages.
        if signers.next().is_some() {
            return None;
        }
        let (hash, digest) = indirect_data(content)?;
        Some(Self { hash, digest, content, certificates, signer })
    }

    /// The certificate of the signer, followed by the certificates of its issuers as far as the message contains them.
    /// Empty if the message lacks the signer's certificate.
    pub fn chain(&self) -> Vec<Certificate> {
        let is_signer = |certificate: &&Certificate| {
            certificate.issuer == self.signer.issuer && certificate.serial == self.signer.serial
        };
        let mut chain: Vec<Certificate> = self.certificates.iter().find(is_signer).cloned().into_iter().collect();
        while let Some(last) = chain.last() {
            let mut issuers = self.certificates.iter().filter(|other| !chain.contains(other));
            match issuers.find(|other| last.is_issued_by(other)).cloned() {
                Some(issuer) => chain.push(issuer),
                None => break,
            }
        }
        chain
    }

    /// The name of the issuer of the signer's certificate. The message contains this name even if it lacks the
    /// certificate.
    pub fn issuer(&self) -> String {
        common_name(self.signer.issuer)
    }

    /// Whether the owner of this certificate signed this content.
    pub fn is_signed_by(&self, certificate: &Certificate) -> bool {
        let Some(key) = &certificate.key else { return false };
        let Signer { hash, attributes, signature, .. } = self.signer;
        match attributes {
            // The signature covers the attributes with the tag of a set, although the message contains another tag (RFC
            // 2315 section 9.3).
            Some(attributes) => {
                let signed = hash.digest(&[&[SET], &attributes[1..]]);
                message_digest(attributes).is_some_and(|digest| digest == hash.digest(&[self.content]))
                    && key.verifies(signature, hash, &signed)
            }
            None => key.verifies(signature, hash, &hash.digest(&[self.content])),
        }
    }
}

/// Reads the digest of the file, and its algorithm, from SpcIndirectDataContent. Ignores the kind of the file.
fn indirect_data(content: &[u8]) -> Option<(Hash, &[u8])> {
    let mut parts = Elements::new(content);
    parts.read(SEQUENCE)?;
    let mut info = parts.sequence()?;
    let hash = Hash::from_oid(info.sequence()?.read(OID)?.content)?;
    Some((hash, info.read(OCTET_STRING)?.content))
}

/// Reads the SignerInfo (RFC 2315 section 9.2).
fn signer(mut parts: Elements<'_>) -> Option<Signer<'_>> {
    parts.read(INTEGER)?; // the version
    let mut names = parts.sequence()?;
    let (issuer, serial) = (names.read(SEQUENCE)?.raw, names.read(INTEGER)?.content);
    let hash = Hash::from_oid(parts.sequence()?.read(OID)?.content)?;
    let attributes = parts.read(context_tag(0)).map(|attributes| attributes.raw);
    parts.read(SEQUENCE)?; // the signature algorithm: the verification fails if it is not RSA
    Some(Signer { issuer, serial, hash, attributes, signature: parts.read(OCTET_STRING)?.content })
}

/// The digest of the content from its attribute (PKCS #9, 1.2.840.113549.1.9.4); `None` if the attribute is missing.
fn message_digest(attributes: &[u8]) -> Option<&[u8]> {
    const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
    let each = Elements::new(Elements::new(attributes).next()?.content);
    each.map(|attribute| Elements::new(attribute.content)).find_map(|mut attribute| {
        let values = (attribute.read(OID)?.content == MESSAGE_DIGEST).then(|| attribute.read(SET))??;
        Some(Elements::new(values.content).read(OCTET_STRING)?.content)
    })
}
