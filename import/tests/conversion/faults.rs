//! Regression tests: minimal files that earlier versions imported incorrectly.

use super::{HostInfo, Source, import, imported, this_host};
use proxydhcpd_core::link::Network4;
use std::net::Ipv4Addr;
use std::path::Path;

fn import_on(network: &str, prefix: u8, text: &str) -> Result<String, String> {
    let address: Ipv4Addr = network.parse().unwrap();
    let host = HostInfo { networks: vec![("eth0".into(), Network4 { address, prefix })], ..this_host() };
    let source = Source::new("d", text.as_bytes().to_vec()).unwrap();
    import(&source, None, &host).map_err(|errors| errors[0].one_line())
}

fn assert_has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|output_line| output_line == *line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn a_tag_by_a_feature_of_ipxe_is_ipxes() {
    let output = imported(
        "dhcp-range=192.0.2.0,proxy\ndhcp-match=set:ipxe-http,175,19\ntag-if=set:ipxe,tag:ipxe-http\n\
         pxe-service=tag:!ipxe,X86PC,\"a\",undionly.kpxe\npxe-service=tag:ipxe,X86PC,\"b\",main.ipxe\n",
    );
    assert_has_lines(&output, &["firmware = [\"ipxe\"]", "default = \"main.ipxe\"", "bios = \"undionly.kpxe\""]);
    assert!(!output.contains("no machine needs it"), "{output}");
}

#[test]
fn an_unsupported_tag_is_noted_first_with_the_lines_that_require_it() {
    let output = imported(
        "dhcp-match=lab,option:host-name\ndhcp-boot=tag:lab,lab.0\ndhcp-boot=any.0\n\
         dhcp-host=02:00:00:00:00:01,set:rack\ndhcp-name-match=set:rack,x\ndhcp-boot=tag:rack,rack.0\n",
    );
    assert_has_lines(
        &output,
        &[
            "# Before you start the server:",
            "#   a line without an equivalent here sets the tag `lab`. No machine has this tag now",
            "#   a line without an equivalent here sets the tag `rack`. Some machines lose this tag",
            "#   check the rules below against these lines, which require such a tag: line 2",
        ],
    );
}

#[test]
fn machines_that_a_note_promises_a_reply_get_no_profile_that_boots_nothing() {
    let pi = "[[rule]] # line 2\nname = \"Raspberry Pi\"\nfirmware = [\"raspberry-pi\"]\nprofile = \"menu\"\n";
    let output = imported("dhcp-range=192.0.2.0,proxy\npxe-service=0,\"Raspberry Pi Boot\"\n");
    assert!(output.contains(pi) && output.contains("default-profile = \"nothing\""), "{output}");
    // The same applies if only the machines with a tag get a profile that boots nothing. The rule then has the
    // condition of that tag.
    let output = imported(
        "dhcp-mac=set:rpi,b8:27:eb:*:*:*\npxe-service=tag:rpi,0,\"Raspberry Pi Boot   \",unused\n\
         pxe-service=tag:!rpi,x86PC,\"iPXE\",undionly.kpxe\n",
    );
    assert!(
        output.contains("firmware = [\"raspberry-pi\"]\nmac = [\"b8:27:eb:*:*:*\"]\nprofile = \"menu\"\n"),
        "{output}"
    );
    let output = imported("dhcp-option=option6:bootfile-url,tftp://[2001:db8::10]/snponly.efi\n");
    assert!(output.contains("name = \"IPv6\"\nsubnet = [\"::/0\"]\nprofile = \"menu\"\n"), "{output}");
    let output = imported("port=0\nenable-tftp\ntftp-root=/srv/test\n");
    assert!(output.contains("# Before you start the server:\n#   dnsmasq sent only files"), "{output}");
}

#[test]
fn a_range_is_never_wider_than_the_network_of_its_interface() {
    let two_ranges = "dhcp-range=set:lab,10.1.0.0,proxy\ndhcp-range=set:office,10.2.0.0,proxy,255.255.0.0\n\
               dhcp-boot=tag:lab,a.0\ndhcp-boot=tag:office,b.0\n";
    let output = import_on("10.1.0.10", 20, two_ranges).unwrap();
    assert_has_lines(&output, &["subnet = [\"10.1.0.0/20\"]", "subnet = [\"10.2.0.0/16\"]"]);
    let error = import_on("192.0.2.10", 24, two_ranges).unwrap_err();
    assert!(error.starts_with("d:1:20: cannot find the mask of 10.1.0.0:"), "{error}");
    assert!(error.ends_with("(add the mask after the range, as in 10.1.0.0,proxy,255.255.0.0)"), "{error}");
    // With a single range, every machine that gets a reply is in that range, so the imported rule needs no subnet.
    let output = import_on("192.0.2.10", 24, "dhcp-range=set:lab,10.1.0.0,proxy\ndhcp-boot=tag:lab,a.0\n").unwrap();
    assert!(!output.contains("subnet") && output.contains("default = \"a.0\""), "{output}");
}

