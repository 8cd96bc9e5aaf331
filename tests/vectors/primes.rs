//! That the primes of an RSA key are the first ones: found again by another way, with OpenSSL as the judge of primes.

use hkdf::Hkdf;
use mastermold::pki::{Algorithm, KeyEncoding, Scope, pair_key};
use sha2::Sha256;

use super::{hex, numbers, openssl, seed, vectors};

/// The bytes that an RSA key of a key pair comes from, as docs/reference/derivation.md has it.
fn derived(scope: &Scope<'_>, name: &str) -> Vec<u8> {
    let text = vectors("derivation.json")["seed"].as_str().unwrap().to_owned();
    let seed = super::unhex(text.trim_start_matches("mastermold-seed-1:").trim_end());
    let of = scope.node.map_or("cluster".to_owned(), |node| format!("node/{node}"));
    let mut info = b"mastermold/1".to_vec();
    for field in [b"key-pair/rsa-2048", scope.cluster.as_bytes(), of.as_bytes(), name.as_bytes()] as [&[u8]; 4] {
        info.extend([&(field.len() as u64).to_be_bytes(), field].concat());
    }
    info.extend([0, 0, 0, 0, 0, 0, 0, 4]);
    info.extend(scope.generation.to_be_bytes());
    let mut okm = vec![0; 32];
    Hkdf::<Sha256>::new(None, &seed).expand(&info, &mut okm).unwrap();
    okm
}

fn candidate(okm: &[u8], count: u32) -> Vec<u8> {
    let mut number = vec![0; 128];
    let info = [&b"mastermold/1 rsa prime"[..], &count.to_be_bytes()].concat();
    Hkdf::<Sha256>::new(None, okm).expand(&info, &mut number).unwrap();
    number[0] |= 0b1100_0000;
    number[127] |= 1;
    number
}

/// Whether the number less one can be divided by the exponent: digit by digit, as on paper.
fn spoils_exponent(number: &[u8]) -> bool {
    let mut less_one = number.to_vec();
    less_one[127] -= 1;
    less_one.iter().fold(0u32, |rest, digit| ((rest << 8) + u32::from(*digit)) % 65_537) == 0
}

/// The first two candidates that are prime, asked of OpenSSL one after the other.
fn first_two(okm: &[u8]) -> [String; 2] {
    let mut found = Vec::new();
    let mut count = 0;
    while found.len() < 2 {
        let batch: Vec<Vec<u8>> = (count..count + 100).map(|count| candidate(okm, count)).collect();
        count += 100;
        let digits: Vec<String> = batch.iter().map(|number| hex(number)).collect();
        let says = String::from_utf8(openssl(&format!("prime -hex {}", digits.join(" ")), "")).unwrap();
        assert_eq!(says.lines().count(), 100, "{says}");
        let prime = batch.iter().zip(says.lines()).filter(|(number, line)| {
            assert!(line.ends_with(" is prime") || line.ends_with(" is not prime"), "{line}");
            line.ends_with(" is prime") && !spoils_exponent(number)
        });
        found.extend(prime.map(|(number, _)| hex(number)));
    }
    assert_ne!(found[0][..25], found[1][..25], "their first 100 bits: this test takes the second as it is");
    [found[0].clone(), found[1].clone()]
}

#[test]
fn the_primes_are_the_first_candidates_that_will_do() {
    let mut orders = Vec::new();
    for (node, name, generation) in
        [(None, "sa", 1), (Some("master-0"), "sa", 1), (None, "a", 1), (None, "a", 2), (Some("ö"), "b", u32::MAX)]
    {
        let scope = Scope { cluster: "prod", node, generation };
        let mut primes = first_two(&derived(&scope, name));
        orders.push(primes[0] > primes[1]);
        primes.sort();
        let pem = pair_key(&seed(), Algorithm::Rsa2048, &scope, name).unwrap().pem(KeyEncoding::Pkcs1).unwrap();
        let found = numbers(&pem);
        assert_eq!([&found["prime2"], &found["prime1"]], [&primes[0], &primes[1]], "{scope:?} {name}");
    }
    // The greater one is p, whichever came first: both were seen.
    assert!(orders.contains(&true) && orders.contains(&false), "{orders:?}");
}
