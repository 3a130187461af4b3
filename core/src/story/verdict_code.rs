//! The kinds of verdicts, and the table of their texts.

/// The kind of a failed boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerdictCode {
    /// The DHCP server announces itself as a boot server.
    Option60,
    /// The DHCP server names a boot file.
    DhcpBootFile,
    /// Another boot server answered.
    OtherBootServer,
    /// The offer did not reach the machine.
    OfferNotSeen,
    /// The machine took an address and did not contact this server.
    NotContacted,
    /// The machine runs an iPXE that this server did not send.
    ForeignIpxe,
    /// The machine received no address.
    NoAddress,
    /// The machine took no address, although a DHCP server offered one.
    AddressNotTaken,
    /// This host did not send the reply.
    ReplyBlocked,
    /// This host has no route to the relay.
    RelayUnreachable,
    /// The relay does not forward requests to this server.
    RelayNotForwarding,
    /// The machine is on an interface that is not served.
    InterfaceNotServed,
    /// There is no loader for the machine.
    LoaderMissing,
    /// The server has nothing that the machine can boot.
    NothingToBoot,
    /// Read requests do not reach TFTP.
    TftpRequestsBlocked,
    /// TFTP replies do not reach the machine.
    TftpRepliesBlocked,
    /// Large packets do not reach the machine.
    TftpBlocksLost,
    /// A requested file does not exist.
    FileMissing,
    /// The kernel does not exist.
    KernelMissing,
    /// An initrd does not exist.
    InitrdMissing,
    /// A file that the server offers cannot be sent.
    FileUnreadable,
    /// A template has an error.
    TemplateFailed,
    /// The loader was loaded and did not start.
    LoaderNotStarted,
    /// The loader is not signed.
    LoaderUnsigned,
    /// GRUB requests its files from the DHCP server.
    GrubAsksDhcpServer,
    /// The script has an error.
    ScriptError,
    /// The machine starts the loader again and again.
    BootLoop,
    /// A script starts itself again and again.
    ScriptLoop,
    /// The kernel was loaded and the machine began anew.
    SystemNotStarted,
    /// A command of a script failed.
    IpxeError,
    /// The machine has too little memory.
    TooLittleMemory,
    /// The installation failed.
    InstallFailed,
}

/// A row of the table of verdicts.
#[derive(Clone, Copy, Debug)]
pub struct VerdictRow {
    /// The kind of failure.
    pub code: VerdictCode,
    /// The stable name, in logs, in history and in the documentation.
    pub id: &'static str,
    /// The `MESSAGE_ID` of the journal: 32 hexadecimal digits (sd-journal(3)).
    pub message_id: &'static str,
    /// A title, without a full stop.
    pub title: &'static str,
    /// The observation, with places for facts. Empty if the evidence is a finding, which has its own text.
    pub observation: &'static str,
    /// The causes and what to do, with places for facts. Empty if the evidence is a finding.
    pub remedy: &'static str,
}

impl VerdictCode {
    /// The row of the code.
    pub fn row(self) -> &'static VerdictRow {
        VERDICTS.get(self as usize).unwrap_or(&VERDICTS[0])
    }

    /// The stable name.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The code with this name.
    pub fn from_id(id: &str) -> Option<VerdictCode> {
        VERDICTS.iter().find(|row| row.id == id).map(|row| row.code)
    }

    /// The stable names of all codes.
    pub fn ids() -> impl Iterator<Item = &'static str> {
        VERDICTS.iter().map(|row| row.id)
    }
}

