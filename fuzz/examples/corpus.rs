//! Writes the inputs that each target begins with to `corpus/<target>/`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let samples = overhear_fuzz::samples::Samples::of(&here.join("../sample-pcaps"));
    for target in overhear_fuzz::names() {
        let folder = here.join("corpus").join(&target);
        std::fs::create_dir_all(&folder)?;
        for (number, input) in samples.inputs(&target).iter().enumerate() {
            std::fs::write(folder.join(format!("sample-{number:03}")), input)?;
        }
    }
    Ok(())
}
