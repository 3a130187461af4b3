//! The smallest files that were imported wrongly once, and what becomes of them now.

use super::{HostInfo, Source, import, imported};
use proxydhcpd_core::link::Network4;
use std::net::Ipv4Addr;
use std::path::Path;

fn on(network: &str, prefix: u8, text: &str) -> Result<String, String> {
    let address: Ipv4Addr = network.parse().unwrap();
    let here = HostInfo { networks: vec![("eth0".into(), Network4 { address, prefix })], ..HostInfo::default() };
    let source = Source::new("d", text.as_bytes().to_vec()).unwrap();
    import(&source, None, &here).map_err(|told| told[0].one_line())
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|told| told == *line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn a_tag_by_a_feature_of_ipxe_is_ipxes() {
    let told = imported(
        "dhcp-range=192.0.2.0,proxy\ndhcp-match=set:ipxe-http,175,19\ntag-if=set:ipxe,tag:ipxe-http\n\
         pxe-service=tag:!ipxe,X86PC,\"a\",undionly.kpxe\npxe-service=tag:ipxe,X86PC,\"b\",main.ipxe\n",
    );
    has(&told, &["firmware = [\"ipxe\"]", "default = \"main.ipxe\"", "bios = \"undionly.kpxe\""]);
    assert!(!told.contains("no machine comes to it"), "{told}");
}

#[test]
fn a_tag_that_cannot_be_told_stands_at_the_top_with_the_lines_that_ask_for_it() {
    let told = imported(
        "dhcp-match=lab,option:host-name\ndhcp-boot=tag:lab,lab.0\ndhcp-boot=any.0\n\
         dhcp-host=02:00:00:00:00:01,set:rack\ndhcp-name-match=set:rack,x\ndhcp-boot=tag:rack,rack.0\n",
    );
    has(
        &told,
        &[
            "# Before you start the server:",
            "#   the tag `lab` is set by a line that has no equivalent here. No machine has it now",
            "#   the tag `rack` is set by a line that has no equivalent here. Some machines that had it do not have it now",
            "#   look at what these lines decided by such a tag, and at the rules below: line 2",
        ],
    );
}

#[test]
fn what_a_comment_promises_an_answer_is_not_left_to_a_profile_that_boots_nothing() {
    let pi = "[[rule]] # line 2\nname = \"Raspberry Pi\"\nfirmware = [\"raspberry-pi\"]\nprofile = \"menu\"\n";
    let told = imported("dhcp-range=192.0.2.0,proxy\npxe-service=0,\"Raspberry Pi Boot\"\n");
    assert!(told.contains(pi) && told.contains("default-profile = \"nothing\""), "{told}");
    // Where a tag leaves it to what boots nothing, too, and only there.
    let told = imported(
        "dhcp-mac=set:rpi,b8:27:eb:*:*:*\npxe-service=tag:rpi,0,\"Raspberry Pi Boot   \",unused\n\
         pxe-service=tag:!rpi,x86PC,\"iPXE\",undionly.kpxe\n",
    );
    assert!(told.contains("firmware = [\"raspberry-pi\"]\nmac = [\"b8:27:eb:*:*:*\"]\nprofile = \"menu\"\n"), "{told}");
    let told = imported("dhcp-option=option6:bootfile-url,tftp://[2001:db8::10]/snponly.efi\n");
    assert!(told.contains("name = \"IPv6\"\nsubnet = [\"::/0\"]\nprofile = \"menu\"\n"), "{told}");
    let told = imported("port=0\nenable-tftp\ntftp-root=/srv/tftp\n");
    assert!(told.contains("# Before you start the server:\n#   dnsmasq sent files only"), "{told}");
}

#[test]
fn a_range_is_never_wider_than_the_interface_that_it_is_on() {
    let two = "dhcp-range=set:lab,10.1.0.0,proxy\ndhcp-range=set:office,10.2.0.0,proxy,255.255.0.0\n\
               dhcp-boot=tag:lab,a.0\ndhcp-boot=tag:office,b.0\n";
    let told = on("10.1.0.10", 20, two).unwrap();
    has(&told, &["subnet = [\"10.1.0.0/20\"]", "subnet = [\"10.2.0.0/16\"]"]);
    let told = on("192.0.2.10", 24, two).unwrap_err();
    assert!(told.starts_with("d:1:20: how large is the network of 10.1.0.0?"), "{told}");
    assert!(told.ends_with("(write it behind the range, as in 10.1.0.0,proxy,255.255.0.0)"), "{told}");
    // Of one range every machine that was answered is.
    let told = on("192.0.2.10", 24, "dhcp-range=set:lab,10.1.0.0,proxy\ndhcp-boot=tag:lab,a.0\n").unwrap();
    assert!(!told.contains("subnet") && told.contains("default = \"a.0\""), "{told}");
}

#[test]
fn an_interface_without_a_range_is_left_alone_as_it_was() {
    let networks = [("eth0", [192, 0, 2, 10]), ("wan", [203, 0, 113, 5])];
    let networks = networks.map(|(name, address)| (name.to_owned(), Network4 { address: address.into(), prefix: 24 }));
    let here = HostInfo { networks: networks.into(), ..HostInfo::default() };
    let of = |text: &str| import(&Source::new("d", text.into()).unwrap(), None, &here).unwrap();
    let told = of("dhcp-range=192.0.2.0,proxy\ndhcp-boot=a.0\n");
    has(&told, &["interfaces = [\"eth0\"]", "#     dnsmasq answered only on eth0"]);
    assert!(!of("dhcp-range=0.0.0.0,proxy\ndhcp-boot=a.0\n").contains("interfaces ="));
    assert!(of("interface=wan\ndhcp-range=192.0.2.0,proxy\ndhcp-boot=a.0\n").contains("interfaces = [\"wan\"]"));
}

#[test]
fn the_program_of_http_boot_is_not_hidden_by_a_loader_of_the_same_architecture() {
    let url = "http://192.0.2.30/grubnetx64.efi";
    for http in ["dhcp-match=set:http,option:client-arch,16", "dhcp-vendorclass=set:http,HTTPClient:Arch:00016"] {
        let told = imported(&format!(
            "{http}\ndhcp-match=set:efi,option:client-arch,7\ndhcp-boot=tag:efi,ipxe.efi\ndhcp-boot=tag:http,{url}\n"
        ));
        has(&told, &["firmware = [\"http\"]", &format!("uefi-x64 = \"{url}\""), "uefi-x64 = \"ipxe.efi\""]);
        assert!(!told.contains("machines that announce architecture 16"), "{told}");
    }
}

#[test]
fn a_boot_file_by_option_67_of_a_lease_server_is_one() {
    let told = imported(
        "dhcp-range=192.0.2.50,192.0.2.60\ndhcp-match=set:efi,option:client-arch,7\ndhcp-option=66,192.0.2.77\n\
         dhcp-option=tag:efi,option:bootfile-name,ipxe.efi\ndhcp-option=67,undionly.kpxe\n",
    );
    has(&told, &["uefi-x64 = \"tftp://192.0.2.77/ipxe.efi\"", "default = \"tftp://192.0.2.77/undionly.kpxe\""]);
    // A proxy of dnsmasq does not send it.
    assert!(imported("dhcp-range=192.0.2.0,proxy\ndhcp-option=67,a.0\n").contains("default-profile = \"nothing\""));
}

#[test]
fn a_file_that_a_machine_could_not_start_does_not_keep_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("undionly.kpxe"), super::netns::loaders::fake_loader("bios")).unwrap();
    std::fs::write(directory.path().join("ipxe.efi"), super::netns::loaders::fake_loader("x64")).unwrap();
    let root = directory.path().display();
    let told = imported(&format!(
        "enable-tftp\ntftp-root={root},eth0\npxe-service=x86PC,\"x\",undionly.kpxe\npxe-service=IA32_EFI,\"x\",ipxe.efi\n\
         pxe-service=PC98,\"x\",undionly.kpxe\ndhcp-match=set:arm,option:client-arch,11\ndhcp-boot=tag:arm,arm64.efi\n"
    ));
    has(
        &told,
        &[
            &format!("boot-dir = \"{root}\""),
            "bios = \"undionly.kpxe\"",
            "# uefi-arm64 = \"arm64.efi\"",
            "#     ipxe.efi cannot be offered for x86 UEFI: it is an EFI program for x64 UEFI. Put the file there, and import again",
            "#     no machine of this kind is known to boot over the network any more",
        ],
    );
    assert!(!told.contains("uefi-ia32"), "{told}");
}

