//! The authorities whose certificates a receiver may have.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The files in which distributions keep the certificates of all authorities: Debian, Fedora, openSUSE.
const SYSTEM_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// TLS that trusts the authorities in this file, or those of the system: `$SSL_CERT_FILE`, or the file of the
/// distribution.
///
/// # Errors
/// The file cannot be read, or has no certificate.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let file = ca_file.map_or_else(system_file, |file| Ok(file.to_owned()))?;
    let shown = file.display();
    let certificates = CertificateDer::pem_file_iter(&file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut roots = RootCertStore::empty();
    // One certificate that cannot be used makes no other unusable.
    let (added, _) = roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if added == 0 {
        return Err(format!("{shown} has no certificate"));
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn system_file() -> Result<PathBuf, String> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = || SYSTEM_FILES.iter().map(PathBuf::from).find(|file| file.exists());
    named.or_else(usual).ok_or_else(|| "this host has no file with certificates of authorities".to_owned())
}