#[test]
fn an_interface_without_a_range_is_not_served() {
    let networks = [("eth0", [192, 0, 2, 10]), ("wan", [203, 0, 113, 5])];
    let networks = networks.map(|(name, address)| (name.to_owned(), Network4 { address: address.into(), prefix: 24 }));
    let host = HostInfo { networks: networks.into(), ..this_host() };
    let of = |text: &str| import(&Source::new("d", text.into()).unwrap(), None, &host).unwrap();
    let output = of("dhcp-range=192.0.2.0,proxy\ndhcp-boot=a.0\n");
    assert_has_lines(&output, &["interfaces = [\"eth0\"]", "#     dnsmasq replied only on eth0"]);
    assert!(!of("dhcp-range=0.0.0.0,proxy\ndhcp-boot=a.0\n").contains("interfaces ="));
    assert!(of("interface=wan\ndhcp-range=192.0.2.0,proxy\ndhcp-boot=a.0\n").contains("interfaces = [\"wan\"]"));
}

#[test]
fn the_program_of_http_boot_is_not_hidden_by_a_loader_of_the_same_architecture() {
    let url = "http://192.0.2.30/grubnetx64.efi";
    for http in ["dhcp-match=set:http,option:client-arch,16", "dhcp-vendorclass=set:http,HTTPClient:Arch:00016"] {
        let output = imported(&format!(
            "{http}\ndhcp-match=set:efi,option:client-arch,7\ndhcp-boot=tag:efi,ipxe.efi\ndhcp-boot=tag:http,{url}\n"
        ));
        assert_has_lines(
            &output,
            &["firmware = [\"http\"]", &format!("uefi-x64 = \"{url}\""), "uefi-x64 = \"ipxe.efi\""],
        );
        assert!(!output.contains("machines that announce architecture 16"), "{output}");
    }
}

#[test]
fn option_67_of_a_lease_server_is_a_boot_file() {
    let output = imported(
        "dhcp-range=192.0.2.50,192.0.2.60\ndhcp-match=set:efi,option:client-arch,7\ndhcp-option=66,192.0.2.77\n\
         dhcp-option=tag:efi,option:bootfile-name,ipxe.efi\ndhcp-option=67,undionly.kpxe\n",
    );
    assert_has_lines(
        &output,
        &["uefi-x64 = \"tftp://192.0.2.77/ipxe.efi\"", "default = \"tftp://192.0.2.77/undionly.kpxe\""],
    );
    // As a proxy, dnsmasq does not send option 67.
    assert!(imported("dhcp-range=192.0.2.0,proxy\ndhcp-option=67,a.0\n").contains("default-profile = \"nothing\""));
}

#[test]
fn the_import_finds_the_directory_of_another_tftp_server() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("undionly.kpxe"), b"any program").unwrap();
    let of = |directory: &Path| {
        let host = HostInfo { tftp_dirs: vec![directory.into()], ..this_host() };
        let text = b"dhcp-range=192.0.2.0,proxy\npxe-service=x86PC,\"FOG\",undionly.kpxe\n".to_vec();
        import(&Source::new("d", text).unwrap(), None, &host).unwrap()
    };
    let output = of(directory.path());
    assert_has_lines(&output, &[&format!("boot-dir = {:?}", directory.path())]);
    assert!(output.contains("systemctl disable --now tftpd-hpa"), "{output}");
    assert!(of(Path::new("/nowhere")).contains("TFTP_DIRECTORY in /etc/default/tftpd-hpa"));
}

#[test]
fn a_line_has_one_note_with_all_its_reasons() {
    let output = imported(
        "enable-tftp\npxe-service=x86PC,\"a\",a.0,,b\ndhcp-boot=ipxe,http://192.0.2.77/boot,,x\npxe-prompt=\"p\",1,2\n",
    );
    for line in 1..=4 {
        let location = format!("#   line {line}: ");
        assert!(output.matches(&location).count() <= 1, "{output}");
    }
    assert!(
        output.contains("if ipxe is a tag, write tag:ipxe,http://192.0.2.77/boot; `x` has no meaning there"),
        "{output}"
    );
    assert!(
        output.contains("#     `b` has no meaning there, as in dnsmasq; without tftp-root this was /a.0"),
        "{output}"
    );
}