#[test]
fn the_files_of_another_tftp_server_are_looked_for_where_it_keeps_them() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("undionly.kpxe"), super::netns::loaders::fake_loader("bios")).unwrap();
    let of = |directory: &Path| {
        let here = HostInfo { tftp_dirs: vec![directory.into()], ..HostInfo::default() };
        let text = b"dhcp-range=192.0.2.0,proxy\npxe-service=x86PC,\"FOG\",undionly.kpxe\n".to_vec();
        import(&Source::new("d", text).unwrap(), None, &here).unwrap()
    };
    let told = of(directory.path());
    has(&told, &[&format!("boot-dir = {:?}", directory.path())]);
    assert!(told.contains("systemctl disable --now tftpd-hpa"), "{told}");
    assert!(of(Path::new("/nowhere")).contains("TFTP_DIRECTORY of /etc/default/tftpd-hpa"));
}

#[test]
fn a_line_stands_under_one_heading_with_all_that_is_to_be_said_of_it() {
    let told = imported(
        "enable-tftp\npxe-service=x86PC,\"a\",a.0,,b\ndhcp-boot=ipxe,http://192.0.2.77/boot,,x\npxe-prompt=\"p\",1,2\n",
    );
    for line in 1..=4 {
        let place = format!("#   line {line}: ");
        assert!(told.matches(&place).count() <= 1, "{told}");
    }
    assert!(
        told.contains("if ipxe was meant to be a tag, write tag:ipxe,http://192.0.2.77/boot; `x` has no meaning there"),
        "{told}"
    );
    assert!(
        told.contains("#     `b` has no meaning there, to dnsmasq neither; without tftp-root that was /a.0"),
        "{told}"
    );
}

