//! Machines that boot a disk by firmware: no kernel of ours, no agent, nothing but what is on it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use netloom_image::Digest;

use super::{patiently, pid, show, state};
use crate::place::{Place, once};

fn has_qemu() -> bool {
    let found = std::process::Command::new("qemu-system-x86_64").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: qemu-system-x86 is not installed");
    }
    found
}

/// Real mode: each letter of the text goes to the first serial port once that has room, then the processor rests.
const BOOT_SECTOR: &[u8] =
    b"\xfa\x31\xc0\x8e\xd8\xfc\xbe\x23\x7c\xac\x84\xc0\x74\x12\x88\xc4\xba\xfd\x03\xec\xa8\x20\x74\xfb\
    \x88\xe0\xba\xf8\x03\xee\xeb\xe9\xf4\xeb\xfdhello from the disk\r\n\0";

/// A disk whose first sector says a word.
fn speaking_disk() -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[..BOOT_SECTOR.len()].copy_from_slice(BOOT_SECTOR);
    disk[510..512].copy_from_slice(b"\x55\xaa");
    disk
}

#[test]
fn a_disk_is_booted_by_firmware_and_nothing_of_ours_is_in_it() {
    once(|place| {
        if !has_qemu() {
            return;
        }
        let disk = speaking_disk();
        std::fs::write(place.path("boot.img"), &disk).unwrap();
        let one = "netloom: 1\nname: disk\nnodes: { old: { vm: { disk: boot.img, virt: full } }, h1: {} }\nswitches: { s1: {} }\n";
        place.up(&format!("{one}links: [h1 -- s1, old -- s1]\n"));
        patiently("the boot sector speaks", || place.run("logs old").out.contains("hello from the disk"));
        let refused = place.sh("old", "true");
        assert!(refused.code == 125 && refused.err.contains("agent is not in this guest"), "{refused:?}");
        assert_eq!(state(place, "old"), "up");
        place.ok("pause old");
        place.ok("resume old");
        // A card can be plugged into anything; one that nobody in there lets go of stays.
        let before = pid(&show(place, "old"));
        place.up(&format!("{one}links: [h1 -- s1, old -- s1, old -- s1]\n"));
        assert_eq!(
            (pid(&show(place, "old")), show(place, "old")["interfaces"].as_array().map(Vec::len)),
            (before, Some(2))
        );
        place.write("lab.loom.yml", &format!("{one}links: [h1 -- s1, old -- s1]\n"));
        let refused = place.run("up lab.loom.yml");
        assert!(refused.code != 0 && refused.err.contains("does not let go of eth1"), "{refused:?}");
        assert_eq!(
            (pid(&show(place, "old")), show(place, "old")["interfaces"].as_array().map(Vec::len)),
            (before, Some(2))
        );
        place.ok("stop old");
        place.ok("up lab.loom.yml");
        place.ok("start old");
        assert_eq!(show(place, "old")["interfaces"].as_array().map(Vec::len), Some(1));
        place.ok("down");
        assert_eq!(std::fs::read(place.path("boot.img")).unwrap(), disk, "the image is as it was");
    });
}

/// A web server on loopback with one file; where it is to be had.
fn serve(file: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/boot.img", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let _headers = lines.take_while(|line| !line.is_empty()).count();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
            // One that hangs up knows enough.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&file));
        }
    });
    url
}

