//! Tests the signatures of boot programs: those that Debian ships, and others that the tests make with `sbsign`. Needs
//! the files and programs that `e2e/setup` unpacks and installs.

use proxydhcpd_secureboot::pe::Pe;
use proxydhcpd_secureboot::{
    Certificate, CertificateError, Rejection, SecureBootVerdict, SignatureFault, Signatures, TrustAnchor, microsoft,
};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const UEFI_CA_2011: &str = "Microsoft Corporation UEFI CA 2011";
const UEFI_CA_2023: &str = "Microsoft UEFI CA 2023";

#[test]
fn shim_is_signed_with_both_of_microsofts_keys_for_other_vendors() {
    let shim = inspect(&cached("2022/shimx64.efi.signed"));
    assert!(shim.is_uefi_program);
    let signers: Vec<_> = shim.signatures.iter().map(|one| (one.issuer.as_str(), one.fault)).collect();
    assert_eq!(signers, [(UEFI_CA_2011, None), (UEFI_CA_2023, None)]);
    assert_eq!(
        shim.verdict(&[]),
        SecureBootVerdict::Accepted(vec![TrustAnchor::Microsoft(UEFI_CA_2011), TrustAnchor::Microsoft(UEFI_CA_2023)])
    );
    assert_eq!(shim.verdict(&[]).to_string(), format!("signed by Microsoft ({UEFI_CA_2011}, {UEFI_CA_2023})"));
    assert!(shim.sbat.iter().any(|part| part.name == "shim" && part.generation.parse::<u32>().is_ok()));
}

#[test]
fn a_distributions_grub_is_signed_with_a_key_that_only_its_shim_knows() {
    let grub = inspect(&cached("2022/grubnetx64.efi.signed"));
    assert_eq!(grub.signatures[0].fault, None);
    let SecureBootVerdict::Rejected(Rejection::UnknownSigner { signer, issuer }) = grub.verdict(&[]) else {
        panic!("{grub:?}")
    };
    assert!(signer.starts_with("Debian Secure Boot Signer"), "{signer}");
    assert_eq!(issuer, "Debian Secure Boot CA");
    assert!(grub.sbat.iter().any(|part| part.name == "grub" && part.version == "2.06"));
}

#[test]
fn a_site_signs_its_own_ipxe() {
    let site = Owner::snakeoil();
    let signed = site.sign(&ipxe());
    let keys = certificates(&site.certificate);
    let signatures = inspect(&signed);
    assert_eq!(signatures.verdict(&keys), SecureBootVerdict::Accepted(vec![TrustAnchor::Site("SnakeOil".into())]));
    assert_eq!(signatures.verdict(&keys).to_string(), "signed with the site's own key (SnakeOil)");
    assert_eq!(signatures.verdict(&[]), SecureBootVerdict::Rejected(unknown_signer("SnakeOil", "SnakeOil")));

    let is_signed = |path: &Path| Pe::parse(&fs::read(path).unwrap()).unwrap().is_signed();
    assert_eq!((is_signed(&ipxe()), is_signed(&signed)), (false, true));
    assert_eq!(inspect(&ipxe()).verdict(&keys), SecureBootVerdict::Rejected(Rejection::Unsigned));
}

/// sbverify is an independent program, and must have the same result.
#[test]
fn sbverify_agrees_on_the_signers() {
    let (site, other) = (Owner::snakeoil(), Owner::make("Another owner", None));
    let by_site = site.sign(&ipxe());
    let by_both = other.sign(&by_site);
    let changed = change_code(&by_site);
    for (file, owner, accepts) in [
        (&by_site, &site, true),
        (&by_site, &other, false),
        (&by_both, &site, true),
        (&by_both, &other, true),
        (&changed, &site, false),
        (&ipxe(), &site, false),
    ] {
        let verdict = inspect(file).verdict(&certificates(&owner.certificate));
        assert_eq!(matches!(verdict, SecureBootVerdict::Accepted(_)), accepts, "{}: {verdict}", file.display());
        let sbverify = Command::new("sbverify").arg("--cert").arg(&owner.certificate).arg(file).output();
        assert_eq!(sbverify.expect("sbverify; run e2e/setup").status.success(), accepts, "{}", file.display());
    }
}

