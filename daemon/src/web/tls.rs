//! TLS with a certificate that can change while the server runs.

use super::certificate::{CertificateFiles, FilesVersion, fingerprint};
use crate::settings::WebConfig;
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

/// The certificate of the page, and where it comes from.
#[derive(Debug)]
pub struct Tls {
    /// Those of the configuration. `None`: the server uses its own.
    files: Option<CertificateFiles>,
    /// The version of the files that was read last, whether it could be used or not.
    read: FilesVersion,
    /// A version that was seen once. It may be a file that is still being written.
    seen: FilesVersion,
    current: Arc<CurrentCertificate>,
    server: Arc<ServerConfig>,
}

/// A certificate that the server read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateNews {
    /// The server uses it.
    Used {
        /// The SHA-256 fingerprint.
        fingerprint: String,
        /// Whether the server made it.
        is_own: bool,
    },
    /// The certificate of the configuration cannot be used.
    Failed {
        /// The file, and the reason.
        error: String,
        /// The certificate that the server uses instead.
        instead: &'static str,
    },
}

/// The certificate for new connections.
#[derive(Debug)]
struct CurrentCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// TLS with the certificate of the configuration, or else with the server's own, which is made if there is none. If
    /// the first cannot be read, the server uses its own until it can: it never uses plain HTTP instead.
    pub fn new(
        config: &WebConfig,
        state_dir: &Path,
        addresses: &[IpAddr],
    ) -> Result<(Tls, Vec<CertificateNews>), String> {
        let files = config.certificate.as_ref().map(|certificate| CertificateFiles {
            certificate: certificate.clone(),
            key: config.key.clone().unwrap_or_else(|| certificate.clone()),
        });
        let read = files.as_ref().map(CertificateFiles::version).unwrap_or_default();
        let (mut news, mut configured) = (Vec::new(), None);
        match files.as_ref().map(CertificateFiles::load) {
            Some(Ok(certified)) => configured = Some(certified),
            Some(Err(error)) => news.push(CertificateNews::Failed { error, instead: "its own certificate" }),
            None => {}
        }
        let is_own = configured.is_none();
        let certified = match configured {
            Some(certified) => certified,
            None => {
                let own = CertificateFiles::own(state_dir);
                let made = own.make_unless_valid(addresses, SystemTime::now());
                made.map_err(|error| format!("cannot make a certificate in {}: {error}", state_dir.display()))?;
                own.load()?
            }
        };
        news.push(CertificateNews::Used { fingerprint: fingerprint(&certified), is_own });
        let current = Arc::new(CurrentCertificate(ArcSwap::from_pointee(certified)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<CurrentCertificate>::clone(&current);
        let server = server_config(resolver).map_err(|error| error.to_string())?;
        Ok((Tls { files, seen: read.clone(), read, current, server }, news))
    }

    /// Reads the certificate again if its files have changed, and have then stayed the same until the next call. One
    /// that cannot be used changes nothing.
    pub fn follow_files(&mut self) -> Option<CertificateNews> {
        let files = self.files.as_ref()?;
        let version = files.version();
        let is_complete = std::mem::replace(&mut self.seen, version.clone()) == version;
        if version == self.read || !is_complete {
            return None;
        }
        self.read = version;
        Some(match files.load() {
            Ok(certified) => {
                let fingerprint = fingerprint(&certified);
                self.current.0.store(Arc::new(certified));
                CertificateNews::Used { fingerprint, is_own: false }
            }
            Err(error) => CertificateNews::Failed { error, instead: "the previous one" },
        })
    }

    /// The fingerprint of the certificate in use.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.current.0.load())
    }

    /// The settings of TLS for connections.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_new_certificate_replaces_the_old_one_and_a_damaged_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| {
            let files = CertificateFiles::own(&directory.path().join(name));
            files.make_unless_valid(&[], SystemTime::now()).unwrap();
            files
        });
        let config = WebConfig {
            certificate: Some(first.certificate.clone()),
            key: Some(first.key.clone()),
            ..WebConfig::default()
        };
        let (mut tls, news) = Tls::new(&config, directory.path(), &[]).unwrap();
        let before = tls.fingerprint();
        assert_eq!(news, [CertificateNews::Used { fingerprint: before.clone(), is_own: false }]);
        assert!(!CertificateFiles::own(directory.path()).certificate.exists());

        fs::copy(&second.certificate, &first.certificate).unwrap();
        assert_eq!(tls.follow_files(), None, "the key may follow");
        assert!(matches!(tls.follow_files(), Some(CertificateNews::Failed { instead: "the previous one", .. })));
        assert_eq!(tls.follow_files(), None, "one warning");
        assert_eq!(tls.fingerprint(), before);
        fs::copy(&second.key, &first.key).unwrap();
        assert_eq!(tls.follow_files(), None);
        assert!(matches!(tls.follow_files(), Some(CertificateNews::Used { is_own: false, .. })));
        assert_ne!(tls.fingerprint(), before);
    }

    #[test]
    fn the_server_uses_its_own_certificate_if_that_of_the_configuration_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let config = WebConfig { certificate: Some(directory.path().join("missing.pem")), ..WebConfig::default() };
        let (tls, news) = Tls::new(&config, directory.path(), &[]).unwrap();
        let [CertificateNews::Failed { error, .. }, CertificateNews::Used { fingerprint, is_own: true }] = &news[..]
        else {
            panic!("{news:?}");
        };
        assert!(error.contains("missing.pem") && *fingerprint == tls.fingerprint());
    }
}
