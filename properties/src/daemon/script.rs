//! A script of iPXE is read without loss: every part that the reader names lies in the text, and the names of files are
//! fit for a story.

use crate::seeds;
use proxydhcpd::boot_files::script::notes::script_notes;
use proxydhcpd::boot_files::script::{UriReference, header_fault, parse};

/// Reads a choice, whether the script is a template, and the script.
pub fn check(data: &[u8]) {
    let (is_template, octets) = match data.split_first() {
        Some((choice, octets)) => (choice & 1 != 0, octets),
        None => (false, data),
    };
    let text = String::from_utf8_lossy(octets).into_owned();
    let script = parse(&text, is_template);
    let spans = script.faults.iter().map(|fault| &fault.span);
    let spans = spans.chain(script.commands.iter().map(|command| &command.span));
    for span in spans.chain(script.files.iter().map(|file| &file.span)) {
        // In a template, comments are overwritten octet by octet, so a span may begin inside of a character.
        assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {}", text.len());
        assert!(is_template || text.get(span.clone()).is_some(), "{span:?} splits a character");
    }
    for command in &script.commands {
        assert!(!command.name.is_empty() && !command.name.contains(char::is_whitespace), "{command:?}");
    }
    for file in &script.files {
        match &file.target {
            UriReference::Absolute(path) => assert!(!path.starts_with('/'), "{file:?}"),
            UriReference::Relative(path) => assert!(!path.starts_with('/') && !path.is_empty(), "{file:?}"),
            UriReference::Url(url) => assert!(url.contains(':'), "{file:?}"),
            UriReference::Unknown => {}
        }
    }
    if let Some((problem, fix)) = header_fault(octets) {
        assert!(!problem.is_empty() && !fix.is_empty());
    }
    let notes = script_notes("boot/a.ipxe", "sub/a.ipxe", octets, is_template, |url| Some(url.to_owned()));
    assert!(notes.needed.len() <= script.files.len());
}

/// The scripts in tests and pages.
pub fn seeds() -> Vec<Vec<u8>> {
    let scripts: [&[u8]; 5] = [
        b"#!ipxe\nset base http://192.0.2.10:8080/debian\nkernel ${base}/linux initrd=initrd.gz quiet\ninitrd --name \
          initrd.gz --timeout 5000 sub/initrd.gz mode=755\nkernel initrd.gz\nboot linux\nchain --autofree --replace \
          /other.ipxe || goto failed\nimgfetch -n logo logo.png ||\nchain ${base}/${mac}.ipxe\n",
        b"#!ipxe\n{# chian is\n no command #}\nkernel {{ base }}rescue/vmlinuz {% if x %}efi=runtime {% endif %}\n\
          {% for one in many %}initrd {{ base }}{{ one }}\n{% endfor %}\n",
        b"#!ipxe\r\nkernel x \\\r\n  quiet\r\n",
        b"#!gpxe\nisset ${next-server} && set s ${next-server} || chain http://${next-server}/x\n",
        b"#!ipxe\n:menu\nmenu Boot\nitem a A\nchoose --default a target && goto ${target}\n\
          imgfetch a \\\n  b\nparams ||\n",
    ];
    let documented = seeds::documented("ipxe").into_iter();
    let scripts = scripts.into_iter().map(Vec::from).chain(documented);
    scripts.flat_map(|script| [0, 1].map(|choice| [&[choice][..], &script].concat())).collect()
}
