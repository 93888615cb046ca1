/** The seam to Socket.IO. */

import { io } from "socket.io-client";

/** What the portal needs of a Socket.IO socket; tests put a fake here. */
export interface PortalSocket {
  on(event: string, listener: (data: never) => void): void;
  /** Sends a request; `answer` is called at most once. `data` undefined: the request has no data argument. */
  emit(name: string, data: unknown, answer: (status: string, data: unknown) => void): void;
  connect(): void;
  disconnect(): void;
}

/** A socket of its own to the server at `url`, that connects again by itself, without end. */
export function openSocket(url: string): PortalSocket {
  const { origin, pathname } = new URL(url);
  const path = `${pathname.replace(/\/$/, "")}/socket.io`; // Socket.IO would take the path for a namespace
  const socket = io(origin, { path, forceNew: true, reconnectionDelay: 500, reconnectionDelayMax: 4000 });
  return {
    on: (event, listener) => void socket.on(event, listener as (data: unknown) => void),
    emit: (name, data, answer) =>
      void (data === undefined ? socket.emit(name, answer) : socket.emit(name, data, answer)),
    connect: () => void socket.connect(),
    disconnect: () => void socket.disconnect(),
  };
}
