//! Reads the parts of a PE/COFF file that determine its kind, its length and its signatures: the signed parts, their
//! order, and the location of the signatures. Names and offsets are from Microsoft's specification of the PE format.
//! The firmware's behaviour is that of EDK2's DxeImageVerificationLib.

use std::ops::Range;

/// A PE file, or the first octets of one.
#[derive(Debug)]
pub struct Pe<'a> {
    file: &'a [u8],
    /// The machine type: the CPU for which the program is built.
    pub machine: u16,
    /// The subsystem, which requires a kind of environment.
    subsystem: u16,
    /// The offset of the optional header.
    optional: usize,
    /// The offset of the certificate table's directory entry, if the file has one.
    directory: Option<usize>,
    /// The offsets of the section headers.
    sections: Range<usize>,
}

impl<'a> Pe<'a> {
    /// Reads the headers; `None` if the octets do not begin with an MZ header that leads to PE headers. The head of a
    /// file is enough for [`Pe::is_uefi_program`] and [`Pe::is_signed`].
    pub fn parse(file: &'a [u8]) -> Option<Self> {
        let start = file.starts_with(b"MZ").then(|| u32_at(file, 0x3c))??;
        let header = file.get(start..)?.strip_prefix(b"PE\0\0")?;
        let optional = start + 24;
        // In PE32 and PE32+, the directory entries follow their number, at different offsets.
        let count = match u16_at(file, optional)? {
            0x10b => optional + 92,
            0x20b => optional + 108,
            _ => return None,
        };
        const CERTIFICATE_TABLE: usize = 4;
        let has_table = u32_at(file, count).is_some_and(|count| count > CERTIFICATE_TABLE);
        let sections = optional + usize::from(u16_at(header, 16)?);
        Some(Self {
            file,
            machine: u16_at(header, 0)?,
            subsystem: u16_at(file, optional + 68)?,
            optional,
            directory: has_table.then_some(count + 4 + 8 * CERTIFICATE_TABLE),
            sections: sections..sections + 40 * usize::from(u16_at(header, 2)?),
        })
    }

    /// Whether the file is a program that UEFI starts: an EFI application, not a driver.
    pub fn is_uefi_program(&self) -> bool {
        const EFI_APPLICATION: u16 = 10;
        self.subsystem == EFI_APPLICATION
    }

    /// Whether the header refers to signatures. Does not verify them.
    pub fn is_signed(&self) -> bool {
        self.table().is_some()
    }

    /// The length of the file in octets that the headers declare: the end of the last section, or of the signatures
    /// after it. `None` if section headers are missing from this part of the file.
    pub fn expected_length(&self) -> Option<usize> {
        let sections = self.sections()?.map(|section| section.range).filter(|range| range.start > 0);
        sections.chain(self.table()).map(|range| range.end).max()
    }

    /// The parts that a digest covers, in this order: the headers without the checksum and the directory entry (both
    /// change when a signature is added), the sections by their offset in the file, and the data between them and the
    /// certificate table. `None` if the headers declare more octets than the file contains.
    pub fn signed_parts(&self) -> Option<Vec<&'a [u8]>> {
        let checksum = self.optional + 64;
        let headers = self.file.get(..u32_at(self.file, self.optional + 60)?)?;
        let mut parts = vec![headers.get(..checksum)?];
        match self.directory {
            Some(entry) => parts.extend([headers.get(checksum + 4..entry)?, headers.get(entry + 8..)?]),
            None => parts.push(headers.get(checksum + 4..)?),
        }
        let mut counted = headers.len();
        let mut sections: Vec<_> =
            self.sections()?.map(|section| section.range).filter(|range| !range.is_empty()).collect();
        sections.sort_by_key(|range| range.start);
        for range in sections {
            let section = self.file.get(range)?;
            counted = section.len().checked_add(counted)?;
            parts.push(section);
        }
        // The trailing data begins at the number of octets counted so far, as the specification requires. If there are
        // gaps between sections, that is before the end of the last section.
        let end = self.file.len().checked_sub(self.table().map_or(0, |table| table.len()))?;
        parts.push(self.file.get(counted..end)?);
        Some(parts)
    }

    /// The signatures, as PKCS #7 messages, each with up to seven octets of padding. `None` if the certificate table is
    /// outside of the file or contains no such message.
    pub fn signatures(&self) -> Option<Vec<&'a [u8]>> {
        /// The size of WIN_CERTIFICATE: the length of the entry including this header, the revision, and the type.
        const HEADER: usize = 8;
        const PKCS_SIGNED_DATA: u16 = 2;
        /// WIN_CERT_TYPE_EFI_GUID: the GUID of PKCS #7 is between the header and the message.
        const EFI_GUID: u16 = 0xef1;
        const PKCS7_GUID: &[u8] = b"\x9d\xd2\xaf\x4a\xdf\x68\xee\x49\x8a\xa9\x34\x7d\x37\x56\x65\xa7";

        let mut table = self.file.get(self.table()?)?;
        let mut found = Vec::new();
        while let Some(certificate) = u32_at(table, 0).and_then(|length| table.get(HEADER..length)) {
            match u16_at(table, 6)? {
                PKCS_SIGNED_DATA => found.push(certificate),
                EFI_GUID => found.extend(certificate.strip_prefix(PKCS7_GUID)),
                _ => {}
            }
            table = table.get((HEADER + certificate.len()).next_multiple_of(8)..).unwrap_or(&[]);
        }
        (!found.is_empty()).then_some(found)
    }

    /// The content of the section with this name; `None` if it is missing or incomplete.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let section = self.sections()?.find(|section| {
            let length = section.name.iter().position(|octet| *octet == 0).unwrap_or(8);
            section.name[..length] == *name.as_bytes()
        })?;
        self.file.get(section.range)
    }

    /// The range of the certificate table in the file. Its directory entry is the only one that contains an offset in
    /// the file, not an address in memory.
    fn table(&self) -> Option<Range<usize>> {
        let entry = self.directory?;
        let (start, length) = (u32_at(self.file, entry)?, u32_at(self.file, entry + 4)?);
        (start > 0 && length > 0).then_some(start..start.saturating_add(length))
    }

    fn sections(&self) -> Option<impl Iterator<Item = PeSection<'a>>> {
        let headers = self.file.get(self.sections.clone())?.chunks_exact(40);
        Some(headers.map(|header| {
            let [length, start] = [16, 20].map(|at| u32_at(header, at).unwrap_or(0));
            PeSection { name: &header[..8], range: start..start.saturating_add(length) }
        }))
    }
}

struct PeSection<'a> {
    name: &'a [u8],
    range: Range<usize>,
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*octets.get(at..)?.first_chunk()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*octets.get(at..)?.first_chunk()?)).ok()
}
