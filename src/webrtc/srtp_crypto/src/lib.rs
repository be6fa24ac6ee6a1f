//! Opens SRTP packets: AEAD_AES_128_GCM (RFC 7714) and AES128_CM_HMAC_SHA1_80 (RFC 3711). For srtp_transform.ts, which
//! derives the keys, reads the headers and keeps the replay window.
//!
//! One instance belongs to one thread. It has one buffer, which a packet is copied into and opened in, and a slab of
//! sessions behind it that grows by pages up to SESSIONS_MAX and hands freed slots out again; there is no other
//! allocation. Nothing is decrypted before it is authentic, and no branch or address depends on a key or a plaintext.
#![no_std]

use aes::cipher::{generic_array::GenericArray, BlockEncrypt, KeyInit};
use aes::{Aes128, Block};
use core::mem::size_of;
use ghash::{universal_hash::UniversalHash, GHash};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// An Ethernet frame and a margin: a longer packet does not come in one piece.
const PACKET_BYTES: usize = 2048;
/// Twice as many as the service has speakers.
const SESSIONS_MAX: u32 = 2048;
const PAGE_BYTES: usize = 65_536;
const FIXED_HEADER_BYTES: usize = 12;
const GCM_TAG_BYTES: usize = 16;
const HMAC_TAG_BYTES: usize = 10;
const BLOCK_BYTES: usize = 16;
/// Blocks the cipher works on at once; fewer cost as much.
const BLOCKS: usize = 4;

enum Session {
    Free {
        next: u32,
    },
    Gcm {
        cipher: Aes128,
        hash: GHash,
        salt: [u8; 12],
    },
    CounterMode {
        cipher: Aes128,
        mac: Hmac<Sha1>,
        salt: [u8; 14],
    },
}

/// No slot, as an index.
const NONE: u32 = u32::MAX;

#[repr(align(16))]
struct Packet([u8; PACKET_BYTES]);

static mut PACKET: Packet = Packet([0; PACKET_BYTES]);
/// Slots that were ever used; those behind them are not initialised.
static mut SLOTS: u32 = 0;
static mut FIRST_FREE: u32 = NONE;

extern "C" {
    /// Where the linker's data ends: the slab begins there, and nothing else is behind it.
    static __heap_base: u8;
}

/// Address of the buffer for keys and packets.
#[export_name = "bufferAddress"]
pub extern "C" fn buffer_address() -> *mut u8 {
    packet().as_mut_ptr()
}

/// Its length.
#[export_name = "bufferBytes"]
pub extern "C" fn buffer_bytes() -> usize {
    PACKET_BYTES
}

/// A session with the key (16 bytes) and salt (12) in the buffer, which is wiped. Its slot, or -1: there are too many.
#[export_name = "startGcm"]
pub extern "C" fn start_gcm() -> i32 {
    let buffer = packet();
    let cipher = Aes128::new(GenericArray::from_slice(&buffer[..16]));
    let mut subkey = Block::default();
    cipher.encrypt_block(&mut subkey);
    let hash = GHash::new(&subkey);
    let mut salt = [0; 12];
    salt.copy_from_slice(&buffer[16..28]);
    buffer[..28].fill(0);
    start(Session::Gcm { cipher, hash, salt })
}

/// The same for counter mode: key (16 bytes), salt (14), authentication key (20).
#[export_name = "startCounterMode"]
pub extern "C" fn start_counter_mode() -> i32 {
    let buffer = packet();
    let cipher = Aes128::new(GenericArray::from_slice(&buffer[..16]));
    let mut salt = [0; 14];
    salt.copy_from_slice(&buffer[16..30]);
    let mut key = [0; 64]; // a whole block: HMAC pads it with zeros in any case
    key[..20].copy_from_slice(&buffer[30..50]);
    let mac = <Hmac<Sha1> as KeyInit>::new(GenericArray::from_slice(&key));
    buffer[..50].fill(0);
    start(Session::CounterMode { cipher, mac, salt })
}

/// Ends a session and wipes its keys. One that has ended already is left alone.
#[export_name = "end"]
pub extern "C" fn end(slot: u32) {
    unsafe {
        let session = match session(slot) {
            None | Some(Session::Free { .. }) => return,
            Some(session) => session as *mut Session,
        };
        session.write_bytes(0, 1);
        session.write(Session::Free { next: FIRST_FREE });
        FIRST_FREE = slot;
    }
}

/// Opens the packet in the buffer where it lies, behind a header of so many bytes. The payload's length, or -1 when the
/// packet is not authentic or there is no such session.
#[export_name = "open"]
pub extern "C" fn open(slot: u32, packet_bytes: usize, header_bytes: usize, ssrc: u32, rollovers: u32) -> i32 {
    if packet_bytes > PACKET_BYTES || header_bytes < FIXED_HEADER_BYTES || header_bytes > packet_bytes {
        return -1;
    }
    let packet = &mut packet()[..packet_bytes];
    match unsafe { session(slot) } {
        Some(Session::Gcm { cipher, hash, salt }) if packet_bytes - header_bytes >= GCM_TAG_BYTES => {
            open_gcm(cipher, hash, salt, packet, header_bytes, ssrc, rollovers)
        }
        Some(Session::CounterMode { cipher, mac, salt }) if packet_bytes - header_bytes >= HMAC_TAG_BYTES => {
            open_counter_mode(cipher, mac, salt, packet, header_bytes, ssrc, rollovers)
        }
        _ => -1,
    }
}