#[test]
fn rules_and_menus_have_names_of_their_own() {
    let told = imported(
        "dhcp-match=set:ipxe,175\npxe-service=tag:ipxe,x86PC,\"x\",http://a/x\npxe-service=tag:ipxe,x86-64_EFI,\"x\",http://a/y\n\
         pxe-prompt=\"p\",1\npxe-service=x86PC,\"UEFI\",a\npxe-service=x86PC,\"Other\",b\npxe-service=x86-64_EFI,\"UEFI\",a.efi\n\
         pxe-service=x86-64_EFI,\"Other\",b.efi\n",
    );
    let mut names: Vec<&str> =
        told.lines().filter(|line| line.starts_with("name = ") || line.starts_with("[profile.")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{told}");
}

#[test]
fn a_proxy_ini_whose_files_are_not_there_says_so() {
    let directory = Ipv4Addr::new(192, 0, 2, 10);
    let here = HostInfo { networks: vec![("eth0".into(), Network4 { address: directory, prefix: 24 })], ..HostInfo::default() };
    let text = "[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.10\nfilename = \"nowhere.0\"\n";
    let told = import(&Source::new("proxy.ini", text.into()).unwrap(), None, &here).unwrap();
    assert!(
        told.contains("192.0.2.10 is this machine, and /var/lib/proxydhcpd/boot does not have \"nowhere.0\""),
        "{told}"
    );
    assert!(told.contains("# Taken over with a difference:\n#   line 4: filename = \"nowhere.0\""), "{told}");
    let elsewhere = import(
        &Source::new("proxy.ini", text.replace("tftpd = 192.0.2.10", "tftpd = 192.0.2.77").into()).unwrap(),
        None,
        &here,
    );
    assert!(!elsewhere.unwrap().contains("Before you start"));
}
