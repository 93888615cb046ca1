/** Entering a conference by a token. */

import { Conference } from "./conference.js";
import { PalaverError } from "./errors.js";
import { type Deadlines, Portal } from "./portal.js";
import { openSocket, type PortalSocket } from "./socket.js";

export interface JoinOptions {
  deadlines?: Partial<Deadlines>;
  /** Where the server is, instead of where the token says: for a page that came from that server. */
  portal?: string;
  /** How to reach the portal; tests put a fake here. */
  openSocket?: (url: string) => PortalSocket;
  /** Makes the peer connection; tests put a fake here. */
  createPeer?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

const DEADLINES: Deadlines = { joinMs: 15_000, answerMs: 10_000, mediaMs: 20_000, returnMs: 120_000 };

/** Where a token says that its portal is. Throws `refused` for something that is not a token. */
export function portalOf(token: string): string {
  let host: unknown;
  let secure: unknown;
  let path: unknown;
  try {
    ({ host, secure, path } = JSON.parse(atob(token)));
  } catch (error) {
    throw new PalaverError("refused", "this is not a token", { cause: error });
  }
  if (typeof host !== "string") throw new PalaverError("refused", "this token names no server");
  if (host.includes("http")) return host;
  return `${secure === true ? "https" : "http"}://${host}${typeof path === "string" ? path : ""}`;
}

/** Enters the room that the token is for. A token works once, for three minutes. */
export async function join(token: string, options: JoinOptions = {}): Promise<Conference> {
  const socket = (options.openSocket ?? openSocket)(options.portal ?? portalOf(token));
  const portal = new Portal(socket, { ...DEADLINES, ...options.deadlines });
  const createPeer = options.createPeer ?? ((configuration) => new RTCPeerConnection(configuration));
  return new Conference(portal, await portal.login(token), createPeer);
}
