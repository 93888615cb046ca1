// The same work as Palaver's REST API for three routes, written as one would in Express 5 with better-sqlite3:
// MAuth with freshness and replay protection, rooms with defaults and validation, signed errors in OWT's shape.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import Database from "better-sqlite3";
import express from "express";

const [port, file, serviceId, key] = process.argv.slice(2);
const db = new Database(file);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = NORMAL");
db.exec(
  "CREATE TABLE IF NOT EXISTS services (id TEXT PRIMARY KEY, name TEXT, key TEXT);" +
    "CREATE TABLE IF NOT EXISTS rooms (id TEXT PRIMARY KEY, service TEXT, name TEXT, document TEXT, created INTEGER);" +
    "CREATE INDEX IF NOT EXISTS rooms_by_service ON rooms (service, created)",
);
db.prepare("INSERT OR REPLACE INTO services VALUES (?, 'sample', ?)").run(serviceId, key);
const serviceById = db.prepare("SELECT id, key FROM services WHERE id = ?");
const roomById = db.prepare("SELECT * FROM rooms WHERE id = ? AND service = ?");
const roomsOf = db.prepare("SELECT * FROM rooms WHERE service = ? ORDER BY created, id LIMIT ? OFFSET ?");
const insertRoom = db.prepare("INSERT INTO rooms VALUES (?, ?, ?, ?, ?)");

const WINDOW_MS = 300_000;
const seen = new Map();
const fail = (res, status, code, message) => res.status(status).json({ error: { code, message } });

function authenticate(req, res, next) {
  const header = req.headers.authorization ?? "";
  const fields = {};
  if (header.startsWith("MAuth "))
    for (const part of header.slice(6).split(",")) {
      const at = part.indexOf("=");
      fields[part.slice(0, at).trim().replace(/^mauth_/, "")] = part.slice(at + 1).replace(/^"|"$/g, "");
    }
  const service = serviceById.get(fields.serviceid ?? "");
  const text = `${fields.timestamp},${fields.cnonce}`;
  const expected = Buffer.from(
    Buffer.from(createHmac("sha256", service?.key ?? "").update(text).digest("hex")).toString("base64"),
  );
  const given = Buffer.from(fields.signature ?? "");
  const now = Date.now();
  const once = `${fields.serviceid},${text}`;
  const valid =
    service &&
    fields.signature_method === "HMAC_SHA256" &&
    expected.length === given.length &&
    timingSafeEqual(expected, given) &&
    Math.abs(now - Number(fields.timestamp)) <= WINDOW_MS &&
    !seen.has(once);
  if (!valid) {
    res.set("WWW-Authenticate", 'MAuth realm="palaver"');
    return fail(res, 401, 1101, "Authentication failed");
  }
  seen.set(once, now);
  for (const [k, t] of seen) {
    if (now - t <= WINDOW_MS) break;
    seen.delete(k);
  }
  req.service = service;
  next();
}

