//! a=fingerprint (RFC 8122 §5): what the peer's certificate will hash to.

use std::fmt;
use std::str::FromStr;

use ring::digest;

/// The hash of a certificate, as a description promised it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    value: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// The text is not a fingerprint we can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerprintError {
    /// Not "hash-function AB:CD:…".
    Form,
    /// A hash function that is unknown or too weak: sha-256, sha-384 and sha-512 are taken.
    Hash,
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a fingerprint looks like \"sha-256 AB:CD:…\"",
            Self::Hash => "a fingerprint must use sha-256, sha-384 or sha-512",
        })
    }
}

impl std::error::Error for FingerprintError {}

impl Fingerprint {
    /// The SHA-256 fingerprint of a certificate (DER).
    pub fn of(certificate: &[u8]) -> Self {
        Self {
            hash: Hash::Sha256,
            value: Hash::Sha256.of(certificate).as_ref().to_vec(),
        }
    }

    /// Whether this certificate (DER) is the promised one.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        self.hash.of(certificate).as_ref() == self.value
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, hex) = text.trim().split_once(' ').ok_or(FingerprintError::Form)?;
        let hash = Hash::ALL
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
            .ok_or(FingerprintError::Hash)?;
        let value: Vec<u8> = hex
            .trim()
            .split(':')
            .map(|pair| match pair.as_bytes() {
                // from_str_radix alone would take "+A".
                [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                    u8::from_str_radix(pair, 16).map_err(|_| FingerprintError::Form)
                }
                _ => Err(FingerprintError::Form),
            })
            .collect::<Result<_, _>>()?;
        if value.len() != hash.of(b"").as_ref().len() {
            return Err(FingerprintError::Form);
        }
        Ok(Self { hash, value })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (i, byte) in self.value.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back_and_matches_only_its_certificate() {
        let fingerprint: Fingerprint = Fingerprint::of(b"certificate").to_string().parse().unwrap();
        assert!(fingerprint.matches(b"certificate"));
        assert!(!fingerprint.matches(b"certificatf"));
    }

    #[test]
    fn case_of_name_and_digits_does_not_matter() {
        let text = Fingerprint::of(b"x").to_string();
        let lower: Fingerprint = text.to_lowercase().parse().unwrap();
        assert_eq!(lower, text.parse().unwrap());
        assert!(text.to_uppercase().parse::<Fingerprint>().is_ok());
    }

    #[test]
    fn weak_hashes_and_wrong_forms_are_refused() {
        let full = Fingerprint::of(b"x").to_string();
        for (text, error) in [
            ("", FingerprintError::Form),
            ("sha-256", FingerprintError::Form),
            ("sha-256 ", FingerprintError::Form),
            ("sha-256 AB:CD", FingerprintError::Form),
            ("sha-1 AB:CD", FingerprintError::Hash),
            ("md5 AB", FingerprintError::Hash),
            (&full[..full.len() - 1], FingerprintError::Form),
            (&full.replacen(':', ":+", 1), FingerprintError::Form),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }
}
