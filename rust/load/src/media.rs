//! Packets of a camera and a microphone: 30 frames of 5 packets and 50 audio packets a second.

use std::time::{Duration, Instant};

use meeting_rtp::extension::Writer;
use meeting_rtp::{FIXED_HEADER, Header};

/// Payload type of the video.
pub const VP8: u8 = 96;
/// Payload type of the audio.
pub const OPUS: u8 = 111;
/// SSRC of the video.
pub const VIDEO_SSRC: u32 = 0x56_49_44_45;
/// SSRC of the audio.
pub const AUDIO_SSRC: u32 = 0x41_55_44_49;
/// Id of the mid header extension.
pub const MID: u8 = 1;
/// Media section of the audio.
pub const AUDIO_MID: &str = "0";
/// Media section of the video.
pub const VIDEO_MID: &str = "1";

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);
const AUDIO: Duration = Duration::from_millis(20);
const PACKETS_OF_A_FRAME: u32 = 5;
const VIDEO_BYTES: usize = 1100;
const AUDIO_BYTES: usize = 90;

/// What is due to be sent when.
#[derive(Debug)]
pub struct Camera {
    began: Instant,
    frames: u32,
    sounds: u32,
    video: bool,
}

/// A clear packet in a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Its length.
    pub len: usize,
    /// Of its header.
    pub header: usize,
    /// Its SRTP index.
    pub index: u64,
}

impl Camera {
    /// With a microphone; begins at `began`.
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            frames: 0,
            sounds: 0,
            video: true,
        }
    }

    /// Only the microphone.
    pub fn off(began: Instant) -> Self {
        Self {
            video: false,
            ..Self::new(began)
        }
    }

    /// When the next packet is due.
    pub fn deadline(&self) -> Instant {
        let sound = self.began + AUDIO * self.sounds;
        match self.video {
            true => sound.min(self.began + FRAME * self.frames),
            false => sound,
        }
    }

    /// Writes the packets that are due by now, one after the other. The last 8 bytes of each tell when it was sent, in
    /// nanoseconds since `epoch`.
    pub fn write_due(
        &mut self,
        now: Instant,
        epoch: Instant,
        mut send: impl FnMut(&mut [u8], Written),
    ) {
        let mut buffer = [0; 1500];
        while self.began + AUDIO * self.sounds <= now {
            let header = Header::new(
                OPUS,
                self.sounds as u16,
                self.sounds * 960,
                AUDIO_SSRC,
                false,
            );
            let written = write(
                &mut buffer,
                header,
                AUDIO_MID,
                self.sounds,
                AUDIO_BYTES,
                epoch,
            );
            self.sounds += 1;
            send(&mut buffer, written);
        }
        while self.video && self.began + FRAME * self.frames <= now {
            for i in 0..PACKETS_OF_A_FRAME {
                let number = self.frames * PACKETS_OF_A_FRAME + i;
                let last = i + 1 == PACKETS_OF_A_FRAME;
                let header = Header::new(VP8, number as u16, self.frames * 3000, VIDEO_SSRC, last);
                let written = write(&mut buffer, header, VIDEO_MID, number, VIDEO_BYTES, epoch);
                // VP8 descriptor: the first packet starts the first partition; every frame is a key frame.
                buffer[written.header] = if i == 0 { 0x10 } else { 0 };
                buffer[written.header + 1] = 0;
                send(&mut buffer, written);
            }
            self.frames += 1;
        }
    }

    /// Packets written so far: video and audio.
    pub fn written(&self) -> u64 {
        u64::from(self.frames) * u64::from(PACKETS_OF_A_FRAME) + u64::from(self.sounds)
    }
}

fn write(
    out: &mut [u8],
    header: Header,
    mid: &str,
    number: u32,
    bytes: usize,
    epoch: Instant,
) -> Written {
    let extensions = Writer::new(&mut out[FIXED_HEADER..], false).and_then(|mut writer| {
        writer.push(MID, mid.as_bytes());
        writer.finish()
    });
    let block = extensions.expect("the buffer has room");
    header.write(true, out).expect("the buffer has room");
    let start = FIXED_HEADER + block;
    let len = start + bytes;
    out[start..len].fill(number as u8);
    out[len - 8..len].copy_from_slice(&(epoch.elapsed().as_nanos() as u64).to_be_bytes());
    Written {
        len,
        header: start,
        index: u64::from(number),
    }
}

/// How long a packet of [`Camera`] was on its way.
pub fn age(packet: &[u8], epoch: Instant) -> Option<Duration> {
    let sent = u64::from_be_bytes(*packet.last_chunk()?);
    Some(epoch.elapsed().saturating_sub(Duration::from_nanos(sent)))
}
