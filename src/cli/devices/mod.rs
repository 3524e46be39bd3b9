//! `overhear devices`: the inventory of an output, and all that is known of one device.

mod list;
mod load;
mod show;

use std::path::Path;

use self::load::Device;
use super::args::{Devices, TableFormat};
use super::{complain, exit, print};
use crate::base::{Addr, Mac};
use crate::pipeline::revise::read_document;
use crate::signature::devices::{CLASSES, UNKNOWN, VIRTUAL};
use crate::sink::SinkError;

/// Devices that are offered where a name stands for several.
const OFFERED: usize = 10;
/// Lines of each list about one device.
const LINES: usize = 20;

/// Why nothing is printed.
enum Refusal {
    Sink(SinkError),
    Usage(String),
}

impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

/// Prints devices.
pub fn run(args: &Devices) -> u8 {
    match answer(args) {
        Ok(text) => print(&text),
        Err(Refusal::Usage(what)) => {
            complain(what);
            exit::USAGE
        }
        Err(Refusal::Sink(error)) => {
            complain(&error);
            match error {
                SinkError::InTheWay { .. } | SinkError::Unreadable { .. } => exit::USAGE,
                _ => exit::FAILED,
            }
        }
    }
}

fn answer(args: &Devices) -> Result<String, Refusal> {
    let out = args.out.as_path();
    is_output(out)?;
    if let Some(class) =
        args.class.iter().find(|c| !CLASSES.iter().chain([&VIRTUAL, &UNKNOWN]).any(|k| k.eq_ignore_ascii_case(c)))
    {
        let all: Vec<_> = CLASSES.iter().chain([&VIRTUAL, &UNKNOWN]).copied().collect();
        return Err(Refusal::Usage(format!("no class is called {class:?}; there are {}", all.join(", "))));
    }
    let Some(wanted) = &args.device else {
        // The evidence is most of the table: it is read only where it is printed or searched.
        let claims = args.format == TableFormat::Json || args.search.is_some();
        let mut devices = load::devices(out, claims)?;
        let all = devices.len();
        list::select(&mut devices, args);
        return Ok(match args.format {
            TableFormat::Text => list::text(&devices, all),
            TableFormat::Json => list::json(&devices),
            TableFormat::Csv => list::csv(&devices),
        });
    };
    let device = find(load::devices(out, true)?, wanted, out)?;
    let known = show::Known {
        services: load::services(out, &device.id)?,
        peers: load::peers(out, &device.id)?,
        findings: load::findings(out, &device.id)?,
        device,
    };
    Ok(match args.format {
        TableFormat::Text => show::text(&known, args.limit.unwrap_or(LINES)),
        TableFormat::Json => show::json(&known),
        TableFormat::Csv => list::csv(std::slice::from_ref(&known.device)),
    })
}

/// Whether there is an output of this version.
fn is_output(out: &Path) -> Result<(), Refusal> {
    let wrong = |what| Refusal::Sink(SinkError::InTheWay { path: out.to_path_buf(), what });
    if !out.exists() {
        return Err(wrong("there is no such folder"));
    }
    if !out.is_dir() {
        return Err(wrong("is not a folder"));
    }
    if !out.join("run.json").is_file() {
        return Err(wrong("is not the output of a run that is over: there is no run.json"));
    }
    read_document(out)?;
    Ok(())
}

