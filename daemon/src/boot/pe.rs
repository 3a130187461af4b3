//! The parts of a PE/COFF file that bear on its length and its signature: what is signed, in which order, and where the
//! signatures lie.
//! Names and offsets are those of Microsoft's PE format; what firmware does with them is EDK2's
//! DxeImageVerificationLib.

use std::ops::Range;

#[derive(Debug)]
pub struct Pe<'a> {
    file: &'a [u8],
    /// Where the optional header begins.
    optional: usize,
    /// Where the entry of the certificate table lies in it, if it has one.
    directory: Option<usize>,
    sections: Range<usize>,
}

impl<'a> Pe<'a> {
    /// The head of a file is enough for [`Pe::is_signed`].
    pub fn parse(file: &'a [u8]) -> Option<Self> {
        let start = if file.starts_with(b"MZ") { long(file, 0x3c)? } else { 0 };
        if !file.get(start..)?.starts_with(b"PE\0\0") {
            return None;
        }
        let optional = start + 24;
        // PE32 and PE32+: how many directory entries there are, and the entries behind that.
        let count = match word(file, optional)? {
            0x10b => optional + 92,
            0x20b => optional + 108,
            _ => return None,
        };
        const CERTIFICATE_TABLE: usize = 4;
        let directory = (long(file, count)? > CERTIFICATE_TABLE).then_some(count + 4 + 8 * CERTIFICATE_TABLE);
        let sections = optional + word(file, start + 20)?;
        Some(Self { file, optional, directory, sections: sections..sections + 40 * word(file, start + 6)? })
    }

    /// Whether it claims to be signed. That is a look into the header, nothing more.
    pub fn is_signed(&self) -> bool {
        self.table().is_some()
    }

    /// How many octets the header speaks of: the last section, or the signatures behind it. `None`: it speaks of more
    /// sections than this part of the file has headers for.
    pub fn expected_length(&self) -> Option<usize> {
        let sections = self.sections()?.map(|section| section.place).filter(|place| place.start > 0);
        sections.chain(self.table()).map(|place| place.end).max()
    }

    /// What a digest is made of, in this order: the headers without the checksum and the directory entry (both change
    /// when a signature is added), the sections by their place in the file, and what stands behind them and before the
    /// certificate table. `None`: the header speaks of more than there is.
    pub fn signed_parts(&self) -> Option<Vec<&'a [u8]>> {
        let checksum = self.optional + 64;
        let headers = self.file.get(..long(self.file, self.optional + 60)?)?;
        let mut parts = vec![headers.get(..checksum)?];
        match self.directory {
            Some(entry) => parts.extend([headers.get(checksum + 4..entry)?, headers.get(entry + 8..)?]),
            None => parts.push(headers.get(checksum + 4..)?),
        }
        let mut counted = headers.len();
        let mut sections: Vec<_> =
            self.sections()?.map(|section| section.place).filter(|place| !place.is_empty()).collect();
        sections.sort_by_key(|place| place.start);
        for place in sections {
            let section = self.file.get(place)?;
            counted = section.len().checked_add(counted)?;
            parts.push(section);
        }
        // Counted, not looked up, as the format's text has it: where there are gaps between sections, what counts as
        // trailing begins before the end of the last one.
        let end = self.file.len().checked_sub(self.table().map_or(0, |table| table.len()))?;
        parts.push(self.file.get(counted..end)?);
        Some(parts)
    }

    /// The signatures, as PKCS #7 messages, with up to seven octets of padding behind. `None`: the table does not lie
    /// within the file, or holds none.
    pub fn signatures(&self) -> Option<Vec<&'a [u8]>> {
        /// WIN_CERTIFICATE: length with this header, revision, type.
        const HEADER: usize = 8;
        const PKCS_SIGNED_DATA: usize = 2;
        /// WIN_CERT_TYPE_EFI_GUID: the GUID of PKCS #7 stands between header and message.
        const EFI_GUID: usize = 0xef1;
        const PKCS7_GUID: &[u8] = b"\x9d\xd2\xaf\x4a\xdf\x68\xee\x49\x8a\xa9\x34\x7d\x37\x56\x65\xa7";

        let mut table = self.file.get(self.table()?)?;
        let mut found = Vec::new();
        while let Some(certificate) = long(table, 0).and_then(|length| table.get(HEADER..length)) {
            match word(table, 6)? {
                PKCS_SIGNED_DATA => found.push(certificate),
                EFI_GUID => found.extend(certificate.strip_prefix(PKCS7_GUID)),
                _ => {}
            }
            table = table.get((HEADER + certificate.len()).next_multiple_of(8)..).unwrap_or(&[]);
        }
        (!found.is_empty()).then_some(found)
    }

    /// The content of the section of this name.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let section = self.sections()?.find(|section| {
            let length = section.name.iter().position(|octet| *octet == 0).unwrap_or(8);
            section.name[..length] == *name.as_bytes()
        })?;
        self.file.get(section.place)
    }

    /// Where the certificate table lies: the one entry that is an offset in the file and not an address in memory.
    fn table(&self) -> Option<Range<usize>> {
        let entry = self.directory?;
        let (start, length) = (long(self.file, entry)?, long(self.file, entry + 4)?);
        (start > 0 && length > 0).then_some(start..start.saturating_add(length))
    }

    fn sections(&self) -> Option<impl Iterator<Item = Section<'a>>> {
        let headers = self.file.get(self.sections.clone())?.chunks_exact(40);
        Some(headers.map(|header| {
            let [length, start] = [16, 20].map(|at| long(header, at).unwrap_or(0));
            Section { name: &header[..8], place: start..start.saturating_add(length) }
        }))
    }
}

struct Section<'a> {
    name: &'a [u8],
    place: Range<usize>,
}

fn word(octets: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*octets.get(at..)?.first_chunk()?).into())
}

fn long(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*octets.get(at..)?.first_chunk()?)).ok()
}