#[test]
fn every_signature_of_a_file_counts() {
    let (one, two) = (Owner::make("One", None), Owner::make("Two", None));
    let both = inspect(&two.sign(&one.sign(&ipxe())));
    let of = |owner: &Owner| certificates(&owner.certificate);
    assert_eq!(both.signatures.len(), 2);
    assert_eq!(both.verdict(&of(&two)), SecureBootVerdict::Accepted(vec![TrustAnchor::Site("Two".into())]));
    let keys = [of(&two), of(&one)].concat();
    let verdict = both.verdict(&keys);
    assert_eq!(
        verdict,
        SecureBootVerdict::Accepted(vec![TrustAnchor::Site("One".into()), TrustAnchor::Site("Two".into())])
    );
}

#[test]
fn a_certificate_accepts_signatures_of_certificates_that_it_issued() {
    let authority = Owner::make("Site authority", None);
    let signer = Owner::make("Site signer", Some(&authority));
    let keys = certificates(&authority.certificate);
    let signatures = inspect(&signer.sign(&ipxe()));
    assert_eq!(
        (signatures.signatures[0].signer.as_str(), signatures.signatures[0].issuer.as_str()),
        ("Site signer", "Site authority")
    );
    assert_eq!(
        signatures.verdict(&keys),
        SecureBootVerdict::Accepted(vec![TrustAnchor::Site("Site authority".into())])
    );
    assert_eq!(signatures.verdict(&[]), SecureBootVerdict::Rejected(unknown_signer("Site signer", "Site authority")));
}

#[test]
fn a_name_alone_is_not_accepted() {
    let site = Owner::make(UEFI_CA_2011, None);
    let impostor = Owner::make(UEFI_CA_2011, None);
    let signatures = inspect(&impostor.sign(&ipxe()));
    let keys = certificates(&site.certificate);
    assert_eq!(signatures.verdict(&keys), SecureBootVerdict::Rejected(unknown_signer(UEFI_CA_2011, UEFI_CA_2011)));
}

#[test]
fn a_file_that_was_changed_after_signing_is_refused() {
    let site = Owner::snakeoil();
    let keys = certificates(&site.certificate);
    let signed = fs::read(site.sign(&ipxe())).unwrap();
    let table = u32_at(&signed, directory(&signed));
    // The test changes octets in every part of the file. Only the checksum and the entry of the certificate table in
    // the header are not part of the digest.
    let left_out = [u32_at(&signed, 0x3c) + 24 + 64, directory(&signed), directory(&signed) + 4];
    for at in (0x40..table).step_by(table / 97) {
        let mut changed = signed.clone();
        changed[at] ^= 0x10;
        let verdict = Signatures::parse(&changed).verdict(&keys);
        let free = left_out.iter().any(|start| (*start..start + 4).contains(&at));
        assert_eq!(matches!(verdict, SecureBootVerdict::Accepted(_)), free, "octet {at:#x}: {verdict}");
    }
    let verdict = inspect(&change_code(&site.sign(&ipxe()))).verdict(&keys);
    assert_eq!(
        verdict,
        SecureBootVerdict::Rejected(Rejection::Fault { signer: "SnakeOil".into(), fault: SignatureFault::Changed })
    );
}

#[test]
fn a_signature_that_was_changed_is_refused() {
    let site = Owner::snakeoil();
    let keys = certificates(&site.certificate);
    let signed = fs::read(site.sign(&ipxe())).unwrap();
    // The signature value is at the end of the message, before up to seven octets of padding. The first SHA-256 digest
    // in the message is that of the file. The signed attributes contain a digest over it, so a change of the file's
    // digest breaks the signature.
    let table = u32_at(&signed, directory(&signed));
    let sha256_of = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let digest = (table..).find(|at| signed[*at..].starts_with(sha256_of)).unwrap() + sha256_of.len();
    for at in [signed.len() - 16, digest] {
        let mut signed = signed.clone();
        signed[at] ^= 1;
        let verdict = Signatures::parse(&signed).verdict(&keys);
        assert_eq!(
            verdict,
            SecureBootVerdict::Rejected(Rejection::Fault { signer: "SnakeOil".into(), fault: SignatureFault::Forged })
        );
    }
}