#[test]
fn rules_and_menus_have_unique_names() {
    let output = imported(
        "dhcp-match=set:ipxe,175\npxe-service=tag:ipxe,x86PC,\"x\",http://a/x\npxe-service=tag:ipxe,x86-64_EFI,\"x\",\
         http://a/y\n\
         pxe-prompt=\"p\",1\npxe-service=x86PC,\"UEFI\",a\npxe-service=x86PC,\"Other\",b\n\
         pxe-service=x86-64_EFI,\"UEFI\",a.efi\n\
         pxe-service=x86-64_EFI,\"Other\",b.efi\n",
    );
    let mut names: Vec<&str> =
        output.lines().filter(|line| line.starts_with("name = ") || line.starts_with("[profile.")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{output}");
}

#[test]
fn a_proxy_ini_with_missing_files_has_a_note() {
    let directory = Ipv4Addr::new(192, 0, 2, 10);
    let host = HostInfo { networks: vec![("eth0".into(), Network4 { address: directory, prefix: 24 })], ..this_host() };
    let text = "[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.10\nfilename = \"nowhere.0\"\n";
    let output = import(&Source::new("proxy.ini", text.into()).unwrap(), None, &host).unwrap();
    assert!(
        output.contains("192.0.2.10 is this host, and /var/lib/proxydhcpd/boot does not contain \"nowhere.0\""),
        "{output}"
    );
    assert!(output.contains("# Imported with a difference:\n#   line 4: filename = \"nowhere.0\""), "{output}");
    let elsewhere = import(
        &Source::new("proxy.ini", text.replace("tftpd = 192.0.2.10", "tftpd = 192.0.2.77").into()).unwrap(),
        None,
        &host,
    );
    assert!(!elsewhere.unwrap().contains("Before you start"));
}

#[test]
fn a_device_as_hosts_file_ends_no_import_late() {
    let text = "addn-hosts=/dev/zero\ndhcp-boot=a.0,boot.example,192.0.2.5\n";
    assert!(imported(text).contains("a.0"));
}

/// dnsmasq runs in `/`, so a relative directory is below it. This server accepts only absolute ones.
#[test]
fn a_relative_boot_directory_is_below_the_root() {
    for (root, directory) in [("tftp", "/tftp"), ("srv/tftp/", "/srv/tftp"), ("/srv/tftp", "/srv/tftp"), ("/", "/")] {
        let output = imported(&format!("enable-tftp\ntftp-root={root}\ndhcp-boot=a.0\n"));
        assert!(output.contains(&format!("boot-dir = \"{directory}\"\n")), "{output}");
    }
}

/// A control character comes from an escape, or from a damaged file.
#[test]
fn a_name_that_this_server_refuses_has_a_note_and_is_not_in_the_tables() {
    let reason = "#     this server sends no file with a name with control characters\n";
    for name in ["\"a\\tb.0\"", "a\u{1}b.0", "a\u{7f}b.0"] {
        for line in
            [format!("dhcp-boot={name}"), format!("pxe-service=x86PC,x,{name}"), format!("dhcp-option=67,{name}")]
        {
            let output = imported(&format!("dhcp-range=192.0.2.50,192.0.2.60,1h\n{line}\n"));
            assert!(output.contains(reason) && !output.contains("\\u00"), "{line:?}: {output}");
        }
    }
    let elsewhere = imported("dhcp-boot=a b.0,,192.0.2.5\ndhcp-boot=tag:x,c.0\n");
    assert!(elsewhere.contains("#     a URL has no spaces\n") && elsewhere.contains("\"c.0\""), "{elsewhere}");
    let tag = imported("dhcp-mac=set:\"a\\tb\",02:00:00:*:*:*\ndhcp-boot=tag:\"a\\tb\",a.0\ndhcp-boot=b.0\n");
    assert!(tag.contains("name = \"a b\"\n"), "{tag}");

    let ini = "[proxy]\nlisten_address = 0.0.0.0\ntftpd = 192.0.2.5\nfilename = a\n  b.0\nfilename_efi64 = c.efi\n";
    let output = imported(ini);
    assert!(
        output.contains("#   line 4: ") && output.contains("\n# default = \"tftp://192.0.2.5/a\\u000Ab.0\"\n"),
        "{output}"
    );
    assert!(output.contains("\nuefi-x64 = \"tftp://192.0.2.5/c.efi\"\n"), "{output}");
    let nothing = imported(&ini.replace("filename_efi64 = c.efi\n", ""));
    assert!(nothing.contains("[profile.firmware]\nboot = \"nothing\"\n# default = "), "{nothing}");

    let csv = imported("name,mac,serial\nweb1,52:54:00:00:00:01,\"A\nB\"\n");
    assert!(csv.contains("`serial` is not imported: it has the control character U+000A") && !csv.contains("serial ="));
}

#[test]
fn a_label_of_pxelinux_that_this_server_refuses_is_left_out_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("pxelinux.cfg")).unwrap();
    let menu = "label a\n kernel li\u{1}nux\nlabel b\n kernel linux\n append initrd=in\u{7f}itrd\n\
                label c\n kernel linux\n append x=\u{1}\nlabel d\n kernel linux\n append x || y\n\
                label e\n kernel linux\n append quiet\n";
    std::fs::write(directory.path().join("pxelinux.cfg/default"), menu).unwrap();
    let output = proxydhcpd_import::pxelinux_dir::import(directory.path()).unwrap();
    assert_eq!(output.matches(": the label is left out").count(), 4, "{output}");
    assert!(output.contains("iPXE cannot pass `||` to a kernel"), "{output}");
    assert!(output.contains("arguments = \"quiet\""), "{output}");
    assert!(!output.contains("\\u00"), "{output}");
}
