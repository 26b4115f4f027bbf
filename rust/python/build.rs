//! Takes `kibana/` along: a wheel takes files from where Cargo builds, under another name than they have here.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kibana");
    println!("cargo:rerun-if-changed={}", from.display());
    let Some(out) = env::var_os("OUT_DIR") else {
        return Err(io::Error::other("OUT_DIR is not set: Cargo runs this"));
    };
    let to = Path::new(&out).join("kibana");
    if to.exists() {
        fs::remove_dir_all(&to)?; // what was taken away here must not stay there
    }
    copy(&from, &to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