fn open_gcm(
    cipher: &Aes128,
    hash: &GHash,
    salt: &[u8; 12],
    packet: &mut [u8],
    header_bytes: usize,
    ssrc: u32,
    rollovers: u32,
) -> i32 {
    // RFC 7714, section 8.1; the counter behind it is GCM's own.
    let mut counter = [0; BLOCK_BYTES];
    counter[..12].copy_from_slice(salt);
    xor(&mut counter[2..], &ssrc.to_be_bytes());
    xor(&mut counter[6..], &rollovers.to_be_bytes());
    xor(&mut counter[10..], &packet[2..4]);
    counter[15] = 1;

    let (authenticated, tag) = packet.split_at_mut(packet.len() - GCM_TAG_BYTES);
    let (header, payload) = authenticated.split_at_mut(header_bytes);
    let mut lengths = Block::default();
    lengths[..8].copy_from_slice(&(header.len() as u64 * 8).to_be_bytes());
    lengths[8..].copy_from_slice(&(payload.len() as u64 * 8).to_be_bytes());
    let mut hash = hash.clone();
    hash.update_padded(header);
    hash.update_padded(payload);
    hash.update(&[lengths]);
    let mut expected = hash.finalize();

    let mut stream = keystream(cipher, &mut counter);
    xor(&mut expected, &stream[0]);
    if !bool::from(expected.as_slice().ct_eq(tag)) {
        return -1;
    }
    // The first block was the tag's.
    let (first, rest) = payload.split_at_mut(payload.len().min((BLOCKS - 1) * BLOCK_BYTES));
    apply(first, &stream[1..]);
    for group in rest.chunks_mut(BLOCKS * BLOCK_BYTES) {
        stream = keystream(cipher, &mut counter);
        apply(group, &stream);
    }
    payload.len() as i32
}

fn open_counter_mode(
    cipher: &Aes128,
    mac: &Hmac<Sha1>,
    salt: &[u8; 14],
    packet: &mut [u8],
    header_bytes: usize,
    ssrc: u32,
    rollovers: u32,
) -> i32 {
    let (authenticated, tag) = packet.split_at_mut(packet.len() - HMAC_TAG_BYTES);
    let mut mac = mac.clone(); // RFC 3711, section 4.2
    mac.update(authenticated);
    mac.update(&rollovers.to_be_bytes());
    if mac.verify_truncated_left(tag).is_err() {
        return -1;
    }
    // RFC 3711, section 4.1.1
    let mut counter = [0; BLOCK_BYTES];
    counter[..14].copy_from_slice(salt);
    xor(&mut counter[4..], &ssrc.to_be_bytes());
    xor(&mut counter[8..], &rollovers.to_be_bytes());
    xor(&mut counter[12..], &authenticated[2..4]);
    let payload = &mut authenticated[header_bytes..];
    for group in payload.chunks_mut(BLOCKS * BLOCK_BYTES) {
        let stream = keystream(cipher, &mut counter);
        apply(group, &stream);
    }
    payload.len() as i32
}

/// The next blocks of the key stream. Only the last two bytes count: a packet has far fewer than 65536 blocks.
fn keystream(cipher: &Aes128, counter: &mut [u8; BLOCK_BYTES]) -> [Block; BLOCKS] {
    let mut blocks = [Block::default(); BLOCKS];
    let mut count = u16::from_be_bytes([counter[14], counter[15]]);
    for block in blocks.iter_mut() {
        block.copy_from_slice(counter);
        block[14..].copy_from_slice(&count.to_be_bytes());
        count += 1;
    }
    counter[14..].copy_from_slice(&count.to_be_bytes());
    cipher.encrypt_blocks(&mut blocks);
    blocks
}

fn apply(bytes: &mut [u8], stream: &[Block]) {
    for (bytes, block) in bytes.chunks_mut(BLOCK_BYTES).zip(stream) {
        xor(bytes, block);
    }
}

/// As far as both reach.
fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}

/// Puts a session into a free slot, or into one behind those in use.
fn start(session: Session) -> i32 {
    unsafe {
        let slot = if FIRST_FREE != NONE { FIRST_FREE } else { SLOTS };
        if slot == SLOTS {
            if slot == SESSIONS_MAX || !reach(slot_address(slot) as usize + size_of::<Session>()) {
                return -1;
            }
            SLOTS += 1;
        } else if let Session::Free { next } = &*slot_address(slot) {
            FIRST_FREE = *next;
        }
        slot_address(slot).write(session);
        slot as i32
    }
}

/// Grows the memory until it has so many bytes; false when it may not.
fn reach(bytes: usize) -> bool {
    let pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    let there = core::arch::wasm32::memory_size(0);
    pages <= there || core::arch::wasm32::memory_grow(0, pages - there) != usize::MAX
}

unsafe fn session(slot: u32) -> Option<&'static mut Session> {
    if slot < SLOTS {
        Some(&mut *slot_address(slot))
    } else {
        None
    }
}

unsafe fn slot_address(slot: u32) -> *mut Session {
    let base = (core::ptr::addr_of!(__heap_base) as usize + 15) & !15;
    (base as *mut Session).add(slot as usize)
}

fn packet() -> &'static mut [u8; PACKET_BYTES] {
    unsafe { &mut (*core::ptr::addr_of_mut!(PACKET)).0 }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
