// A page that sends a painted picture in three layers, and one that looks at every picture that it gets.
const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
const SIDE = 4; // blocks in a row and in a column: black or white, together the number of the picture

async function offer() {
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}

// The first estimate of the bandwidth is given: a loaded machine would else withhold the largest layer for long.
async function answered(sdp) {
  const given = (map, type) => `${map}a=fmtp:${type} x-google-start-bitrate=5000\r\n`;
  const sent = sdp.replace(/a=rtpmap:(\d+) (?:VP8|VP9|H264|AV1)\/90000\r\n/g, given);
  await pc.setRemoteDescription({ type: "answer", sdp: sent });
}

function painted(width, height, fps) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const brush = canvas.getContext("2d", { alpha: false });
  let number = 0;
  setInterval(() => {
    number++;
    for (let bit = 0; bit < SIDE * SIDE; bit++) {
      brush.fillStyle = (number >> bit) & 1 ? "white" : "black";
      const [x, y] = [bit % SIDE, Math.floor(bit / SIDE)];
      brush.fillRect((x * width) / SIDE, (y * height) / SIDE, width / SIDE, height / SIDE);
    }
  }, 1000 / fps);
  return canvas.captureStream(fps).getVideoTracks()[0];
}

function send(codec, layers) {
  const sender = pc.addTransceiver(painted(1280, 720, 15), { direction: "sendonly", sendEncodings: layers });
  const all = RTCRtpSender.getCapabilities("video").codecs;
  const named = all.filter((one) => one.mimeType.toLowerCase() === `video/${codec}`);
  sender.setCodecPreferences([...named, ...all.filter((one) => one.mimeType === "video/rtx")]);
}

async function reports(type) {
  return [...(await pc.getStats()).values()].filter((one) => one.type === type);
}

async function sends(frames) {
  return (await reports("outbound-rtp")).filter((one) => (one.framesEncoded ?? 0) >= frames).map((one) => one.rid);
}

// Whether no picture that came is missing; some are on their way at most moments.
async function decodesAll() {
  const [one] = await reports("inbound-rtp");
  return one.framesReceived === one.framesDecoded;
}

// Every picture: its width, its number (null if a block is neither black nor white).
const pictures = [];

async function look(track) {
  const frames = new MediaStreamTrackProcessor({ track, maxBufferSize: 60 }).readable.getReader();
  const canvas = new OffscreenCanvas(SIDE * 4, SIDE * 4);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  for (;;) {
    const { value: frame, done } = await frames.read();
    if (done) return;
    brush.drawImage(frame, 0, 0, canvas.width, canvas.height);
    pictures.push({ width: frame.displayWidth, height: frame.displayHeight, number: number(brush) });
    frame.close();
  }
}

function number(brush) {
  let sum = 0;
  for (let bit = 0; bit < SIDE * SIDE; bit++) {
    // the middle of the block: 2 by 2 of its 4 by 4 pixels
    const { data } = brush.getImageData((bit % SIDE) * 4 + 1, Math.floor(bit / SIDE) * 4 + 1, 2, 2);
    const green = [data[1], data[5], data[9], data[13]];
    if (green.every((value) => value > 170)) sum |= 1 << bit;
    else if (!green.every((value) => value < 85)) return null;
  }
  return sum;
}

function receive() {
  const { receiver } = pc.addTransceiver("video", { direction: "recvonly" });
  look(receiver.track);
}

// How many of the latest pictures have this width.
function latest(width) {
  const last = pictures.findLastIndex((one) => one.width !== width);
  return pictures.length - 1 - last;
}
