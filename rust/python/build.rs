//! Names the sources this library is made from, so that a checkout can refuse one that is older than it
//! (src/meeting/dataplane/freshness.py calculates the same).

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Crates of the product; the others only test it.
const CRATES: [&str; 9] = [
    "bwe", "engine", "forward", "link", "python", "relay", "rtp", "srtp", "stun",
];

fn main() -> std::io::Result<()> {
    // Asked when it runs: a build script compiled for another checkout may be used again for this one.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&folder).join("..");
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for name in CRATES {
        files.push(root.join(name).join("Cargo.toml"));
        collect(&root.join(name).join("src"), &mut files)?;
    }
    files.push(root.join("python/build.rs"));
    let mut files: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|file| {
            let name = file.strip_prefix(&root).expect("it is below the root");
            (name.to_string_lossy().into_owned(), file.clone())
        })
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for (name, file) in files {
        println!("cargo::rerun-if-changed={}", file.display());
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(fs::read(&file)?));
    }
    let hash: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env=MEETING_SOURCE_HASH={hash}");
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    // New files count as well.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
