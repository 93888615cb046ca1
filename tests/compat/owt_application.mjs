// An application as OWT's users have them: a REST client that writes Host without a port, MAuth without blanks and slashes at
// the end of paths, and clients that go where their token says. Told what to do by lines of JSON:
//   {id, rest: [method, path, body]}   {id, join: [name, token]}   {id, emit: [name, event, data]}
// It answers each with {id, answer} or {id, error}, and prints {client, event, data} for what its clients hear.

import { createHmac, randomInt } from "node:crypto";
import { request } from "node:http";
import { createInterface } from "node:readline";
import { io } from "socket.io-client-3";

const [host, port, service, key] = process.argv.slice(2);
const clients = new Map();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function authorization() {
  const timestamp = Date.now();
  const nonce = randomInt(1e9);
  const digest = createHmac("sha256", key).update(`${timestamp},${nonce}`).digest("hex");
  return (
    `MAuth realm=http://marte3.dit.upm.es,mauth_signature_method=HMAC_SHA256,mauth_serviceid=${service},` +
    `mauth_cnonce=${nonce},mauth_timestamp=${timestamp},mauth_signature=${Buffer.from(digest).toString("base64")}`
  );
}

function rest([method, path, body]) {
  const headers = { Host: host, Authorization: authorization(), "Content-Type": "application/json" };
  const text = body === undefined ? "" : JSON.stringify(body);
  headers["Content-Length"] = Buffer.byteLength(text);
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, path, method, headers }, (answer) => {
      answer.setEncoding("utf8");
      let said = "";
      answer.on("data", (chunk) => (said += chunk));
      answer.on("end", () => {
        if (answer.statusCode !== 200) return reject(new Error(`${answer.statusCode} ${said}`));
        resolve(/json/.test(answer.headers["content-type"]) ? JSON.parse(said) : said);
      });
    });
    sent.on("error", reject);
    sent.end(text);
  });
}

function join([name, token]) {
  const inside = JSON.parse(Buffer.from(token, "base64").toString());
  const socket = io(`${inside.secure ? "https://" : "http://"}${inside.host}`, { reconnection: false });
  clients.set(name, socket);
  for (const event of ["participant", "text", "stream", "progress", "drop"])
    socket.on(event, (data) => say({ client: name, event, data }));
  return new Promise((resolve, reject) => {
    socket.on("connect_error", () => reject(new Error(`${inside.host} cannot be reached`)));
    const agent = { sdk: { type: "JavaScript", version: "5.0" }, runtime: { name: "node", version: "x" } };
    socket.emit("login", { token, userAgent: agent, protocol: "1.2" }, (status, data) =>
      status === "ok" ? resolve(data) : reject(new Error(data)),
    );
  });
}

function emit([name, event, data]) {
  return new Promise((resolve, reject) => {
    clients.get(name).emit(event, data, (status, answer) =>
      status === "ok" ? resolve(answer ?? null) : reject(new Error(answer)),
    );
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...wanted } = JSON.parse(line);
  const work = wanted.rest ? rest(wanted.rest) : wanted.join ? join(wanted.join) : emit(wanted.emit);
  work.then(
    (answer) => say({ id, answer }),
    (error) => say({ id, error: String(error.message) }),
  );
}
for (const socket of clients.values()) socket.disconnect();