/// The table of verdicts, in the order of [`VerdictCode`].
pub const VERDICTS: &[VerdictRow] = &[
    row(
        VerdictCode::Option60,
        "option-60",
        "f39bcc77fe2f444fb4801295f491d0cc",
        "The DHCP server announces itself as a boot server",
        "",
        "",
    ),
    row(
        VerdictCode::DhcpBootFile,
        "dhcp-boot-file",
        "10fcf3a207b84082955d806d7ca7a1cd",
        "The DHCP server names a boot file",
        "",
        "",
    ),
    row(
        VerdictCode::OtherBootServer,
        "other-boot-server",
        "e697d5e7a0304fdba6fd1c2e3386faea",
        "Another boot server answered",
        "",
        "",
    ),
    row(
        VerdictCode::OfferNotSeen,
        "offer-not-seen",
        "0fe4cfd970a2487487800073095ba735",
        "The offer did not reach the machine",
        "",
        "",
    ),
    row(
        VerdictCode::NotContacted,
        "not-contacted",
        "6a748f3df35b4c8dbf7201b5fbf94b49",
        "The machine took an address and did not contact this server",
        "",
        "",
    ),
    row(
        VerdictCode::ForeignIpxe,
        "foreign-ipxe",
        "ad89efd60eac4bf29df15e4dac49a95f",
        "The machine runs an iPXE that this server did not send",
        "",
        "",
    ),
    row(
        VerdictCode::NoAddress,
        "no-address",
        "27bdf3ba0bd34f8fa629f49de7806d2c",
        "The machine received no address",
        "",
        "",
    ),
    row(
        VerdictCode::AddressNotTaken,
        "address-not-taken",
        "c3563a1b22b84450a310f585c8fe8de2",
        "The machine took no address, although a DHCP server offered one",
        "",
        "",
    ),
    row(
        VerdictCode::ReplyBlocked,
        "reply-blocked",
        "7de3be2ab65c449499c0fb0d463a4f35",
        "This host did not send the reply",
        "This host refused to send the reply to the machine: {detail}",
        "A firewall of this host drops packets that leave UDP port {number}: allow outgoing packets from the UDP \
         ports 67, 69 and 4011",
    ),
    row(
        VerdictCode::RelayUnreachable,
        "relay-unreachable",
        "d09f3e4ce8e54493825c5027358658f9",
        "This host has no route to the relay",
        "The reply to the relay {address} was not sent: {detail}",
        "Add a route to {address} on this host (`ip route get {address}` shows the present one), or let the relay \
         send from an address that this host reaches",
    ),
    row(
        VerdictCode::RelayNotForwarding,
        "relay-not-forwarding",
        "5048d4947ba64aabbcd3b84be1190860",
        "The relay does not forward requests to this server",
        "The machine sent its request to UDP port 4011 of this host from {address}, which is in none of the \
         served networks, and no request came through a relay before",
        "Add the address of this host to the addresses to which the relay of that network forwards DHCP requests \
         (ip helper-address), besides that of the DHCP server",
    ),
    row(
        VerdictCode::InterfaceNotServed,
        "interface-not-served",
        "7f3b60c313b2490d98eddc7c721e8924",
        "The machine is on an interface that is not served",
        "The request of the machine arrived on an interface that this server does not serve",
        "Add the interface to `interfaces`, and give it an IPv4 address",
    ),
    row(
        VerdictCode::LoaderMissing,
        "loader-missing",
        "0ff8ae29e5cd4c62b1b82e7c42ee9e1f",
        "There is no loader for the machine",
        "The server has no loader for this machine: {detail}",
        "`proxydhcpd check` lists the loader of each architecture",
    ),
    row(
        VerdictCode::NothingToBoot,
        "nothing-to-boot",
        "44415d7c3dc0447a9e61aa629823892f",
        "The server has nothing that the machine can boot",
        "The server did not reply: {detail}",
        "Run `proxydhcpd explain` for this machine: it shows each decision and the setting behind it",
    ),
    row(
        VerdictCode::TftpRequestsBlocked,
        "tftp-requests-blocked",
        "ac95fbcf4fd940bda14fb0cea0cc219f",
        "Read requests do not reach TFTP",
        "The machine accepted the boot file {file} from this server, and no read request for it arrived",
        "A firewall of this host or a filter on the path drops UDP port 69 to this host, or the reply from UDP \
         port 4011 did not reach the machine: open both ports",
    ),
    row(
        VerdictCode::TftpRepliesBlocked,
        "tftp-replies-blocked",
        "1964f27e9c18482ab0b639db691fff00",
        "TFTP replies do not reach the machine",
        "The machine requested {file} by TFTP {number} times, and acknowledged none of the replies",
        "The replies come from a UDP port above 1023. A firewall of this host or a filter on the path drops them: \
         open the ports (`[tftp] ports` limits them to a range), or set `single-port = true` in [tftp]",
    ),
    row(
        VerdictCode::TftpBlocksLost,
        "tftp-blocks-lost",
        "8ae34f9192714e01b461b2049731d2e0",
        "Large packets do not reach the machine",
        "The machine acknowledged the options for {file}, and then no block: blocks of {number} octets do not \
         arrive, while small packets do",
        "The path to the machine has a smaller MTU than the interface of this host: give the interface the MTU of \
         the path (`ip link set DEV mtu N`), or mend the path",
    ),
    row(
        VerdictCode::FileMissing,
        "file-missing",
        "4ce797f475804fa792093ce129bae358",
        "A requested file does not exist",
        "The machine requested {file}, which does not exist, and requested nothing after it",
        "Put the file into the boot directory under this name, or correct the script that names it",
    ),
    row(
        VerdictCode::KernelMissing,
        "kernel-missing",
        "0c634d321d0c46d29e8f0a7507125e80",
        "The kernel does not exist",
        "The machine requested the kernel {file}, which does not exist",
        "Put the file into the boot directory under this name, or correct the profile that names it",
    ),
    row(
        VerdictCode::InitrdMissing,
        "initrd-missing",
        "174676ed52aa4cb3ace6dcf27433eebc",
        "An initrd does not exist",
        "The machine requested the initrd {file}, which does not exist",
        "Put the file into the boot directory under this name, or correct the profile that names it",
    ),
    row(
        VerdictCode::FileUnreadable,
        "file-unreadable",
        "6c596d84a44d41ec9f445a76c28cc8ba",
        "A file that the server offers cannot be sent",
        "The machine requested {file}, which the server offers and cannot send",
        "The reason: {detail}",
    ),
    row(
        VerdictCode::TemplateFailed,
        "template-failed",
        "3ef6a3875743470fa166e550b2420ae2",
        "A template has an error",
        "The server could not render a template for the machine",
        "{detail}",
    ),
    row(
        VerdictCode::LoaderNotStarted,
        "loader-not-started",
        "d13c36c7d32945e783a967aca7e1a981",
        "The loader was loaded and did not start",
        "The machine loaded {file} completely, and then its firmware requested a boot again: the loader did not \
         start",
        "With Secure Boot on, the firmware refuses a loader whose signature it does not trust or that is revoked \
         (its screen shows \"Security Violation\" or \"Access Denied\"): `proxydhcpd check` shows the signature. \
         Otherwise the file is damaged or for another architecture: compare it with its package",
    ),
    row(
        VerdictCode::LoaderUnsigned,
        "loader-unsigned",
        "3b694062aef14a3db763fbc4340bff68",
        "The loader is not signed",
        "The machine loaded {file} completely, and then its firmware requested a boot again: the loader did not \
         start, and it has no signature",
        "If Secure Boot is on, the firmware refuses such a loader: use a signed one (shim, see \
         docs/secure-boot.md), or turn Secure Boot off. If it is off, the file is damaged or for another \
         architecture",
    ),
    row(
        VerdictCode::GrubAsksDhcpServer,
        "grub-asks-dhcp-server",
        "3f2228a808c04535b662ea777129ca33",
        "GRUB requests its files from the DHCP server",
        "The machine loaded {file}, and its GRUB requested nothing from this server",
        "{file} is a GRUB before 2.12, which requests its files from the DHCP server: use GRUB 2.12 or later, or \
         name this host as next server in the DHCP server (docs/secure-boot.md)",
    ),
    row(
        VerdictCode::ScriptError,
        "script-error",
        "e0b3d88ebb8141518e05beb0001c2e7d",
        "The script has an error",
        "The machine received the script {file}, and requested nothing after it",
        "The script has an error: {detail}",
    ),
    row(
        VerdictCode::BootLoop,
        "boot-loop",
        "e215ba4c40ea4c328d185d846a5085d1",
        "The machine starts the loader again and again",
        "The machine loaded {file} for the third time within two minutes",
        "{detail}",
    ),
    row(
        VerdictCode::ScriptLoop,
        "script-loop",
        "7de6bf824cb3473e88bfbd96ffe79573",
        "A script starts itself again and again",
        "The machine requested the script {file} {number} times within half a minute, and nothing else",
        "The script starts itself again: correct its `chain` command, or let it wait for a key",
    ),
    row(
        VerdictCode::SystemNotStarted,
        "system-not-started",
        "ed7bc541e9934f36af535c33ea56ab62",
        "The kernel was loaded and the machine began anew",
        "Twice in a row, the machine loaded {file} completely, and its firmware requested a boot again within \
         {number} seconds, without a sign of a running system",
        "The kernel does not start, or the system restarts the machine at once. Look at the screen of the \
         machine: a kernel panic (\"VFS: Unable to mount root fs\") shows a wrong or missing initrd or wrong \
         arguments; nothing at all shows a kernel for another machine; \"out of memory\" shows too little memory",
    ),
    row(
        VerdictCode::IpxeError,
        "ipxe-error",
        "364b81d40c91402baf88f8ba572e86df",
        "A command of a script failed",
        "The iPXE of the machine reports: {detail}",
        "The file is {file}. If it is on this server, `proxydhcpd story` shows what the server sent; if it is on \
         another server, check that server and its name, the route to it and its certificate",
    ),
    row(
        VerdictCode::TooLittleMemory,
        "too-little-memory",
        "baa2498b01104f3e83bc1421e55938f6",
        "The machine has too little memory",
        "The machine has too little memory for {file}: {detail}",
        "Give the machine more memory, or choose a smaller image: an installer that loads its system in parts, or \
         one with a smaller initrd",
    ),
    row(
        VerdictCode::InstallFailed,
        "install-failed",
        "1def11d2ee3249c3a61ab0b0fc978fd5",
        "The installation failed",
        "The machine reports that its installation failed: \"{detail}\"",
        "These are the words of the installer. Its log on the machine has the details; with `[syslog] port` the \
         server receives it",
    ),
];

const fn row(
    code: VerdictCode,
    id: &'static str,
    message_id: &'static str,
    title: &'static str,
    observation: &'static str,
    remedy: &'static str,
) -> VerdictRow {
    VerdictRow { code, id, message_id, title, observation, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn every_code_has_its_row_and_unique_names() {
        for (index, row) in VERDICTS.iter().enumerate() {
            assert_eq!(row.code as usize, index, "{}", row.id);
            assert_eq!(VerdictCode::from_id(row.id), Some(row.code));
            assert!(row.message_id.len() == 32 && row.message_id.bytes().all(|digit| digit.is_ascii_hexdigit()));
            assert_eq!(row.observation.is_empty(), row.remedy.is_empty(), "{}", row.id);
        }
        let ids: BTreeSet<_> = VERDICTS.iter().map(|row| row.message_id).collect();
        assert_eq!(ids.len(), VERDICTS.len());
    }
}
