// Sounds that the page makes itself: what rings when somebody calls, what one hears while it rings there.

/** Notes as [start in seconds, pitch in Hz, length, loudness], and after how many seconds it all begins again. */
const TONES = {
  incoming: { every: 3, notes: chime(0, 0.5).concat(chime(0.9, 0.5)) },
  outgoing: { every: 4, notes: [[0, 425, 1, 0.12]], isSteady: true },
  sample: { every: 1.4, notes: chime(0, 0.5), isOnce: true },
};

function chime(at, loudness) {
  return [[at, 659.3, 0.9, loudness], [at + 0.14, 830.6, 0.9, loudness], [at + 0.28, 987.8, 1.1, loudness]];
}

/** A whole round of a tone: a loop needs no timers, which are slow in pages that nobody looks at. */
function roundOf(context, { every, notes, isSteady }) {
  const rate = context.sampleRate;
  const buffer = context.createBuffer(1, Math.ceil(every * rate), rate);
  const samples = buffer.getChannelData(0);
  for (const [start, pitch, length, loudness] of notes) {
    for (let at = 0; at < length * rate; at++) {
      const seconds = at / rate;
      const wave = Math.sin(2 * Math.PI * pitch * seconds) + 0.3 * Math.sin(4 * Math.PI * pitch * seconds) * Number(!isSteady);
      const shape = Math.min(1, seconds / 0.008, (length - seconds) / 0.03) * (isSteady ? 1 : Math.exp(-seconds * 5));
      const place = Math.floor(start * rate) + at;
      if (place < samples.length) samples[place] += loudness * 0.5 * wave * shape;
    }
  }
  return buffer;
}

/** Play a tone where sound was chosen to come out; resolves with what ends it. */
export async function startPlaying(name, devices) {
  const tone = TONES[name];
  const context = new AudioContext();
  const source = new AudioBufferSourceNode(context, { buffer: roundOf(context, tone), loop: !tone.isOnce });
  source.connect(context.destination);
  source.onended = () => context.close().catch(() => {}); // it may be closed already
  source.start();
  const speaker = devices.chosen.value.audiooutput;
  if (speaker && context.setSinkId) await context.setSinkId(speaker).catch(() => {}); // it is not there any more
  // A page that nobody has touched yet may not sound: it does from the first touch on.
  const wake = () => context.state === "suspended" && context.resume();
  addEventListener("pointerdown", wake, { once: true });
  return () => {
    removeEventListener("pointerdown", wake);
    if (context.state !== "closed") context.close();
  };
}