const codec = (name, sampleRate, channelNum) => ({ codec: name, sampleRate, channelNum });
const AUDIO = [
  codec("opus", 48000, 2), codec("isac", 16000), codec("isac", 32000), codec("g722", 16000, 1), { codec: "pcma" },
  { codec: "pcmu" }, { codec: "aac" }, { codec: "ac3" }, { codec: "nellymoser" }, { codec: "ilbc" },
];
const grant = (audio, video) => ({ audio, video });
const role = (name, publish, subscribe) => ({ role: name, publish, subscribe });
const defaults = () => ({
  inputLimit: -1,
  participantLimit: -1,
  selectActiveAudio: false,
  enableBandwidthAdaptation: false,
  roles: [
    role("presenter", grant(true, true), grant(true, true)),
    role("viewer", grant(false, false), grant(true, true)),
    role("audio_only_presenter", grant(true, false), grant(true, false)),
    role("video_only_viewer", grant(false, false), grant(false, true)),
    role("sip", grant(true, true), grant(true, true)),
  ],
  views: [
    {
      label: "common",
      audio: { format: codec("opus", 48000, 2), vad: true },
      video: {
        format: { codec: "vp8" },
        parameters: { resolution: { width: 640, height: 480 }, framerate: 24, keyFrameInterval: 100 },
        maxInput: 16,
        motionFactor: 0.8,
        bgColor: { r: 0, g: 0, b: 0 },
        keepActiveInputPrimary: false,
        layout: { fitPolicy: "letterbox", templates: { base: "fluid", custom: [] } },
      },
    },
  ],
  mediaIn: { audio: AUDIO, video: [{ codec: "h264" }, { codec: "vp8" }, { codec: "vp9" }] },
  mediaOut: {
    audio: AUDIO,
    video: {
      format: [{ codec: "vp8" }, { codec: "h264", profile: "CB" }, { codec: "h264", profile: "B" }, { codec: "vp9" }],
      parameters: {
        resolution: ["x3/4", "x2/3", "x1/2", "x1/3", "x1/4", "hd1080p", "hd720p", "svga", "vga", "qvga", "cif"],
        framerate: [6, 12, 15, 24, 30, 48, 60],
        bitrate: ["x0.8", "x0.6", "x0.4", "x0.2"],
        keyFrameInterval: [100, 30, 5, 2, 1],
      },
    },
  },
  transcoding: {
    audio: true,
    video: { format: true, parameters: { resolution: true, framerate: true, bitrate: true, keyFrameInterval: true } },
  },
  notifying: { participantActivities: true, streamChange: true },
});

const print = (row) => ({ ...JSON.parse(row.document), name: row.name, _id: row.id, id: row.id, __v: 0 });
const limit = (value) => (Number.isInteger(Number(value)) ? Number(value) : undefined);

const app = express();
app.disable("x-powered-by");
app.use((req, res, next) => {
  res.set("Access-Control-Allow-Origin", "*");
  res.set("X-Content-Type-Options", "nosniff");
  next();
});
app.use("/v1/rooms", authenticate);
app.use(express.json({ limit: "1mb" }));
app.post("/v1/rooms", (req, res) => {
  const { name, options = {} } = req.body ?? {};
  if (typeof name !== "string" || !name) return fail(res, 400, 1301, "name: expected a non-empty string");
  if (typeof options !== "object" || options === null) return fail(res, 400, 1301, "options: expected an object");
  const document = defaults();
  for (const key of ["participantLimit", "inputLimit"]) {
    if (options[key] === undefined) continue;
    const number = limit(options[key]);
    if (number === undefined) return fail(res, 400, 1301, `options.${key}: expected an integer`);
    document[key] = number;
  }
  for (const key of ["roles", "views", "mediaIn", "mediaOut", "transcoding", "notifying"])
    if (options[key] !== undefined) document[key] = options[key];
  for (const [i, view] of document.views.entries()) {
    const inputs = view.video?.maxInput;
    if (inputs !== undefined && !(inputs >= 1 && inputs <= 256))
      return fail(res, 400, 1301, `views[${i}].video.maxInput: expected 1 to 256`);
  }
  const row = { id: randomBytes(12).toString("hex"), name, document: JSON.stringify(document) };
  insertRoom.run(row.id, req.service.id, name, row.document, Date.now());
  res.json(print(row));
});
app.get("/v1/rooms", (req, res) => {
  const perPage = Number(req.query.per_page) > 0 ? Number(req.query.per_page) : -1;
  const page = perPage > 0 && Number(req.query.page) > 0 ? Number(req.query.page) : 1;
  res.json(roomsOf.all(req.service.id, perPage, perPage > 0 ? (page - 1) * perPage : 0).map(print));
});
app.get("/v1/rooms/:room", (req, res) => {
  const row = roomById.get(req.params.room, req.service.id);
  if (!row) return fail(res, 404, 1003, "Room not found");
  res.json(print(row));
});
app.use((req, res) => fail(res, 404, 1001, "Resource not found"));
app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