#[test]
fn the_image_of_a_disk_is_fetched_once_and_kept() {
    once(|place| {
        if !has_qemu() {
            return;
        }
        let (disk, other) = (speaking_disk(), Digest::of(b"another").hex());
        let (digest, url) = (Digest::of(&disk).hex(), serve(disk));
        let lab = |digest: &str| {
            format!(
                "netloom: 1\nname: net\nnodes:\n  h1: {{}}\n  old: {{ vm: {{ url: '{url}', sha256: {digest}, virt: full }} }}\n"
            )
        };
        place.up("netloom: 1\nname: net\nnodes: { h1: {} }\n");
        place.write("lab.loom.yml", &lab(&other));
        let refused = place.run("up lab.loom.yml");
        assert!(refused.code != 0 && refused.err.contains("is not what it must be"), "{refused:?}");
        assert!(refused.err.contains(&digest) && refused.err.contains(&other), "{refused:?}");
        assert!(!place.ok("ls nodes").contains("old"), "nothing has changed");
        assert!(place.ok("image ls").contains("No images"));
        place.up(&lab(&digest));
        patiently("the boot sector speaks", || place.run("logs old").out.contains("hello from the disk"));
        let json: serde_json::Value = serde_json::from_str(&place.ok("image ls -o json")).unwrap();
        let row = &json["images"][0];
        assert_eq!(
            (&row["name"], &row["platform"], &row["bytes"]),
            (&url.clone().into(), &"disk".into(), &(1 << 20).into()),
            "{json:#}"
        );
        let refused = place.run(&format!("image rm {url}"));
        assert!(refused.code != 0 && refused.err.contains("in use by net"), "{refused:?}");
        place.ok("image gc");
        place.ok("stop old");
        place.ok("start old");
        place.ok("down --volumes");
        // It is there: nobody is asked for it again.
        let gone = lab(&digest).replace(&url, "http://127.0.0.1:9/boot.img");
        place.up(&gone);
        place.ok("down --volumes");
        place.ok(&format!("image rm {url} http://127.0.0.1:9/boot.img"));
        assert!(place.ok("image ls").contains("No images"));
        let refused = place.run(&format!("image pull {url} --sha256 {other}"));
        assert!(refused.code != 0 && refused.err.contains("is not what it must be"), "{refused:?}");
        let pulled = place.ok(&format!("image pull {url} --sha256 {digest}"));
        assert!(pulled.contains("disk") && pulled.contains("1.0 MB"), "{pulled}");
    });
}

/// A disk of one file: FAT12 as on a floppy disk, since the specification of UEFI asks for no less and firmware for no more.
///
/// Source: UEFI 2.10, section 13.3; Microsoft, "FAT: General Overview of On-Disk Format", 1.03.
fn floppy(name: [u8; 11], file: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 512;
    assert!(file.len() <= SECTOR);
    let mut disk = vec![0; 2_880 * SECTOR];
    let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\xeb\x3c\x90netloom ");
    // Bytes a sector, sectors a cluster, reserved sectors, tables, entries of the root, sectors, medium, sectors a table.
    put(11, &[0, 2, 1, 1, 0, 2, 224, 0, 0x40, 0x0b, 0xf0, 9, 0, 18, 0, 2, 0]);
    put(38, b"\x29\x01\x02\x03\x04NETLOOM    FAT12   ");
    put(510, b"\x55\xaa");
    for table in [1, 10] {
        put(table * SECTOR, &[0xf0, 0xff, 0xff, 0xff, 0x0f]);
    }
    let root = 19 * SECTOR;
    put(root, &name);
    put(root + 11, &[0x20]);
    put(root + 26, &[2, 0]);
    put(root + 28, &u32::try_from(file.len()).unwrap().to_le_bytes());
    put(33 * SECTOR, file);
    disk
}

#[test]
#[ignore = "emulated guests beside other tests may take longer to boot than is waited for: it runs alone"]
fn uefi_starts_a_disk_and_remembers() {
    once(|place: &Place| {
        if !has_qemu() {
            return;
        }
        if !Path::new("/usr/share/OVMF").is_dir() {
            eprintln!("skipped: ovmf is not installed");
            return;
        }
        // The firmware's own shell runs this.
        let script = b"@echo -off\r\necho hello from the firmware, mark is %mark%\r\nset mark kept\r\n";
        std::fs::write(place.path("uefi.img"), floppy(*b"STARTUP NSH", script)).unwrap();
        place.up("netloom: 1\nname: uefi\nnodes: { new: { vm: { disk: uefi.img, firmware: uefi } }, h1: {} }\nlinks: [new -- h1]\n");
        patiently("the script speaks", || place.run("logs new").out.contains("hello from the firmware"));
        patiently("it has set its mark", || place.run("logs new").out.contains("Shell>"));
        place.ok("stop new");
        place.ok("start new");
        patiently("it remembers", || place.run("logs new").out.contains("mark is kept"));
        place.ok("down --volumes");
        assert!(!place.path("data/disks/uefi").exists());
    });
}
