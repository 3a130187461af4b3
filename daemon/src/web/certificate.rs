//! Certificates for TLS, as files: those of the configuration, and the one that the server makes for itself.

use crate::events::wall_clock::rfc3339;
use crate::files::replace;
use nix::unistd::gethostname;
use proxydhcpd_reading::regular::read_regular;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use sha2::{Digest, Sha256};
use std::fs::{self, Metadata};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// The maximum size of each file, in octets.
const MAX_SIZE: u64 = 256 * 1024;
/// The files that the server makes, below the state directory.
const OWN_CERTIFICATE: &str = "web-certificate.pem";
const OWN_KEY: &str = "web-key.pem";
/// How long a certificate of the server is valid. Some browsers refuse one that is valid for more than 825 days.
const OWN_DAYS: u64 = 800;
/// The server makes a new certificate this long before the old one ends.
const RENEWAL_DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificates (PEM).
    pub certificate: PathBuf,
    /// The key (PEM).
    pub key: PathBuf,
}

/// The version of files: it differs if one of them has changed.
pub type FilesVersion = Vec<(u64, u64, i64, i64)>;

impl CertificateFiles {
    /// The files that the server makes in this state directory.
    pub fn own(state_dir: &Path) -> CertificateFiles {
        CertificateFiles { certificate: state_dir.join(OWN_CERTIFICATE), key: state_dir.join(OWN_KEY) }
    }

    /// The version of the files. A file that cannot be read has none.
    pub fn version(&self) -> FilesVersion {
        let version = |file: Metadata| (file.ino(), file.size(), file.mtime(), file.mtime_nsec());
        [&self.certificate, &self.key].into_iter().filter_map(|path| fs::metadata(path).ok().map(version)).collect()
    }

    /// Reads the files. An error names the file.
    pub fn load(&self) -> Result<CertifiedKey, String> {
        let fail = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let read = |path: &Path| read_regular(path, MAX_SIZE).map_err(|error| fail(path, &error));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&self.certificate)?).collect();
        let chain = chain.map_err(|error| fail(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(fail(&self.certificate, &"the file contains no certificate (PEM)"));
        }
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?);
        let key = key.map_err(|_| fail(&self.key, &"the file contains no private key (PEM, without a password)"))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider());
        certified.map_err(|error| match error {
            tokio_rustls::rustls::Error::InconsistentKeys(_) => {
                fail(&self.key, &format_args!("the key is not that of {}", self.certificate.display()))
            }
            error => fail(&self.certificate, &error),
        })
    }

    /// Makes a self-signed certificate for these addresses of this host, unless the files have one that is valid for
    /// some time.
    pub fn make_unless_valid(&self, addresses: &[IpAddr], now: SystemTime) -> io::Result<()> {
        let made = fs::metadata(&self.certificate).and_then(|file| file.modified());
        // A host without a battery starts in the past, and keeps the certificate.
        let age = made.map(|made| now.duration_since(made).unwrap_or_default());
        if age.is_ok_and(|age| age < DAY * (OWN_DAYS - RENEWAL_DAYS) as u32) && self.load().is_ok() {
            return Ok(());
        }
        let host = gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
        let is_name =
            |name: &&str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.".contains(&c));
        let names = [host.as_str(), "localhost"].into_iter().filter(is_name).map(str::to_owned);
        let names: Vec<String> = names.chain(addresses.iter().map(ToString::to_string)).collect();
        let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
        parameters.distinguished_name.push(DnType::CommonName, "proxydhcpd");
        // A browser whose clock is slow takes it, too.
        let [(year, month, day), (last_year, last_month, last_day)] =
            [now - DAY, now + DAY * OWN_DAYS as u32].map(date);
        parameters.not_before = date_time_ymd(year, month, day);
        parameters.not_after = date_time_ymd(last_year, last_month, last_day);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = parameters.self_signed(&key).map_err(io::Error::other)?;
        self.certificate.parent().map_or(Ok(()), fs::create_dir_all)?;
        replace(&self.key, key.serialize_pem().as_bytes(), 0o600)?;
        replace(&self.certificate, certificate.pem().as_bytes(), 0o600)
    }
}

/// The SHA-256 fingerprint of a certificate, as browsers show it: `AB:CD:...`.
pub fn fingerprint(certified: &CertifiedKey) -> String {
    let hash = certified.cert.first().map(|certificate| Sha256::digest(certificate.as_ref())).unwrap_or_default();
    hash.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

/// The year, month and day of this time, in UTC.
fn date(time: SystemTime) -> (i32, u8, u8) {
    let text = rfc3339(time);
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(1);
    (i32::from(number(0, 4)), number(5, 7) as u8, number(8, 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_server_keeps_its_certificate_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let (files, now) = (CertificateFiles::own(&directory.path().join("state")), SystemTime::now());
        assert!(files.load().is_err() && files.version().is_empty());
        let make = |now| {
            files.make_unless_valid(&[[192, 0, 2, 10].into(), "2001:db8::10".parse().unwrap()], now).unwrap();
            fingerprint(&files.load().unwrap())
        };
        let first = make(now);
        assert_eq!((first.len(), first.matches(':').count()), (95, 31));
        assert_eq!([make(now + DAY * 700), make(SystemTime::UNIX_EPOCH)], [first.clone(), first.clone()]);
        assert_ne!(make(now + DAY * 790), first);
        for file in [&files.certificate, &files.key] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| CertificateFiles::own(&directory.path().join(name)));
        for files in [&one, &other] {
            files.make_unless_valid(&[], SystemTime::now()).unwrap();
        }
        let mixed = CertificateFiles { key: other.key.clone(), ..one.clone() };
        assert!(mixed.load().unwrap_err().contains("other/web-key.pem: the key is not that of"));
        let version = one.version();
        fs::write(&one.key, "no key").unwrap();
        assert!(one.load().unwrap_err().contains("web-key.pem: the file contains no private key"));
        assert_ne!(one.version(), version);
        fs::write(&one.certificate, "").unwrap();
        assert!(one.load().unwrap_err().contains("web-certificate.pem: the file contains no certificate"));
    }
}
