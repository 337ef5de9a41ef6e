//! A certificate authority that lives as long as the stand-in.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// What a TLS server shows, in PEM.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// The names by which the stand-in is reached, GitHub's own among them for clients that know no other.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "github.com", "api.github.com"];

/// Makes an authority and an identity that it signed; the authority's certificate comes first, in PEM.
pub(super) fn make() -> (String, Identity) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "coord test authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate().expect("a key can be made");
    let ca = authority.self_signed(&authority_key).expect("an authority signs itself").pem();

    let issuer = Issuer::new(authority, authority_key);
    let names: Vec<_> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let mut server = CertificateParams::new(names).expect("these are names");
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = server.signed_by(&key, &issuer).expect("an authority signs for others").pem();
    (ca, Identity { certificate, key: key.serialize_pem() })
}