/// The variables of firmware contain the certificates of the built-in keys, and shim's signature contains one of them.
/// No file of Debian contains the fourth certificate, which is that of Windows since 2023.
#[test]
fn the_built_in_keys_are_those_of_firmware() {
    let mut certificates = certificates_of_firmware("2022/OVMF_VARS_4M.ms.fd");
    certificates.extend(certificates_in(&fs::read(cached("2022/shimx64.efi.signed")).unwrap()));
    // These are the fingerprints that Microsoft publishes.
    for (fingerprint, name) in [
        ("e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961", "Microsoft Windows Production PCA 2011"),
        ("48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507", UEFI_CA_2011),
        ("f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901", UEFI_CA_2023),
    ] {
        let der = certificates.iter().find(|der| hex::encode(Sha256::digest(der)) == fingerprint);
        let certificate = Certificate::from_der(der.unwrap_or_else(|| panic!("no file has {name}"))).unwrap();
        assert_eq!(certificate.name(), name);
        assert_eq!(microsoft::accepting_keys(&[certificate]), [name]);
    }
}

#[test]
fn no_file_makes_the_parser_panic() {
    let shim = fs::read(cached("2022/shimx64.efi.signed")).unwrap();
    let table = u32_at(&shim, directory(&shim));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |max: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % max as u64).unwrap()
    };
    for _ in 0..150 {
        Signatures::parse(&shim[..below(shim.len())]);
        Signatures::parse(&shim[..table + below(shim.len() - table)]);
        let mut file = shim.clone();
        // The test changes octets only in the headers and the certificate table, because nothing else is parsed.
        for at in [below(0x400), below(0x400), table + below(shim.len() - table)] {
            file[at] = u8::try_from(below(256)).unwrap();
        }
        let signatures = Signatures::parse(&file);
        let _ = signatures.verdict(&[]).to_string();
    }
    for length in 0..0x400 {
        Signatures::parse(&shim[..length]);
        let _ = Certificate::from_der(&shim[table + 0x60..][..length]);
    }
}

#[test]
fn files_that_are_no_program_for_uefi_have_no_verdict() {
    assert_eq!(Signatures::parse(b"#!ipxe\n").verdict(&[]), SecureBootVerdict::NotApplicable);
    assert_eq!(inspect(&cached("2025/undionly.kpxe")).verdict(&[]), SecureBootVerdict::NotApplicable);
}

#[test]
fn a_list_of_keys_is_read_in_pem_and_in_der() {
    let (one, two) = (Owner::make("One", None), Owner::make("Two", None));
    let directory = tempfile::tempdir().unwrap();
    let both = directory.path().join("both.pem");
    let text =
        fs::read_to_string(&one.certificate).unwrap() + "between\n" + &fs::read_to_string(&two.certificate).unwrap();
    fs::write(&both, text).unwrap();
    let names: Vec<_> = certificates(&both).iter().map(Certificate::name).collect();
    assert_eq!(names, ["One", "Two"]);

    let der = directory.path().join("one.der");
    run(Command::new("openssl").args(["x509", "-outform", "der", "-in"]).arg(&one.certificate).arg("-out").arg(&der));
    assert_eq!(certificates(&der), certificates(&one.certificate));
    for file in [&one.key, &ipxe()] {
        let error = Certificate::parse_file(&fs::read(file).unwrap()).unwrap_err();
        assert_eq!(error, CertificateError::Missing, "{}", file.display());
    }
}

fn inspect(file: &Path) -> Signatures {
    Signatures::parse(&fs::read(file).unwrap())
}

