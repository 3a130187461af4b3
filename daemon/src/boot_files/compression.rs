//! Recognises compressed files by their first octets, and checks whether they are complete.

use flate2::read::GzDecoder;
use std::io::{self, Read, Seek, SeekFrom};

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Lzma,
    Lz4,
    Lzo,
}

impl Compression {
    /// The compression format of a file that begins with these octets; `None` if it is unknown.
    pub fn from_magic(head: &[u8]) -> Option<Compression> {
        const MAGIC: [(&[u8], Compression); 8] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"BZh", Compression::Bzip2),
            (b"\x5d\0\0", Compression::Lzma),
            (b"\x02\x21\x4c\x18", Compression::Lz4),
            (b"\x04\x22\x4d\x18", Compression::Lz4),
            (b"\x89LZO\0", Compression::Lzo),
        ];
        MAGIC.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, compression)| compression)
    }

    /// The name of the format, which is also the name of the program that unpacks it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Lzma => "lzma",
            Compression::Lz4 => "lz4",
            Compression::Lzo => "lzo",
        }
    }

    /// Whether the stream that begins at the current position is complete. Returns `true` also for a format that this
    /// server cannot unpack, if only unpacking could show whether the stream is complete.
    pub fn is_complete(self, file: &mut (impl Read + Seek)) -> io::Result<bool> {
        let begin = file.stream_position()?;
        match self {
            Compression::Gzip => match io::copy(&mut GzDecoder::new(file), &mut io::sink()) {
                Ok(_) => Ok(true),
                Err(error) if is_corruption(&error) => Ok(false),
                Err(error) => Err(error),
            },
            Compression::Xz => xz_has_end(file),
            Compression::Zstd => zstd_has_end(file, begin),
            Compression::Bzip2 | Compression::Lzma | Compression::Lz4 | Compression::Lzo => Ok(true),
        }
    }
}

fn is_corruption(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    [InvalidData, InvalidInput, UnexpectedEof].contains(&error.kind())
}

/// Whether the file contains the end of an xz stream: the stream flags from the header, followed by `YZ` (xz file
/// format 2.1.2). Another archive or zeros may follow the stream.
fn xz_has_end(file: &mut impl Read) -> io::Result<bool> {
    let mut header = [0; 8];
    if !read_fully(file, &mut header)? {
        return Ok(false);
    }
    let footer = [header[6], header[7], b'Y', b'Z'];
    let mut buffer = vec![0; 64 << 10];
    let mut kept = 0;
    loop {
        let count = file.read(&mut buffer[kept..])?;
        let filled = kept + count;
        if buffer[..filled].windows(4).any(|window| window == footer) {
            return Ok(true);
        }
        if count == 0 {
            return Ok(false);
        }
        kept = filled.min(3);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

/// Whether the file contains the end of the zstd frame at `begin`. Walks the blocks of the frame (RFC 8878 3.1.1).
fn zstd_has_end(file: &mut (impl Read + Seek), begin: u64) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(begin + 4))?;
    let mut descriptor = [0];
    if !read_fully(file, &mut descriptor)? {
        return Ok(false);
    }
    let [descriptor] = descriptor;
    let single_segment = descriptor & 0x20 != 0;
    let window = u64::from(!single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match descriptor >> 6 {
        0 => u64::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let mut at = begin + 5 + window + dictionary + content;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 4];
        if !read_fully(file, &mut header[..3])? {
            return Ok(false);
        }
        let header = u32::from_le_bytes(header);
        let is_run = header >> 1 & 3 == 1;
        at += 3 + if is_run { 1 } else { u64::from(header >> 3) };
        if header & 1 == 1 {
            let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
            return Ok(at + checksum <= length);
        }
    }
}

/// Fills the buffer. Returns `false` if the file ends before the buffer is full.
pub fn read_fully(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::process::{Command, Stdio};

    /// Compresses the content with the program of this name.
    fn packed(program: &str, content: &[u8]) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let mut command = Command::new(program);
        let output = command.args(["-c", "-q"]).stdin(Stdio::from(file.reopen().unwrap())).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {output:?}");
        output.stdout
    }

    #[test]
    fn a_truncated_file_is_incomplete_and_trailing_data_does_not_matter() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        for (program, compression) in
            [("gzip", Compression::Gzip), ("xz", Compression::Xz), ("zstd", Compression::Zstd)]
        {
            let whole = packed(program, &content);
            assert_eq!(Compression::from_magic(&whole), Some(compression));
            let has_end = |octets: &[u8]| compression.is_complete(&mut Cursor::new(octets)).unwrap();
            assert!(has_end(&whole), "{program}");
            assert!(has_end(&[&whole[..], b"070701 and more"].concat()), "{program}");
            for length in [whole.len() - 1, whole.len() / 2, 20, 6] {
                assert!(!has_end(&whole[..length]), "{program}: {length} of {}", whole.len());
            }
        }
    }
}