/// The device that is meant.
fn find(devices: Vec<Device>, wanted: &str, out: &Path) -> Result<Device, Refusal> {
    let total = devices.len();
    let exact = devices.iter().position(|d| d.id == wanted);
    let mut found: Vec<Device> = match exact {
        Some(at) => devices.into_iter().skip(at).take(1).collect(),
        None => devices.into_iter().filter(|d| is_meant(d, wanted)).collect(),
    };
    if found.len() > 1 {
        let mut text = format!("{wanted:?} stands for {} devices; say which:", found.len());
        for device in found.iter().take(OFFERED) {
            let names: Vec<_> =
                device.ips.iter().chain(&device.names).chain(&device.capture).map(String::as_str).collect();
            text += &format!("\n  {:<20} {:<16} {}", device.id, device.class, names.join(" "));
        }
        if found.len() > OFFERED {
            text += &format!("\n  and {} more", found.len() - OFFERED);
        }
        return Err(Refusal::Usage(text));
    }
    found.pop().ok_or_else(|| {
        let out = out.display();
        Refusal::Usage(format!(
            "{out}: none of its {total} devices has the identifier, MAC address, address or name {wanted:?}; \
             overhear devices {out} lists them"
        ))
    })
}

/// Whether a MAC, an address or a name is the device's.
fn is_meant(device: &Device, wanted: &str) -> bool {
    // Twelve such digits may be a name as well.
    if mac(wanted).is_some_and(|mac| device.has_mac(mac)) {
        return true;
    }
    if let Ok(ip) = wanted.parse::<Addr>() {
        return device.ips.iter().any(|own| own.parse::<Addr>().is_ok_and(|own| own == ip));
    }
    let wanted = wanted.trim_end_matches('.').to_lowercase();
    device.names.iter().any(|name| {
        let name = name.to_lowercase();
        name == wanted || name.split('.').next() == Some(wanted.as_str())
    })
}

/// A MAC in any of the usual spellings.
fn mac(text: &str) -> Option<Mac> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let number = u64::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 12)?;
    let [_, _, bytes @ ..] = number.to_be_bytes();
    Some(Mac(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, ips: &[&str], names: &[&str]) -> Device {
        let texts = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        let mac = id.contains(':').then(|| id.split('@').next().unwrap_or_default().to_owned());
        Device { id: id.into(), mac, ips: texts(ips), names: texts(names), ..Device::default() }
    }

    fn look(wanted: &str) -> Result<String, String> {
        let all = vec![
            device("00:1b:a9:01:02:03", &["10.0.0.5", "fd00::5"], &["Printer.office.example"]),
            Device {
                other_macs: vec!["6e:2b:90:60:44:02".into(), "00:00:5e:00:01:07".into()],
                ..device("00:1b:a9:01:02:04", &["10.0.0.6"], &["cam", "10.0.0.5"])
            },
            device("10.0.0.7", &["10.0.0.7"], &["cam.b", "a1b2c3d4e5f6"]),
        ];
        match find(all, wanted, Path::new("out")) {
            Ok(device) => Ok(device.id),
            Err(Refusal::Usage(text)) => Err(text),
            Err(Refusal::Sink(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_device_is_found_by_all_that_it_is_called() {
        for (wanted, id) in [
            ("00:1b:a9:01:02:03", "00:1b:a9:01:02:03"),
            ("00-1B-A9-01-02-03", "00:1b:a9:01:02:03"),
            ("001b.a901.0203", "00:1b:a9:01:02:03"),
            ("6E-2B-90-60-44-02", "00:1b:a9:01:02:04"),
            ("00:00:5e:00:01:07", "00:1b:a9:01:02:04"),
            ("FD00::0005", "00:1b:a9:01:02:03"),
            ("10.0.0.5", "00:1b:a9:01:02:03"),
            ("printer", "00:1b:a9:01:02:03"),
            ("printer.OFFICE.example.", "00:1b:a9:01:02:03"),
            ("10.0.0.7", "10.0.0.7"),
            ("A1B2C3D4E5F6", "10.0.0.7"),
        ] {
            assert_eq!(look(wanted).as_deref(), Ok(id), "{wanted}");
        }
        let several = look("cam").unwrap_err();
        assert!(several.starts_with("\"cam\" stands for 2 devices"), "{several}");
        assert!(several.contains("00:1b:a9:01:02:04") && several.contains("10.0.0.7"), "{several}");
        assert!(look("nobody").unwrap_err().contains("none of its 3 devices"), "{:?}", look("nobody"));
    }
}