fn certificates(file: &Path) -> Vec<Certificate> {
    Certificate::parse_file(&fs::read(file).unwrap()).unwrap()
}

fn unknown_signer(signer: &str, issuer: &str) -> Rejection {
    Rejection::UnknownSigner { signer: signer.into(), issuer: issuer.into() }
}

/// The owner of a signing key, with its certificate.
struct Owner {
    directory: TempDir,
    key: PathBuf,
    certificate: PathBuf,
}

impl Owner {
    /// Returns the owner of Debian's test key. One set of Debian's firmware variables contains the certificate.
    fn snakeoil() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (key, certificate) = (directory.path().join("key"), cached("2022/PkKek-1-snakeoil.pem"));
        let locked = cached("2022/PkKek-1-snakeoil.key");
        run(Command::new("openssl").args(["rsa", "-passin", "pass:snakeoil", "-in"]).arg(locked).arg("-out").arg(&key));
        Self { directory, key, certificate }
    }

    fn make(name: &str, issuer: Option<&Owner>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (key, certificate) = (directory.path().join("key"), directory.path().join("certificate"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", &format!("/O=Tests/CN={name}")]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        if let Some(issuer) = issuer {
            openssl.arg("-CA").arg(&issuer.certificate).arg("-CAkey").arg(&issuer.key);
        }
        run(&mut openssl);
        Self { directory, key, certificate }
    }

    fn sign(&self, file: &Path) -> PathBuf {
        let signed = self.directory.path().join("signed.efi");
        let mut sbsign = Command::new("sbsign");
        sbsign.arg("--key").arg(&self.key).arg("--cert").arg(&self.certificate);
        run(sbsign.arg("--output").arg(&signed).arg(file));
        signed
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run e2e/setup"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn ipxe() -> PathBuf {
    cached("2022/snponly.efi")
}

/// Returns the path of a file that `e2e/setup` unpacks. Panics if the file is missing.
fn cached(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache").join(name);
    assert!(path.is_file(), "{} is missing; run e2e/setup", path.display());
    path
}

/// Writes a copy of a program with one bit of its code changed, and returns the path of the copy.
fn change_code(file: &Path) -> PathBuf {
    let mut octets = fs::read(file).unwrap();
    octets[0x8000] ^= 1;
    let changed = file.with_extension("changed");
    fs::write(&changed, octets).unwrap();
    changed
}

/// Returns the offset of the certificate table's directory entry in the header of a 64-bit program.
fn directory(file: &[u8]) -> usize {
    u32_at(file, 0x3c) + 24 + 112 + 4 * 8
}

fn u32_at(file: &[u8], at: usize) -> usize {
    u32::from_le_bytes(*file[at..].first_chunk().unwrap()) as usize
}

/// Returns the certificates in these firmware variables. An EFI_SIGNATURE_LIST has a type, and the sizes of the list,
/// of its header and of an entry. An entry has an owner and a certificate.
fn certificates_of_firmware(variables: &str) -> Vec<Vec<u8>> {
    const X509: &[u8] = b"\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72";
    let octets = fs::read(cached(variables)).unwrap();
    let lists = (0..octets.len() - 64).filter(|at| octets[*at..].starts_with(X509));
    lists
        .filter(|at| u32_at(&octets, at + 20) == 0)
        .filter_map(|at| octets.get(at + 28 + 16..at + 28 + u32_at(&octets, at + 24)).map(<[u8]>::to_vec))
        .collect()
}

/// Returns everything that begins like a certificate: an ASN.1 sequence with a length of two octets, which contains
/// another such sequence.
fn certificates_in(file: &[u8]) -> Vec<Vec<u8>> {
    let begins = |at: &usize| file[*at..].starts_with(&[0x30, 0x82]) && file[at + 4..].starts_with(&[0x30, 0x82]);
    let length = |at: usize| usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
    (0..file.len() - 8).filter(begins).filter_map(|at| file.get(at..at + 4 + length(at)).map(<[u8]>::to_vec)).collect()
}
